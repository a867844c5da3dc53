"""What a plain loop writes down while it trains: the same series and trace as are taken from a `Trainer`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, Callable

import numpy as np

from harness.protocol import PREDICTING
from harness.subject import facts
from harness.subject.engines.plain import Evaluation, Plan
from harness.subject.engines.setup import (
    Clock,
    Emit,
    Mark,
    Setup,
    Trained,
    further_answers,
    further_scores,
    labels_of,
)
from harness.subject.watch.fingerprint import ID_COLUMN, RunTrace
from harness.subject.watch.inputs import hashing
from harness.subject.watch.observation import StepSeries


class Journal:
    """One rank's journal. It draws nothing, opens no loader of its own and leaves every scalar on its device."""

    def __init__(self, setup: Setup, plan: Plan, emit: Emit, mark: Mark) -> None:
        self._setup, self._plan, self._emit, self._mark = setup, plan, emit, mark
        self._series = StepSeries(emit, setup.stopwatch)
        self._trace = RunTrace(setup.cell["precision"], mark, hashes=hashing(setup.tokenizer))
        self._in_step = False
        self._epoch = 0.0
        self._optimizer: Any = None
        self._schedule: Any = None
        self._scaler: Any = None
        self._last: Evaluation | None = None
        self._evaluated_at = 0
        self.steps = 0  # optimizer steps so far

    @property
    def finished(self) -> bool:
        """Whether the last step has been made: the last planned one, or the last that is timed."""
        return self.steps >= self._plan.steps or self._series.finished

    def train_begins(self, optimizer: Any, schedule: Any, scaler: Any = None) -> None:
        """Everything is ready, and ranks have the same weights. `scaler` is the loss scaler where there is one."""
        self._optimizer, self._schedule, self._scaler = optimizer, schedule, scaler
        self._trace.watch(self._setup.model)
        # Told first: what is hashed before step 0 is not training time.
        self._trace.train_begins(self._setup.model, optimizer)
        self._series.train_begins(self._plan.steps, self._setup.model)

    def batches(self, loader: Any) -> Iterator[Any]:
        """An epoch's batches from the loader, the wait for each of them noted."""
        self._series.not_waiting()
        self._trace.fetching()
        batches = iter(loader)
        while True:
            start = time.perf_counter()
            try:
                batch = next(batches)
            except StopIteration:
                return
            if self._in_step:
                self._series.waited(time.perf_counter() - start)
            else:
                self._series.step_begins()
                self._in_step = True
            yield batch
            self._trace.fetching()

    def micro_batch(self, batch: Any, forward_backward: Callable[[Any, int], Any], together: int) -> None:
        """Call `forward_backward` with the batch, its ids taken out, and note the loss that it returns.

        That is the micro-batch's share of the step's loss: the shares of the `together` micro-batches add up to it.
        """
        loss = self._trace.micro_batch(batch, forward_backward, batch, together)
        self._series.micro_batch(loss, len(batch["labels"]))

    def optimizer_begins(self, norm: Any, limit: float) -> None:
        """The step's gradient is whole: its norm, and what it was clipped to."""
        self._series.clipped(norm)
        self._trace.clipped(limit)
        self._series.optimizer_begins(float(self._schedule.get_last_lr()[0]))

    def step_ends(self, epoch: int, number: int) -> None:
        """The step that took an epoch's micro-batch `number`, from 0, as its last has ended."""
        self.steps += 1
        self._in_step = False
        self._epoch = epoch + (number + 1) / self._plan.batches
        self._trace.step_ends(self._scaler)
        self._series.step_ends(self.steps, self._plan.steps)

    def epoch_ends(self, evaluate: Callable[[], Evaluation]) -> None:
        """An epoch has ended, or was left at the last step: the time to evaluate, where that is asked for."""
        self._trace.epoch_ends(self._plan.batches)
        if str(getattr(self._setup.arguments.eval_strategy, "value", self._setup.arguments.eval_strategy)) != "epoch":
            return
        start = time.perf_counter()
        self._trace.evaluation_begins()
        self._trace.draws.begin()
        self._last = evaluate()
        self._trace.draws.end()
        scores = self._scores(self._last)
        self._evaluated_at = self.steps
        self._series.evaluation_took(time.perf_counter() - start)
        self._trace.evaluated()
        self._series.evaluated(self._epoch, self.steps, self._plan.steps, scores)

    def finish(self, evaluate: Callable[..., Evaluation], clock: Clock) -> Trained:
        """The last step, and the evaluation after it, have ended: predict, and hand everything back."""
        self._trace.train_ends()
        self._series.train_ends()
        clock.lap("train")
        if self._setup.stopwatch is not None:
            self._trace.predicted()
            return self._trained(None)
        if self._last is None or self._evaluated_at != self.steps:  # else the model is as it was then
            self._emit({"event": PREDICTING})
            self._mark("predicting")
            self._trace.evaluation_begins()
            self._last = evaluate()
            clock.lap("predict")
        self._trace.predicted()
        return self._trained(self._last, {split: evaluate(split) for split in self._setup.task.more})

    def _trained(self, prediction: Evaluation | None, more: Mapping[str, Evaluation] = {}) -> Trained:
        setup, series = self._setup, {**self._series.series(), **self._trace.update.series()}
        scores = {} if prediction is None else self._scores(prediction)
        for split, found in more.items():
            series.update(further_answers(setup.task, split, found.logits, found.labels))
            scores.update(further_scores(setup.task, split, self._scores(found)))
        described = SimpleNamespace(optimizer=self._optimizer, lr_scheduler=self._schedule)
        return Trained(
            model=setup.model,
            facts=self._trace.describe(setup.arguments, examples=len(setup.splits["train"]), scaler=self._scaler),
            trace=self._trace.trace(),
            series=series if prediction is None else {**series, **self._answers(prediction)},
            evaluations=self._series.evaluations,
            scores=scores,
            seconds=self._series.seconds,
            samples=self._series.samples,
            train_loss=float(series["loss"].mean()),
            steps=self.steps,
            optimizer=facts.optimizer(described),
            collator=type(setup.collator).__name__,
        )

    def _answers(self, found: Evaluation) -> dict[str, Any]:
        """Logits and labels, and whose they are: the validation examples, in the data's order."""
        labels = labels_of(self._setup.task, found.labels)
        split, answers = self._setup.splits["validation"], {"logits": found.logits, "labels": labels}
        if ID_COLUMN in split.column_names:
            answers["evaluated_ids"] = np.asarray(split[ID_COLUMN][:], dtype=np.int32)
        return answers

    def _scores(self, found: Evaluation) -> dict[str, float]:
        return {"loss": found.loss, **self._setup.score(found.logits, found.labels)}
