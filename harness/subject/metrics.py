"""Accuracy and F1 as GLUE defines them for MRPC, with the confusion counts they come from.

In the form that `evaluate.load(FILE)` takes. It ships with the package because the hub's `glue` metric needs a network;
where a hub can be reached a test compares the two.
"""

from __future__ import annotations

from typing import Any

import datasets
import evaluate
import numpy as np

_DESCRIPTION = "Accuracy and F1 of the positive class (label 1) for a two-class task, as GLUE scores MRPC."


class Paraphrase(evaluate.Metric):
    """`compute(predictions, references)` -> accuracy, f1 (fractions), tp, fp, fn, tn (counts).

    Where no reference is positive there is no f1: it would be 0 by convention, whatever the predictions are.
    """

    def _info(self) -> evaluate.MetricInfo:
        features = datasets.Features({"predictions": datasets.Value("int64"), "references": datasets.Value("int64")})
        return evaluate.MetricInfo(description=_DESCRIPTION, citation="", features=features)

    def _compute(self, predictions: Any, references: Any) -> dict[str, float]:
        predicted, true = np.asarray(predictions) == 1, np.asarray(references) == 1
        tp, fp = int(np.sum(predicted & true)), int(np.sum(predicted & ~true))
        fn, tn = int(np.sum(~predicted & true)), int(np.sum(~predicted & ~true))
        f1 = {"f1": 2 * tp / (2 * tp + fp + fn)} if tp + fn else {}
        return {
            "accuracy": (tp + tn) / len(true),
            **f1,
            "tp": tp,
            "fp": fp,
            "fn": fn,
            "tn": tn,
        }
