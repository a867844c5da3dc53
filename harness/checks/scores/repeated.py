"""Repeated cells: the newest measurement's runs beside those of the one before, bit for bit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from harness.checks.scores.baseline.build import is_kept, seed_run
from harness.checks.scores.baseline.departure import equal_bits
from harness.errors import StoreError
from harness.fact import Fact
from harness.record.attempts import Entry, last_outcome
from harness.record.configuration import Configuration
from harness.record.results import Results


@dataclass
class _Day:
    """What was measured before on a day: how many cells were repeated since, and what came out otherwise."""

    cells: int = 0
    equal: int = 0
    other: dict[str, int] = field(default_factory=dict)


def repeated(results: Results, configurations: Iterable[Configuration]) -> tuple[Fact, ...]:
    """A fact for each day on which these configurations were measured before, in the same place.

    Their newest measurement is held against the one before it, two records a cell; cells count where both runs ended,
    and left what tells whether they are equal. The same software on the same data is to repeat bit for bit: a machine
    on which it does not is sick, or was never held to it.
    """
    days: dict[str, _Day] = {}
    for one in configurations:
        for date, now, before in _again(one):
            equal = _equal(one, results, now, before)
            if equal is None:
                continue
            day = days.setdefault(date, _Day())
            day.cells, day.equal = day.cells + 1, day.equal + equal
            if not equal:
                day.other[one.shown] = day.other.get(one.shown, 0) + 1
    return tuple(
        Fact.of("repeated", equal=day.equal, cells=day.cells, date=date, other=day.other)
        for date, day in sorted(days.items())
    )


def _again(one: Configuration) -> Iterator[tuple[str, Entry, Entry]]:
    """(the day of the measurement before, the run that counts, the run that counted then) of each seed."""
    older = [entry for history in one.histories.values() for entry in history.older]
    number = max((entry.measurement for entry in older), default=0)
    before = [entry for entry in older if entry.measurement == number]
    day = min((entry.started for entry in before), default="")[:10]
    for seed, now in one.entry_of.items():
        then = last_outcome([entry for entry in before if entry.seed == seed])
        if then is not None:
            yield day, now, then


def _equal(one: Configuration, results: Results, *entries: Entry) -> bool | None:
    """Whether two runs are equal to the last bit; None where that cannot be told."""
    runs = []
    for entry in entries:
        score = one.score(entry)
        if not is_kept(score):
            return None
        try:
            runs.append(seed_run(results.record(entry), score))
        except StoreError:
            return None  # history that cannot be read hinders no verdict on what can
    return equal_bits(*runs)
