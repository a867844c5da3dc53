"""Scores of answers, each formula once: of confusion counts those of classes, of two series those of numbers.

Standard library only, but for the correlations: a store's index asks for the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

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
