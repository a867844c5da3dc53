"""The index of a grid: a line for each record, appended under a lock; it can be rebuilt from the records."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from harness.disk import explained, take_lock, write_durably
from harness.errors import StoreError
from harness.record.entry import Entry, parse_entry

FILE = "index.jsonl"


class Index:
    """The lines of a grid's records."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def read(self) -> list[Entry] | None:
        """An entry for each record, in the order in which they were indexed; None where there is no index.

        A line torn by a crash is passed over. Of two lines for one record the later counts; one that is not as it was
        written counts only where there is no other.
        """
        lines = self._lines()
        if lines is None:
            return None
        found: dict[str, Entry] = {}
        for line in lines:
            entry = self._parsed(line)
            if entry is not None and (entry.readable or entry.path not in found):
                found[entry.path] = entry
        return list(found.values())

    def torn(self) -> list[int]:
        """The numbers of the lines that are no entries, from 1."""
        return [number for number, line in enumerate(self._lines() or (), 1) if line and self._parsed(line) is None]

    def append(self, entries: Iterable[Entry]) -> None:
        """Add lines durably; the caller holds the lock."""
        with explained(self.path, "append to"), self.path.open("ab+") as file:
            if file.tell() and not _ends_with_newline(file.fileno()):
                file.write(b"\n")  # a torn line stays alone on its line
            file.write("".join(entry.to_line() for entry in entries).encode())
            file.flush()
            os.fsync(file.fileno())

    def write(self, entries: Iterable[Entry]) -> None:
        """Write the whole index anew; the caller holds the lock."""
        self._write(entry.to_line() for entry in entries)

    def change(self, changes: Mapping[str, Entry | None]) -> None:
        """Replace the lines of these paths, or drop them where there is None; every other line stays as it is."""
        with self.lock():
            kept: dict[str, str] = {}
            for number, line in enumerate(self._lines() or ()):
                entry = self._parsed(line)
                if entry is None or entry.path not in changes:
                    kept[str(number)] = line + "\n"
                elif (new := changes[entry.path]) is not None:
                    kept[entry.path] = new.to_line()
            self._write(kept.values())

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the right to write it."""
        path = self.path.with_name("index.lock")
        with explained(path, "lock"):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = take_lock(path, wait=True)
        assert lock is not None
        try:
            yield
        finally:
            lock.release()

    def _write(self, lines: Iterable[str]) -> None:
        with explained(self.path, "write"):
            for stale in self.path.parent.glob(f"{self.path.name}.*.tmp"):
                stale.unlink(missing_ok=True)
            write_durably(self.path, "".join(lines))

    def _lines(self) -> list[str] | None:
        with explained(self.path, "read"):
            try:
                return self.path.read_text(encoding="utf-8", errors="replace").splitlines()
            except FileNotFoundError:
                return None

    def _parsed(self, line: str) -> Entry | None:
        try:
            return parse_entry(line, str(self.path))
        except (StoreError, RecursionError):
            return None


def _ends_with_newline(descriptor: int) -> bool:
    return os.pread(descriptor, 1, os.fstat(descriptor).st_size - 1) == b"\n"


def in_order(found: Iterable[tuple[Entry, Entry]]) -> list[tuple[Entry, Entry]]:
    """The order of an index that is made anew: by time, but each cell's attempts in an environment by their number."""
    reached: dict[str, str] = {}
    keyed = []
    for number, (said, entry) in enumerate(found):
        place = said.path.rpartition("/")[0]
        reached[place] = max(said.started, reached.get(place, ""))
        keyed.append((reached[place], place, number, (said, entry)))
    return [pair for *_, pair in sorted(keyed, key=lambda one: one[:3])]
