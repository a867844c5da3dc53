"""The store: where records live, how they are written so that nothing is lost, and who may run a cell now.

`<root>/<grid>/cells/<2 hex>/<cell_id>/<environment_id>/<attempt>/record.json`, with `series.npz` and `log.txt` beside
it, and an append-only `index.jsonl` a grid that can always be rebuilt from the records. For a local disk:
the locks are `flock`, which network file systems do not all honour.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.entry import Entry, parse_entry
from harness.errors import StoreError
from harness.record import Record, read_record

RECORD: Final = "record.json"
SERIES: Final = "series.npz"
LOG: Final = "log.txt"


@dataclass(frozen=True)
class Attempt:
    """One attempt's folder; `number` counts from 1 within (cell, environment)."""

    folder: Path
    number: int


@dataclass
class CellLock:
    """The right to run one cell, held while any process holds `descriptor`: hand it to the child that runs."""

    descriptor: int

    def release(self) -> None:
        """Give up this process's share; a child that still holds its own keeps the cell locked."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class Store:
    """One grid's results."""

    def __init__(self, root: Path, grid: str) -> None:
        self.grid = grid
        self.folder = root / grid
        self._index = self.folder / "index.jsonl"

    def cell_folder(self, cell_id: str) -> Path:
        """Where a cell's attempts are, in every environment."""
        return self.folder / "cells" / cell_id[:2] / cell_id

    # Reading.

    def entries(self) -> list[Entry]:
        """Every record's entry, in the order in which they were indexed.

        A line torn by a crash is passed over here, and put right by :meth:`reconcile` or :meth:`reindex`.
        """
        try:
            text = self._index.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return list(self._scan()) if (self.folder / "cells").is_dir() else []
        except OSError as error:
            raise _store_error(self._index, "read", error) from error
        found: dict[str, Entry] = {}
        for line in text.splitlines():
            with contextlib.suppress(StoreError):
                entry = parse_entry(line)
                found.setdefault(entry.path, entry)
        return list(found.values())

    def reconcile(self, entries: Sequence[Entry], cell_ids: Sequence[str]) -> list[Entry]:
        """Add to `entries` the records of `cell_ids` that a crash kept out of the index, and index them.

        Costs one `stat` for each cell: give it the cells that look undone.
        """
        known = {entry.path for entry in entries}
        missed = [
            entry
            for cell_id in cell_ids
            if self.cell_folder(cell_id).is_dir()
            for entry in self.cell_entries(cell_id)
            if entry.path not in known
        ]
        if missed:
            self._append(missed)
        return [*entries, *missed]

    def cell_entries(self, cell_id: str) -> list[Entry]:
        """A cell's entries read from its records themselves, every environment, oldest attempt first."""
        return [
            read_record(folder / RECORD).entry(self._relative(folder))
            for folder in self._attempt_folders(self.cell_folder(cell_id))
            if (folder / RECORD).is_file()
        ]

    def record(self, entry: Entry) -> Record:
        """The record behind an entry."""
        return read_record(self.folder / entry.path / RECORD)

    def series_path(self, entry: Entry) -> Path:
        """The per-step arrays behind an entry; the file may be absent for attempts that left none."""
        return self.folder / entry.path / SERIES

    def unfinished(self, cell_id: str, environment_id: str) -> list[Attempt]:
        """Attempts that a killed harness left without a record."""
        return [
            Attempt(folder, int(folder.name))
            for folder in self._attempt_folders(self.cell_folder(cell_id))
            if folder.parent.name == environment_id and not (folder / RECORD).is_file()
        ]

    # Writing.

    def lock(self, cell_id: str) -> CellLock | None:
        """Take the right to run a cell; None while another harness, or a child of one, still has it."""
        path = self.cell_folder(cell_id) / "lock"
        with _explained(path, "lock"):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
        return CellLock(descriptor)

    def begin(self, cell_id: str, environment_id: str) -> Attempt:
        """Make the next attempt's folder; the caller holds the cell's lock."""
        parent = self.cell_folder(cell_id) / environment_id
        with _explained(parent, "write to"):
            parent.mkdir(parents=True, exist_ok=True)
            numbers = [int(child.name) for child in parent.iterdir() if child.name.isdigit()]
            attempt = Attempt(parent / f"{max(numbers, default=0) + 1:03d}", max(numbers, default=0) + 1)
            attempt.folder.mkdir()
        return attempt

    def write(self, record: Record, attempt: Attempt) -> Entry:
        """Make a record durable, then index it. After this returns the record survives a power cut.

        Raises
        ------
        StoreError
            Where the disk is full or not writable; nothing half-written is left under the record's name.
        """
        path = attempt.folder / RECORD
        with _explained(path, "write"):
            write_durably(path, record.to_json())
        entry = record.entry(self._relative(attempt.folder))
        self._append([entry])
        return entry

    def reindex(self) -> int:
        """Rebuild the index from the records; returns how many there are."""
        with self._index_lock():
            entries = sorted(self._scan(), key=lambda entry: (entry.started, entry.path))
            with _explained(self._index, "write"):
                write_durably(self._index, "".join(entry.to_line() for entry in entries))
        return len(entries)

    def _append(self, entries: Sequence[Entry]) -> None:
        with self._index_lock(), _explained(self._index, "append to"), self._index.open("ab+") as file:
            if file.tell() and not _ends_with_newline(file.fileno()):
                file.write(b"\n")  # a torn line stays alone on its line
            file.write("".join(entry.to_line() for entry in entries).encode())
            file.flush()
            os.fsync(file.fileno())

    @contextlib.contextmanager
    def _index_lock(self) -> Iterator[None]:
        path = self.folder / "index.lock"
        with _explained(path, "lock"):
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            os.close(descriptor)

    def _scan(self) -> Iterator[Entry]:
        """Every record in the folders, in the folders' order."""
        for cell in sorted((self.folder / "cells").glob("??/*")):
            yield from self.cell_entries(cell.name)

    def _attempt_folders(self, cell: Path) -> list[Path]:
        return sorted(folder for folder in cell.glob("*/*") if folder.name.isdigit() and folder.is_dir())

    def _relative(self, folder: Path) -> str:
        return folder.relative_to(self.folder).as_posix()


def write_durably(path: Path, text: str) -> None:
    """Write beside the place, flush to the disk, rename into place, flush the folder: all or nothing."""
    scratch = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with scratch.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def store_grids(root: Path) -> list[str]:
    """Names of the grids that have results under `root`."""
    if not root.is_dir():
        return []
    return sorted(path.parent.name for path in root.glob("*/cells"))


@contextlib.contextmanager
def _explained(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _store_error(path, what, error) from error


def _store_error(path: Path, what: str, error: OSError) -> StoreError:
    advice = {
        errno.ENOSPC: "free some disk space and run the same command again: finished cells are kept",
        errno.EDQUOT: "the disk quota is used up; free some space and run the same command again",
        errno.EROFS: "the file system is read-only; choose another place with --results",
        errno.EACCES: "choose another place with --results, or change its permissions",
    }.get(error.errno or 0, "finished cells are kept")
    return StoreError(f"{path}: cannot {what} it: {error.strerror or error}; {advice}")


def _ends_with_newline(descriptor: int) -> bool:
    return os.pread(descriptor, 1, os.fstat(descriptor).st_size - 1) == b"\n"
