"""A configuration: the runs that differ in nothing but the seed, in one environment on one content."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from harness.grid.cell import SEPARATOR, Cell, configuration_label
from harness.grid.labels import Namer, place_of
from harness.grid.looks import due
from harness.protocol import SUBJECT
from harness.record.attempts import LOST, RETRIED, CellHistory, Entry, PlaceHistory, newest
from harness.record.model import Asked, Record, asked_of
from harness.record.parts.data import Data
from harness.stats.collapse import MRPC, run_status
from harness.task import Task, task_of

GOOD: Final = frozenset({"ok", "suspect"})
"""Runs whose scores are judged."""

Key = tuple[str, str, str | None]
"""(configuration_id, environment_id, content_id)."""


@dataclass(frozen=True)
class SeedScore:
    """One run's place in a configuration: scores by metric are fractions, None where the run has none.

    `status` is the run's: ok, suspect, collapsed, nonfinite, or the error that it ended with.
    """

    seed: int
    status: str
    scores: Mapping[str, float | None] = field(default_factory=dict, hash=False)

    def score(self, metric: str) -> float | None:
        """That of a metric, as a fraction."""
        return self.scores.get(metric)


@dataclass(frozen=True)
class Configuration:
    """One configuration in one environment with one content (checkpoint and data).

    Attributes
    ----------
    label, shown
        Its name as the grid spells values, for machines; and what people read: the axes that vary, in the grid's words.
    namer
        What the values of its axes are called.
    planned
        Every seed of the plan, in its order.
    histories
        What was tried at each planned seed here.
    versions
        Packages of the environment, where a record is at hand.
    data, arguments
        What a record saw of the data, and the arguments as they were resolved; None and empty without a record.
    looks
        The planned looks: numbers of runs at which it may be judged; empty where every planned seed is due.
    current
        Whether no later run of this configuration was made in another environment or with other content. Only then
        are seeds without an entry missing.
    weights
        The dtype that weights were kept in while they were trained; None without a record.
    """

    label: str
    configuration_id: str
    environment_id: str
    content_id: str | None
    asked: Asked
    axes: Mapping[str, Any]
    planned: tuple[int, ...]
    histories: Mapping[int, CellHistory]
    versions: Mapping[str, str] = field(default_factory=dict)
    data: Data | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    looks: tuple[int, ...] = ()
    current: bool = True
    weights: str | None = None
    shown: str = ""
    namer: Namer = field(default_factory=Namer, compare=False)

    @property
    def key(self) -> Key:
        """What tells it from every other."""
        return self.configuration_id, self.environment_id, self.content_id

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """The attempt that counts of each seed that has one, in the plan's order."""
        return tuple(self.entry_of.values())

    @cached_property
    def entry_of(self) -> Mapping[int, Entry]:
        """The attempt that counts, by seed."""
        return {seed: final for seed in self.planned if (final := self.histories[seed].final) is not None}

    @cached_property
    def cell_ids(self) -> tuple[str, ...]:
        """The cells behind `scores`."""
        return tuple(entry.cell_id for entry in self.entries)

    @property
    def began(self) -> str:
        """When its newest measurement began: the start of the first attempt at any of its seeds; "" without one."""
        return min((entry.started for one in self.histories.values() for entry in one.attempts), default="")

    @cached_property
    def due(self) -> Sequence[int]:
        """The seeds that must have a run: all, or those of the last look that has ended, else of the first."""
        return due(self.planned, self.looks, self.entry_of)

    @cached_property
    def lost(self) -> tuple[Entry, ...]:
        """Attempts that collapsed or lost their loss, and were tried again with success: they count."""
        every = (self.histories[seed].lost(self._is_lost) for seed in self.planned)
        return tuple(entry for entry in every if entry is not None)

    @cached_property
    def unfinished(self) -> Mapping[int, str]:
        """Planned seeds without an attempt that counts -> why: "missing", or the status of the last attempt."""
        last = {seed: self.histories[seed].standing for seed in self.planned if seed not in self.entry_of}
        return {seed: "missing" if entry is None else entry.status for seed, entry in last.items()}

    @cached_property
    def missing(self) -> Sequence[int]:
        """The seeds that are due, have no run that counts, and may still get one."""
        if not self.current or self.skipped is not None:
            return ()
        return [seed for seed in self.due if seed in self.unfinished]

    @property
    def waits(self) -> bool:
        """Whether such a seed is left."""
        return bool(self.missing)

    @cached_property
    def crashed(self) -> tuple[Entry, ...]:
        """Of seeds without an attempt that counts the last one, where it crashed or ran out of memory or time."""
        last = (self.histories[seed].standing for seed in self.unfinished)
        return tuple(entry for entry in last if entry is not None and entry.status in RETRIED)

    @cached_property
    def skipped(self) -> str | None:
        """Why nothing of it can run here, where that is the last word of every cell: then nothing is missing."""
        if self.entry_of or any(status != "skipped" for status in self.unfinished.values()):
            return None
        first = self.histories[self.planned[0]].standing
        return (first.error if first else None) or "no reason recorded"

    @cached_property
    def scores(self) -> tuple[SeedScore, ...]:
        """The run that counts of each seed, in the plan's order."""
        return tuple(self.score(entry) for entry in self.entries)

    @cached_property
    def every(self) -> tuple[SeedScore, ...]:
        """`scores`, and after them the `lost` attempts."""
        return (*self.scores, *(self.score(entry) for entry in self.lost))

    @cached_property
    def ended(self) -> tuple[SeedScore, ...]:
        """Runs that say something of the recipe: scored, collapsed or nonfinite; in the plan's order."""
        return tuple(score for score in self.scores if score.status in GOOD | LOST)

    @cached_property
    def errored(self) -> tuple[SeedScore, ...]:
        """Runs that ended well and have no score."""
        return tuple(score for score in self.scores if score.status not in GOOD | LOST)

    @property
    def task(self) -> Task:
        """What was learned."""
        return task_of(self.asked.task, self.asked.task_table, self.asked.subject)

    @property
    def counts(self) -> tuple[int, ...] | None:
        """Examples of each class of the validation split, where they are known."""
        if self.data is not None:
            labels = self.data.validation.labels
            return None if labels is None else tuple(labels)
        return MRPC if self.asked.task == "glue/mrpc" else None

    @property
    def plain_label(self) -> str:
        """The cells' label without the seed: what a plan calls the configuration, wherever it is measured."""
        return configuration_label(self.asked)

    @property
    def whole_label(self) -> str:
        """The same in the grid's words."""
        return self.namer.every(self.asked.checkpoint.name, self.axes)

    def _is_lost(self, entry: Entry) -> bool:
        return self.score(entry).status in LOST

    def score(self, entry: Entry) -> SeedScore:
        """An attempt at one of its cells, as a run of it: also one of an older measurement."""
        names = dict.fromkeys((*self.task.scored, *(name for name in entry.metrics if name != "loss")))
        scores = {name: _finite(entry.metrics.get(name)) for name in names}
        status = self._status(entry.status, scores)
        if status == "no score" and self.asked.subject is not None and entry.metrics:
            status = "ok"  # it has scores, and none that is judged
        return SeedScore(entry.seed, status, scores)

    def _status(self, recorded: str, scores: Mapping[str, float | None]) -> str:
        if recorded != "ok":
            return recorded
        if scores.get(self.task.scored[0]) is None:
            return "no score"
        return run_status(scores, self.counts)


def configurations(
    members: Collection[Sequence[Cell]],
    places_of: Callable[[str], Sequence[PlaceHistory]],
    records: Mapping[Key, Record],
    looks: tuple[int, ...] = (),
    namer: Namer | None = None,
) -> list[Configuration]:
    """Return the configurations of a plan in its order; `members` are the cells of each.

    One that was measured in several environments, or with several contents, is several: scores of different software
    or data are never pooled. One that nothing was measured of is there too, without entries.
    """
    firsts = [cells[0] for cells in members]
    namer = namer or Namer(map(place_of, firsts))
    found = [
        one
        for first, cells in zip(firsts, members, strict=True)
        for one in _of_one(cells, places_of(first.configuration_id), records, looks, namer)
    ]
    return _told_apart(found)


def _of_one(
    cells: Sequence[Cell],
    found: Sequence[PlaceHistory],
    records: Mapping[Key, Record],
    looks: tuple[int, ...],
    namer: Namer,
) -> Iterable[Configuration]:
    asked = asked_of(cells[0])
    current = newest(found)
    for place in found or [PlaceHistory("", None, {})]:
        record = records.get((cells[0].configuration_id, place.environment_id, place.content_id))
        observed = record.observed if record is not None else None
        yield Configuration(
            label=configuration_label(asked),
            configuration_id=cells[0].configuration_id,
            environment_id=place.environment_id,
            content_id=place.content_id,
            asked=asked,
            axes={name: value for name, value in asked.axes.items() if name != "seed"},
            planned=tuple(cell.seed for cell in cells),
            histories={cell.seed: place.cell(cell.cell_id) for cell in cells},
            versions=dict(observed.packages) if observed else {},
            data=observed.data if observed else None,
            arguments=dict(observed.arguments) if observed else {},
            looks=looks,
            current=place is current or current is None,
            weights=observed.model.get("dtype") if observed else None,
            shown=namer.label(place_of(asked)),
            namer=namer,
        )


def environment_names(found: Iterable[Configuration]) -> dict[str, str]:
    """Id -> what people call it: the versions in which they differ ("transformers 5.23.0"), else its id in short."""
    versions = {one.environment_id: one.versions for one in found if one.environment_id}
    differ = [name for name in SUBJECT if len({own.get(name) for own in versions.values()}) > 1]
    names = {key: ", ".join(f"{name} {own[name]}" for name in differ if name in own) for key, own in versions.items()}
    told = all(names.values()) and len(set(names.values())) == len(names)
    return names if told else {key: f"environment {key[:8]}" for key in versions}


def _told_apart(found: list[Configuration]) -> list[Configuration]:
    """Give configurations of one name what tells them apart: environment, content, or the id itself."""
    known = environment_names(found)
    tellers: list[Callable[[Configuration], str]] = [
        lambda one: f"environment {one.environment_id[:8] or 'none'}",
        lambda one: f"content {(one.content_id or 'unknown')[:8]}",
        lambda one: f"configuration {one.configuration_id[:8]}",
    ]
    labels = _apart(found, [one.label for one in found], tellers)
    tellers[0] = lambda one: known.get(one.environment_id, "not measured")
    shown = _apart(found, [one.shown for one in found], tellers)
    return [replace(one, label=a, shown=b) for one, a, b in zip(found, labels, shown, strict=True)]


def _apart(
    found: Sequence[Configuration], names: list[str], tellers: Sequence[Callable[[Configuration], str]]
) -> list[str]:
    for of in tellers:
        taken: dict[str, set[str]] = {}
        for name, one in zip(names, found, strict=True):
            taken.setdefault(name, set()).add(of(one))
        names = [
            f"{name}{SEPARATOR}{of(one)}" if len(taken[name]) > 1 else name
            for name, one in zip(names, found, strict=True)
        ]
    return names


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
