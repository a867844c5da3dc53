"""When a run has collapsed: it learned nothing that the majority class does not say (docs/statistics.md)."""

from __future__ import annotations

from typing import Final, Literal

Status = Literal["collapsed", "suspect", "ok"]

MRPC: Final = (408, 279)
"""Examples and positives of its validation split."""

SUSPECT_SHARE: Final = (0.72 - 279 / 408) / (129 / 408)
"""Of what the majority class leaves wrong: a run that puts less of it right is little above that class.

0.114, so that the limit on MRPC, 68 % of it positive, is an accuracy of 0.72; on a balanced split it is 0.557.
"""

_ROUNDING: Final = 1e-9


def is_collapsed(tp: int, fp: int, fn: int, tn: int) -> bool:
    """Say whether confusion counts are those of a collapsed run: one constant answer is among them."""
    n = tp + fp + fn + tn
    return not n or run_status((tp + tn) / n, None, (n, tp + fn)) == "collapsed"


def run_status(accuracy: float, f1: float | None, counts: tuple[int, int] | None) -> Status:
    """The status of a run that ended with scores (fractions); `counts` are examples and positives, where known.

    Collapsed: an accuracy no better than the majority class (Mosbach et al. 2021, "failed run"; on MRPC 279/408 =
    0.6838), or no right answer of one class, which scores alone can prove; never where every answer is right, as on a
    split of one class it may be. Suspect runs are shown, and judged with the ok ones. Both limits are the data's own:
    without counts there is none.
    """
    majority = max(counts[1], counts[0] - counts[1]) / counts[0] if counts and counts[0] else None
    if accuracy >= 1:
        return "ok"
    if (majority is not None and accuracy <= majority + _ROUNDING) or _answers_one_class(accuracy, f1):
        return "collapsed"
    return "suspect" if majority is not None and accuracy < _suspect(majority) - _ROUNDING else "ok"


def _suspect(majority: float) -> float:
    return majority + SUSPECT_SHARE * (1 - majority)


def _answers_one_class(accuracy: float, f1: float | None) -> bool:
    """Say whether scores alone prove that no answer of one class was right: then accuracy is at most the majority's.

    Without a true positive F1 is 0. Without a true negative accuracy is TP/n and F1 2 TP/(n + TP), so that
    F1 = 2 a / (1 + a); with one it is never so, unless every answer is right.
    """
    if f1 is None:
        return False
    return f1 == 0 or abs(f1 - 2 * accuracy / (1 + accuracy)) <= _ROUNDING
