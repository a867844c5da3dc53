"""The store: where records live, how they are written so that nothing is lost, and who may run a cell now.

`<root>/<grid>/cells/<2 hex>/<cell_id>/<environment_id>/<attempt>/record.json`, with `series.npz` and `log.txt` beside
it, and an append-only `index.jsonl` a grid that can always be rebuilt from the records. For a local disk:
the locks are `flock`, which network file systems do not all honour.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from harness.disk import CellLock, explained, flush_folder, take_lock, write_durably
from harness.errors import SpecError, StoreError
from harness.protocol import LOG as LOG
from harness.record.attempts import Entry, parse_entry
from harness.record.model import RECORD, SERIES, NewerRecord, Record, read_record
from harness.text import listed, show

if TYPE_CHECKING:
    import numpy.typing as npt

SHORTEST_ID: Final = 4
"""Characters that the beginning of a cell's id must have to name a run."""


@dataclass(frozen=True)
class Attempt:
    """One attempt's folder; `number` counts from 1 within (cell, environment)."""

    folder: Path
    number: int


class Store:
    """One grid's results.

    Attributes
    ----------
    unreadable
        Damaged records met so far, by the path of their attempt, and what is wrong with each. They count for
        nothing, so their cells run again, and they hinder no other record; whoever has a user to tell says so.
    """

    def __init__(self, root: Path, grid: str) -> None:
        self.grid = grid
        self.folder = root / grid
        self.unreadable: dict[str, str] = {}
        self._index = self.folder / "index.jsonl"
        self._indexed: set[str] | None = None  # paths of the entries that the index is known to have

    def cell_folder(self, cell_id: str) -> Path:
        """Where a cell's attempts are, in every environment."""
        return self.folder / "cells" / cell_id[:2] / cell_id

    # Reading.

    def entries(self) -> list[Entry]:
        """Every record's entry, in the order in which they were indexed.

        A line torn by a crash is passed over here, and put right by :meth:`reconcile` or :meth:`reindex`.
        """
        self._indexed = set()
        with explained(self._index, "read"):
            try:
                text = self._index.read_text(encoding="utf-8", errors="replace")
            except FileNotFoundError:
                return sorted(self._scan(), key=_age)
        found: dict[str, Entry] = {}
        for line in text.splitlines():
            with contextlib.suppress(StoreError, RecursionError):
                entry = parse_entry(line)
                found.setdefault(entry.path, entry)
        self._indexed.update(found)
        return list(found.values())

    def reconcile(self, entries: Sequence[Entry], cell_ids: Sequence[str]) -> list[Entry]:
        """Add to `entries` the records of `cell_ids` that a crash kept out of the index, and index them.

        Costs at most 256 listings of folders: give it the cells that look undone. A store that can only be read
        is read.
        """
        known = {entry.path for entry in entries}
        missed = [
            entry
            for cell_id in self._with_folder(cell_ids)
            for entry in self.cell_entries(cell_id)
            if entry.path not in known
        ]
        if missed:
            with contextlib.suppress(StoreError):
                self._append(missed)
        return [*entries, *missed]

    def adopt(self, cell_id: str) -> list[Entry]:
        """Read a cell's entries from its records and index those that a crash kept out; the caller holds its lock.

        A record that another harness has just indexed may be indexed twice: the first line counts.
        """
        if self._indexed is None:
            self.entries()
        entries = self.cell_entries(cell_id)
        missed = [entry for entry in entries if entry.path not in (self._indexed or ())]
        if missed:
            self._append(missed)
        return entries

    def cell_entries(self, cell_id: str) -> list[Entry]:
        """A cell's entries read from its records themselves, environment by environment, oldest attempt first.

        A damaged record is left out and noted in `unreadable`.

        Raises
        ------
        NewerRecord
            Where a newer harness wrote one.
        """
        found = []
        for folder in self._attempt_folders(self.cell_folder(cell_id)):
            path = folder / RECORD
            if not path.is_file():
                continue
            try:
                found.append(read_record(path).entry(self._relative(folder)))
            except NewerRecord:
                raise
            except (StoreError, RecursionError) as error:
                self.unreadable[self._relative(folder)] = str(error)
        return found

    def record(self, entry: Entry) -> Record:
        """The record behind an entry; the error for a damaged or missing one says how to go on without it."""
        try:
            return read_record(self.folder / entry.path / RECORD)
        except NewerRecord:
            raise
        except StoreError as error:
            raise StoreError(
                f"{error}; `harness store reindex {self.grid}` leaves this record out, and its cell runs again"
            ) from error

    def series(self, entry: Entry, names: Collection[str] | None = None) -> dict[str, npt.NDArray[Any]]:
        """The arrays behind an entry, all or those named, as far as they are there and can be read."""
        from harness.record.run import read_series  # numpy is slow to import, and an index needs none

        return read_series(self.series_path(entry), names)

    def series_path(self, entry: Entry) -> Path:
        """The per-step arrays behind an entry; the file may be absent for attempts that left none."""
        return self.folder / entry.path / SERIES

    def unfinished(self, cell_id: str) -> list[Attempt]:
        """Attempts, in every environment, that a killed harness left without a record; the caller holds the lock."""
        return [
            Attempt(folder, int(folder.name))
            for folder in self._attempt_folders(self.cell_folder(cell_id))
            if not (folder / RECORD).is_file()
        ]

    # Writing.

    def lock(self, cell_id: str) -> CellLock | None:
        """Take the right to run a cell; None while another harness, or a child of one, still has it."""
        path = self.cell_folder(cell_id) / "lock"
        with explained(path, "lock"):
            path.parent.mkdir(parents=True, exist_ok=True)
            return take_lock(path, wait=False)

    def begin(self, cell_id: str, environment_id: str) -> Attempt:
        """Make the next attempt's folder; the caller holds the cell's lock."""
        parent = self.cell_folder(cell_id) / environment_id
        with explained(parent, "write to"):
            parent.mkdir(parents=True, exist_ok=True)
            number = 1 + max((int(child.name) for child in parent.iterdir() if child.name.isdecimal()), default=0)
            attempt = Attempt(parent / f"{number:03d}", number)
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
        with explained(path, "write"):
            write_durably(path, record.to_json())
            # A new folder survives a power cut only once the folder that names it is on the disk too.
            for folder in attempt.folder.parents:
                flush_folder(folder)
                if folder == self.folder.parent:
                    break
        entry = record.entry(self._relative(attempt.folder))
        self._append([entry])
        return entry

    def reindex(self) -> int:
        """Rebuild the index from the records; returns how many there are. `unreadable` then has those left out."""
        self.unreadable.clear()
        with self._index_lock():
            return self._rebuild()

    def _rebuild(self) -> int:
        """Write the whole index anew; the caller holds its lock."""
        entries = sorted(self._scan(), key=_age)
        with explained(self._index, "write"):
            for stale in self.folder.glob(f"{self._index.name}.*.tmp"):
                stale.unlink(missing_ok=True)
            write_durably(self._index, "".join(entry.to_line() for entry in entries))
        self._indexed = {entry.path for entry in entries}
        return len(entries)

    def _append(self, entries: Sequence[Entry]) -> None:
        with self._index_lock():
            if not self._index.exists():
                # The first record of all, or a deleted index: an index of only the new would hide the old.
                self._rebuild()
                return
            with explained(self._index, "append to"), self._index.open("ab+") as file:
                if file.tell() and not _ends_with_newline(file.fileno()):
                    file.write(b"\n")  # a torn line stays alone on its line
                file.write("".join(entry.to_line() for entry in entries).encode())
                file.flush()
                os.fsync(file.fileno())
        if self._indexed is not None:
            self._indexed.update(entry.path for entry in entries)

    @contextlib.contextmanager
    def _index_lock(self) -> Iterator[None]:
        path = self.folder / "index.lock"
        with explained(path, "lock"):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = take_lock(path, wait=True)
        assert lock is not None
        try:
            yield
        finally:
            lock.release()

    def _scan(self) -> Iterator[Entry]:
        """Every record in the folders, in the folders' order."""
        for cell in sorted((self.folder / "cells").glob("??/*")):
            yield from self.cell_entries(cell.name)

    def _with_folder(self, cell_ids: Sequence[str]) -> Iterator[str]:
        """Those cells that have a folder: one listing for all cells that share their first two characters."""
        listed: dict[str, set[str]] = {}
        for cell_id in cell_ids:
            shelf = cell_id[:2]
            if shelf not in listed:
                folder = self.cell_folder(cell_id).parent
                listed[shelf] = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
            if cell_id in listed[shelf]:
                yield cell_id

    def _attempt_folders(self, cell: Path) -> list[Path]:
        found = (folder for folder in cell.glob("*/*") if folder.name.isdecimal() and folder.is_dir())
        return sorted(found, key=lambda folder: (folder.parent.name, int(folder.name)))

    def _relative(self, folder: Path) -> str:
        return folder.relative_to(self.folder).as_posix()


def store_grids(root: Path) -> list[str]:
    """Names of the grids that have results under `root`."""
    if not root.is_dir():
        return []
    return sorted(path.parent.name for path in root.glob("*/cells"))


def _age(entry: Entry) -> tuple[str, str]:
    """The order of an index that is made anew."""
    return entry.started, entry.path


def _ends_with_newline(descriptor: int) -> bool:
    return os.pread(descriptor, 1, os.fstat(descriptor).st_size - 1) == b"\n"


def find_run(name: str, results: Path) -> Path:
    """The folder of the run that a user means by a folder, a record, or the beginning of a cell's id.

    Raises
    ------
    SpecError
        Where there is none, or several begin so.
    """
    path = Path(name)
    if path.name == RECORD and path.is_file():
        return path.parent
    if (path / RECORD).is_file():
        return path
    if len(name) < SHORTEST_ID or not name.isalnum():
        allowed = f"the folder of a run, its {RECORD}, or {SHORTEST_ID} or more letters of a cell id in {results}"
        raise SpecError(f"{show(name)}: no such run; allowed {allowed}")
    found = [
        store.folder / entry.path
        for store in (Store(results, grid) for grid in store_grids(results))
        for entry in store.entries()
        if entry.cell_id.startswith(name)
    ]
    if not found:
        raise SpecError(f"{show(name)}: no run of such a cell in {results}; allowed a cell id as in its records")
    if len(found) > 1:
        shown = listed([str(folder) for folder in found], 12)
        raise SpecError(f"{show(name)}: {len(found)} runs begin so; allowed one of their folders: {shown}")
    return found[0]
