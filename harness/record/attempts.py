"""Attempts: how each ended, its line in a grid's index, and which of those at a configuration's cells counts."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, get_args

from harness.errors import StoreError
from harness.protocol import Status

STATUSES: Final[tuple[str, ...]] = get_args(Status)
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


@dataclass(frozen=True, slots=True)
class Entry:
    """Summary of a record. `path` is the attempt's folder relative to the grid's results folder.

    `metrics` holds accuracy, f1 (fractions) and loss on the validation split after training; `seconds` the
    record's phases; `samples_per_second` is the training rate; `health` what its devices showed that is not well.
    """

    cell_id: str
    configuration_id: str
    environment_id: str
    content_id: str | None
    attempt: int
    status: str
    path: str
    started: str
    checkpoint: str
    seed: int
    precision: str
    devices: int
    axes: Mapping[str, Any]
    metrics: Mapping[str, float]
    seconds: Mapping[str, float]
    samples_per_second: float | None
    steps: int | None
    error: str | None
    measurement: int = 1
    health: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """What went wrong, without the failure's type: `error` is `TYPE: MESSAGE`, and no type has a colon."""
        kind, _, message = (self.error or "").partition(": ")
        return message or kind

    def to_line(self) -> str:
        """One line of JSON; NaN and infinities as strings, as in records."""
        data = asdict(self)
        for numbers in (data["metrics"], data["seconds"], data):
            numbers |= {k: str(v) for k, v in numbers.items() if isinstance(v, float) and not math.isfinite(v)}
        return json.dumps(data, separators=(",", ":"), allow_nan=False) + "\n"


_NAMES: Final = frozenset(f.name for f in fields(Entry))
_LATER: Final = frozenset({"measurement", "health"})
"""What a line of an older harness does not have."""


def parse_entry(line: str) -> Entry:
    """Read one line of an index.

    Raises
    ------
    StoreError
        Where the line is not an entry (torn by a crash, or another version's): the index is then rebuilt.
    """
    try:
        data = json.loads(line)
        if data.keys() | _LATER != _NAMES:
            raise ValueError("not the fields of an entry")
        for name in ("metrics", "seconds"):
            data[name] = {key: float(number) for key, number in data[name].items()}
        if data["samples_per_second"] is not None:
            data["samples_per_second"] = float(data["samples_per_second"])
        data["health"] = tuple(data.get("health", ()))
        return Entry(**data)
    except (ValueError, TypeError, AttributeError) as error:
        raise StoreError(f"not an index entry: {line!r:.80}") from error


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
    """The last of a cell's attempts that has an outcome: what crashed or was killed is no word on the recipe."""
    for entry in reversed(attempts):
        if entry.status in OUTCOMES:
            return entry
    return None


class PlaceHistory:
    """What was tried at the cells of one configuration in one environment on one content (checkpoint and data)."""

    __slots__ = ("content_id", "environment_id", "measurement", "older", "tries")

    def __init__(self, environment_id: str, content_id: str | None, tries: Mapping[str, Sequence[Entry]]) -> None:
        self.environment_id, self.content_id, self.tries = environment_id, content_id, tries
        self.older: Mapping[str, Sequence[Entry]] = {}
        newest = max((entry.measurement for attempts in tries.values() for entry in attempts), default=1)
        self.measurement = newest
        if newest > 1:
            self.older = {cell: [e for e in attempts if e.measurement < newest] for cell, attempts in tries.items()}
            self.tries = {cell: [e for e in attempts if e.measurement == newest] for cell, attempts in tries.items()}

    @property
    def every(self) -> list[Entry]:
        """The attempts of all measurements."""
        return [entry for part in (self.older, self.tries) for attempts in part.values() for entry in attempts]

    @property
    def begun(self) -> tuple[str, str, str]:
        """When its newest attempt began; no two places have the same."""
        return max((entry.started, entry.path, self.environment_id) for entry in self.every)

    @property
    def first(self) -> tuple[str, str, str]:
        """When its first attempt began."""
        return min((entry.started, entry.path, self.environment_id) for entry in self.every)

    @property
    def began(self) -> str:
        """When the newest measurement began: the start of its first attempt."""
        return min((entry.started for attempts in self.tries.values() for entry in attempts), default="")

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
