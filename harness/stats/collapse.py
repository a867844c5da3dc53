"""When a run has collapsed: it learned nothing that the majority class does not say (docs/statistics.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from harness.stats.descriptive import class_scores, constant_score

Status = Literal["collapsed", "suspect", "ok"]

MRPC: Final = (129, 279)
"""Examples of each class of its validation split."""

LIMITED: Final = ("accuracy", "matthews_correlation", "pearson", "spearmanr")
"""Metrics of which a constant answer's score is known, the first that a run has decides."""

SUSPECT_SHARE: Final = (0.72 - 279 / 408) / (129 / 408)
"""Of what the majority class leaves wrong: a run that puts less of it right is little above that class.

0.114, so that the limit on MRPC, 68 % of it positive, is an accuracy of 0.72; on a balanced split it is 0.557.
"""

_ROUNDING: Final = 1e-9


def is_collapsed(counts: Sequence[Sequence[int]]) -> bool:
    """Say whether confusion counts (rows true, columns predicted) are those of a collapsed run: one constant answer is
    among them.
    """
    labels = [sum(row) for row in counts]
    return not sum(labels) or run_status({"accuracy": class_scores(counts)["accuracy"]}, labels) == "collapsed"


def run_status(scores: Mapping[str, float | None], labels: Sequence[int] | None) -> Status:
    """The status of a run that ended with scores (fractions); `labels` are the examples of each class, where known.

    Collapsed: an accuracy no better than the majority class (Mosbach et al. 2021, "failed run"; on MRPC 279/408 =
    0.6838), or no right answer of one of two classes, which scores alone can prove; never where every answer is right,
    as on a split of one class it may be. Where there is no accuracy, a Matthews correlation no better than a constant
    answer's, which is 0. Suspect runs are shown, and judged with the ok ones. Both limits are the data's own: without
    the labels accuracy has none. Of numbers only what is constant has collapsed, and that no correlation tells.
    """
    metric = next((name for name in LIMITED if scores.get(name) is not None), None)
    value = None if metric is None else scores[metric]
    if metric is None or value is None or value >= 1:
        return "ok"
    limit = constant_score(metric, labels or ())
    if metric in ("accuracy", "matthews_correlation") and limit is not None and value <= limit + _ROUNDING:
        return "collapsed"
    if metric == "accuracy" and _answers_one_class(value, scores.get("f1")):
        return "collapsed"
    return "suspect" if limit is not None and value < _suspect(limit) - _ROUNDING else "ok"


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
