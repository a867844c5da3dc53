"""A plan: for every cell of a grid, whether it is done, to do, skipped (and why) or blocked, and how long it takes."""

from __future__ import annotations

import heapq
import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Final, Literal

from harness.execution.environment import Environment
from harness.execution.inputs import Materials
from harness.execution.require import device_count, skip_reason
from harness.grid.cell import Cell
from harness.record.attempts import NEVER, OUTCOMES, RETRIED, SCORED, Entry, PlaceHistory, Renewal
from harness.record.results import Results

State = Literal["to do", "done", "errored", "skip", "blocked"]
HOST_START_S: Final = 3.7
"""Seconds until a host is warm, where they were not measured here: those of 2 cores with torch 2.13."""


@dataclass(frozen=True)
class Packing:
    """How many ranks run at once, who says so (`source`) and `why` in words that follow "2 at a time".

    `speeds` is the measured throughput by ranks at once, relative to the fewest; without it as many ranks as
    `capacity` are taken not to hinder each other. `start_s` is what a run takes before its first cell, in seconds.
    `threads` are those of a rank in one slot; None where threads take no slots.
    """

    slots: int
    source: Literal["--slots", "grid", "measured", "machine"] = "--slots"
    why: str = ""
    capacity: int = 1
    speeds: Mapping[int, float] = field(default_factory=dict)
    start_s: float = 0.0
    threads: int | None = None

    def speed(self, ranks: float) -> float:
        """Throughput with so many ranks at once; between two that were measured it lies between theirs."""
        if not self.speeds:
            return min(ranks, float(self.capacity))
        points = sorted(self.speeds.items())
        for (below, slow), (above, fast) in itertools.pairwise(points):
            if ranks <= above:
                return slow + (fast - slow) * max(0.0, ranks - below) / (above - below)
        return points[-1][1]

    def slowness(self, ranks: float) -> float:
        """How much longer a cell takes among so many ranks than if each had the machine to itself, but for a factor."""
        return ranks / self.speed(ranks)


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """One cell's place in the plan; `reason` says why a cell is skipped or blocked.

    `entry` is the attempt that counts of a done cell, and the last one of a cell that errored: it runs again, or is
    kept as it is. `measurement` is the one that a cell to do belongs to.
    """

    cell: Cell
    state: State
    reason: str | None = None
    entry: Entry | None = None
    expected_s: float | None = None
    measurement: int = 1

    @property
    def errored(self) -> bool:
        """Whether an attempt of this measurement ended without a word on the recipe, and none with one."""
        return self.state != "done" and self.entry is not None and self.entry.status in RETRIED


@dataclass(frozen=True)
class Plan:
    """The cells of a grid, in the order in which they will run, and the environments they run in by label.

    `slots` counts ranks: a cell on k devices takes k of them, and more where its ranks have more threads than the
    packing's. `packing` says why there are so many.
    """

    cells: Sequence[PlannedCell]
    environments: Mapping[str, Environment]
    materials: Mapping[str, Materials]
    slots: int
    packing: Packing | None = None

    def of(self, state: State) -> list[PlannedCell]:
        """The cells in one state."""
        return [planned for planned in self.cells if planned.state == state]

    def unbuilt(self) -> list[PlannedCell]:
        """The cells whose environment could not be built: they cannot begin, and leave a record that says why."""
        return [one for one in self.cells if self.environments[one.cell.environment].failure is not None]

    @property
    def expected_s(self) -> float | None:
        """Expected wall-clock seconds of what is to do; None where nothing like it has run.

        Timing cells run one after the other, the others share the slots; a host starts before the first of them.
        """
        timed = [planned for planned in self.of("to do") if planned.cell.timed]
        shared = [planned for planned in self.of("to do") if not planned.cell.timed]
        if not timed and not shared:
            return 0.0
        parts = [self._in_turn(timed), self._side_by_side(shared)]
        known = [seconds for seconds in parts if seconds is not None]
        start = self.packing.start_s if self.packing else 0.0
        return start + sum(known) if len(known) == len(parts) else None

    @staticmethod
    def _in_turn(cells: Sequence[PlannedCell]) -> float | None:
        known = [planned.expected_s for planned in cells if planned.expected_s is not None]
        return (sum(known) / len(known) * len(cells) if known else None) if cells else 0.0

    def _side_by_side(self, cells: Sequence[PlannedCell]) -> float | None:
        """When the last cell ends, each having begun in its turn as soon as its ranks had slots."""
        known = [planned.expected_s for planned in cells if planned.expected_s is not None]
        if not known:
            return None if cells else 0.0
        # Cells without history count like the average of those with it; a cell fills a slot for each of its ranks.
        usual = sum(known) / len(known)
        running: list[tuple[float, int]] = []  # when each ends, and its ranks
        clock, taken, last = 0.0, 0, 0.0
        for planned in cells:
            ranks = min(self.needs(planned.cell), self.slots)
            while taken + ranks > self.slots:
                clock, freed = heapq.heappop(running)
                taken -= freed
            end = clock + (usual if planned.expected_s is None else planned.expected_s)
            heapq.heappush(running, (end, ranks))
            taken, last = taken + ranks, max(last, end)
        return last

    def needs(self, cell: Cell) -> int:
        """The slots that a cell takes: all of them where it is timed."""
        if cell.timed:
            return self.slots
        threads = self.packing.threads if self.packing is not None else None
        return cell.devices * (math.ceil(cell.threads / threads) if threads else 1)

    def fits(self, needed: int, taken: int) -> bool:
        """Whether a cell that needs so many slots may start while so many are taken; alone any cell may."""
        return taken == 0 or taken + needed <= self.slots


def make_plan(
    cells: Sequence[Cell],
    results: Results,
    environments: Mapping[str, Environment],
    materials: Mapping[str, Materials],
    packing: Packing | None = None,
    renewal: Renewal = NEVER,
    keep_errored: bool = False,
) -> Plan:
    """Sort cells into states. Pure but for `materials`, which must already have been asked to find theirs.

    A cell is done when an attempt counts of its cell, environment and content ids in its configuration's newest
    measurement, unless that is over and `renewal` wants another. One that errored is to do again, or stays as it is
    with `keep_errored`.
    """
    packing = packing or default_packing(cells, environments)
    history = _History(results.every, packing, cells)
    measurements = _Measurements(cells, results, renewal)
    # What cells share is asked for once: a grid may have 100,000 of them.
    contents: dict[tuple[str, str, str | None], str | None] = {}
    skips: dict[tuple[str, int, str, bool], str | None] = {}
    planned = []
    for cell in cells:
        environment = environments[cell.environment]
        if environment.failure is not None:
            planned.append(PlannedCell(cell, "blocked", reason=environment.failure))
            continue
        ability = (cell.environment, cell.devices, cell.precision, "peft" in cell.recipe)
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
        number, anew, place = measurements.of(cell, environment.environment_id, content_id)
        entry = None if anew or place is None else place.cell(cell.cell_id).standing
        if entry is not None and entry.status in OUTCOMES:
            planned.append(PlannedCell(cell, "done", entry=entry, measurement=number))
        elif entry is not None and entry.status in RETRIED and keep_errored:
            planned.append(PlannedCell(cell, "errored", reason=entry.error, entry=entry, measurement=number))
        else:
            planned.append(PlannedCell(cell, "to do", None, entry, history.expected(cell), number))
    return Plan(planned, environments, materials, packing.slots, packing)


class _Measurements:
    """Which measurement a configuration's cells belong to, and whether it is one that begins now."""

    def __init__(self, cells: Sequence[Cell], results: Results, renewal: Renewal) -> None:
        self._results, self._renewal = results, renewal
        self._known: dict[tuple[str, str, str], tuple[int, bool, PlaceHistory | None]] = {}
        self._cell_ids: dict[str, list[str]] = {}
        for cell in cells if renewal.asked else ():
            if not cell.timed:
                self._cell_ids.setdefault(cell.configuration_id, []).append(cell.cell_id)

    def of(self, cell: Cell, environment_id: str, content_id: str) -> tuple[int, bool, PlaceHistory | None]:
        """(its number, whether it begins now, what was tried there); a timing cell's begins without waiting."""
        key = (cell.configuration_id, environment_id, content_id)
        if key not in self._known:
            place = self._results.place(*key)
            waits_for = [cell.cell_id] if cell.timed else self._cell_ids.get(cell.configuration_id, ())
            renewal = replace(self._renewal, at_once=True) if cell.timed and self._renewal.fresh else self._renewal
            anew = place is not None and renewal.is_due(place, waits_for)
            self._known[key] = (place.measurement + anew if place else 1), anew, place
        return self._known[key]


def default_packing(cells: Sequence[Cell], environments: Mapping[str, Environment]) -> Packing:
    """Where nothing was measured: one rank a device on CUDA; on a CPU as many as its cores hold.

    Measured on 2 cores: two 1-thread cells give 1.22 times the throughput of one 2-thread cell, equal losses.
    """
    threads = min((cell.threads for cell in cells), default=1)
    environment = next(iter(environments.values()))
    if environment.accelerator == "cuda":
        slots = device_count(environment)
        return Packing(slots, "machine", ", one a device", capacity=slots, start_s=HOST_START_S)
    slots = max(1, environment.cores // threads)
    why = f", {threads_each(threads)} on {environment.cores} cores"
    return Packing(slots, "machine", why, capacity=slots, start_s=HOST_START_S, threads=threads)


def threads_each(threads: int) -> str:
    """So many threads, in words: `1 thread each`."""
    return f"{threads} {'thread' if threads == 1 else 'threads'} each"


class _History:
    """Median seconds of earlier ok runs: of the same configuration, else of a like cell (same place but one axis).

    A cell's seconds depend on how many ran beside it: those of the past are turned into those of the plan.
    """

    def __init__(self, entries: Sequence[Entry], packing: Packing, cells: Sequence[Cell]) -> None:
        self._entries, self._packing = entries, packing
        self._most = max(1, min(packing.slots, sum(cell.devices for cell in cells if not cell.timed)))

    @cached_property
    def _medians(self) -> tuple[dict[str, float], dict[tuple[str, str, int], float]]:
        by_configuration: dict[str, list[float]] = {}
        by_likeness: dict[tuple[str, str, int], list[float]] = {}
        ended = [entry for entry in self._entries if entry.status in SCORED and entry.seconds.get("total")]
        for entry, ranks in zip(ended, ranks_beside(ended), strict=True):
            alone = entry.seconds["total"] / self._packing.slowness(ranks)
            by_configuration.setdefault(entry.configuration_id, []).append(alone)
            likeness = (entry.checkpoint, entry.precision, entry.devices)
            if entry.metrics:  # a timing cell has none, and is like no other
                by_likeness.setdefault(likeness, []).append(alone)
        return (
            {key: statistics.median(values) for key, values in by_configuration.items()},
            {key: statistics.median(values) for key, values in by_likeness.items()},
        )

    def expected(self, cell: Cell) -> float | None:
        configurations, likenesses = self._medians
        alone = configurations.get(cell.configuration_id)
        if alone is None and not cell.timed:
            alone = likenesses.get((cell.checkpoint.name, cell.precision, cell.devices))
        ranks = cell.devices if cell.timed else max(self._most, cell.devices)
        return None if alone is None else alone * self._packing.slowness(ranks)


def ranks_beside(entries: Sequence[Entry]) -> list[float]:
    """How many ranks ran on the average while each entry's cell did, its own among them."""
    spans = []
    for entry in entries:
        start = datetime.fromisoformat(entry.started).timestamp()
        spans.append((start, start + entry.seconds["total"]))
    edges = [(start, entry.devices) for entry, (start, _) in zip(entries, spans, strict=True)]
    edges += [(end, -entry.devices) for entry, (_, end) in zip(entries, spans, strict=True)]
    until: dict[float, float] = {}  # rank-seconds that had been spent by each time at which a cell began or ended
    ranks, spent, last = 0, 0.0, 0.0
    for instant, change in sorted(edges):
        spent += ranks * (instant - last)
        until[instant], last, ranks = spent, instant, ranks + change
    return [
        (until[end] - until[start]) / (end - start) if end > start else float(entry.devices)
        for entry, (start, end) in zip(entries, spans, strict=True)
    ]
