"""A configuration as checks of scores see it: the runs that differ in nothing but the seed, none of them lost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from harness.checks.scores.judgement import SeedScore
from harness.grid.cell import Cell, configuration_label
from harness.record.entry import Entry
from harness.record.model import FINAL, Asked, Data, Record, asked_of
from harness.references.tables import SPLITS
from harness.stats.collapse import run_status

GOOD: Final = frozenset({"ok", "suspect"})
"""Runs whose scores are judged."""

LOST: Final = frozenset({"collapsed", "nonfinite"})
"""Runs that count against stability: they ended, and learned nothing."""

MRPC: Final = SPLITS["validation"]

RecordKey = tuple[str, str]
"""(configuration_id, environment_id)."""


@dataclass(frozen=True)
class Configuration:
    """One configuration in one environment with one content (checkpoint and data).

    Attributes
    ----------
    entries
        The latest final entry of each planned cell, in the plan's order.
    planned
        Every seed of the plan, in its order.
    versions
        Packages of the environment, where a record is at hand.
    data, arguments
        What a record saw of the data, and the arguments as they were resolved; None and empty without a record.
    lost
        Earlier final attempts that collapsed or lost their loss, where a later attempt of the cell did not: they count,
        for who may try again until it works shows nothing.
    unfinished
        Planned seeds without a final entry -> why: "missing", or the status of the last attempt.
    current
        Whether no later run of this configuration was made in another environment or with other content. Only then
        are seeds without an entry missing.
    """

    label: str
    configuration_id: str
    environment_id: str
    content_id: str | None
    asked: Asked
    axes: Mapping[str, Any]
    entries: tuple[Entry, ...]
    planned: tuple[int, ...]
    versions: Mapping[str, str] = field(default_factory=dict)
    data: Data | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    lost: tuple[Entry, ...] = ()
    unfinished: Mapping[int, str] = field(default_factory=dict)
    skipped: str | None = None
    current: bool = True

    @cached_property
    def scores(self) -> tuple[SeedScore, ...]:
        """The latest run of each seed, in the plan's order."""
        return tuple(self._score(entry) for entry in self.entries)

    @cached_property
    def every(self) -> tuple[SeedScore, ...]:
        """`scores`, and after them the lost attempts that were tried again."""
        return (*self.scores, *(self._score(entry) for entry in self.lost))

    @cached_property
    def ended(self) -> tuple[SeedScore, ...]:
        """Runs that say something of the recipe: scored, collapsed or nonfinite; in the plan's order."""
        return tuple(score for score in self.scores if score.status in GOOD | LOST)

    @cached_property
    def errored(self) -> tuple[SeedScore, ...]:
        """Runs that ended without saying anything of the recipe: failed, oom, timeout, no score."""
        return tuple(score for score in self.scores if score.status not in GOOD | LOST)

    @cached_property
    def cell_ids(self) -> tuple[str, ...]:
        """The cells behind `scores`."""
        return tuple(entry.cell_id for entry in self.entries)

    @cached_property
    def cell_of(self) -> Mapping[int, str]:
        """The cell of each seed that has an entry."""
        return {entry.seed: entry.cell_id for entry in self.entries}

    @property
    def counts(self) -> tuple[int, int] | None:
        """Examples and positives of the validation split, where they are known."""
        if self.data is not None:
            return self.data.validation.examples, self.data.validation.positives
        return (MRPC.total, MRPC.positive) if self.asked.task == "glue/mrpc" else None

    @property
    def plain_label(self) -> str:
        """The cells' label without the seed: what a plan calls the configuration, wherever it is measured."""
        return configuration_label(self.asked.checkpoint.name, self.asked.axes)

    def _score(self, entry: Entry) -> SeedScore:
        accuracy, f1 = (_finite(entry.metrics.get(name)) for name in ("accuracy", "f1"))
        return SeedScore(entry.seed, self._status(entry.status, accuracy, f1), accuracy, f1)

    def _status(self, recorded: str, accuracy: float | None, f1: float | None) -> str:
        if recorded != "ok":
            return recorded
        if accuracy is None:
            return "no score"
        return run_status(accuracy, f1, self.counts)


def configurations(
    planned: Sequence[Cell], entries: Sequence[Entry], records: Mapping[RecordKey, Record]
) -> list[Configuration]:
    """Sort entries into the configurations of a plan, in its order; cells that the plan does not have are left out.

    A configuration that was measured in several environments, or with several contents, is several: scores of
    different software or data are never pooled. One that nothing was measured of is there too, without entries. Who
    wants only today's environment gives only its entries. The order of `entries` does not matter.
    """
    cells = {cell.cell_id: cell for cell in planned}
    tries: dict[str, dict[tuple[str, str], list[Entry]]] = {}
    for entry in entries:
        if entry.cell_id in cells:
            place = (entry.cell_id, entry.environment_id)
            tries.setdefault(entry.configuration_id, {}).setdefault(place, []).append(entry)
    by_configuration: dict[str, list[Cell]] = {}
    for cell in planned:
        by_configuration.setdefault(cell.configuration_id, []).append(cell)
    found = [
        one
        for configuration_id, members in by_configuration.items()
        for one in _of_one(members, tries.get(configuration_id, {}), records)
    ]
    return _told_apart(found)


def _of_one(
    cells: Sequence[Cell], tries: Mapping[tuple[str, str], list[Entry]], records: Mapping[RecordKey, Record]
) -> Iterable[Configuration]:
    groups: dict[tuple[str, str | None], dict[str, list[Entry]]] = {}
    for (cell_id, environment_id), attempts in tries.items():
        attempts.sort(key=_age)
        known = next((entry.content_id for entry in reversed(attempts) if entry.content_id is not None), None)
        for entry in attempts:
            group = groups.setdefault((environment_id, entry.content_id or known), {})
            group.setdefault(cell_id, []).append(entry)
    # Attempts that ended before their content was known belong to the content that the others of the place have.
    for environment_id in {environment for environment, content in groups if content is None}:
        contents = sorted({c for e, c in groups if e == environment_id and c is not None})
        if len(contents) == 1:
            for cell_id, attempts in groups.pop((environment_id, None)).items():
                group = groups[environment_id, contents[0]]
                group[cell_id] = sorted([*attempts, *group.get(cell_id, [])], key=_age)
    asked = asked_of(cells[0])
    planned = tuple(cell.seed for cell in cells)
    blank = Configuration(
        label=configuration_label(asked.checkpoint.name, asked.axes),
        configuration_id=cells[0].configuration_id,
        environment_id="",
        content_id=None,
        asked=asked,
        axes={name: value for name, value in asked.axes.items() if name != "seed"},
        entries=(),
        planned=planned,
        unfinished=dict.fromkeys(planned, "missing"),
    )
    if not groups:
        yield blank
        return
    started = {
        key: sorted((entry.started, entry.path) for attempts in group.values() for entry in attempts)
        for key, group in groups.items()
    }
    newest = max(groups, key=lambda key: (started[key][-1], key[0]))
    for key in sorted(groups, key=lambda key: (started[key][0], key[0])):
        record = records.get((blank.configuration_id, key[0]))
        yield _measured(replace(blank, current=key == newest), cells, key, groups[key], record)


def _measured(
    blank: Configuration,
    cells: Sequence[Cell],
    key: tuple[str, str | None],
    tries: Mapping[str, list[Entry]],
    record: Record | None,
) -> Configuration:
    observed = record.observed if record is not None else None
    same = record is not None and record.content_id in (key[1], None)
    known = replace(blank, data=observed.data if observed and same else None)
    latest: list[Entry] = []
    lost: list[Entry] = []
    unfinished: dict[int, str] = {}
    skips: list[str] = []
    for cell in cells:
        attempts = tries.get(cell.cell_id, [])
        final = [entry for entry in attempts if entry.status in FINAL]
        if final:
            latest.append(final[-1])
            if known._score(final[-1]).status not in LOST:  # one that was tried twice in vain counts once
                lost += [entry for entry in final[:-1] if known._score(entry).status in LOST][-1:]
        else:
            unfinished[cell.seed] = attempts[-1].status if attempts else "missing"
            skips += [attempts[-1].error or "no reason recorded"] if unfinished[cell.seed] == "skipped" else []
    return replace(
        known,
        environment_id=key[0],
        content_id=key[1],
        entries=tuple(latest),
        lost=tuple(lost),
        unfinished=unfinished,
        # Where the last word of every cell is that it cannot run here, nothing is missing.
        skipped=skips[0] if not latest and len(skips) == len(cells) else None,
        versions=dict(observed.packages) if observed else {},
        arguments=dict(observed.arguments) if observed else {},
    )


def _told_apart(found: list[Configuration]) -> list[Configuration]:
    """Give configurations of one label what tells them apart: environment, content, or the id itself."""
    tellers: tuple[tuple[str, Callable[[Configuration], str]], ...] = (
        ("environment", lambda one: one.environment_id[:8] or "none"),
        ("content", lambda one: (one.content_id or "unknown")[:8]),
        ("configuration", lambda one: one.configuration_id[:8]),
    )
    for name, of in tellers:
        taken: dict[str, set[str]] = {}
        for one in found:
            taken.setdefault(one.label, set()).add(of(one))
        found = [
            replace(one, label=f"{one.label} · {name} {of(one)}") if len(taken[one.label]) > 1 else one for one in found
        ]
    return found


def _age(entry: Entry) -> tuple[int, str, str]:
    return entry.attempt, entry.started, entry.path


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
