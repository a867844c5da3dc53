"""Scores as GLUE defines them, and the confusion counts behind those of classes.

In the form that `evaluate.load(FILE, "accuracy,f1")` takes. It ships with the package because the hub's `glue` metric
needs a network; where a hub can be reached a test compares the two.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Callable

import datasets
import evaluate
import numpy as np

from harness.errors import SpecError
from harness.task import NUMBER_METRICS, Task, metric_name

_DESCRIPTION = "Accuracy, F1, Matthews correlation, Pearson and Spearman correlation, as GLUE scores its nine tasks."
Score = Callable[[np.ndarray, np.ndarray], dict[str, float]]


class Scores(evaluate.Metric):
    """`compute(predictions, references)` -> the metrics that `config_name` names, all of them fractions.

    Predictions and references are classes, shape (examples,), or numbers where the metrics are correlations. What a
    metric does not say of such references is left out: where no reference is positive there is no F1, which would be
    0 by convention whatever the predictions are. A correlation of constants is NaN.
    """

    def _info(self) -> evaluate.MetricInfo:
        kind = "float64" if set(self._names()) & set(NUMBER_METRICS) else "int64"
        features = datasets.Features({"predictions": datasets.Value(kind), "references": datasets.Value(kind)})
        return evaluate.MetricInfo(description=_DESCRIPTION, citation="", features=features)

    def _names(self) -> Sequence[str]:
        return ("accuracy", "f1") if self.config_name in (None, "default") else self.config_name.split(",")

    def _compute(self, predictions: Any, references: Any, positive: int = 1) -> dict[str, float]:
        predicted, true = np.asarray(predictions), np.asarray(references)
        found = {name: FORMULAS[name](predicted, true, positive) for name in self._names()}
        return {name: value for name, value in found.items() if value is not None}


def confusion(predicted: np.ndarray, true: np.ndarray, classes: int) -> np.ndarray:
    """Counts, shape (classes, classes): a row a true class, a column a predicted one."""
    cells = np.bincount(true.astype(np.int64) * classes + predicted, minlength=classes * classes)
    return cells.reshape(classes, classes)


def _accuracy(predicted: np.ndarray, true: np.ndarray, positive: int) -> float:
    return float(np.mean(predicted == true))


def _f1(predicted: np.ndarray, true: np.ndarray, positive: int) -> float | None:
    return _f1_of(predicted == positive, true == positive) if (true == positive).any() else None


def _macro_f1(predicted: np.ndarray, true: np.ndarray, positive: int) -> float:
    """The mean over the classes that are there or were said, each with the same weight."""
    classes = np.union1d(predicted, true)
    return float(np.mean([_f1_of(predicted == one, true == one) for one in classes]))


def _f1_of(predicted: np.ndarray, true: np.ndarray) -> float:
    both = int(np.sum(predicted & true))
    return 2 * both / int(np.sum(predicted) + np.sum(true))


def _matthews(predicted: np.ndarray, true: np.ndarray, positive: int) -> float:
    """(c s - sum p t) / sqrt((s^2 - sum p^2) (s^2 - sum t^2)) of counts (Gorodkin 2004); 0 for one constant answer."""
    classes = np.union1d(predicted, true)
    counts = confusion(np.searchsorted(classes, predicted), np.searchsorted(classes, true), len(classes))
    t, p = counts.sum(axis=1).astype(float), counts.sum(axis=0).astype(float)
    s = t.sum()
    size = np.sqrt(s * s - p @ p) * np.sqrt(s * s - t @ t)
    return float((np.trace(counts) * s - t @ p) / size) if size else 0.0


def _pearson(predicted: np.ndarray, true: np.ndarray, positive: int) -> float:
    x, y = (one.astype(np.float64) - one.astype(np.float64).mean() for one in (predicted, true))
    size = float(np.linalg.norm(x) * np.linalg.norm(y))
    return float(np.clip(x @ y / size, -1.0, 1.0)) if size else float("nan")


def _spearman(predicted: np.ndarray, true: np.ndarray, positive: int) -> float:
    return _pearson(_ranks(predicted), _ranks(true), positive)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


FORMULAS: Mapping[str, Callable[[np.ndarray, np.ndarray, int], float | None]] = {
    "accuracy": _accuracy,
    "f1": _f1,
    "macro_f1": _macro_f1,
    "matthews_correlation": _matthews,
    "pearson": _pearson,
    "spearmanr": _spearman,
}


def answers(task: Task, logits: np.ndarray) -> np.ndarray:
    """What was said of each example, shape (examples,): the class of the largest logit, or the number."""
    return logits.reshape(len(logits)) if task.regression else np.argmax(logits, axis=-1)


def is_constant(task: Task, logits: np.ndarray) -> bool:
    """Whether every example was given the same answer; of numbers to within a millionth of the largest."""
    said = answers(task, logits)
    if not task.regression:
        return bool((said == said[0]).all())
    return bool(np.ptp(said) <= 1e-6 * max(1.0, float(np.abs(said).max())))


def scorer(task: Task, folder: str | None = None) -> Score:
    """A function of logits (examples, classes) and labels (examples,) that gives the task's scores.

    `folder` is where a user's own metrics may lie, beside what is installed.

    Raises
    ------
    SpecError
        Where a user's function cannot be imported.
    """
    shipped = [name for name in task.metrics if ":" not in name]
    own = {name: _own(name, folder) for name in task.metrics if ":" in name}
    metric = None
    if shipped:
        names = ",".join(shipped)
        metric = Scores(config_name=names, experiment_id=f"cell-{os.getpid()}", keep_in_memory=True)

    def score(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        said = answers(task, logits)
        found: dict[str, float] = {}
        for name in task.metrics:
            if name in own:
                found.update(_own_score(name, own[name], said, labels))
        if metric is not None:
            positive = 1 if task.positive is None else task.positive
            found.update(metric.compute(predictions=said, references=labels, positive=positive) or {})
        return {name: found[name] for name in (*task.scored, *found) if name in found}

    return score


def _own(name: str, folder: str | None) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    if folder is not None and folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        found = getattr(importlib.import_module(module), function)
    except Exception as error:  # whatever a user's module raises while it is imported
        raise SpecError(f"task.metrics: {name}: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise SpecError(f"task.metrics: {name}: got {type(found).__name__}; allowed a function")
    return found


def _own_score(name: str, function: Callable[..., Any], said: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    found = function(predictions=said, references=labels)
    found = dict(found) if isinstance(found, Mapping) else {metric_name(name): found}
    if len(found) == 1:
        found = {metric_name(name): next(iter(found.values()))}
    if metric_name(name) not in found:
        allowed = f"a number, or a mapping with the key {metric_name(name)!r}"
        raise SpecError(f"task.metrics: {name}: returned the keys {sorted(map(str, found))}; allowed {allowed}")
    try:
        return {str(key): float(value) for key, value in found.items()}
    except (TypeError, ValueError) as error:
        raise SpecError(f"task.metrics: {name}: {error}; allowed numbers") from error
