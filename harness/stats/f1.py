"""Accuracy and F1 of confusion counts, and what another test sample would do to them (statistics.md, section 2).

Standard errors here are for claims about *new examples*; runs on the same examples are compared by the spread of
their per-seed scores. Units: points = 100 x fraction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Scores:
    """Accuracy and F1 of the positive class, with their test-sampling standard errors. Points."""

    accuracy: float
    f1: float
    se_accuracy: float
    se_f1: float


def scores(tp: int, fp: int, fn: int, tn: int) -> Scores:
    """Scores of one run.

    F1 = 2 TP / (2 TP + FP + FN), 0 without any true positive. By the delta method, with p = TP/N, e = (FP+FN)/N:
    se_F1 = 2 sqrt(p e (p+e)) / (sqrt(N) (2p+e)^2); se_accuracy = sqrt(a (1-a) / N).

    Raises
    ------
    ValueError
        For counts that are negative or of no example.
    """
    n = tp + fp + fn + tn
    if min(tp, fp, fn, tn) < 0 or not n:
        raise ValueError(f"confusion: {(tp, fp, fn, tn)} (allowed: counts of at least one example)")
    accuracy = (tp + tn) / n
    p, e = tp / n, (fp + fn) / n
    f1 = 2 * p / (2 * p + e) if tp else 0.0
    se_f1 = 2 * math.sqrt(p * e * (p + e)) / (math.sqrt(n) * (2 * p + e) ** 2) if tp else 0.0
    return Scores(100 * accuracy, 100 * f1, 100 * math.sqrt(accuracy * (1 - accuracy) / n), 100 * se_f1)
