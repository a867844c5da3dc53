"""The store: where records live, how they are written so that nothing is lost, and who may run a cell now.

`<root>/<grid>/cells/<2 hex>/<cell_id>/<environment_id>/<attempt>/record.json`, with `series.npz` and `log.txt` beside
it, and an append-only `index.jsonl` a grid that can always be rebuilt from the records. For a local disk:
the locks are `flock`, which network file systems do not all honour.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from harness.disk import CellLock, explained, flush_folder, is_locked, take_lock, write_durably
from harness.errors import StoreError
from harness.protocol import LOG as LOG
from harness.record.entry import MOST_BYTES, Entry, Stamp, digest, seen
from harness.record.folders import Folders
from harness.record.folders import store_grids as store_grids
from harness.record.index import Index, in_order
from harness.record.integrity import examine, record_problem
from harness.record.model import RECORD, SERIES, NewerRecord, Record, read_record
from harness.record.provenance import ago

if TYPE_CHECKING:
    import numpy.typing as npt

CLOCKS_APART: Final = timedelta(minutes=5)
RUNNING: Final = "run.lock"


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
        Records met so far that are not what was written, by the path of their attempt, and what is wrong with each.
        They count for nothing, so their cells run again, and they hinder no other record; whoever has a user to tell
        says so.
    """

    def __init__(self, root: Path, grid: str) -> None:
        self.grid = grid
        self.folder = root / grid
        self.unreadable: dict[str, str] = {}
        self.index, self.folders = Index(self.folder), Folders(self.folder)
        self._lines: dict[str, Entry] | None = None  # what the index is known to have, by path
        self._named: set[Path] = set()  # folders whose names the disk is known to keep
        self._together: list[Entry] | None = None  # lines that wait for others

    def cell_folder(self, cell_id: str) -> Path:
        """Where a cell's attempts are, in every environment."""
        return self.folders.cell(cell_id)

    # Reading.

    def entries(self) -> list[Entry]:
        """Every record's entry, in the order in which they were indexed.

        A record that has the size and time of its line is what its line says. Any other is read again; what is no more
        what was written is an entry without scores, whose status is "unreadable". A line torn by a crash is passed
        over here, and put right by :meth:`reconcile` or :meth:`reindex`.
        """
        self._settle()
        lines = self.index.read()
        if lines is None:
            self._lines = {}
            return [entry for _, entry in in_order(self._scan())]
        self._lines = {entry.path: entry for entry in lines}
        root, latest, found, renewed = str(self.folder), last_instant(), [], {}
        for line in lines:
            # Most of them, and so first.
            if _still(line, f"{root}/{line.path}", latest):
                found.append(line)
                continue
            said, entry = self._examined(line.path, line, latest)
            found.append(entry)
            if said.stamp is not None and said is not line:
                renewed[line.path] = said
        if renewed:
            with contextlib.suppress(StoreError):
                self.index.change(renewed)
        return found

    def reconcile(self, entries: Sequence[Entry], cell_ids: Sequence[str]) -> list[Entry]:
        """Add to `entries` the records of `cell_ids` that a crash kept out of the index, and index them.

        Costs at most 256 listings of folders: give it the cells that look undone. A store that can only be read
        is read.
        """
        known = {entry.path for entry in entries}
        missed = [
            (said, entry)
            for cell_id in self.folders.present(cell_ids)
            for said, entry in self._of_cell(cell_id)
            if entry.path not in known
        ]
        if missed:
            with contextlib.suppress(StoreError):
                self._append([said for said, _ in missed])
        return [*entries, *(entry for _, entry in missed)]

    def adopt(self, cell_id: str) -> list[Entry]:
        """Read a cell's entries from its records and index those that a crash kept out; the caller holds its lock.

        A record that another harness has just indexed may be indexed twice: the lines are the same.
        """
        lines = self._known()
        found = list(self._of_cell(cell_id))
        missed = [said for said, _ in found if said.path not in lines]
        if missed:
            self._append(missed)
        return [entry for _, entry in found]

    def cell_entries(self, cell_id: str) -> list[Entry]:
        """A cell's entries, each held against its record, environment by environment, oldest attempt first.

        Every damaged record is noted in `unreadable`.

        Raises
        ------
        NewerRecord
            Where a newer harness wrote one.
        """
        return [entry for _, entry in self._of_cell(cell_id)]

    def record(self, entry: Entry) -> Record:
        """The record behind an entry; the error for a damaged or missing one says how to go on without it."""
        if not entry.readable:
            raise StoreError(f"{entry.message}; its cell runs again")
        where = self.folder / entry.path / RECORD
        try:
            record = read_record(where)
            problem = record_problem(record, where.parent)
            if problem is not None:
                raise StoreError(f"{where}: {problem}")
        except NewerRecord:
            raise
        except StoreError as error:
            raise StoreError(
                f"{error}; `harness store reindex {self.grid}` reads all of them anew, and its cell runs again"
            ) from error
        return record

    def series(self, entry: Entry, names: Collection[str] | None = None) -> dict[str, npt.NDArray[Any]]:
        """The arrays behind an entry, all or those named, as far as they are there and can be read.

        Raises
        ------
        StoreError
            Where they are not those that the record was written with.
        """
        from harness.record.series import arrays_of  # numpy is slow to import, and an index needs none

        path = self.series_path(entry)
        if not entry.readable or not path.is_file() or path.stat().st_size > MOST_BYTES:
            return {}
        with explained(path, "read"):
            content = path.read_bytes()
        known = entry.stamp.series.sha256 if entry.stamp is not None and entry.stamp.series is not None else ""
        if known and known != digest(content):
            raise StoreError(f"{path}: not the file that its record was written with (another sha256)")
        return arrays_of(content, names)

    def series_path(self, entry: Entry) -> Path:
        """The per-step arrays behind an entry; the file may be absent for attempts that left none."""
        return self.folder / entry.path / SERIES

    def unfinished(self, cell_id: str) -> list[Attempt]:
        """Attempts, in every environment, that a killed harness left without a record; the caller holds the lock.

        One whose record is gone is none of them: the index knows that there was one.
        """
        lines = self._known()
        return [
            Attempt(folder, int(folder.name))
            for folder in self.folders.of_cell(cell_id)
            if not (folder / RECORD).is_file() and self.folders.path(folder) not in lines
        ]

    # Who is at work.

    @contextlib.contextmanager
    def under_way(self) -> Iterator[None]:
        """Say to :meth:`is_running`, for as long as it is open, that a run goes on here; several may."""
        path = self.folder / RUNNING
        with explained(path, "lock"):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = take_lock(path, wait=True, shared=True)
        assert lock is not None
        try:
            yield
        finally:
            lock.release()

    def is_running(self) -> bool:
        """Whether a harness, here or in another process, has a run under way."""
        try:
            return is_locked(self.folder / RUNNING)
        except OSError:
            return False

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
        lines = self._known()
        with explained(parent, "write to"):
            parent.mkdir(parents=True, exist_ok=True)
            number = 1 + max((int(child.name) for child in parent.iterdir() if child.name.isdecimal()), default=0)
            while self.folders.path(parent / f"{number:03d}") in lines:
                number += 1  # the folder is gone, and its number stays its own
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
        path, text = attempt.folder / RECORD, record.to_json()
        with explained(path, "write"):
            write_durably(path, text)
            # A new folder survives a power cut only once the folder that names it is on the disk too.
            for name, folder in itertools.pairwise([attempt.folder, *attempt.folder.parents]):
                if name in self._named:
                    break
                flush_folder(folder)
                if folder == self.folder.parent:
                    break
            # Those three are never removed, and need be flushed once.
            self._named |= {self.folder, *attempt.folder.parents[2:4]}
        written, series = seen(path, digest(text.encode())), seen(attempt.folder / SERIES, record.series_sha256 or "")
        stamp = None if written is None else Stamp(written, series)
        entry = record.entry(self.folders.path(attempt.folder), stamp)
        if self._together is None:
            self._append([entry])
        else:
            self._together.append(entry)
            if self._lines is not None:
                self._lines[entry.path] = entry
        return entry

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Index what is written meanwhile at the end, in one go: its records are durable before.

        What a crash keeps out of the index is found by :meth:`reconcile` and :meth:`adopt`.
        """
        self._together = []
        try:
            yield
        finally:
            self._settle()
            self._together = None

    def _settle(self) -> None:
        if self._together:
            waiting, self._together = self._together, []
            self._append(waiting)

    def reindex(self) -> int:
        """Rebuild the index from the records; returns how many there are. `unreadable` then has those left out.

        What the index knew of a record it goes on to know: an edited record is no more believed than before.
        """
        self.unreadable.clear()
        with self.index.lock():
            return self._rebuild()

    def _rebuild(self) -> int:
        """Write the whole index anew; the caller holds its lock."""
        self._lines = {entry.path: entry for entry in self.index.read() or () if entry.readable}
        # What is wrong with a file that kept its size and time is found by reading it: its line must not fit it again.
        found = [said if entry.readable else said.doubted() for said, entry in in_order(self._scan())]
        self.index.write(found)
        self._lines = {entry.path: entry for entry in found}
        return sum(entry.path not in self.unreadable for entry in found)

    def _append(self, entries: Sequence[Entry]) -> None:
        with self.index.lock():
            if not self.index.path.exists():
                # The first record of all, or a deleted index: an index of only the new would hide the old.
                self._rebuild()
                return
            self.index.append(entries)
        if self._lines is not None:
            self._lines.update({entry.path: entry for entry in entries})

    def _known(self) -> Mapping[str, Entry]:
        """What the index is known to have, by path."""
        if self._lines is None:
            self._lines = {entry.path: entry for entry in (*(self.index.read() or ()), *(self._together or ()))}
        return self._lines

    def _scan(self) -> Iterator[tuple[Entry, Entry]]:
        """Every record in the folders, in the folders' order: each is read, whatever the index knows of it."""
        latest = last_instant()
        for folder in self.folders.every():
            yield from self._at(folder, latest, trusted=False)

    def _of_cell(self, cell_id: str) -> Iterator[tuple[Entry, Entry]]:
        latest = last_instant()
        for folder in self.folders.of_cell(cell_id):
            yield from self._at(folder, latest)

    def _at(self, folder: Path, latest: str, trusted: bool = True) -> Iterator[tuple[Entry, Entry]]:
        """What the index has or should have of an attempt, and what it is worth; nothing where there is no record."""
        path = self.folders.path(folder)
        line = self._known().get(path)
        if not (folder / RECORD).exists() and (line is None or not trusted):
            return
        if trusted and line is not None and _still(line, str(folder), latest):
            yield line, line
            return
        yield self._examined(path, line, latest)

    def _examined(self, path: str, line: Entry | None, latest: str) -> tuple[Entry, Entry]:
        """An attempt's line as it should be, and its entry; what is wrong is noted."""
        if line is not None and not line.readable:
            self.unreadable[path] = line.message
            return line, line
        found = examine(self.folder, path, line, latest)
        if found.problem is not None:
            self.unreadable[path] = found.problem
        return found.entry, found.shown


def _still(line: Entry, folder: str, latest: str) -> bool:
    return line.stamp is not None and line.started <= latest and line.stamp.fits(folder)


def last_instant() -> str:
    """The last instant at which a record may have begun, for clocks that differ a little."""
    return ago(-CLOCKS_APART)
