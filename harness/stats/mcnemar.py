"""Two fitted models on the same examples: flips, churn, exact McNemar (statistics.md, sections 1 and 3, items 3 and 4).

It compares two trained models, not two precisions: where flips come together (phi = 3) it "finds" a precision effect
in a quarter of the cases that have none. Evidence beside a verdict, never a gate.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

Array = npt.NDArray[Any]


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
    p = float(scipy.stats.binomtest(b, flips, 0.5).pvalue) if flips else 1.0
    se = 100 * math.sqrt(flips - (b - c) ** 2 / n) / n
    return McNemar(b, c, n, p, min(1.0, 2.0 ** (1 - flips)), 100 * (c - b) / n, se, flips / n)


def discordant(a: Array, b: Array, accuracy_a: float | None, accuracy_b: float | None) -> tuple[int, int] | None:
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
