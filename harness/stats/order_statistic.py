"""A reference that is the median or the best of k runs, and what that does to it (docs/statistics.md).

With ref = order statistic j of k runs, and our n runs of the same law, T = (ref - mean) / sd is free of its mean and
sd. Best of 5 lies 1.16 sd above the mean by luck alone.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy

from harness.stats.t import Array, spread_nodes

HERMITE: Final = 81
DRAWS: Final = 200_000
WIDEST: Final = 1e8
"""Beyond so many sd no quantile of the pivot is looked for."""


@functools.lru_cache(maxsize=256)
def expected(j: int, k: int) -> float:
    """d_j: the expectation of order statistic j (1 the lowest) of k standard normals; d_5 of 5 = 1.162964.

    Raises
    ------
    ValueError
        Where j is not between 1 and k.
    """
    _place(j, k)
    # The trapezoidal rule converges exponentially on a smooth integrand that dies out at both ends.
    y = np.linspace(-12.0, 12.0, 2401)
    density = np.exp(
        math.lgamma(k + 1) - math.lgamma(j) - math.lgamma(k - j + 1)
        + (j - 1) * scipy.special.log_ndtr(y) + (k - j) * scipy.special.log_ndtr(-y) - y**2 / 2
    ) / math.sqrt(2 * math.pi)  # fmt: skip
    return float(np.sum(y * density) * (y[1] - y[0]))


@functools.lru_cache(maxsize=4096)
def pivot_cdf(c: float, n: int, df: float, j: int, k: int) -> float:
    """P(T <= c) for order statistic j of k, against the mean of n runs and an sd of df degrees of freedom.

    E over z ~ N(0, 1/n) and s ~ chi_df/sqrt(df) of I_{Phi(z + c s)}(j, k - j + 1): Gauss-Hermite over z,
    Gauss-Legendre over s. With k = 1 it is Student's t at c / sqrt(1 + 1/n).

    Raises
    ------
    ValueError
        Where j is not between 1 and k, n below 1, or df not above 0.
    """
    _place(j, k)
    if n < 1:
        raise ValueError(f"n: {n} (allowed: 1 or more)")
    x, weight_z = _hermite()
    s, weight_s = spread_nodes(df)
    u = scipy.special.ndtr(math.sqrt(2 / n) * x[:, None] + c * s[None, :])
    inner = scipy.special.betainc(j, k - j + 1, u)
    return min(1.0, max(0.0, float(weight_z @ inner @ weight_s / (weight_z.sum() * weight_s.sum()))))


@functools.lru_cache(maxsize=1024)
def pivot_quantile(p: float, n: int, df: float, j: int, k: int) -> float:
    """The c with P(T <= c) = p, for p between 0.001 and 0.999.

    Raises
    ------
    ValueError
        For another p, or as `pivot_cdf`.
    """
    if not 0.001 <= p <= 0.999:
        raise ValueError(f"p: {p} (allowed: 0.001 to 0.999)")
    reach = 8.0
    while pivot_cdf(reach, n, df, j, k) < p or pivot_cdf(-reach, n, df, j, k) > p:
        reach *= 4
        if reach > WIDEST:
            raise ValueError(f"df: {df} is too few for a quantile at {p} (allowed: 1 or more)")
    return float(scipy.optimize.brentq(lambda c: pivot_cdf(c, n, df, j, k) - p, -reach, reach, xtol=1e-9))


@functools.lru_cache(maxsize=8)
def even_median_draws(n: int, df: float, k: int, seed: int = 0) -> Array:
    """200,000 seeded draws of T, sorted, where the reference is the median of an even number k of runs.

    The two middle runs are drawn directly as uniform order statistics: the lower is Beta(k/2, k/2 + 1), the upper
    the least of k/2 uniforms above it.

    Raises
    ------
    ValueError
        Where k is odd or below 2, n below 1, or df not above 0.
    """
    if k < 2 or k % 2:
        raise ValueError(f"k: {k} (allowed: an even number of runs)")
    if n < 1 or not df > 0:
        raise ValueError(f"n, df: {n}, {df} (allowed: 1 or more, above 0)")
    generator = np.random.default_rng([seed, n, k])
    half = k // 2
    lower = generator.beta(half, half + 1, DRAWS)
    upper = lower + (1 - lower) * -np.expm1(np.log1p(-generator.random(DRAWS)) / half)
    median = (scipy.special.ndtri(lower) + scipy.special.ndtri(upper)) / 2
    mean = generator.standard_normal(DRAWS) / math.sqrt(n)
    sd = np.sqrt(generator.chisquare(df, DRAWS) / df)
    draws: Array = np.sort((median - mean) / sd)
    draws.flags.writeable = False  # cached: shared by all callers
    return draws


@functools.lru_cache(maxsize=2)
def _hermite() -> tuple[Array, Array]:
    x, w = np.polynomial.hermite.hermgauss(HERMITE)
    return x, w


def _place(j: int, k: int) -> None:
    if not 1 <= j <= k:
        raise ValueError(f"j: {j} of k = {k} (allowed: 1 to k)")


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
    ways = [math.comb(i + j - 1, i) * math.comb(n - i + k - j, n - i) for i in range(n + 1)]  # of C(n + k, n)
    least = smaller + ties // 2
    most = smaller + (ties + 1) // 2
    p_low, p_high, none, everything = (
        sum(part) / math.comb(n + k, n) for part in (ways[least:], ways[: most + 1], ways[:1], ways[n:])
    )
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
