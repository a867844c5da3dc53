"""What another test sample would do to a run's F1 (statistics.md, section 2).

For claims about *new examples* only: runs on the same examples are compared by the spread of their per-seed scores.
"""

from __future__ import annotations

import math


def standard_error(accuracy: float, f1: float, n: int) -> float:
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
