"""What an engine hands back."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Trained(NamedTuple):
    """One rank's finished training, evaluation and prediction.

    Attributes
    ----------
    model
        The trained model, unwrapped.
    facts
        This rank's part of the fingerprint that is no array: see `RunTrace.describe`.
    trace
        By micro-batch: see `RunTrace.trace`.
    series
        By optimizer step: see `StepSeries.series`; and `logits` (examples, 2), `labels` (examples,).
    evaluations
        One dict an evaluation during training: epoch, step, accuracy, f1, loss.
    scores
        Of the prediction after training: accuracy, f1, loss, tp, fp, fn, tn.
    seconds
        train (evaluation excluded), evaluate, data_wait.
    samples
        Training examples that this rank saw.
    steps
        Optimizer steps by the engine's own count.
    optimizer
        See `facts.optimizer`.
    """

    model: Any
    facts: dict[str, Any]
    trace: dict[str, np.ndarray]
    series: dict[str, np.ndarray]
    evaluations: list[dict[str, Any]]
    scores: dict[str, float]
    seconds: dict[str, float]
    samples: int
    train_loss: float
    steps: int
    optimizer: dict[str, Any]
    collator: str
