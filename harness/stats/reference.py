"""Our runs against a published value: target and standard errors for each kind of reference (docs/statistics.md).

Normal model for the ok runs, equal spread from seed to seed on both sides, the same validation examples (so that the
error of the test sample cancels). Every function gives an `Estimate` for `decision.decide`. Units: points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal

import numpy as np

from harness.fact import Fact
from harness.stats.decision import Decision, Estimate, Rule, decide
from harness.stats.order_statistic import even_median_draws, expected, pivot_cdf, pivot_quantile
from harness.stats.variance import Sample, own, satterthwaite

Method = Literal["auto", "welch", "pooled"]

LUCKY: Final = 5
"""A number of unknown provenance may be the best of so many."""

SIMILAR: Final = 2.0
"""Two sds within this factor may be pooled."""


def single(ours: Sample, value: float) -> Estimate:
    """Against one run (Crawford and Howell 1998; the two-sample t with n2 = 1): D = mean - value.

    se_diff = s sqrt(1 + 1/n): is the number an ordinary draw of our pipeline? se_eq = s / sqrt(n): is our mean within
    the margin of the number? A PASS says no more than these two things.
    """
    return _estimate(ours, ours.mean - value, math.sqrt(1 + 1 / ours.n), math.sqrt(1 / ours.n))


def published_mean(ours: Sample, mean: float, m: int, sd: float | None = None, method: Method = "auto") -> Estimate:
    """Against the mean of m runs, with their sd (ddof 1) or without.

    With sd: Welch, se^2 = s^2/n + s0^2/m and Satterthwaite's degrees of freedom; or the sds pooled, df = ours + m - 1.
    "auto" pools where they agree within a factor of 2. Without: s sqrt(1/n + 1/m), our df.

    Raises
    ------
    ValueError
        Where m is below 2 (one run is `single`), the sd negative, or the method none of the three.
    """
    if m < 2:
        raise ValueError(f"m: {m} (allowed: 2 or more runs)")
    if method not in ("auto", "welch", "pooled"):
        raise ValueError(f"method: {method!r} (allowed: auto, welch, pooled)")
    difference = ours.mean - mean
    if sd is None:
        factor = math.sqrt(1 / ours.n + 1 / m)
        return _estimate(ours, difference, factor, factor)
    if not (math.isfinite(sd) and sd >= 0):
        raise ValueError(f"sd: {sd} (allowed: 0 or more points)")
    s = ours.sd
    if s is None or not s.value or not ours.varied:
        return _estimate(ours, difference, 0.0, 0.0)
    if method == "pooled" or (method == "auto" and s.value <= SIMILAR * sd and sd <= SIMILAR * s.value):
        df = s.df + m - 1
        common = math.sqrt((s.df * s.value**2 + (m - 1) * sd**2) / df)
        se = common * math.sqrt(1 / ours.n + 1 / m)
        # The source stays ours: their sd is no history that would lower the least number of runs.
        note = Fact.of("spread.reference")
        note = Fact.of("spread.notes", notes=(s.note, note)) if s.note else note
        return Estimate(ours.n, difference, se, se, df, replace(s, value=common, df=df, note=note))
    a, b = s.value**2 / ours.n, sd**2 / m
    se = math.sqrt(a + b)
    return Estimate(ours.n, difference, se, se, satterthwaite(a, s.df, b, m - 1), s)


def published_sample(ours: Sample, values: Sequence[float]) -> Estimate:
    """Against published runs, one value each: two-sample Welch; their spread is never pooled with ours.

    Raises
    ------
    ValueError
        For fewer than two values.
    """
    theirs = own(values)
    return published_mean(ours, math.fsum(values) / len(values), len(values), theirs.value, "welch")


def median_of(ours: Sample, value: float, k: int) -> Estimate:
    """Against the median of k runs: the pivot of order statistic (k+1)/2, by Monte Carlo where k is even."""
    if k % 2:
        return _order(ours, value, (k + 1) // 2, k)
    estimate = _estimate(ours, ours.mean - value, math.sqrt(1 / ours.n), math.sqrt(1 / ours.n))
    s = ours.sd
    if s is None or not s.value:
        return estimate
    draws = even_median_draws(ours.n, s.df, k)
    # One is added on either side: no p of exactly 0 out of a finite number of draws.
    at_most = int(np.searchsorted(draws, (value - ours.mean) / s.value, "right"))
    low, high = np.quantile(draws, [0.025, 0.975])
    shift = ours.mean - value
    return replace(
        estimate,
        low_tail=1 - (at_most + 1) / (len(draws) + 2),
        ci95=(shift + float(low) * s.value, shift + float(high) * s.value),
    )


def best_of(ours: Sample, value: float, k: int) -> Estimate:
    """Against the best of k runs: the pivot of order statistic k."""
    return _order(ours, value, k, k)


def unknown(ours: Sample, value: float, rule: Rule) -> Decision:
    """Against a number of which nothing is known: judged as a single run and as the best of 5, the milder verdict."""
    severity = {"PASS": 0, "INCONCLUSIVE": 1, "FAIL": 2}
    decisions = [decide(single(ours, value), rule), decide(best_of(ours, value, LUCKY), rule)]
    mildest = min(decisions, key=lambda d: (severity[d.outcome], -(d.p_diff if d.p_diff is not None else 1.0)))
    return replace(mildest, best_of=1 if mildest is decisions[0] else LUCKY)


def _order(ours: Sample, value: float, j: int, k: int) -> Estimate:
    """D = mean + d_j s - value, se_eq = s sqrt(1/n + d_j^2 / (2 df)), and the pivot's law for the difference test.

    The interval inverts the pivot: the shifts of our mean under which the reference would be no surprise.
    """
    d = expected(j, k)
    s = ours.sd
    if s is None or not s.value:
        return _estimate(ours, ours.mean - value, 0.0, 0.0)
    n, df = ours.n, s.df
    se = s.value * math.sqrt(1 / n + d**2 / (2 * df))
    low_tail = 1 - pivot_cdf((value - ours.mean) / s.value, n, df, j, k)
    low, high = (ours.mean - value + s.value * pivot_quantile(p, n, df, j, k) for p in (0.025, 0.975))
    difference = ours.mean + d * s.value - value
    return Estimate(n, difference, se, se, df, s, low_tail, (low, high), varied=ours.varied)


def _estimate(ours: Sample, difference: float, diff: float, eq: float) -> Estimate:
    if not math.isfinite(difference):
        raise ValueError("reference: not a finite number of points (allowed: points = 100 x fraction)")
    s = ours.sd
    if s is None:
        return Estimate(ours.n, difference, None, None, None, None, varied=ours.varied)
    return Estimate(ours.n, difference, s.value * diff, s.value * eq, s.df, s, varied=ours.varied)
