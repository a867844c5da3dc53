"""Attempts: how each ended, and which of those at a configuration's cells counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from harness.record.entry import STATUSES as STATUSES
from harness.record.entry import UNREADABLE as UNREADABLE
from harness.record.entry import Entry as Entry
from harness.record.entry import parse_entry as parse_entry

OUTCOMES: Final = frozenset({"ok", "collapsed", "nonfinite"})
"""Statuses that settle a cell: the run says something of its recipe."""
RETRIED: Final = frozenset({"failed", "oom", "timeout"})
"""Statuses of attempts that ended and say nothing of the recipe: each new run tries the cell again."""
FINAL: Final = OUTCOMES | RETRIED
SCORED: Final = frozenset({"ok", "collapsed"})
"""Statuses whose metrics may be reported as scores."""
ERRORED: Final = RETRIED | {"killed", "interrupted"}
LOST: Final = frozenset({"collapsed", "nonfinite"})
"""Runs that count against stability: they ended, and learned nothing."""


def is_lost(entry: Entry) -> bool:
    """Whether an attempt was recorded as one that learned nothing."""
    return entry.status in LOST


@dataclass(frozen=True, slots=True)
class CellHistory:
    """What was tried at a cell in one place: `attempts` of the newest measurement, oldest first, and `older` ones."""

    attempts: Sequence[Entry]
    older: Sequence[Entry] = ()

    @property
    def final(self) -> Entry | None:
        """The attempt that counts: the last one that says something of the recipe."""
        return last_outcome(self.attempts)

    @property
    def standing(self) -> Entry | None:
        """The attempt that counts; where none does, the last one."""
        return self.final or (self.attempts[-1] if self.attempts else None)

    def lost(self, learned_nothing: Callable[[Entry], bool] = is_lost) -> Entry | None:
        """The last attempt that learned nothing and was tried again with success: it counts beside `final`.

        Who may try again until it works shows nothing; one that was tried twice in vain counts once.
        """
        outcomes = [entry for entry in self.attempts if entry.status in OUTCOMES]
        if not outcomes or learned_nothing(outcomes[-1]):
            return None
        return next((entry for entry in reversed(outcomes[:-1]) if learned_nothing(entry)), None)


def last_outcome(attempts: Sequence[Entry]) -> Entry | None:
    """The last of a cell's attempts that has an outcome: what crashed or was killed is no word on the recipe.

    None where a later one cannot be read, for it may have had another.
    """
    for entry in reversed(attempts):
        if entry.status in OUTCOMES:
            return entry
        if not entry.readable:
            return None
    return None


class PlaceHistory:
    """What was tried at the cells of one configuration in one environment on one content (checkpoint and data)."""

    __slots__ = ("content_id", "environment_id", "measurement", "older", "tries")

    def __init__(self, environment_id: str, content_id: str | None, tries: Mapping[str, Sequence[Entry]]) -> None:
        self.environment_id, self.content_id, self.tries = environment_id, content_id, tries
        self.older: Mapping[str, Sequence[Entry]] = {}
        newest = max((entry.measurement for attempts in tries.values() for entry in attempts), default=1)
        self.measurement = max(1, newest)
        if newest > 1:
            # What tells not which it was of (0) may have been of the newest.
            now = (newest, 0)
            self.older = {cell: [e for e in attempts if e.measurement not in now] for cell, attempts in tries.items()}
            self.tries = {cell: [e for e in attempts if e.measurement in now] for cell, attempts in tries.items()}

    @property
    def every(self) -> list[Entry]:
        """The attempts of all measurements."""
        return [entry for part in (self.older, self.tries) for attempts in part.values() for entry in attempts]

    @property
    def begun(self) -> tuple[bool, str, str, str]:
        """When its newest attempt began that can be read, if any can; no two places have the same."""
        return max((entry.readable, entry.started, entry.path, self.environment_id) for entry in self.every)

    @property
    def first(self) -> tuple[str, str, str]:
        """When its first attempt began."""
        return min((entry.started, entry.path, self.environment_id) for entry in self.every)

    @property
    def began(self) -> str:
        """When the newest measurement began: the start of its first attempt."""
        return min((entry.started for attempts in self.tries.values() for entry in attempts), default="")

    @property
    def was_skipped(self) -> bool:
        """Whether nothing of it could run."""
        return all(entry.status == "skipped" for entry in self.every)

    def is_over(self, cell_id: str) -> bool:
        """Whether the newest measurement is done with a cell: some attempt ended, well or badly."""
        return any(entry.status in FINAL or entry.status == "skipped" for entry in self.tries.get(cell_id, ()))

    def cell(self, cell_id: str) -> CellHistory:
        """What was tried at one cell."""
        return CellHistory(self.tries.get(cell_id, ()), self.older.get(cell_id, ()))

    def ended(self) -> int:
        """How many attempts ended, of all measurements, whether or not they count."""
        return sum(entry.status in FINAL for entry in self.every)


@dataclass(frozen=True)
class Renewal:
    """When a configuration is measured anew: always (`fresh`), or where its newest measurement is too old.

    `oldest` is the first instant that is young enough, as records have it; None where no age is too great. Only a
    measurement that is over is followed by another: an unfinished one is continued, whatever its age, so that nobody
    starts again until it goes well. `at_once` does not wait even for that.
    """

    fresh: bool = False
    oldest: str | None = None
    at_once: bool = False

    @property
    def asked(self) -> bool:
        """Whether anything is to be measured anew."""
        return self.fresh or self.at_once or self.oldest is not None

    def is_due(self, place: PlaceHistory, cell_ids: Iterable[str]) -> bool:
        """Whether a new measurement of these cells of a configuration is to begin at a place."""
        if self.at_once:
            return bool(place.tries)
        old = self.fresh or (self.oldest is not None and place.began < self.oldest)
        return old and all(place.is_over(cell_id) for cell_id in cell_ids)


NEVER: Final = Renewal()


Tries = dict[str, list[Entry]]
"""The attempts at each cell."""


def places(entries: Iterable[Entry]) -> list[PlaceHistory]:
    """Sort one configuration's attempts by environment and content, in the order of the places' first starts.

    Scores of different software or data are never pooled. An attempt that ended before its content was known belongs
    to the latest content that its cell is known to have had in that environment; where its cell has none, to the only
    one that the configuration has there. The order of `entries` does not matter.
    """
    found: dict[tuple[str, str | None], Tries] = {}
    for entry in entries:
        tries = found.setdefault((entry.environment_id, entry.content_id), {})
        tries.setdefault(entry.cell_id, []).append(entry)
    for environment_id in [environment for environment, content in found if content is None]:
        known = {content: tries for (at, content), tries in found.items() if at == environment_id and content}
        left = _without_content(found.pop((environment_id, None)), list(known.values()))
        if len(known) == 1:
            next(iter(known.values())).update(left)
        elif left:
            found[environment_id, None] = left
    for tries in found.values():
        for attempts in tries.values():
            if len(attempts) > 1:
                attempts.sort(key=_age)
    every = [PlaceHistory(environment, content, tries) for (environment, content), tries in found.items()]
    return every if len(every) < 2 else sorted(every, key=lambda place: place.first)


def _without_content(unknown: Tries, known: Sequence[Tries]) -> Tries:
    """Give attempts without content to the content of their cell; returns what is left."""
    left: Tries = {}
    for cell_id, attempts in unknown.items():
        own = [tries[cell_id] for tries in known if cell_id in tries]
        if own:
            max(own, key=lambda tries: max(map(_age, tries))).extend(attempts)
        else:
            left[cell_id] = attempts
    return left


def newest(found: Sequence[PlaceHistory]) -> PlaceHistory | None:
    """The place at which an attempt began last; None of none."""
    return max(found, key=lambda place: place.begun) if len(found) > 1 else next(iter(found), None)


def _age(entry: Entry) -> tuple[int, str, str]:
    return entry.attempt, entry.started, entry.path


MeasurementKey = tuple[str, str, str | None, int]
"""(configuration_id, environment_id, content_id, number)."""


@dataclass(frozen=True)
class Measurement:
    """One measurement of a configuration in an environment on a content: every attempt at its cells."""

    key: MeasurementKey
    entries: Sequence[Entry]

    @property
    def began(self) -> str:
        """When its first attempt began."""
        return min(entry.started for entry in self.entries)

    @property
    def youngest(self) -> str:
        """When its last attempt began."""
        return max(entry.started for entry in self.entries)

    @property
    def cell_ids(self) -> list[str]:
        """The cells that were tried."""
        return list(dict.fromkeys(entry.cell_id for entry in self.entries))


def measurements(entries: Iterable[Entry]) -> Mapping[tuple[str, str], list[Measurement]]:
    """A store's measurements by (configuration_id, environment_id), the newest first.

    Of several contents (checkpoint and data) in an environment the one that was run last comes first.
    """
    of: dict[str, list[Entry]] = {}
    for entry in entries:
        of.setdefault(entry.configuration_id, []).append(entry)
    found: dict[tuple[str, str], list[Measurement]] = {}
    for configuration_id, mine in of.items():
        for place in sorted(places(mine), key=lambda place: place.begun, reverse=True):
            numbered: dict[int, list[Entry]] = {}
            for entry in place.every:
                numbered.setdefault(entry.measurement, []).append(entry)
            found.setdefault((configuration_id, place.environment_id), []).extend(
                Measurement((configuration_id, place.environment_id, place.content_id, number), numbered[number])
                for number in sorted(numbered, reverse=True)
            )
    return found
