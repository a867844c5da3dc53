"""When a run has collapsed: it learned nothing that the majority class does not say (statistics.md, section 1.2)."""

from __future__ import annotations

from typing import Final, Literal

Status = Literal["crashed", "nonfinite", "collapsed", "suspect", "ok"]

SUSPECT_ACCURACY: Final = 0.72
SUSPECT_POSITIVE: Final = (0.40, 0.95)
"""On MRPC, whose validation split is 68 % positive: little above the majority class, or hardly any other answer."""


def is_collapsed(tp: int, fp: int, fn: int, tn: int) -> bool:
    """Say whether confusion counts are those of a collapsed run.

    Constant predictions, or an accuracy no better than the majority class (Mosbach et al. 2021, "failed run").
    On MRPC's validation split (279 of 408 positive) that is an accuracy of at most 279/408 = 0.6838.
    """
    constant = tp + fp == 0 or tn + fn == 0
    return constant or tp + tn <= max(tp + fn, tn + fp)


def run_status(
    confusion: tuple[int, int, int, int] | None,
    *,
    crashed: bool = False,
    nonfinite: bool = False,
    suspect_accuracy: float = SUSPECT_ACCURACY,
    suspect_positive: tuple[float, float] = SUSPECT_POSITIVE,
) -> Status:
    """The status of a run, the first that applies: crashed, nonfinite, collapsed, suspect, ok.

    `confusion` is (TP, FP, FN, TN), None where the run left no predictions; `nonfinite` a NaN or infinite loss, or an
    fp16 loss scale at its floor. Suspect: accuracy or the rate of positive answers (fractions) beyond the limits,
    which are MRPC's; such a run is shown, and judged with the ok ones.

    Raises
    ------
    ValueError
        For counts that are negative or of no example.
    """
    if nonfinite and not crashed:
        return "nonfinite"
    if crashed or confusion is None:
        return "crashed"
    tp, fp, fn, tn = confusion
    n = sum(confusion)
    if min(confusion) < 0 or not n:
        raise ValueError(f"confusion: {confusion} (allowed: counts of at least one example)")
    if is_collapsed(tp, fp, fn, tn):
        return "collapsed"
    positive = (tp + fp) / n
    low, high = suspect_positive
    return "suspect" if (tp + tn) / n < suspect_accuracy or not low <= positive <= high else "ok"
