"""Three words for one comparison: PASS, FAIL, INCONCLUSIVE (statistics.md, section 0).

The difference test and the equivalence test (TOST) together, Lakens' four outcomes folded to three: FAIL needs a
difference that is significant and larger than the margin, PASS an interval inside the margin, and "p > .05" alone is
never a PASS. Units: points = 100 x fraction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

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


@dataclass(frozen=True)
class Decision:
    """What the rule says of an estimate, with every number it rests on. Points; None: could not be computed.

    `ci90` is the equivalence test's interval, `ci95` the difference test's (against a single run: a prediction
    interval), at these levels whatever `alpha`; `ci_pass` has the level 1 - 2 alpha: inside (-delta, delta) it is a
    PASS. `se_eq` goes with `ci90`, `ci_pass` and `p_tost`, `se_diff` with `ci95` and `p_diff`; `se_diff` is None where
    these follow from no t law, but from that of a median or a best of k. `p_collapse` is that of too many collapses
    (`stability.gated`). `barred` says that no number could have changed an INCONCLUSIVE: too few runs, no spread.
    `label` qualifies the verdict.
    """

    outcome: Outcome
    why: str
    n: int
    difference: float
    ci90: Interval | None
    ci95: Interval | None
    ci_pass: Interval | None
    p_diff: float | None
    p_tost: float | None
    delta: float
    alpha: float
    direction: Direction
    df: float | None
    sd: Sd | None
    barred: bool = False
    label: str = ""
    p_collapse: float | None = None
    se_eq: float | None = None
    se_diff: float | None = None

    @property
    def p_block(self) -> float | None:
        """The p with which this comparison enters a family: of score or collapses, whichever says more."""
        return min((p for p in (self.p_diff, self.p_collapse) if p is not None), default=None)


def decide(estimate: Estimate, rule: Rule) -> Decision:
    """Apply the three-valued rule of section 0.

    p_diff = 2 t.sf(|D|/se_diff) or the pivot's p; p_tost = max(t.sf((delta+D)/se_eq), t.sf((delta-D)/se_eq)).
    PASS where p_tost < alpha; FAIL where not PASS, p_diff < alpha and |D| > delta; otherwise INCONCLUSIVE, also with
    fewer than `n_min` runs or a spread of 0. Direction "lower" takes one-sided p and drops TOST's upper half.
    """
    e = estimate
    n_min = rule.n_min if rule.n_min is not None else e.sd.least_runs if e.sd else LEAST
    # The bits were compared: the difference is 0 without any estimate of a spread.
    same = e.identical and e.difference == 0
    result = _same(e, rule) if same else _numbers(e, rule)
    if e.n < n_min:
        return replace(result, barred=True, why=f"{e.n} of at least {n_min} runs")
    if same:
        return replace(result, outcome="PASS", why="equal bit for bit at every seed")
    if result.p_diff is None or not e.varied:
        why = "no estimate of the spread" if e.sd is None else "sd = 0: all runs are equal"
        return replace(result, barred=True, why=why)
    said = _said(result)
    if result.p_tost is not None and result.p_tost < rule.alpha:
        return replace(result, outcome="PASS", why=said)
    beyond = -e.difference if rule.direction == "lower" else abs(e.difference)
    if result.p_diff < rule.alpha and beyond > rule.delta:
        return replace(result, outcome="FAIL", why=said)
    return replace(result, why=said)


def withheld(decision: Decision, why: str) -> Decision:
    """The decision without its PASS (section 1.2): INCONCLUSIVE for the reason given; another outcome stays."""
    return decision if decision.outcome != "PASS" else replace(decision, outcome="INCONCLUSIVE", why=why)


def _nothing(e: Estimate, rule: Rule) -> Decision:
    none = (None, None, None, None, None)
    return Decision("INCONCLUSIVE", "", e.n, e.difference, *none, rule.delta, rule.alpha, rule.direction, e.df, e.sd)


def _same(e: Estimate, rule: Rule) -> Decision:
    point = (0.0, 0.0)
    return replace(
        _nothing(e, rule), ci90=point, ci95=point, ci_pass=point, p_diff=1.0, p_tost=0.0, se_eq=0.0, se_diff=0.0
    )


def _numbers(e: Estimate, rule: Rule) -> Decision:
    if not e.se_diff or not e.se_eq or not e.df:
        return _nothing(e, rule)
    d, df = e.difference, e.df
    below, above = tail((rule.delta + d) / e.se_eq, df), tail((rule.delta - d) / e.se_eq, df)
    return replace(
        _nothing(e, rule),
        ci90=_interval(d, e.se_eq, df, 0.05),
        ci95=e.ci95 or _interval(d, e.se_diff, df, 0.025),
        ci_pass=_interval(d, e.se_eq, df, rule.alpha),
        p_diff=_p_diff(e, rule.direction, d / e.se_diff, df),
        p_tost=below if rule.direction == "lower" else max(below, above),
        se_eq=e.se_eq,
        se_diff=e.se_diff if e.low_tail is None and e.ci95 is None else None,
    )


def _p_diff(e: Estimate, direction: Direction, t: float, df: float) -> float:
    if direction == "lower":
        return tail(-t, df) if e.low_tail is None else e.low_tail
    return 2 * tail(abs(t), df) if e.low_tail is None else 2 * min(e.low_tail, 1 - e.low_tail)


def _interval(d: float, se: float, df: float, each_side: float) -> Interval:
    half = -quantile(each_side, df) * se
    return d - half, d + half


def _said(decision: Decision) -> str:
    low, high = decision.ci90 or (math.nan, math.nan)
    return (
        f"difference {decision.difference:+.2f} points, 90 % CI [{low:+.2f}, {high:+.2f}], margin {decision.delta:.2f}"
    )
