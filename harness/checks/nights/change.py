"""Where a configuration's history changes, what else changed there, and whether its newest speed is in line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from harness.checks.nights.line import HARDWARE, History, Night, Point
from harness.checks.nights.shifts import shifts
from harness.checks.verdict import Outcome, Side, Verdict
from harness.fact import Fact
from harness.stats.throughput import Expected, expected

ALPHA: Final = 0.008
"""Chance that a session of an unchanged grid is called suspicious, over all its configurations: below the 1 % of nights
that are promised (`benchmarks/history_study.py` shows it)."""

LEAST_OF_LEVEL: Final = 2
"""Sessions of a level: one alone is an outlier, or suspicious, and no level yet."""

BEFORE: Final = "the sessions before"
ITEM: Final = "history"
"""What a speed is held against, and the item of its verdict."""

FINGERPRINT: Final = "fingerprint"
SPEED: Final = "samples_per_second"


@dataclass(frozen=True)
class Track:
    """A configuration over the sessions that have it, oldest first."""

    configuration_id: str
    label: str
    points: tuple[tuple[Night, Point], ...]

    def values(self, name: str) -> list[tuple[int, float]]:
        """(place among the sessions, value) of a metric in points, or of `SPEED`, where there is one."""
        found = ((at, point.speed if name == SPEED else point.means.get(name)) for at, (_, point) in self.numbered)
        return [(at, value) for at, value in found if value is not None]

    @property
    def numbered(self) -> list[tuple[int, tuple[Night, Point]]]:
        """The sessions with their places."""
        return list(enumerate(self.points))

    @property
    def metrics(self) -> list[str]:
        """The scores that any session has."""
        return list(dict.fromkeys(metric for _, point in self.points for metric in point.means))


@dataclass(frozen=True)
class Change:
    """Between the sessions at `since` and `at` of a track `what` changed: a metric, `SPEED` or `FINGERPRINT`.

    `before` and `after` are the levels around it, or the hashes; `p` is that of a level. `differ` are the facts that
    differ between the two sessions: (name, before, after), None where one did not say.
    """

    what: str
    since: int
    at: int
    before: float | str
    after: float | str
    differ: tuple[tuple[str, str | None, str | None], ...]
    p: float | None = None


@dataclass(frozen=True)
class Newest:
    """The newest session's speed against what those before it, on the same hardware, let expect.

    `again`: the session before it was below its own bound too.
    """

    speed: float
    expected: Expected
    again: bool = False

    @property
    def suspicious(self) -> bool:
        """Whether it is below the least of what could be expected."""
        return self.speed < self.expected.least


def tracks(history: History) -> list[Track]:
    """Each configuration that the newest session has, in its order."""
    if not history.nights:
        return []
    found: dict[str, list[tuple[Night, Point]]] = {one.configuration_id: [] for one in history.nights[-1].points}
    for night in history.nights:
        for point in night.points:
            if point.configuration_id in found:
                found[point.configuration_id].append((night, point))
    return [Track(key, points[-1][1].label, tuple(points)) for key, points in found.items()]


def exact_changes(track: Track) -> list[Change]:
    """Where the weights of all runs are others than in the session before that told those of the very same seeds."""
    last: dict[tuple[object, ...], tuple[int, str]] = {}
    found = []
    for at, (_, point) in track.numbered:
        if point.fingerprint is None:
            continue
        count = point.n + point.collapsed
        runs = point.seeds, count
        # A line of before seeds were written: as many runs are taken for the same.
        since, before = last.get(runs) or last.pop(((), count), (at, point.fingerprint))
        if before != point.fingerprint:
            found.append(Change(FINGERPRINT, since, at, before, point.fingerprint, _differ(track, since, at)))
        last[runs] = at, point.fingerprint
    return found


def level_changes(track: Track) -> list[Change]:
    """Where speed or a metric changes its level.

    Raises
    ------
    ImportError
        Without apache-otava.
    """
    found = []
    for name in (*track.metrics, SPEED):
        values = track.values(name)
        for one in shifts([value for _, value in values]):
            if not LEAST_OF_LEVEL <= one.at <= len(values) - LEAST_OF_LEVEL:
                continue
            since, at = values[one.at - 1][0], values[one.at][0]
            found.append(Change(name, since, at, one.before, one.after, _differ(track, since, at), one.p))
    return sorted(found, key=lambda change: change.at)


def newest(track: Track, configurations: int = 1) -> Newest | None:
    """Judge the newest session's speed; None where too few before it were on its hardware.

    `configurations` are judged in the same session, and share `ALPHA`.
    """
    alpha = ALPHA / configurations
    before = _judged(track.points[:-1], alpha)
    if before is None or not before.suspicious:
        return _judged(track.points, alpha)
    # What was suspicious itself is nothing to expect by, or the second slow session would look well beside the first.
    last = _judged((*track.points[:-2], track.points[-1]), alpha)
    return last if last is None else Newest(last.speed, last.expected, again=last.suspicious)


def held(history: History) -> list[Verdict]:
    """The newest session's speed as verdicts: below what those before it let expect once, or again.

    A configuration without enough sessions on its hardware has none.
    """
    every, found = tracks(history), []
    for track in every:
        judged = newest(track, len(every))
        if judged is None:
            continue
        known, point = judged.expected, track.points[-1][1]
        outcome: Outcome = "PASS"
        if judged.suspicious:
            outcome = "FAIL" if judged.again else "INCONCLUSIVE"
        reason = Fact.of(
            "speed.expected", speed=judged.speed, least=known.least, mean=known.mean, sessions=known.sessions,
            suspicious=judged.suspicious, again=judged.again,
        )  # fmt: skip
        side = Side(track.label, track.configuration_id, point.environment_id)
        todo = (Fact.of("speed.measure_again"),) if judged.suspicious else ()
        found.append(Verdict("speed", outcome, side, reason, Side(BEFORE), ITEM, todo=todo))
    return found


def _judged(points: Sequence[tuple[Night, Point]], alpha: float) -> Newest | None:
    if not points or not points[-1][1].speed:
        return None
    hardware = _hardware(*points[-1])
    earlier = [point.speed for night, point in points[:-1] if point.speed and _hardware(night, point) == hardware]
    known = expected(earlier, alpha)
    return None if known is None else Newest(points[-1][1].speed, known)


def _hardware(night: Night, point: Point) -> list[str | None]:
    facts = night.facts_of(point)
    return [facts.get(name) for name in HARDWARE]


def _differ(track: Track, since: int, at: int) -> tuple[tuple[str, str | None, str | None], ...]:
    a, b = (night.facts_of(point) for night, point in (track.points[since], track.points[at]))
    return tuple((name, a.get(name), b.get(name)) for name in dict.fromkeys([*a, *b]) if a.get(name) != b.get(name))
