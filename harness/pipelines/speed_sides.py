"""The sides of `harness compare`: `PATH[:AXIS=VALUE,...]`, a grid's results or a speed baseline, read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from harness.checks.speed.baseline import (
    MAX_BYTES,
    WANTED,
    SpeedBaseline,
    parse_speed_baseline,
    processes_of_baseline,
    speed_baseline,
    speed_baseline_text,
)
from harness.checks.speed.sides import SpeedSide, names_of, side_of_records
from harness.disk import explained, write_durably
from harness.errors import SpecError
from harness.grid.select import named_part
from harness.pipelines.named.places import store_named
from harness.record.folders import RESULTS, to_type
from harness.record.meant import labels_in
from harness.record.store import Store, store_grids
from harness.text import listed, show
from harness.validation import name_of, read_bytes

SUFFIX: Final = ".json"
HOW: Final = "time a grid that has a [throughput] table"


@dataclass(frozen=True)
class SideName:
    """What the command line says of a side: a folder or file, and the values wanted of some axes."""

    text: str
    path: Path
    wanted: Mapping[str, str]

    @property
    def is_file(self) -> bool:
        """Whether it is a speed baseline."""
        return self.path.suffix == SUFFIX and not self.path.is_dir()

    @property
    def store(self) -> Store:
        """The results that it names."""
        folder = self.path.absolute()
        return Store(folder.parent, folder.name)

    def same_as(self, other: SideName) -> bool:
        """Whether both name the same processes."""
        return self.path.absolute() == other.path.absolute() and self.wanted == other.wanted


def side_name(text: str, results: Path = RESULTS) -> SideName:
    """Read `NAME[:AXIS=VALUE[,AXIS=VALUE]]`: a speed baseline's file, or a grid by its file, its name or its results.

    Raises
    ------
    SpecError
        For a selector that is none, or that names an axis twice; for a name of nothing.
    """
    name, wanted = named_part(text)
    path = Path(name)
    if path.is_dir() or path.suffix == SUFFIX:
        return SideName(text, path, wanted)
    return SideName(text, store_named(name, results).folder, wanted)


def open_side(name: SideName) -> SpeedSide:
    """Read a side's timing processes, all sessions of them.

    Raises
    ------
    SpecError
        For a place without any timing record, a bad file, or a selector that nothing has.
    """
    side = _from_file(name) if name.is_file else _from_store(name)
    return side.narrowed(name.wanted)


def save_side(name: SideName, path: Path, *, harness: str, date: str) -> tuple[SpeedBaseline, dict[str, str]]:
    """Write a side's sessions to a file, with the sessions that it has already.

    Return what it holds, and what people call its configurations, by label.

    Raises
    ------
    HarnessError
        SpecError as `open_side`, or for another file name; StoreError where it cannot be written.
    """
    if path.suffix != SUFFIX:
        raise SpecError(f"--save: got {show(str(path))}; allowed a file name that ends in {SUFFIX}")
    side = open_side(name)
    if not side.processes:
        raise SpecError(f"{name.text}: none of its timings ended well; allowed results with at least one that did")
    before = processes_of_baseline(_read(path)) if path.exists() else []
    # What the side says of a process stands: it is the record itself.
    every = [*before, *side.processes]
    kept = speed_baseline(every, harness=harness, date=date)
    with explained(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, speed_baseline_text(kept))
    return kept, names_of(replace(side, processes=tuple(every)))


def _read(path: Path) -> SpeedBaseline:
    return parse_speed_baseline(read_bytes(path, WANTED, MAX_BYTES), name_of(path))


def _from_file(name: SideName) -> SpeedSide:
    return SpeedSide(name.text, tuple(processes_of_baseline(_read(name.path))))


def _from_store(name: SideName) -> SpeedSide:
    if not name.path.is_dir():
        raise SpecError(f"{name.path}: no such folder; allowed a grid's results, such as results/GRID, or {WANTED}")
    store = name.store
    # An entry does not say that it is a timing cell's, but only such and failed ones have no score.
    entries = store.entries()
    records = [store.record(entry) for entry in entries if not entry.metrics and entry.readable]
    timed = [record for record in records if record.asked.timing]
    scored = {entry.configuration_id for entry in entries if entry.metrics}
    damaged = [e.message for e in entries if not e.readable and e.configuration_id not in scored]
    side = replace(side_of_records(name.text, timed), unreadable=tuple(damaged), label=labels_in(store.folder))
    if not side.processes:
        grids = [grid for grid in store_grids(name.path) if grid]
        inside = f"; the grids in it are {listed(str(name.path / grid) for grid in grids)}" if grids else ""
        failed = f" ({len(timed)} timing cells without a rate: {timed[-1].status})" if timed else ""
        failed += f" (unreadable: {listed(damaged, 1)})" if damaged else ""
        hint = to_type("run", store.grid, "--select", "timed=true", results=store.folder.parent)
        raise SpecError(
            f"{name.path}: no record of a timed cell{failed}; allowed a grid's timed results: {HOW}: {hint}{inside}"
        )
    return side
