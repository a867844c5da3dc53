"""The engine under test: transformers' `Trainer`, as the course uses it."""

from __future__ import annotations

import inspect
import time
from typing import Any

import numpy as np
import torch
from transformers import Trainer, TrainerCallback

from harness.errors import SpecError
from harness.protocol import PREDICTING, STEP
from harness.subject import facts
from harness.subject.data import checkpoints
from harness.subject.engines.setup import (
    Clock,
    Emit,
    Mark,
    Setup,
    Trained,
    further_answers,
    further_scores,
    hold_precision,
    labels_of,
)
from harness.subject.watch.adapter import TrainerAdapter
from harness.subject.watch.fingerprint import RunTrace
from harness.subject.watch.inputs import hashing
from harness.subject.watch.observation import PROGRESS_INTERVAL_S, StepSeries


def train(setup: Setup, emit: Emit, mark: Mark, clock: Clock) -> Trained:
    """Train, evaluate and predict with `Trainer`, watched."""
    arguments, resume_at = setup.arguments, setup.cell.get("resume_at", 0)
    saved = None
    if resume_at:
        _until(setup, resume_at, emit)
        saved = checkpoints.weights_sha256(setup.model)
        setup.model = setup.build_model()
    trainer = _trainer(setup)
    watched = StepSeries(emit, setup.stopwatch)
    compiled = bool(getattr(arguments, "torch_compile", False))
    trace = RunTrace(setup.cell["precision"], mark, compiled, hashing(setup.tokenizer))
    adapter = TrainerAdapter(trainer, watched, trace)
    if trainer.args.n_gpu > 1:
        raise RuntimeError(f"{trainer.args.n_gpu} devices are visible to one process: DataParallel is refused")

    clock.lap("load")
    result = trainer.train(resume_from_checkpoint=saved_at(setup, resume_at) if resume_at else None)
    clock.lap("train")
    series, scores = {**watched.series(), **trace.update.series()}, _final_scores(trainer, watched)
    if setup.stopwatch is None:
        if scores is None:
            emit({"event": PREDICTING})
            mark("predicting")
            trace.evaluation_begins()
            found = trainer.predict(setup.splits["validation"])
            scores = {key[len("test_") :]: value for key, value in found.metrics.items()}
            clock.lap("predict")
        last = trainer.compute_metrics.last
        series["logits"] = np.asarray(last.predictions, dtype=np.float32)
        series["labels"] = labels_of(setup.task, last.label_ids)
    trace.predicted()
    traced = trace.trace()
    if setup.stopwatch is None:
        series["logits_again"] = _again(trainer, setup.splits["validation"])
        for split in setup.task.more:
            found = trainer.predict(setup.splits[split], metric_key_prefix="more")
            series.update(further_answers(setup.task, split, found.predictions, found.label_ids))
            scores = {**(scores or {}), **further_scores(setup.task, split, found.metrics, "more_")}
    return Trained(
        model=setup.model,
        facts={**adapter.facts(), "saved_sha256": saved},
        trace=traced,
        series=series,
        evaluations=watched.evaluations,
        scores=scores or {},
        seconds=watched.seconds,
        samples=watched.samples,
        train_loss=float(result.training_loss),
        steps=trainer.state.global_step,
        optimizer=facts.optimizer(trainer),
        collator=type(trainer.data_collator).__name__,
    )


def _again(trainer: Any, validation: Any) -> np.ndarray:
    """The logits of the first validation batch of each rank, asked for twice, shape (2, examples, classes)."""
    few = validation.select(range(min(len(validation), trainer.args.eval_batch_size * trainer.args.world_size)))
    scorer, trainer.compute_metrics = trainer.compute_metrics, None
    try:
        return np.stack([np.asarray(trainer.predict(few).predictions, dtype=np.float32) for _ in range(2)])
    finally:
        trainer.compute_metrics = scorer


class _Scorer:
    """The Trainer's `compute_metrics`; it keeps the logits and labels that it saw last."""

    def __init__(self, setup: Setup) -> None:
        self._score = setup.score
        self.last: Any = None

    def __call__(self, prediction: Any) -> dict[str, float]:
        self.last = prediction
        return self._score(prediction.predictions, prediction.label_ids)


def _final_scores(trainer: Any, watched: StepSeries) -> dict[str, float] | None:
    """The scores of the evaluation after the last step: of the model as it is, so that `predict` would say the same.

    None where there was none, or training ended with other weights than it came to.
    """
    if not watched.evaluations or trainer.args.load_best_model_at_end:
        return None
    last = watched.evaluations[-1]
    return last if last["step"] == trainer.state.global_step else None


def _trainer(setup: Setup) -> Any:
    trainer = Trainer(
        setup.model,
        setup.arguments,
        train_dataset=setup.splits["train"],
        eval_dataset=setup.splits["validation"],
        data_collator=setup.collator,
        compute_metrics=_Scorer(setup),
        **_tokenizer_argument(setup.tokenizer),
    )
    hold_precision(setup.cell["precision"])
    asked = setup.cell.get("accepts_loss_kwargs", "model")
    if asked is False and getattr(trainer, "model_accepts_loss_kwargs", False):
        raise SpecError("accepts_loss_kwargs: got false; this version's Trainer does not ask the model for it")
    if setup.cell.get("evaluation_draws", "model") is False:
        # Its loader draws a seed from torch's global stream, dropout the rest: each call leaves the stream as it was.
        trainer.evaluate = torch.random.fork_rng(devices=[])(trainer.evaluate)
    return trainer


def _tokenizer_argument(tokenizer: Any) -> dict[str, Any]:
    """The Trainer's `tokenizer` became `processing_class` in transformers 4.46."""
    name = "processing_class" if "processing_class" in inspect.signature(Trainer.__init__).parameters else "tokenizer"
    return {name: tokenizer}


def _until(setup: Setup, step: int, emit: Emit) -> None:
    """The first life of a run that is resumed: it ends after `step` steps, with a checkpoint and nothing else."""
    trainer = _trainer(setup)
    trainer.add_callback(StopAndSave(step, emit))
    trainer.train()


def saved_at(setup: Setup, step: int) -> str:
    """The checkpoint that a run's first life left after so many steps."""
    return f"{setup.arguments.output_dir}/checkpoint-{step}"


class StopAndSave(TrainerCallback):
    """Ends a run after a step, with a checkpoint and nothing else."""

    def __init__(self, step: int, emit: Emit) -> None:
        self._step, self._emit, self._told = step, emit, time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        control.should_evaluate = False
        if (now := time.monotonic()) - self._told >= PROGRESS_INTERVAL_S:  # else the cell seems to hang at its start
            self._told = now
            self._emit({"event": STEP, "step": state.global_step, "steps": state.max_steps})
        if state.global_step >= self._step:
            control.should_save = control.should_training_stop = True
