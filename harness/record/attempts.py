"""Attempts sorted out: what was tried at a configuration's cells, where, on what, and which attempt of each counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from harness.record.entry import Entry
from harness.record.model import FINAL

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
        """The attempt that counts: the last one that ended."""
        return next((entry for entry in reversed(self.attempts) if entry.status in FINAL), None)

    @property
    def standing(self) -> Entry | None:
        """The attempt that counts; where none does, the last one."""
        return self.final or (self.attempts[-1] if self.attempts else None)

    def lost(self, learned_nothing: Callable[[Entry], bool] = is_lost) -> Entry | None:
        """The last attempt that learned nothing and was tried again with success: it counts beside `final`.

        Who may try again until it works shows nothing; one that was tried twice in vain counts once.
        """
        final = [entry for entry in self.attempts if entry.status in FINAL]
        if not final or learned_nothing(final[-1]):
            return None
        return next((entry for entry in reversed(final[:-1]) if learned_nothing(entry)), None)


class PlaceHistory:
    """What was tried at the cells of one configuration in one environment on one content (checkpoint and data).

    `first` and `begun` are when its first and its newest attempt began, each with the attempt's path.
    """

    __slots__ = ("begun", "content_id", "environment_id", "first", "older", "tries")

    def __init__(self, environment_id: str, content_id: str | None, tries: Mapping[str, Sequence[Entry]]) -> None:
        self.environment_id, self.content_id, self.tries = environment_id, content_id, tries
        self.older: Mapping[str, Sequence[Entry]] = {}
        starts = [(entry.started, entry.path) for attempts in tries.values() for entry in attempts]
        self.first, self.begun = min(starts, default=("", "")), max(starts, default=("", ""))
        newest = max((measurement(entry) for attempts in tries.values() for entry in attempts), default=1)
        if newest > 1:
            self.older = {cell: [e for e in attempts if measurement(e) < newest] for cell, attempts in tries.items()}
            self.tries = {cell: [e for e in attempts if measurement(e) == newest] for cell, attempts in tries.items()}

    def cell(self, cell_id: str) -> CellHistory:
        """What was tried at one cell."""
        return CellHistory(self.tries.get(cell_id, ()), self.older.get(cell_id, ()))

    def ended(self) -> int:
        """How many attempts ended, of all measurements, whether or not they count."""
        return sum(e.status in FINAL for part in (self.older, self.tries) for own in part.values() for e in own)


def measurement(entry: Entry) -> int:
    """Which measurement of its configuration an attempt belongs to; an entry that does not say so, to the first."""
    return getattr(entry, "measurement", 1)


def places(entries: Iterable[Entry]) -> list[PlaceHistory]:
    """Sort one configuration's attempts by environment and content, in the order of the places' first starts.

    Scores of different software or data are never pooled. An attempt that ended before its content was known belongs
    to the latest content that its cell is known to have had in that environment; where its cell has none, to the only
    one that the configuration has there. The order of `entries` does not matter.
    """
    tries: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        tries.setdefault((entry.cell_id, entry.environment_id), []).append(entry)
    found: dict[tuple[str, str | None], dict[str, list[Entry]]] = {}
    for (cell_id, environment_id), attempts in tries.items():
        attempts.sort(key=_age)
        known = next((entry.content_id for entry in reversed(attempts) if entry.content_id is not None), None)
        for entry in attempts:
            place = found.setdefault((environment_id, entry.content_id or known), {})
            place.setdefault(cell_id, []).append(entry)
    for environment_id in [environment for environment, content in found if content is None]:
        contents = [content for environment, content in found if environment == environment_id and content is not None]
        if len(contents) == 1:
            found[environment_id, contents[0]].update(found.pop((environment_id, None)))
    every = [PlaceHistory(environment, content, own) for (environment, content), own in found.items()]
    return sorted(every, key=lambda one: (one.first, one.environment_id))


def newest(found: Iterable[PlaceHistory]) -> PlaceHistory | None:
    """The place at which an attempt began last; None of none."""
    return max(found, key=lambda one: (one.begun, one.environment_id), default=None)


def _age(entry: Entry) -> tuple[int, str, str]:
    return entry.attempt, entry.started, entry.path
