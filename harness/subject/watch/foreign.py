"""The adapter around a Trainer that somebody else's code made: any data, any collator, any subclass."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from harness.subject.watch.adapter import TrainerAdapter, examples_in
from harness.subject.watch.fingerprint import TRAVELLING, RunTrace
from harness.subject.watch.observation import StepSeries, is_score
from harness.subject.watch.order import Order

OWN = {
    "loss": ("compute_loss",),
    "step": ("training_step", "_inner_training_loop"),
    "loader": ("get_train_dataloader", "_get_train_sampler", "get_batch_samples", "_get_dataloader"),
    "optimizer": ("create_optimizer", "create_optimizer_and_scheduler", "get_decay_parameter_names"),
    "schedule": ("create_scheduler", "create_optimizer_and_scheduler"),
}
"""Parts of training that a subclass may do in its own way, by the methods of `Trainer` that do them."""

MOST_CLASSES = 64
"""Of a classifier whose logits are kept; a vocabulary's would be gigabytes."""


class ForeignAdapter(TrainerAdapter):
    """Watches any Trainer.

    Attributes
    ----------
    own
        Which of the parts in `OWN` are not transformers' own: a check of them would be of another recipe.
    scores
        Of the Trainer's last evaluation, by name without its prefix; empty before one.
    answers
        `logits` and `labels` of that evaluation where it was a classifier's; empty otherwise.
    """

    def __init__(self, trainer: Any, series: StepSeries, trace: RunTrace) -> None:
        self._order, self._ended = Order(), False
        self.own = own_parts(trainer)
        self.scores: dict[str, float] = {}
        self.answers: dict[str, np.ndarray] = {}
        super().__init__(trainer, series, trace)

    def _wrap_loader(self) -> None:
        trainer, train = self._trainer, self._trainer.get_train_dataloader

        def train_loader(*args: Any, **kwargs: Any) -> Any:
            self._loader = self._order.carry(train(*args, **kwargs))
            return self._loader

        trainer.get_train_dataloader = train_loader
        for name in ("get_eval_dataloader", "get_test_dataloader"):
            setattr(trainer, name, self._beginning(getattr(trainer, name)))

    def _beginning(self, loader: Any) -> Any:
        def eval_loader(*args: Any, **kwargs: Any) -> Any:
            self._trace.evaluation_begins()
            return loader(*args, **kwargs)

        return eval_loader

    def _taken(self, batches: Any) -> Any:
        # The first of an epoch's steps begins with its loader's iterator; the others go on with ours.
        if getattr(self, "_loader", None) is not batches:
            self._loader, self._batches = batches, self._order.taken(batches)
        return self._batches

    def _arrived(self, inputs: Any) -> tuple[Any, int]:
        places = self._order.of(inputs)
        if not isinstance(inputs, Mapping):
            return {TRAVELLING: places}, 0 if places is None else len(places)
        seen = {name: value for name, value in inputs.items() if isinstance(value, torch.Tensor)}
        return {**seen, TRAVELLING: places}, examples_in(inputs) if places is None else len(places)

    def _wrap_evaluation(self) -> None:
        trainer, own, loop = self._trainer, self._trainer.evaluate, self._trainer.evaluation_loop
        super()._wrap_evaluation()
        timed = trainer.evaluate

        def scored_evaluate(*args: Any, **kwargs: Any) -> Any:
            self.answers = {}
            # After training it is no part of training's time.
            metrics = (own if self._ended else timed)(*args, **kwargs)
            self.scores = scores_of(metrics, kwargs.get("metric_key_prefix", "eval"))
            return metrics

        def watched_loop(*args: Any, **kwargs: Any) -> Any:
            found = loop(*args, **kwargs)
            self.answers = answers_of(found)
            return found

        trainer.evaluate, trainer.evaluation_loop = scored_evaluate, watched_loop

    # The Trainer's events, in their order within a run.

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        if not self._ended:  # what a script asks after training is no evaluation on the way
            scores = {f"eval_{name}": value for name, value in scores_of(metrics, "eval").items()}
            super().on_evaluate(args, state, control, scores, **kwargs)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._ended = True
        super().on_train_end(args, state, control, **kwargs)


def own_parts(trainer: Any) -> list[str]:
    """The parts in `OWN` that a subclass overrides, or that a Trainer was given ready-made."""
    from transformers import Trainer

    found = [
        part
        for part, methods in OWN.items()
        if any(getattr(type(trainer), name, None) is not getattr(Trainer, name, None) for name in methods)
    ]
    given = {"optimizer": trainer.optimizer, "schedule": trainer.lr_scheduler}
    given["loss"] = getattr(trainer, "compute_loss_func", None)
    return sorted({*found, *(part for part, one in given.items() if one is not None)})


def scores_of(metrics: Any, prefix: str) -> dict[str, float]:
    """The numbers of an evaluation's metrics that are scores, without the prefix that the Trainer gives them."""
    found = {}
    for name, value in metrics.items() if isinstance(metrics, Mapping) else ():
        short = name[len(prefix) + 1 :] if name.startswith(f"{prefix}_") else name
        number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if number and is_score(short):
            found[short] = float(value)
    return found


def answers_of(output: Any) -> dict[str, np.ndarray]:
    """The logits (examples, classes) and labels (examples,) of an evaluation that was a classifier's."""
    logits, labels = getattr(output, "predictions", None), getattr(output, "label_ids", None)
    logits = logits[0] if isinstance(logits, tuple) and logits else logits
    if not isinstance(logits, np.ndarray) or not isinstance(labels, np.ndarray):
        return {}
    whole = logits.ndim == 2 and 1 < logits.shape[1] <= MOST_CLASSES and labels.shape == logits.shape[:1]
    if not whole or logits.dtype.kind != "f" or labels.dtype.kind not in "iu":
        return {}
    return {"logits": logits.astype(np.float32), "labels": labels.astype(np.int64)}
