"""Three words for one comparison: PASS, FAIL, INCONCLUSIVE (docs/statistics.md).

The difference test and the equivalence test (TOST) together, Lakens' four outcomes folded to three: FAIL needs a
difference that is significant and larger than the margin, PASS an interval inside the margin, and "p > .05" alone is
never a PASS. Units: points = 100 x fraction.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from harness.stats.t import quantile, tail
from harness.stats.variance import LEAST, Sd

Outcome = Literal["PASS", "FAIL", "INCONCLUSIVE"]
Direction = Literal["both", "lower"]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Rule:
    """What counts as equal, and how sure to be.

    `delta` is the margin in points; `alpha` the level of each test (a look's nominal level where looks are
    planned). Direction "lower" asks only whether the score is too low; "both" also finds a score that is too good,
    usually a leaked or another split. `n_min` None means 5 runs, or 3 where history helped with the sd.
    """

    delta: float
    alpha: float = 0.05
    direction: Direction = "both"
    n_min: int | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.delta) and self.delta > 0):
            raise ValueError(f"delta: {self.delta} (allowed: above 0 points)")
        if not 0 < self.alpha < 0.5:
            raise ValueError(f"alpha: {self.alpha} (allowed: between 0 and 0.5)")
        if self.direction not in ("both", "lower"):
            raise ValueError(f"direction: {self.direction!r} (allowed: both, lower)")
        if self.n_min is not None and self.n_min < 2:
            raise ValueError(f"n_min: {self.n_min} (allowed: 2 or more)")

    def widened(self, half_ulp: float) -> Rule:
        """The rule for a target that was rounded: the margin grows by `half_ulp` points (`margin.half_ulp`)."""
        if not half_ulp >= 0:
            raise ValueError(f"half_ulp: {half_ulp} (allowed: 0 or more points)")
        return replace(self, delta=self.delta + half_ulp)


@dataclass(frozen=True)
class Estimate:
    """A difference D (ours - target, points) and its standard errors, ready to be decided upon.

    `se_diff` serves the difference test, `se_eq` the equivalence test; both None where nothing is known of the
    spread. `low_tail` replaces the t law of the difference test: the chance, without any difference, of a D as low
    or lower; `ci95` is then its interval. `varied` False: all runs are equal. `identical`: both arms are known to be
    equal bit for bit, seed by seed, which alone excuses a spread of 0.
    """

    n: int
    difference: float
    se_diff: float | None
    se_eq: float | None
    df: float | None
    sd: Sd | None
    low_tail: float | None = None
    ci95: Interval | None = None
    varied: bool = True
    identical: bool = False

    def __post_init__(self) -> None:
        if not math.isfinite(self.difference):
            raise ValueError(f"difference: {self.difference} (allowed: a finite number of points)")
        if self.n < 1:
            raise ValueError(f"n: {self.n} (allowed: 1 or more)")


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the rule says of an estimate, with every number it rests on. Points; None: could not be computed.

    `ci90` is the equivalence test's interval, `ci95` the difference test's (against a single run: a prediction
    interval), at these levels whatever `alpha`; `ci_pass` has the level 1 - 2 alpha: inside (-delta, delta) it is a
    PASS. `se_eq` goes with `ci90`, `ci_pass` and `p_tost`, `se_diff` with `ci95` and `p_diff`; `se_diff` is None where
    these follow from no t law, but from that of a median or a best of k. `barred` says that no number could have
    changed an INCONCLUSIVE: fewer than `n_min` runs, no spread. `best_of`: the target's provenance is unknown, and it
    was taken for the best of so many runs (1: a single run). `largest_p`: see the function of that name.
    """

    outcome: Outcome
    n: int
    n_min: int
    difference: float
    ci90: Interval | None = None
    ci95: Interval | None = None
    ci_pass: Interval | None = None
    p_diff: float | None = None
    p_tost: float | None = None
    delta: float
    alpha: float
    direction: Direction
    df: float | None = None
    sd: Sd | None = None
    barred: bool = False
    best_of: int | None = None
    se_diff: float | None = None
    se_eq: float | None = None
    largest_p: float = 0.0

    @property
    def identical(self) -> bool:
        """Whether it rests on runs that answer alike at every seed, and on no spread."""
        return self.ci90 == (0.0, 0.0)

    @property
    def is_beyond(self) -> bool:
        """Whether the difference, as it stands, is beyond the margin in a direction that counts."""
        return _beyond(self.difference, self.direction) > self.delta

    @property
    def p_block(self) -> float | None:
        """The p that a FAIL would rest on; None where the difference is not beyond the margin, or nothing can fail."""
        return self.p_diff if self.is_beyond and not self.barred else None

    @property
    def p_limit(self) -> float:
        """Above this p it could not have failed; 0 where it could not at all."""
        return 0.0 if self.barred else self.largest_p


def decide(estimate: Estimate, rule: Rule) -> Decision:
    """Apply the three-valued rule.

    p_diff = 2 t.sf(|D|/se_diff) or the pivot's p; p_tost = max(t.sf((delta+D)/se_eq), t.sf((delta-D)/se_eq)).
    PASS where p_tost < alpha; FAIL where not PASS, p_diff < alpha and |D| > delta; otherwise INCONCLUSIVE, also with
    fewer than `n_min` runs or a spread of 0. Direction "lower" takes one-sided p and drops TOST's upper half.
    """
    e = estimate
    n_min = rule.n_min if rule.n_min is not None else e.sd.least_runs if e.sd else LEAST
    # The bits were compared: the difference is 0 without any estimate of a spread.
    same = e.identical and e.difference == 0
    numbers = _SAME if same else _numbers(e, rule)
    found = functools.partial(
        Decision, n=e.n, n_min=n_min, difference=e.difference, delta=rule.delta, alpha=rule.alpha,
        direction=rule.direction, df=e.df, sd=e.sd, **numbers,
    )  # fmt: skip
    if e.n < n_min or not (same or (numbers and e.varied)):
        return found(outcome="INCONCLUSIVE", barred=True)
    if same:
        return found(outcome="PASS")
    outcome: Outcome = "INCONCLUSIVE"
    if numbers["p_tost"] < rule.alpha:
        outcome = "PASS"
    elif numbers["p_diff"] < rule.alpha and _beyond(e.difference, rule.direction) > rule.delta:
        outcome = "FAIL"
    return found(outcome=outcome)


def undecided(rule: Rule) -> Decision:
    """A decision without any number: INCONCLUSIVE, and no part of a family."""
    return Decision(
        outcome="INCONCLUSIVE", n=0, n_min=rule.n_min or LEAST, difference=0.0, delta=rule.delta, alpha=rule.alpha,
        direction=rule.direction, barred=True,
    )  # fmt: skip


def largest_p(estimate: Estimate, rule: Rule) -> float:
    """The largest p with which a comparison could fail, by how much its runs scatter about the target in all.

    A FAIL needs |D| > delta. With Q = D^2 + df se^2 given, t = D / se has D^2 = Q t^2 / (t^2 + df), so that |D| > delta
    is |t| > sqrt(df / (Q / delta^2 - 1)): the p of that t, and 0 where Q <= delta^2. Without a true difference Q and t
    are independent (Basu 1955: Q is complete and sufficient for the variance, t free of it), and the chance of a false
    FAIL at a level c is min(c, this), given Q. A pivot's law is none of t: 1.
    """
    e = estimate
    if e.low_tail is not None:
        return 1.0
    if not e.se_diff or not e.df:
        return 0.0
    excess = (e.difference**2 + e.df * e.se_diff**2) / rule.delta**2 - 1
    return (1 if rule.direction == "lower" else 2) * tail(math.sqrt(e.df / excess), e.df) if excess > 0 else 0.0


def withheld(decision: Decision) -> Decision:
    """The decision without its PASS: INCONCLUSIVE; another outcome stays."""
    return decision if decision.outcome != "PASS" else replace(decision, outcome="INCONCLUSIVE")


_SAME: Final[Mapping[str, Any]] = {
    "ci90": (0.0, 0.0), "ci95": (0.0, 0.0), "ci_pass": (0.0, 0.0), "p_diff": 1.0, "p_tost": 0.0, "se_diff": 0.0,
    "se_eq": 0.0,
}  # fmt: skip


def _numbers(e: Estimate, rule: Rule) -> Mapping[str, Any]:
    """What can be computed of an estimate, by the names of `Decision`; nothing without a spread."""
    if not e.se_diff or not e.se_eq or not e.df:
        return {}
    d, df = e.difference, e.df
    below, above = tail((rule.delta + d) / e.se_eq, df), tail((rule.delta - d) / e.se_eq, df)
    return {
        "ci90": _interval(d, e.se_eq, df, 0.05),
        "ci95": e.ci95 or _interval(d, e.se_diff, df, 0.025),
        "ci_pass": _interval(d, e.se_eq, df, rule.alpha),
        "p_diff": _p_diff(e, rule.direction, d / e.se_diff, df),
        "p_tost": below if rule.direction == "lower" else max(below, above),
        "se_diff": e.se_diff if e.low_tail is None and e.ci95 is None else None,
        "se_eq": e.se_eq,
        "largest_p": largest_p(e, rule),
    }


def _beyond(difference: float, direction: Direction) -> float:
    """How far a difference goes in the direction that can fail."""
    return -difference if direction == "lower" else abs(difference)


def _p_diff(e: Estimate, direction: Direction, t: float, df: float) -> float:
    if direction == "lower":
        return tail(-t, df) if e.low_tail is None else e.low_tail
    return 2 * tail(abs(t), df) if e.low_tail is None else 2 * min(e.low_tail, 1 - e.low_tail)


def _interval(d: float, se: float, df: float, each_side: float) -> Interval:
    half = -quantile(each_side, df) * se
    return d - half, d + half
