"""The one adapter around a `Trainer`: it tells what watches a run of each turn of it. It knows no task."""

from __future__ import annotations

import time
from typing import Any

import torch
from transformers import TrainerCallback

from harness.subject.watch.fingerprint import ID_COLUMN, UNKNOWN, CarryIds, RunTrace
from harness.subject.watch.observation import StepSeries


class TrainerAdapter(TrainerCallback):
    """Wraps the calls that no callback is told of, before `train()`; each wrapper returns its callee's own result.

    The trace is told of a turn before the series is: what it hashes and marks is no part of a step's time.
    """

    def __init__(self, trainer: Any, series: StepSeries, trace: RunTrace) -> None:
        self._trainer, self._series, self._trace = trainer, series, trace
        self._loader: Any = None
        trace.watch(trainer.model)
        self._wrap_loader()
        self._wrap_step()
        self._wrap_evaluation()
        trainer.add_callback(self)

    def facts(self) -> dict[str, Any]:
        """Return this rank's part of the fingerprint that is no array: see `RunTrace.describe`."""
        trainer, data = self._trainer, self._trainer.train_dataset
        return self._trace.describe(
            trainer.args,
            examples=len(data) if hasattr(data, "__len__") else 0,  # a stream has no number
            scaler=self._scaler,
            accepts_loss_kwargs=getattr(trainer, "model_accepts_loss_kwargs", None),
        )

    @property
    def _scaler(self) -> Any:
        return getattr(self._trainer.accelerator, "scaler", None)

    def _wrap_loader(self) -> None:
        """Have the examples' ids travel with their batches, in training and in evaluation."""
        trainer = self._trainer
        train, evaluation, test = trainer.get_train_dataloader, trainer.get_eval_dataloader, trainer.get_test_dataloader

        def train_loader(*args: Any, **kwargs: Any) -> Any:
            self._loader = self._carrying(train, trainer.train_dataset, *args, **kwargs)
            return self._loader

        def eval_loader(eval_dataset: Any = None) -> Any:
            self._trace.evaluation_begins()
            return self._carrying(
                evaluation, trainer.eval_dataset if eval_dataset is None else eval_dataset, eval_dataset
            )

        def test_loader(test_dataset: Any) -> Any:
            self._trace.evaluation_begins()
            return self._carrying(test, test_dataset, test_dataset)

        trainer.get_train_dataloader = train_loader
        trainer.get_eval_dataloader = eval_loader
        trainer.get_test_dataloader = test_loader

    def _carrying(self, loader: Any, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        """What `loader` returns for the dataset, with the ids of its examples beside each batch."""
        trainer = self._trainer
        columns = getattr(dataset, "column_names", None) or []
        if ID_COLUMN not in columns or not trainer.args.remove_unused_columns:
            return loader(*args, **kwargs)
        trainer._set_signature_columns_if_needed()
        kept, collator = trainer._signature_columns, trainer.data_collator
        trainer._signature_columns, trainer.data_collator = [*kept, ID_COLUMN], CarryIds(collator)
        try:
            return loader(*args, **kwargs)
        finally:
            trainer._signature_columns, trainer.data_collator = kept, collator

    def _wrap_step(self) -> None:
        """See each micro-batch with its loss, and the gradient's norm with what it is clipped to."""
        trainer, step = self._trainer, self._trainer.training_step
        clip = trainer.accelerator.clip_grad_norm_

        def watched_step(model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            seen, examples = self._arrived(inputs)
            loss = self._trace.micro_batch(seen, step, model, inputs, *args, **kwargs)
            self._series.micro_batch(loss, examples)
            return loss

        def watched_clip(parameters: Any, max_norm: Any, *args: Any, **kwargs: Any) -> Any:
            self._trace.clipped(max_norm)
            norm = clip(parameters, max_norm, *args, **kwargs)
            self._series.clipped(norm)
            return norm

        if hasattr(trainer, "get_batch_samples"):  # since transformers 4.46
            batches = trainer.get_batch_samples

            def watched_batches(loader: Any, *args: Any, **kwargs: Any) -> Any:
                self._trace.fetching()
                return batches(self._taken(loader), *args, **kwargs)

            trainer.get_batch_samples = watched_batches
        trainer.training_step = watched_step
        trainer.accelerator.clip_grad_norm_ = watched_clip

    def _taken(self, batches: Any) -> Any:
        """An epoch's batches as the Trainer takes them."""
        return batches

    def _arrived(self, inputs: Any) -> tuple[Any, int]:
        """What the trace is to see of a batch, with its examples' ids; and how many examples there are."""
        return inputs, examples_in(inputs)

    def _wrap_evaluation(self) -> None:
        """Time the evaluations, which are no training time, and see in which order the examples come."""
        evaluate, predict_batch = self._trainer.evaluate, self._trainer.prediction_step

        def watched_prediction(model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            self._trace.evaluation_batch(inputs)
            return predict_batch(model, inputs, *args, **kwargs)

        def watched_evaluate(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            self._trace.evaluation_begins()
            self._trace.draws.begin()
            metrics = evaluate(*args, **kwargs)
            self._trace.draws.end()
            self._series.evaluation_took(time.perf_counter() - start)
            return metrics

        self._trainer.evaluate = watched_evaluate
        self._trainer.prediction_step = watched_prediction

    # The Trainer's events, in their order within a run.

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        # Not those of the event: transformers 4.49 gives its callbacks neither optimizer, schedule nor loader.
        self._trace.train_begins(self._trainer.model, self._trainer.optimizer)
        self._series.train_begins(state.max_steps, self._trainer.model)

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._series.not_waiting()

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._series.step_begins()

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        # The scheduler moves on before `on_step_end`.
        scheduler = self._trainer.lr_scheduler
        self._series.optimizer_begins(float(scheduler.get_last_lr()[0]) if scheduler is not None else float("nan"))

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._trace.step_ends(self._scaler)
        self._series.step_ends(state.global_step, state.max_steps)
        if self._series.finished:
            control.should_training_stop = True

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        loader: Any = kwargs.get("train_dataloader")
        loader = self._loader if loader is None else loader
        self._trace.epoch_ends(len(loader) if hasattr(loader, "__len__") else UNKNOWN)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._series.not_waiting()

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        self._trace.evaluated()
        scores = {key[len("eval_") :]: value for key, value in (metrics or {}).items() if key.startswith("eval_")}
        self._series.evaluated(float(state.epoch or 0.0), state.global_step, state.max_steps, scores)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._trace.train_ends()
        self._series.train_ends()


def examples_in(inputs: Any) -> int:
    """The number of examples in a batch: each of its tensors has a row for each."""
    return next((len(value) for value in inputs.values() if isinstance(value, torch.Tensor) and value.ndim), 0)
