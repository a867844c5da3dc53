"""Two arms of runs: fp16 and fp32, k devices and 1, version B and A (docs/statistics.md).

The seed is the unit. Paired where both arms share seeds, Welch where they do not: chosen by design, never after
looking. Units: points; D = B - A. Exact McNemar compares two trained models, not two precisions: where flips come
together (phi = 3) it "finds" a precision effect in a quarter of the cases that have none. Evidence beside a verdict,
never a gate.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import scipy

from harness.stats.decision import Estimate
from harness.stats.t import Array
from harness.stats.variance import Sample, Sd, sample, satterthwaite

ENUMERATED: Final = 200_000
"""The most relabellings that are listed one by one."""

DRAWS: Final = 99_999


def paired(a: Sequence[float], b: Sequence[float], sd: Sd | None = None, identical: bool = False) -> Estimate:
    """B - A by seed: the mean difference, se = sd / sqrt(n), df = n - 1.

    `a` and `b` hold the same seeds in the same order, ok runs only. `sd`, where given, is that of the *differences*
    (steadied by history). `identical` says that both runs of every seed are known to answer alike.

    Raises
    ------
    ValueError
        Where the arms are empty or differ in length, or a value is not finite.
    """
    if len(a) != len(b):
        raise ValueError(f"arms: {len(a)} and {len(b)} runs (allowed: the same seeds in both)")
    d = sample([y - x for x, y in zip(a, b, strict=True)], sd)
    if d.sd is None:
        return Estimate(d.n, d.mean, None, None, None, None, identical=identical)
    se = d.sd.value / math.sqrt(d.n)
    return Estimate(d.n, d.mean, se, se, d.sd.df, d.sd, varied=d.varied, identical=identical)


def independent(a: Sample, b: Sample) -> Estimate:
    """B - A with other seeds in each arm: Welch's two-sample t; n is the smaller arm's.

    An arm whose runs are all equal decides nothing, however much the other varies.
    """
    n, difference = min(a.n, b.n), b.mean - a.mean
    if a.sd is None or b.sd is None:
        return Estimate(n, difference, None, None, None, None)
    smaller = a if a.n <= b.n else b
    square_a, square_b = a.sd.value**2 / a.n, b.sd.value**2 / b.n
    if not square_a + square_b:
        return Estimate(n, difference, 0.0, 0.0, None, smaller.sd, varied=False)
    se = math.sqrt(square_a + square_b)
    df = satterthwaite(square_a, a.sd.df, square_b, b.sd.df)
    return Estimate(n, difference, se, se, df, smaller.sd, varied=a.varied and b.varied)


@dataclass(frozen=True)
class Permutation:
    """A two-sided permutation p, and the least that these sizes could have given; `exact` where all were listed."""

    p: float
    least_p: float
    exact: bool

    def can_reject(self, alpha: float = 0.05) -> bool:
        """Whether any outcome could be significant: five pairs cannot at .05, six can."""
        return self.least_p < alpha


def sign_flip(differences: Sequence[float], seed: int = 0) -> Permutation:
    """The sign-flip test that the mean of paired differences is 0; the least p is 2 / 2^n.

    Pairs that do not differ have no sign to flip, and leave fewer. Beyond 17 pairs 99,999 seeded draws.

    Raises
    ------
    ValueError
        For no differences, or one that is not finite.
    """
    d = np.asarray(differences, dtype=np.float64)
    if not d.size or not np.isfinite(d).all():
        raise ValueError("differences: none, or one that is not finite (allowed: at least 1 finite number)")
    d = d[d != 0]
    exact = 2**d.size <= ENUMERATED
    if exact:
        bits = np.arange(2**d.size)[:, None] >> np.arange(d.size) & 1
        sums = (1 - 2 * bits) @ d
    else:
        sums = np.random.default_rng(seed).choice([-1.0, 1.0], (DRAWS, d.size)) @ d
    return Permutation(_share(sums, abs(float(d.sum())), exact), min(1.0, 2.0 ** (1 - d.size)), exact)


def _share(sums: Array, observed: float, exact: bool) -> float:
    # Rounding must not part what is equal: a sum may come out a last bit smaller in another order.
    as_far = int(np.count_nonzero(np.abs(sums) >= observed - 1e-9 * max(1.0, observed)))
    return as_far / len(sums) if exact else (as_far + 1) / (len(sums) + 1)


@dataclass(frozen=True)
class McNemar:
    """`b` examples that only the first model gets right, `c` only the second, of `n`.

    `difference` (second - first) and `se_independent` (flips independent of each other) in points; `churn` is the
    share of examples whose correctness changed, with two classes that of changed answers; `least_p` = 2^(1-b-c).
    """

    b: int
    c: int
    n: int
    p: float
    least_p: float
    difference: float
    se_independent: float
    churn: float

    def can_reject(self, alpha: float = 0.05) -> bool:
        """Whether so many flips could be significant at all: six at .05."""
        return self.least_p < alpha


@functools.lru_cache(maxsize=65536)  # an exact p costs a fraction of a millisecond
def mcnemar(b: int, c: int, n: int) -> McNemar:
    """Exact McNemar: of b + c discordant examples, is b Binomial(b + c, 1/2)?

    se_independent = 100 sqrt(b + c - (b - c)^2 / n) / n.

    Raises
    ------
    ValueError
        Where b, c are not counts of distinct examples among n.
    """
    if b < 0 or c < 0 or n < 1 or b + c > n:
        raise ValueError(f"b, c, n: {b}, {c}, {n} (allowed: counts with b + c at most n)")
    flips = b + c
    p = min(1.0, 2 * float(scipy.special.bdtr(min(b, c), flips, 0.5)))
    se = 100 * math.sqrt(flips - (b - c) ** 2 / n) / n
    return McNemar(b, c, n, p, min(1.0, 2.0 ** (1 - flips)), 100 * (c - b) / n, se, flips / n)


def discordant(
    a: npt.NDArray[Any], b: npt.NDArray[Any], accuracy_a: float | None, accuracy_b: float | None
) -> tuple[int, int] | None:
    """Return how many examples only the first, and only the second gets right, of two runs with two classes.

    `a` and `b` hold the answers, shape (examples,); the accuracies are fractions. With two classes each changed answer
    changes a correctness: b + c = changed answers, and c - b = the difference of accuracies in examples. None where
    that does not come out even (more classes, or scores of other answers).
    """
    if accuracy_a is None or accuracy_b is None or a.shape != b.shape or not a.size:
        return None
    changed = int(np.count_nonzero(a != b))
    gain = (accuracy_b - accuracy_a) * a.size
    won = round(gain)
    if abs(gain - won) > 1e-6 * a.size or abs(won) > changed or (changed - won) % 2:
        return None
    if np.union1d(np.unique(a), np.unique(b)).size > 2:
        return None
    return (changed - won) // 2, (changed + won) // 2


def overdispersion(flips: Iterable[tuple[int, int]]) -> float | None:
    """Overdispersion phi = sum (b - c)^2 / sum (b + c) over pairs of runs that differ only in seed, on one split.

    1: flips are independent; above 1: they come together, and McNemar's p is too small. Such pairs have no order, so
    the variance is taken about 0. None where nothing flipped.
    """
    squares = total = 0
    for b, c in flips:
        squares += (b - c) ** 2
        total += b + c
    return squares / total if total else None
