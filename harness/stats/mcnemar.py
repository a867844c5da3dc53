"""Two fitted models on the same examples: flips, churn, exact McNemar (statistics.md, sections 1 and 3, items 3 and 4).

It compares two trained models, not two precisions: where flips come together (phi = 3) it "finds" a precision effect
in a quarter of the cases that have none. Evidence beside a verdict, never a gate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import scipy

LEAST_FLIPS: Final = 6
"""Fewer discordant examples can never reach p < .05."""


@dataclass(frozen=True)
class ClassFlips:
    """Examples of one true class: how many, how many became right, and how many wrong."""

    n: int
    became_right: int
    became_wrong: int


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

    @property
    def agreement(self) -> float:
        """The share of examples on which both are right or both wrong."""
        return 1 - self.churn

    def can_reject(self, alpha: float = 0.05) -> bool:
        """Whether so many flips could be significant at all: six at .05."""
        return self.least_p < alpha


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


def compare_answers(
    labels: Sequence[int], first: Sequence[int], second: Sequence[int]
) -> tuple[McNemar, Mapping[int, ClassFlips]]:
    """McNemar of two models' answers, and their flips by true class.

    Raises
    ------
    ValueError
        Where the three differ in length or are empty.
    """
    if not len(labels) == len(first) == len(second) or not len(labels):
        raise ValueError(
            f"answers: {len(labels)} labels, {len(first)} and {len(second)} answers (allowed: as many of each)"
        )
    truth, a, b = (np.asarray(each) for each in (labels, first, second))
    right, wrong = (a != truth) & (b == truth), (a == truth) & (b != truth)
    by_class = {
        int(label): ClassFlips(
            _count(truth == label), _count(right & (truth == label)), _count(wrong & (truth == label))
        )
        for label in np.unique(truth)
    }
    return mcnemar(_count(wrong), _count(right), len(truth)), by_class


def overdispersion(pairs: Sequence[McNemar]) -> float | None:
    """Overdispersion: phi = Var(acc1 - acc2) / ((b + c) / n^2) over pairs of runs that differ only in seed.

    1: flips are independent; above 1: they come together, and McNemar's p is too small. Such pairs have no order, so
    the variance is taken about 0. None where nothing flipped.

    Raises
    ------
    ValueError
        Where the pairs are not of the same number of examples.
    """
    if len({pair.n for pair in pairs}) > 1:
        raise ValueError("pairs: of different numbers of examples (allowed: the same split)")
    flips = sum(pair.b + pair.c for pair in pairs)
    return sum((pair.b - pair.c) ** 2 for pair in pairs) / flips if flips else None


def least_sd(churn: float, n: int, phi: float = 1.0) -> float:
    """What the seed sd is at least, in points, by the churn between two seeds: 100 sqrt(phi churn / (2 n)).

    9 % of 408 give 1.05 points with independent flips (phi = 1).

    Raises
    ------
    ValueError
        Where the churn is no share, n below 1 or phi negative.
    """
    if not 0 <= churn <= 1 or n < 1 or not phi >= 0:
        raise ValueError(f"churn, n, phi: {churn}, {n}, {phi} (allowed: 0 to 1, 1 or more, 0 or more)")
    return 100 * math.sqrt(phi * churn / (2 * n))


def _count(mask: npt.NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(mask))
