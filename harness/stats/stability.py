"""How many collapsed runs are too many, and two collapse rates compared (docs/statistics.md)."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Final

import scipy

from harness.stats.decision import Outcome
from harness.stats.descriptive import Rate, rate

STABLE: Final = 0.02
"""The collapse rate that a stable recipe is allowed, where its reference declares none."""


@dataclass(frozen=True)
class Stability:
    """`k` of `n` runs that collapsed or lost their loss (nonfinite), against the declared rate `p0`.

    `outcome` is FAIL where p < alpha, else INCONCLUSIVE or PASS as `withhold` says: with more than
    max(1, floor(p0 n)) collapses no PASS is given on the scores of the others. `least_k` is the fewest of n that
    fail, None where not even all of them would.
    """

    k: int
    n: int
    p0: float
    rate: Rate
    p: float
    withhold: bool
    least_k: int | None
    outcome: Outcome


@functools.lru_cache(maxsize=4096)  # a binomial test takes as long as forty decisions
def stability(k: int, n: int, p0: float = STABLE, alpha: float = 0.05) -> Stability:
    """Gate part 1: P(k or more of n | p0), binomial, one-sided; part 2's rule for withholding a PASS.

    Both parts at .05 give at most .059 by simulation: pass alpha .025 to each where exactly .05 is required.

    Raises
    ------
    ValueError
        Where k is no part of n, n is 0, or p0 or alpha are no probabilities below 1.
    """
    if n < 1 or not 0 <= k <= n:
        raise ValueError(f"k, n: {k} of {n} (allowed: 0 to n, n at least 1)")
    if not 0 <= p0 < 1 or not 0 < alpha < 1:
        raise ValueError(f"p0, alpha: {p0}, {alpha} (allowed: 0 to below 1, between 0 and 1)")
    p = _at_least(k, n, p0)
    # 0.29 * 100 is 28.999...: the floor of what was meant.
    withhold = k > max(1, math.floor(p0 * n + 1e-9))
    least = next((some for some in range(1, n + 1) if _at_least(some, n, p0) < alpha), None)
    found = rate(k, n)
    outcome: Outcome = "FAIL" if p < alpha else "INCONCLUSIVE" if withhold else "PASS"
    return Stability(k, n, p0, found, p, withhold, least, outcome)


@dataclass(frozen=True)
class Rates:
    """Two collapse rates compared: two-sided p, the least p that these numbers of runs can give, and a one-sided p.

    `p_more` is that of a second arm that collapses more often than the first.
    """

    p: float
    least_p: float
    p_more: float

    def can_reject(self, alpha: float = 0.05) -> bool:
        """Whether any outcome of so many runs could be significant."""
        return self.least_p < alpha


@functools.lru_cache(maxsize=4096)
def compare_rates(k1: int, n1: int, k2: int, n2: int) -> Rates:
    """Whether two arms collapse at different rates: Fisher's exact test.

    With 5 seeds an arm it rejects only 0/5 vs 4/5 (.048), 1/5 vs 5/5 (.048) and 0/5 vs 5/5 (.008).

    Raises
    ------
    ValueError
        Where a k is no part of its n.
    """
    for k, n in ((k1, n1), (k2, n2)):
        if n < 1 or not 0 <= k <= n:
            raise ValueError(f"k, n: {k} of {n} (allowed: 0 to n, n at least 1)")
    return Rates(_fisher(k1, n1, k2, n2), _fisher(0, n1, n2, n2), _fisher(k1, n1, k2, n2, "less"))


def _fisher(k1: int, n1: int, k2: int, n2: int, alternative: str = "two-sided") -> float:
    """The exact p from whole numbers, for `scipy.stats`, which has such a test, is slow to import."""
    both = k1 + k2
    ways = {i: math.comb(n1, i) * math.comb(n2, both - i) for i in range(max(0, both - n2), min(n1, both) + 1)}
    if alternative == "less":
        counted = [number for i, number in ways.items() if i <= k1]
    else:  # all tables that are no likelier than this one
        counted = [number for number in ways.values() if number <= ways[k1]]
    return sum(counted) / math.comb(n1 + n2, both)


def _at_least(k: int, n: int, p0: float) -> float:
    return float(scipy.special.bdtrc(k - 1, n, p0))
