"""Results: what a store's entries come to. The one place that says which attempt counts; every reader asks it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from harness.grid.cell import Cell
from harness.grid.labels import Namer
from harness.grid.looks import SeedPlan, due
from harness.record.answers import PREDICTED, TRUTH, predicted_of, truth_of
from harness.record.attempts import (
    FINAL,
    NEVER,
    SCORED,
    Entry,
    Measurement,
    PlaceHistory,
    Renewal,
    last_outcome,
    measurements,
    newest,
    places,
)
from harness.record.configuration import Configuration, Key, configurations
from harness.record.configuration import SeedScore as SeedScore
from harness.record.entry import RECORD
from harness.record.meant import Whose
from harness.record.model import Record

if TYPE_CHECKING:
    import numpy.typing as npt

    from harness.grid.grid import Grid
    from harness.record.run import Run
    from harness.record.store import Store


class Reader(Protocol):
    """What lies behind an entry: `harness.record.store.Store`, or made-up results."""

    def record(self, entry: Entry) -> Record:
        """The record; raises StoreError where it cannot be read."""

    def series(self, entry: Entry, names: Collection[str] | None = None) -> Mapping[str, npt.NDArray[Any]]:
        """The arrays that the run left, all or those named."""


def _of_its_seed(entry: Entry, seed: int) -> Entry:
    """An entry, unreadable where its record names another seed than its cell has: then it was edited."""
    if entry.seed == seed or not entry.readable:
        return entry
    return entry.unreadable(f"{entry.path}/{RECORD}: its seed is {entry.seed}, its cell's is {seed}")


class Results:
    """Attempts and what they come to. Pure given entries; records and series are read where they are asked for.

    With `cells` (a plan, or a part of it) only their attempts count, and the others are `foreign`; with `whose` only
    those made there count, and the others are history. `plan` are the grid's planned looks, `namer` its words; without
    it configurations are called by what varies among the cells. Without a `reader` there are no records, and figures
    are those of the index.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        reader: Reader | None = None,
        cells: Sequence[Cell] | None = None,
        plan: SeedPlan | None = None,
        whose: Whose | None = None,
        namer: Namer | None = None,
    ) -> None:
        seeds = {cell.cell_id: cell.seed for cell in cells or ()}
        self.every = [_of_its_seed(entry, seeds.get(entry.cell_id, entry.seed)) for entry in entries]
        self.cells, self.plan, self._whose, self.namer = cells or (), plan, whose, namer
        self._reader, self._planned = reader, None if cells is None else {cell.cell_id for cell in cells}
        self._places: dict[str, list[PlaceHistory]] = {}
        self._read: dict[str, Record] = {}
        self._predicted: dict[str, npt.NDArray[Any] | None] = {}

    @classmethod
    def of(cls, grid: Grid, store: Store, cells: Sequence[Cell], whose: Whose | None = None) -> Results:
        """What a store has of these cells of a grid; records of cells that the grid has no more are foreign."""
        aside = {cell.cell_id for cell in grid.every_cell()} - {cell.cell_id for cell in cells}
        entries = [entry for entry in store.entries() if entry.cell_id not in aside]
        return cls(entries, store, cells, grid.seed_plan, whose, grid.namer)

    def of_cells(self, cells: Sequence[Cell]) -> Results:
        """The same of fewer cells; those left out are neither counted nor foreign, and no record is read again."""
        mine, kept = {cell.cell_id for cell in self.cells}, {cell.cell_id for cell in cells}
        entries = [entry for entry in self.every if entry.cell_id in kept or entry.cell_id not in mine]
        fewer = [cell for cell in cells if cell.cell_id in mine]
        found = Results(entries, self._reader, fewer, self.plan, self._whose, self.namer)
        found._read, found._predicted = self._read, self._predicted
        return found

    def planned(self, cells: Sequence[Cell], whose: Whose | None, namer: Namer) -> Results:
        """The same attempts under a plan of these cells; no record is read again."""
        found = Results(self.every, self._reader, cells, whose=whose, namer=namer)
        found._read = self._read
        return found

    def earlier(self) -> Iterator[Results]:
        """The same as it stood after each earlier measurement, the newest first; wherever that was made.

        Of each configuration counts, whole, its newest measurement that had begun before the last attempt of that one.
        """
        mine = [entry for entry in self.every if entry.cell_id in self.trained and entry.readable]
        of: dict[str, list[Measurement]] = {configuration_id: [] for configuration_id in self._members}
        for several in measurements(mine).values():  # of what is no more in the plan none is kept
            of.get(several[0].key[0], []).extend(several)
        began = {one.configuration_id: one.began for one in self.configurations if one.current}
        for configuration_id, found in of.items():
            now = began[configuration_id]
            found[:] = [one for one in found if not now or one.began <= now]
            found.sort(key=lambda one: one.began, reverse=True)
        ends = {one.youngest for found in of.values() for one in found}
        seen = {tuple(found[0].key if found and began[name] else None for name, found in of.items())}
        for end in sorted(ends, reverse=True):
            state = [next((one for one in found if one.began <= end), None) for found in of.values()]
            keys = tuple(one.key if one is not None else None for one in state)
            if keys in seen:
                continue
            seen.add(keys)
            entries = [entry for one in state if one is not None for entry in one.entries]
            found_so = Results(entries, self._reader, self.cells, self.plan)
            found_so._read, found_so._predicted = self._read, self._predicted
            yield found_so

    # Attempts.

    @cached_property
    def entries(self) -> Sequence[Entry]:
        """The attempts at the cells in question, timing cells among them."""
        return self.every if self._planned is None else [e for e in self.every if e.cell_id in self._planned]

    @cached_property
    def trained(self) -> frozenset[str]:
        """The ids of the plan's cells that train to their end."""
        return frozenset(cell.cell_id for cell in self.cells if not cell.timed)

    @property
    def foreign(self) -> int:
        """How many records are of other cells."""
        return len(self.every) - len(self.entries)

    @cached_property
    def _by_configuration(self) -> Mapping[str, list[Entry]]:
        found: dict[str, list[Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry.configuration_id or self._whose_cell(entry), []).append(entry)
        return found

    def _whose_cell(self, entry: Entry) -> str:
        """The configuration of an attempt that cannot say it, by its cell; "" where nothing knows."""
        every: list[Cell | Entry] = [*self.cells, *self.entries]
        known = (one.configuration_id for one in every if one.cell_id == entry.cell_id)
        return next(filter(None, known), "")

    def places(self, configuration_id: str) -> Sequence[PlaceHistory]:
        """Where a configuration was tried, and on what, in the order of first starts."""
        if configuration_id not in self._places:
            found = places(self._by_configuration.get(configuration_id, ()))
            if self._whose is not None and configuration_id in self._cell_of:
                found = list(self._whose.only(self._cell_of[configuration_id], found))
            self._places[configuration_id] = found
        return self._places[configuration_id]

    @cached_property
    def _cell_of(self) -> Mapping[str, Cell]:
        return {cell.configuration_id: cell for cell in self.cells}

    def place(self, configuration_id: str, environment_id: str, content_id: str | None) -> PlaceHistory | None:
        """What was tried of a configuration in one environment on one content; None where nothing was."""
        where = environment_id, content_id
        return next((p for p in self.places(configuration_id) if (p.environment_id, p.content_id) == where), None)

    @cached_property
    def counting(self) -> Mapping[tuple[str, str, str | None], Entry]:
        """The attempt that counts, by cell, environment and content ids."""
        return {
            (cell_id, place.environment_id, place.content_id): outcome
            for entries in self._by_configuration.values()
            for place in places(entries)  # not kept: a plan of 100,000 cells would have the garbage collector busy
            for cell_id, attempts in place.tries.items()
            if (outcome := last_outcome(attempts)) is not None
        }

    def standing(self, cell: Cell | Entry, environment_id: str | None = None) -> Entry | None:
        """The attempt that counts of a cell in an environment, on the newest content there; else the last attempt.

        Without an environment, where the cell's configuration ran last.
        """
        found = self.places(cell.configuration_id)
        place = newest([one for one in found if environment_id in (None, one.environment_id)])
        return None if place is None else place.cell(cell.cell_id).standing

    def errors(self) -> Iterator[Entry]:
        """Attempts with an error that stand, by cell and environment, and those lost that were tried again."""
        for configuration_id in self._by_configuration:
            found = self.places(configuration_id)
            for environment_id in dict.fromkeys(place.environment_id for place in found):
                place = newest([one for one in found if one.environment_id == environment_id])
                assert place is not None
                for cell_id in place.tries:
                    history = place.cell(cell_id)
                    shown = (history.lost(), history.standing)
                    yield from (entry for entry in shown if entry is not None and entry.error)

    # What is due.

    @cached_property
    def _members(self) -> Mapping[str, list[Cell]]:
        """The cells that train to their end, by configuration."""
        found: dict[str, list[Cell]] = {}
        for cell in self.cells:
            if not cell.timed:
                found.setdefault(cell.configuration_id, []).append(cell)
        return found

    def due(self, decided: Collection[str], renewal: Renewal = NEVER) -> list[Cell]:
        """The cells to be run, in running order: all, or those of the look that each configuration is at.

        `decided` are the ids of configurations that need no further look. Cells that ended are among them; one that
        cannot run here holds up no look. A configuration that is to be measured anew begins with its first look.
        """
        wanted: set[str] = set()
        for configuration_id, cells in self._members.items():
            ended = {cell.seed for cell in cells if self._ended(cell)}
            looks = self.plan.looks if self.plan else ()
            seeds = set(due([cell.seed for cell in cells], looks, ended, configuration_id in decided))
            cell_ids = [cell.cell_id for cell in cells if cell.seed in seeds]
            place = newest(self.places(configuration_id))
            if place is not None and renewal.is_due(place, cell_ids):
                first = set(due([cell.seed for cell in cells], looks, (), False))
                cell_ids = [cell.cell_id for cell in cells if cell.seed in first]
            wanted.update(cell_ids)
        return [cell for cell in self.cells if cell.cell_id in wanted]

    @property
    def expected(self) -> list[Cell]:
        """The cells of which a reader may expect a run: those due, and what ended beyond them."""
        wanted: dict[str, set[int]] = {}
        for one in self.configurations:
            wanted.setdefault(one.configuration_id, set()).update(one.entry_of, one.due if one.current else ())
        return [cell for cell in self.cells if not cell.timed and cell.seed in wanted[cell.configuration_id]]

    def _ended(self, cell: Cell) -> bool:
        entry = self.standing(cell)
        return entry is not None and (entry.status in FINAL or entry.status == "skipped")

    # Configurations, and what lies behind them.

    @cached_property
    def configurations(self) -> Sequence[Configuration]:
        """The configurations of the plan, timing cells aside, in its order."""
        looks = self.plan.looks if self.plan else ()
        return configurations(self._members.values(), self.places, self.records, looks, self.namer)

    @cached_property
    def records(self) -> Mapping[Key, Record]:
        """One record a configuration: the newest with a score, else the newest that ended, else the newest of all.

        None of a configuration of which no record can be read.
        """
        if self._reader is None:
            return {}
        return {
            (configuration_id, place.environment_id, place.content_id): self.record(sample)
            for configuration_id in self._members
            for place in self.places(configuration_id)
            if (sample := _sample(place)) is not None
        }

    def record(self, entry: Entry) -> Record:
        """The record behind an entry, read once."""
        assert self._reader is not None
        if entry.path not in self._read:
            self._read[entry.path] = self._reader.record(entry)
        return self._read[entry.path]

    def run(self, entry: Entry) -> Run:
        """The run behind an entry, with all its series; raises StoreError where it cannot be read."""
        from harness.record.run import Run  # numpy is slow to import, and an index needs none

        assert self._reader is not None
        return Run(self.record(entry), self._reader.series(entry))

    def runs(self, environments: Mapping[str, str]) -> dict[str, Run]:
        """The run that stands of each cell, by cell id, with all its series; a failed or skipped one is a run too.

        One that cannot be read is none.

        `environments` are the ids of today's environments by label.
        """
        found = {cell.cell_id: self.standing(cell, environments[cell.environment]) for cell in self.cells}
        return {cell_id: self.run(entry) for cell_id, entry in found.items() if entry is not None and entry.readable}

    def predicted(self, configuration: Configuration, seed: int) -> npt.NDArray[Any] | None:
        """The class predicted for each validation example, shape (examples,); None where it was not kept."""
        entry = configuration.entry_of[seed]
        if entry.path not in self._predicted:
            classes = predicted_of(self._series(entry, PREDICTED))
            # Those of all runs are held at once.
            self._predicted[entry.path] = None if classes is None else classes.astype("i2")
        return self._predicted[entry.path]

    def weights(self, configuration: Configuration, seed: int) -> str | None:
        """The sha256 of the weights after training; None where it was not kept."""
        if self._reader is None:
            return None
        observed = self.record(configuration.entry_of[seed]).observed
        return observed.weights.final_sha256 if observed is not None and observed.weights is not None else None

    def truth(self, configuration: Configuration, seed: int) -> npt.NDArray[Any] | None:
        """The class that each validation example has, as the run saw it; None where it was not kept."""
        return truth_of(self._series(configuration.entry_of[seed], TRUTH))

    def losses(self, configuration: Configuration) -> list[npt.NDArray[Any]]:
        """The loss of every optimizer step, an array for each run with a score that left one."""
        return self._by_step(configuration, "loss")

    def norms(self, configuration: Configuration) -> list[npt.NDArray[Any]]:
        """The gradient norm of every optimizer step, likewise."""
        return self._by_step(configuration, "grad_norm")

    def _by_step(self, configuration: Configuration, name: str) -> list[npt.NDArray[Any]]:
        scored = [entry for entry in configuration.entries if entry.status in SCORED]
        every = (self._series(entry, (name,)).get(name) for entry in scored)
        return [series for series in every if series is not None]

    def _series(self, entry: Entry, names: Collection[str]) -> Mapping[str, npt.NDArray[Any]]:
        return {} if self._reader is None else self._reader.series(entry, names)

    @cached_property
    def timings(self) -> Sequence[Record]:
        """Every record of a timing cell, whatever became of it: readers of speed count older sessions too."""
        if self._reader is None:
            return []
        if self._planned is not None:
            timed = {cell.cell_id for cell in self.cells if cell.timed}
            return [self.record(entry) for entry in self.entries if entry.cell_id in timed and entry.readable]
        # An entry does not say that it is a timing cell's, but only such and failed ones have no score.
        every = [self.record(entry) for entry in self.entries if not entry.metrics and entry.readable]
        return [record for record in every if record.asked.timing]


def _sample(place: PlaceHistory) -> Entry | None:
    readable = [entry for entry in place.every if entry.readable]
    key = lambda e: ((e.status in FINAL) + (e.status in SCORED), e.started, e.path)  # noqa: E731 - used once
    return max(readable, key=key, default=None)
