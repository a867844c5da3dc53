"""A plan: for every cell of a grid, whether it is done, to do, skipped (and why) or blocked, and how long it takes."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.cell import Cell
from harness.entry import Entry
from harness.execution.environment import Environment
from harness.execution.material import Materials
from harness.execution.require import device_count, skip_reason
from harness.record import FINAL

State = Literal["to do", "done", "skip", "blocked"]


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """One cell's place in the plan; `reason` says why a cell is skipped or blocked.

    `entry` is the final record of a done cell, or of one that runs again because it had errored.
    """

    cell: Cell
    state: State
    reason: str | None = None
    entry: Entry | None = None
    expected_s: float | None = None


@dataclass(frozen=True)
class Plan:
    """The cells of a grid, in the order in which they will run, and the environments they run in by label.

    `slots` counts ranks: a cell on k devices takes k of them.
    """

    cells: Sequence[PlannedCell]
    environments: Mapping[str, Environment]
    materials: Mapping[str, Materials]
    slots: int

    def of(self, state: State) -> list[PlannedCell]:
        """The cells in one state."""
        return [planned for planned in self.cells if planned.state == state]

    @property
    def expected_s(self) -> float | None:
        """Expected wall-clock seconds of what is to do; None where nothing like it has run.

        Timing cells run one after the other, the others share the slots.
        """
        timed = [planned for planned in self.of("to do") if planned.cell.timed]
        shared = [planned for planned in self.of("to do") if not planned.cell.timed]
        parts = [self._in_turn(timed), self._side_by_side(shared)]
        known = [seconds for seconds in parts if seconds is not None]
        return sum(known) if known and len(known) == len(parts) else None

    @staticmethod
    def _in_turn(cells: Sequence[PlannedCell]) -> float | None:
        known = [planned.expected_s for planned in cells if planned.expected_s is not None]
        return (sum(known) / len(known) * len(cells) if known else None) if cells else 0.0

    def _side_by_side(self, cells: Sequence[PlannedCell]) -> float | None:
        expected = [planned.expected_s for planned in cells]
        if not expected:
            return 0.0
        known = [seconds for seconds in expected if seconds is not None]
        if not known:
            return None
        # Cells without history count like the average of those with it; a cell fills a slot for each of its ranks.
        usual = sum(known) / len(known)
        ranks = [min(planned.cell.devices, self.slots) for planned in cells]
        total = sum(count * (usual if s is None else s) for count, s in zip(ranks, expected, strict=True))
        return max(total / min(self.slots, sum(ranks)), max(known))

    def fits(self, devices: int, taken: int) -> bool:
        """Whether a cell on so many devices may start while so many slots are taken; alone any cell may."""
        return taken == 0 or taken + devices <= self.slots


def make_plan(
    cells: Sequence[Cell],
    entries: Sequence[Entry],
    environments: Mapping[str, Environment],
    materials: Mapping[str, Materials],
    slots: int | None = None,
    again: Collection[str] = (),
    time_again: bool = False,
) -> Plan:
    """Sort cells into states. Pure but for `materials`, which must already have been asked to find theirs.

    A cell is done when a final record has its cell, environment and content ids, unless that record's status
    is in `again` (errored cells that the user wants run again), or it is a timing cell and `time_again` holds.
    """
    finals = {(e.cell_id, e.environment_id, e.content_id): e for e in entries if e.status in FINAL}
    history = _History(entries)
    # What cells share is asked for once: a grid may have 100,000 of them.
    contents: dict[tuple[str, str, str | None], str | None] = {}
    skips: dict[tuple[str, int, str], str | None] = {}
    planned = []
    for cell in cells:
        environment = environments[cell.environment]
        ability = (cell.environment, cell.devices, cell.precision)
        if ability not in skips:
            skips[ability] = skip_reason(cell, environment)
        reason = skips[ability]
        if reason is not None:
            planned.append(PlannedCell(cell, "skip", reason=reason))
            continue
        found = materials[cell.environment]
        key = (cell.environment, cell.checkpoint.source, cell.checkpoint.revision)
        if key not in contents:
            contents[key] = None if found.problem(cell) else found.content_id(cell)
        content_id = contents[key]
        if content_id is None:
            planned.append(PlannedCell(cell, "blocked", reason=found.problem(cell)))
            continue
        entry = finals.get((cell.cell_id, environment.environment_id, content_id))
        if entry is not None and entry.status not in again and not (cell.timed and time_again):
            planned.append(PlannedCell(cell, "done", entry=entry))
        else:
            planned.append(PlannedCell(cell, "to do", entry=entry, expected_s=history.expected(cell)))
    threads = max((cell.threads for cell in cells), default=1)
    return Plan(planned, environments, materials, slots or default_slots(environments, threads))


def default_slots(environments: Mapping[str, Environment], threads: int) -> int:
    """How many ranks run at once: one a device on CUDA; on a CPU as many as its cores hold.

    Measured on 2 cores: two 1-thread cells give 1.22 times the throughput of one 2-thread cell, equal losses.
    """
    environment = next(iter(environments.values()))
    if environment.accelerator == "cuda":
        return device_count(environment)
    return max(1, environment.cores // threads)


class _History:
    """Median seconds of earlier ok runs: of the same configuration, else of a like cell (same place but one axis)."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        by_configuration: dict[str, list[float]] = {}
        by_likeness: dict[tuple[str, str, int], list[float]] = {}
        for entry in entries:
            if entry.status == "ok" or entry.status == "collapsed":
                seconds = entry.seconds.get("total")
                if seconds is not None:
                    by_configuration.setdefault(entry.configuration_id, []).append(seconds)
                    likeness = (entry.checkpoint, entry.precision, entry.devices)
                    if entry.metrics:  # a timing cell has none, and is like no other
                        by_likeness.setdefault(likeness, []).append(seconds)
        self._configurations = {key: statistics.median(values) for key, values in by_configuration.items()}
        self._likenesses = {key: statistics.median(values) for key, values in by_likeness.items()}

    def expected(self, cell: Cell) -> float | None:
        if not self._configurations:
            return None
        seconds = self._configurations.get(cell.configuration_id)
        if seconds is None and not cell.timed:
            seconds = self._likenesses.get((cell.checkpoint.name, cell.precision, cell.devices))
        return seconds
