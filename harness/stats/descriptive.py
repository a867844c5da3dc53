"""Describing without judging: a sample's mean and spread, the interval of a rate, the error of an F1; and the scores of
answers, of confusion counts those of classes, of two series those of numbers.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True)
class Summary:
    """A sample's description, in the sample's own unit.

    `n` counts the finite values that the statistics are made of; `nonfinite` counts the NaN and infinities
    beside them, so that a value is never ignored silently. `sd` has ddof 1 and is None for n < 2; without any
    finite value every statistic is None.
    """

    n: int
    nonfinite: int
    mean: float | None
    sd: float | None
    min: float | None
    median: float | None
    max: float | None


def describe(values: Iterable[float]) -> Summary:
    """Describe `values`.

    Sums are exactly rounded (`math.fsum`), so the order of the values does not change the last bit.
    """
    given = [float(value) for value in values]
    sample = sorted(value for value in given if math.isfinite(value))
    n = len(sample)
    if n == 0:
        return Summary(0, len(given), None, None, None, None, None)
    # Rounding must not carry the mean of equal values away from them.
    mean = min(max(math.fsum(sample) / n, sample[0]), sample[-1])
    sd = math.hypot(*(value - mean for value in sample)) / math.sqrt(n - 1) if n > 1 else None
    return Summary(n, len(given) - n, mean, sd, sample[0], statistics.median(sample), sample[-1])


@dataclass(frozen=True)
class Rate:
    """`k` of `n`, as a fraction with its exact (Clopper-Pearson) confidence interval."""

    k: int
    n: int
    low: float
    high: float


@functools.lru_cache(maxsize=4096)
def rate(k: int, n: int, confidence: float = 0.95) -> Rate:
    """Interval of the rate behind `k` of `n` (Clopper and Pearson 1934): covers at least `confidence`.

    With n = 0 nothing is known: 0 to 1.

    Raises
    ------
    ValueError
        Where k is not between 0 and n, or `confidence` not between 0 and 1.
    """
    if not 0 <= k <= n:
        raise ValueError(f"k: {k} of n = {n} is not a count of part of it (allowed: 0 to {n})")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: {confidence} (allowed: between 0 and 1)")
    if n == 0:
        return Rate(0, 0, 0.0, 1.0)
    if k in (0, n):  # closed form of the same interval, which the beta distribution does not have there
        bound = ((1 - confidence) / 2) ** (1 / n)
        return Rate(k, n, 0.0, 1 - bound) if k == 0 else Rate(k, n, bound, 1.0)
    import scipy  # slow, and few commands come here

    tail = (1 - confidence) / 2
    low, high = scipy.special.betaincinv(k, n - k + 1, tail), scipy.special.betaincinv(k + 1, n - k, 1 - tail)
    return Rate(k, n, float(low), float(high))


def f1_standard_error(accuracy: float, f1: float, n: int) -> float:
    """The test-sampling standard error of one run's F1, in points, from its two scores (fractions) on n examples.

    By the delta method, with p = TP/N and e = (FP+FN)/N = 1 - accuracy: 2 sqrt(p e (p+e)) / (sqrt(N) (2p+e)^2). As
    F1 = 2p / (2p + e), the scores give p = e F1 / (2 (1 - F1)). 0 without a true positive, or without an error.

    Raises
    ------
    ValueError
        For a score that is no fraction, or no example.
    """
    if not (0 <= accuracy <= 1 and 0 <= f1 <= 1) or n < 1:
        raise ValueError(f"accuracy, f1, n: {accuracy}, {f1}, {n} (allowed: fractions, at least 1 example)")
    if f1 in (0, 1):
        return 0.0
    e = 1 - accuracy
    p = e * f1 / (2 * (1 - f1))
    return 100 * 2 * math.sqrt(p * e * (p + e)) / (math.sqrt(n) * (2 * p + e) ** 2) if e else 0.0


Counts = Sequence[Sequence[int]]
"""A row a true class, a column a predicted one."""


def class_scores(counts: Counts, positive: int = 1) -> dict[str, float]:
    """Accuracy, Matthews correlation and macro F1 as fractions, and F1 of the positive one of two classes.

    Without an example accuracy is 0; F1 without a positive, given or said, is 0.
    """
    total, right = sum(map(sum, counts)), sum(row[place] for place, row in enumerate(counts))
    true, said = [sum(row) for row in counts], [sum(row[place] for row in counts) for place in range(len(counts))]
    each = [_f1(counts[place][place], true[place] + said[place]) for place in range(len(counts))]
    there = [each[place] for place in range(len(counts)) if true[place] + said[place]]
    found = {
        "accuracy": right / total if total else 0.0,
        "macro_f1": math.fsum(there) / len(there) if there else 0.0,
        "matthews_correlation": _matthews(total, right, true, said),
    }
    return {**found, "f1": each[positive]} if len(counts) == 2 else found


def correlations(predicted: npt.NDArray[Any], true: npt.NDArray[Any]) -> dict[str, float]:
    """Pearson's and Spearman's correlation of two series, shape (examples,); NaN where one is constant."""
    if len(true) < 2 or predicted.min() == predicted.max() or true.min() == true.max():
        return {"pearson": math.nan, "spearmanr": math.nan}
    import scipy.stats

    x, y = predicted.astype(float), true.astype(float)
    return {
        "pearson": float(scipy.stats.pearsonr(x, y).statistic),
        "spearmanr": float(scipy.stats.spearmanr(x, y).statistic),
    }


def constant_score(metric: str, labels: Sequence[int]) -> float | None:
    """What the best constant answer has of a metric, given how many examples each class has; None where not known."""
    if metric == "accuracy":
        return max(labels) / sum(labels) if sum(labels) else None
    return 0.0 if metric in ("matthews_correlation", "pearson", "spearmanr") else None


def _f1(both: int, either: int) -> float:
    return 2 * both / either if either else 0.0


def _matthews(total: int, right: int, true: Sequence[int], said: Sequence[int]) -> float:
    size = math.sqrt(total**2 - sum(n * n for n in said)) * math.sqrt(total**2 - sum(n * n for n in true))
    return (right * total - sum(a * b for a, b in zip(true, said, strict=True))) / size if size else 0.0
