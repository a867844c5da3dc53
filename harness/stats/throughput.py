"""Speed against a baseline: the process is the unit of replication, never the step (docs/statistics.md).

Rates are samples a second, one per process (the median over its measured steps), compared on the log scale; a ratio
below 1 is slower.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import scipy

from harness.stats.decision import Interval, Outcome
from harness.stats.t import quantile, spread_nodes, tail
from harness.stats.variance import own

Reason = Literal["few", "no_spread", "margin_below_mde", "interval"]
"""Why it came out so: too few, all equal (sd 0), a margin that they cannot find, or where the interval lies."""

MARGIN: Final = 0.05
MEMORY: Final = 0.01
PAIRS: Final = 5
SESSIONS: Final = 3
ROBUST_PAIRS: Final = 10
POWER: Final = 0.8
RESAMPLES: Final = 9999
MOST_NEEDED: Final = 200
"""More pairs or sessions than that nobody runs."""


@dataclass(frozen=True)
class Speed:
    """B's speed over A's (or a new session's over earlier ones').

    `ci90` is two-sided, so each bound is one-sided at .05; `p_slower` is the one-sided p against a ratio of 1 or
    more. `detectable` is the MDE: the relative slow-down found with 80 % power; a margin below it can be judged only
    where the whole interval lies beyond it. `sd` is that of the log ratios, or of the baseline's log rates. None: not
    computable.
    """

    outcome: Outcome
    reason: Reason
    n: int
    ratio: float
    ci90: Interval | None
    p_slower: float | None
    margin: float
    detectable: float | None
    sd: float | None = None


def compare_pairs(a: Sequence[float], b: Sequence[float], margin: float = MARGIN) -> Speed:
    """Side by side: r_i = log(B_i / A_i), t over pairs; ratio = exp(mean r).

    PASS where the lower bound is above 1 - margin; FAIL where the upper bound is below 1 and the ratio below
    1 - margin; else INCONCLUSIVE, also with fewer than 5 pairs, pairs all equal, or a margin below the MDE. One
    exception to the MDE: an upper bound below 1 - margin is a FAIL whatever the MDE. Power is about what might have
    been missed, and nothing was; its chance without any slow-down is below that of p < .05, which it implies.

    Raises
    ------
    ValueError
        Where the arms are empty or differ in length, a rate is not above 0, or the margin not between 0 and 1.
    """
    if len(a) != len(b) or not a:
        raise ValueError(f"arms: {len(a)} and {len(b)} processes (allowed: pairs, at least 1)")
    r = [y - x for x, y in zip(_logs(a), _logs(b), strict=True)]
    mean = math.fsum(r) / len(r)
    if len(r) < 2:
        return _unjudged(len(r), mean, margin, "few")
    return _judged(len(r), mean, own(r).value, math.sqrt(1 / len(r)), margin, PAIRS)


def compare_sessions(baseline: Sequence[float], new: float, margin: float = MARGIN) -> Speed:
    """A new session against m >= 3 earlier ones: se = s sqrt(1 + 1/m) on the log scale, df = m - 1.

    One rate a session (the median of its processes), same accelerator, driver and clocks: what differs there is not
    to be compared. With fewer sessions INCONCLUSIVE: nothing is known of the spread between sessions.

    Raises
    ------
    ValueError
        As `compare_pairs`, or without any baseline.
    """
    if not baseline:
        raise ValueError("baseline: no session (allowed: at least 1)")
    history = _logs(baseline)
    m = len(history)
    mean = _logs([new])[0] - math.fsum(history) / m
    if m < 2:
        return _unjudged(m, mean, margin, "few")
    return _judged(m, mean, own(history).value, math.sqrt(1 + 1 / m), margin, SESSIONS)


def detectable_slowdown(sd: float, n: int, factor: float | None = None) -> float:
    """MDE as a fraction: the slow-down that the one-sided test at .05 finds with 80 % power.

    `sd` is that of log ratios, or of log rates between sessions; n of them give df = n - 1. `factor` is the standard
    error over it: 1/sqrt(n) for pairs (the default), sqrt(1 + 1/n) for sessions. Exact, by the noncentral t; about
    (t_.95 + t_.80) sd factor.

    Raises
    ------
    ValueError
        For an sd not above 0, or n below 2.
    """
    if not (math.isfinite(sd) and sd > 0) or n < 2:
        raise ValueError(f"sd, n: {sd}, {n} (allowed: above 0, at least 2)")
    s, weight = spread_nodes(n - 1)
    t = quantile(0.95, n - 1)

    def missing(nc: float) -> float:
        return float(scipy.special.ndtr(nc - t * s) @ weight) - POWER

    nc = float(scipy.optimize.brentq(missing, 0.0, 100.0))
    return -math.expm1(-nc * sd * (1 / math.sqrt(n) if factor is None else factor))


def replicates_needed(sd: float, margin: float, sessions: bool = False) -> int | None:
    """How many pairs (or baseline sessions) bring the MDE down to the margin at this sd; None: more than 200.

    Raises
    ------
    ValueError
        For an sd not above 0, or a margin not between 0 and 1.
    """
    if not 0 < margin < 1:
        raise ValueError(f"margin: {margin} (allowed: between 0 and 1)")
    low, high = SESSIONS if sessions else PAIRS, MOST_NEEDED

    def enough(n: int) -> bool:
        return detectable_slowdown(sd, n, math.sqrt(1 + 1 / n) if sessions else None) <= margin

    if not enough(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def median_ratio(a: Sequence[float], b: Sequence[float], seed: int = 0) -> tuple[float, Interval]:
    """The robust twin for ten pairs or more: exp(median r), 90 % percentile bootstrap over pairs. Never gated on.

    Raises
    ------
    ValueError
        For fewer than 10 pairs, whose bootstrap covers too little; or as `compare_pairs`.
    """
    if len(a) != len(b) or len(a) < ROBUST_PAIRS:
        raise ValueError(f"arms: {len(a)} and {len(b)} processes (allowed: at least {ROBUST_PAIRS} pairs)")
    r = np.subtract(_logs(b), _logs(a))
    draws = np.median(np.random.default_rng(seed).choice(r, (RESAMPLES, r.size)), axis=1)
    low, high = np.quantile(draws, [0.05, 0.95])
    return math.exp(float(np.median(r))), (math.exp(float(low)), math.exp(float(high)))


def same_memory(a: float, b: float, tolerance: float = MEMORY) -> bool:
    """Whether two peaks of allocated memory, deterministic numbers, agree within 1 % of the first."""
    if not (a > 0 and b > 0):
        raise ValueError(f"memory: {a} and {b} (allowed: above 0)")
    return abs(b - a) <= tolerance * a


def _judged(n: int, mean: float, sd: float, factor: float, margin: float, least: int) -> Speed:
    result = _unjudged(n, mean, margin, "few" if n < least else "no_spread")
    if not sd:
        return result
    se, df = sd * factor, n - 1
    half = quantile(0.95, df) * se
    low, high = math.exp(mean - half), math.exp(mean + half)
    found = detectable_slowdown(sd, n, factor)
    result = replace(result, ci90=(low, high), p_slower=tail(-mean / se, df), detectable=found, sd=sd)
    if n < least:
        return result
    if high < 1 - margin:
        return replace(result, outcome="FAIL", reason="interval")
    if margin < found:
        return replace(result, reason="margin_below_mde")
    if low > 1 - margin:
        return replace(result, outcome="PASS", reason="interval")
    failed = high < 1 and result.ratio < 1 - margin
    return replace(result, outcome="FAIL" if failed else "INCONCLUSIVE", reason="interval")


def _unjudged(n: int, mean: float, margin: float, reason: Reason) -> Speed:
    if not 0 < margin < 1:
        raise ValueError(f"margin: {margin} (allowed: between 0 and 1)")
    return Speed("INCONCLUSIVE", reason, n, math.exp(mean), None, None, margin, None)


def _logs(rates: Sequence[float]) -> list[float]:
    for rate in rates:
        if not (math.isfinite(rate) and rate > 0):
            raise ValueError(f"rate: {rate} (allowed: above 0 samples a second)")
    return [math.log(rate) for rate in rates]


MOST_SESSIONS: Final = 30
"""The newest sessions are heeded: a machine of a year ago is another one."""


@dataclass(frozen=True)
class Expected:
    """What `sessions` earlier ones let expect of the next: its mean, and the `least` of all but alpha of such."""

    mean: float
    least: float
    sessions: int


def expected(earlier: Sequence[float], alpha: float) -> Expected | None:
    """The one-sided prediction bound of the next session: exp(mean - t(1 - alpha, m - 1) s sqrt(1 + 1/m)), on logs.

    Of the newest `MOST_SESSIONS` of `earlier`, rates of one machine; None with fewer than `SESSIONS`, or all equal.

    Raises
    ------
    ValueError
        For a rate not above 0.
    """
    logs = _logs(earlier[-MOST_SESSIONS:])
    m = len(logs)
    if m < SESSIONS or len(set(logs)) == 1:
        return None
    mean = math.fsum(logs) / m
    least = mean - quantile(1 - alpha, m - 1) * own(logs).value * math.sqrt(1 + 1 / m)
    return Expected(math.exp(mean), math.exp(least), m)
