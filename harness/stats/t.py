"""Student's t, and expectations over an estimated standard deviation.

scipy is reached through its package, which loads a part when it is first used: reports that test nothing pay nothing.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt
import scipy

Array = npt.NDArray[np.float64]

TAIL = 1e-18
"""What quadratures over the spread leave out at each end."""


def tail(t: float, df: float) -> float:
    """P(T > t) of Student's t."""
    _positive("df", df)
    return float(scipy.special.stdtr(df, -t))


def quantile(p: float, df: float) -> float:
    """The t below which Student's t lies with probability `p`."""
    _positive("df", df)
    if not 0 < p < 1:
        raise ValueError(f"p: {p} (allowed: between 0 and 1)")
    return float(scipy.special.stdtrit(df, p))


def spread_nodes(df: float, below: float = math.inf, points: int = 200) -> tuple[Array, Array]:
    """Nodes and weights of E[f(s); s < below], s = chi_df / sqrt(df): an estimated sd over the true one.

    Gauss-Legendre in sqrt(s) (few degrees of freedom have a steep density at 0) times the density, so that an
    integrand with a kink at the bound keeps full accuracy; the weights sum to P(s < below).
    """
    _positive("df", df)
    lowest = math.sqrt(2 * float(scipy.special.gammaincinv(df / 2, TAIL)) / df)
    highest = min(below, math.sqrt(float(scipy.special.chdtri(df, TAIL)) / df))
    if highest <= lowest:
        return np.empty(0), np.empty(0)
    x, w = _legendre(points)
    half = (math.sqrt(highest) - math.sqrt(lowest)) / 2
    root = math.sqrt(lowest) + half * (x + 1)
    s = root**2
    log_density = math.log(2) + df / 2 * math.log(df / 2) - math.lgamma(df / 2) + (df - 1) * np.log(s) - df * s**2 / 2
    return s, 2 * half * root * w * np.exp(log_density)


@functools.lru_cache(maxsize=4)
def _legendre(points: int) -> tuple[Array, Array]:
    x, w = np.polynomial.legendre.leggauss(points)
    return x, w


def _positive(name: str, value: float) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name}: {value} (allowed: above 0)")
