"""A cross-check free of any law: how many of our runs lie below the reference (statistics.md, section 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import scipy


@dataclass(frozen=True)
class Below:
    """`below` of `n` runs lie below the reference; a tie is half a run.

    `p_low` and `p_high` are the chances, without any difference, of as many or more below (our runs too low) and as
    few or fewer (too high); `p` is two-sided. The `least_...` are the smallest that n runs can attain.
    """

    below: float
    n: int
    p_low: float
    p_high: float
    p: float
    least_p_low: float
    least_p_high: float
    least_p: float

    def can_reject(self, alpha: float = 0.05) -> bool:
        """Whether any outcome of these n runs could be significant, two-sided."""
        return self.least_p < alpha


def count_below(values: Sequence[float], reference: float, j: int = 1, k: int = 1) -> Below:
    """Compare runs with order statistic j of k runs of the same law: below ~ BetaBinomial(n, j, k - j + 1).

    One collapsed run moves the count by one and no more. A single reference cannot be rejected with fewer than 40
    runs: the least two-sided p is 2/(n+1); all n below the best of k has p = k/(k+n). Half a run (a tie) counts for
    neither tail.

    Raises
    ------
    ValueError
        For no values, or where j is not between 1 and k.
    """
    if not values:
        raise ValueError("values: none (allowed: at least 1)")
    if not 1 <= j <= k:
        raise ValueError(f"j: {j} of k = {k} (allowed: 1 to k)")
    n = len(values)
    smaller, ties = sum(value < reference for value in values), sum(value == reference for value in values)
    law = scipy.stats.betabinom(n, j, k - j + 1)
    least = smaller + ties // 2
    most = smaller + (ties + 1) // 2
    p_low, p_high = float(law.sf(least - 1)), float(law.cdf(most))
    none, everything = float(law.pmf(0)), float(law.pmf(n))
    return Below(
        below=smaller + ties / 2,
        n=n,
        p_low=p_low,
        p_high=p_high,
        p=min(1.0, 2 * min(p_low, p_high)),
        least_p_low=everything,
        least_p_high=none,
        least_p=min(1.0, 2 * min(none, everything)),
    )
