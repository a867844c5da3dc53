"""How many seeds: power, smallest detectable difference, what cannot be decided (docs/statistics.md).

Plan with a spread known beforehand (`planning_sd`), never with the observed effect. Units: points.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import scipy

from harness.stats.decision import Direction, Rule
from harness.stats.t import Array, quantile, spread_nodes
from harness.stats.variance import LEAST, LEAST_WITH_HISTORY, Sd

Kind = Literal["single", "mean", "arms", "paired"]

POWER: Final = 0.8
MOST: Final = 1000
"""More seeds than this are "never": the noise of the reference rules."""


@dataclass(frozen=True)
class Design:
    """What n seeds are compared with, as factors of the seed sd.

    "single": one published run (TOST against the number itself). "mean": the mean of `m` runs with their sd, pooled.
    "arms": n seeds in each of two arms. "paired": the same n seeds in both, scores correlated by `rho`.
    `history` are the degrees of freedom that other cells add.
    """

    kind: Kind
    m: int = 1
    rho: float = 0.0
    history: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in ("single", "mean", "arms", "paired"):
            raise ValueError(f"kind: {self.kind!r} (allowed: single, mean, arms, paired)")
        if self.kind == "mean" and self.m < 2:
            raise ValueError(f"m: {self.m} (allowed: 2 or more runs)")
        if not -1 < self.rho < 1 or not self.history >= 0:
            raise ValueError(f"rho, history: {self.rho}, {self.history} (allowed: between -1 and 1, 0 or more)")

    def df(self, n: int) -> float:
        """Degrees of freedom of the sd after n seeds."""
        return {"single": n - 1, "mean": n + self.m - 2, "arms": 2 * n - 2, "paired": n - 1}[self.kind] + self.history

    def se_diff(self, n: int) -> float:
        """Standard error of the difference test over the seed sd."""
        return math.sqrt({
            "single": 1 + 1 / n, "mean": 1 / n + 1 / self.m, "arms": 2 / n, "paired": 2 * (1 - self.rho) / n
        }[self.kind])  # fmt: skip

    def se_eq(self, n: int) -> float:
        """Standard error of the equivalence test over the seed sd."""
        return math.sqrt(1 / n) if self.kind == "single" else self.se_diff(n)


def tost_power(design: Design, n: int, sd: float, rule: Rule, difference: float = 0.0) -> float:
    """The chance of a PASS at a true difference.

    E over s ~ chi_df/sqrt(df) of [Phi((delta - D - t s se)/se) - Phi((-delta - D + t s se)/se)]+, se = sd x factor.
    """
    se, df = _sized(sd, design.se_eq(n)), design.df(n)
    t = quantile(1 - rule.alpha, df)
    upper, lower = (rule.delta - difference) / se, (rule.delta + difference) / se
    if rule.direction == "lower":
        return _over_spread(df, lambda s: scipy.special.ndtr(lower - t * s))
    return _over_spread(
        df, lambda s: scipy.special.ndtr(upper - t * s) - scipy.special.ndtr(t * s - lower), below=rule.delta / se / t
    )


def difference_power(
    design: Design, n: int, sd: float, difference: float, alpha: float = 0.05, direction: Direction = "both"
) -> float:
    """The chance that the difference test is significant: noncentral t, nc = |D| / se.

    Direction "lower": one-sided, of a loss of that size. By the same quadrature as TOST's, for scipy's noncentral t
    gives NaN where nc is large.
    """
    nc, df = abs(difference) / _sized(sd, design.se_diff(n)), design.df(n)
    if direction == "lower":
        t = quantile(1 - alpha, df)
        return _over_spread(df, lambda s: scipy.special.ndtr(nc - t * s))
    t = quantile(1 - alpha / 2, df)
    return _over_spread(df, lambda s: scipy.special.ndtr(nc - t * s) + scipy.special.ndtr(-nc - t * s))


def detectable(design: Design, n: int, sd: float, power: float = POWER, alpha: float = 0.05) -> float:
    """MDE: the true difference, in points, that the two-sided difference test finds with the given power.

    Raises
    ------
    ValueError
        Where the power is not between alpha and 1, or as `difference_power`.
    """
    if not alpha < power < 1:
        raise ValueError(f"power: {power} (allowed: between alpha and 1)")
    high = _sized(sd, design.se_diff(n))
    while difference_power(design, n, sd, high, alpha) < power:
        high *= 2
    return float(scipy.optimize.brentq(lambda d: difference_power(design, n, sd, d, alpha) - power, 0.0, high))


def limit_of_detection(design: Design, sd: float, power: float = POWER, alpha: float = 0.05) -> float:
    """What no number of seeds gets below, in points: the MDE with n and df without end; 0 where more seeds always help.

    3.4 points against a single run at sd 1.2: more own seeds cannot mend the reference's n = 1.
    """
    left = {"single": 1.0, "mean": 1 / design.m}.get(design.kind, 0.0)
    both_tails = float(scipy.special.ndtri(1 - alpha / 2) + scipy.special.ndtri(power))
    return _sized(sd, 1.0) * math.sqrt(left) * both_tails


def seeds_to_pass(design: Design, sd: float, rule: Rule, difference: float = 0.0, power: float = POWER) -> int | None:
    """The fewest seeds (an arm) with which TOST passes at a true difference; None where 1000 are not enough.

    Raises
    ------
    ValueError
        Where the power is below .5 (less than that may fall with more seeds) or not below 1.
    """
    return _fewest(lambda n: tost_power(design, n, sd, rule, difference), power)


def more_seeds(design: Design, n: int, sd: float, rule: Rule, power: float = POWER) -> int | None:
    """How many seeds beyond n give the chance `power` of a PASS if the true difference is 0; None: no number does.

    At least one, for who asks has no verdict yet, and at least up to the rule's `n_min`.
    """
    needed = seeds_to_pass(design, sd, rule, power=power)
    n_min = rule.n_min if rule.n_min is not None else LEAST_WITH_HISTORY if design.history else LEAST
    return None if needed is None else max(1, max(needed, n_min) - n)


def planning_sd(sd: Sd, confidence: float = 0.8) -> float:
    """The upper bound of a pilot's sd to plan with, in points: s sqrt(df / chi2.ppf(1 - confidence, df)).

    2.1 times the sd of 3 runs, 1.56 times that of 5.

    Raises
    ------
    ValueError
        Where the confidence is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: {confidence} (allowed: between 0 and 1)")
    return sd.value * math.sqrt(sd.df / float(scipy.special.chdtri(sd.df, confidence)))


def _over_spread(df: float, f: Callable[[Array], Array], below: float = math.inf) -> float:
    s, weight = spread_nodes(df, below)
    return min(1.0, max(0.0, float(f(s) @ weight)))


def _sized(sd: float, factor: float) -> float:
    if not (math.isfinite(sd) and sd > 0):
        raise ValueError(f"sd: {sd} (allowed: above 0 points)")
    return sd * factor


def _fewest(power_at: Callable[[int], float], power: float) -> int | None:
    """The least n from 2 to MOST with that power, doubling and halving: above one half it rises with n."""
    if not 0.5 <= power < 1:
        raise ValueError(f"power: {power} (allowed: 0.5 to below 1)")
    if power_at(MOST) < power:
        return None
    too_few, high = 1, 2
    while power_at(high) < power:
        too_few, high = high, min(2 * high, MOST)
    while high - too_few > 1:
        middle = (too_few + high) // 2
        too_few, high = (too_few, middle) if power_at(middle) >= power else (middle, high)
    return high
