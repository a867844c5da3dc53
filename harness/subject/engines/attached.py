"""A Trainer that somebody else's code made, watched from the call of its `train` on; what it leaves of a run."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn.modules.dropout import _DropoutNd

from harness.errors import SpecError
from harness.subject import facts
from harness.subject.data import checkpoints
from harness.subject.engines.setup import Emit, Mark, Setup, Trained, hold_precision
from harness.subject.watch.fingerprint import RunTrace
from harness.subject.watch.foreign import ForeignAdapter
from harness.subject.watch.inputs import Hashing, hashing
from harness.subject.watch.observation import StepSeries


class ForeignCode(RuntimeError):
    """Somebody else's training code did not do what the harness needs of it; the text is one line."""


class Attached:
    """One Trainer, prepared as the cell asks and watched; `setup` is told what it really is."""

    def __init__(self, trainer: Any, setup: Setup, accelerator: str | None, emit: Emit, mark: Mark) -> None:
        cell = setup.cell
        prepare(trainer, cell, accelerator)
        setup.arguments, setup.model, setup.collator = trainer.args, trainer.model, trainer.data_collator
        setup.tokenizer = getattr(trainer, "processing_class", None) or getattr(trainer, "tokenizer", None)
        setup.trainable = sum(weight.requires_grad for weight in trainer.model.parameters())
        self._trainer, self._setup, self._emit, self._mark = trainer, setup, emit, mark
        self._series = StepSeries(emit, setup.stopwatch)
        compiled = bool(getattr(trainer.args, "torch_compile", False))
        hashes = hashing(setup.tokenizer) if hasattr(setup.tokenizer, "pad_token_type_id") else Hashing()
        self.trace = RunTrace(cell.get("precision"), mark, compiled, hashes)
        self.adapter = ForeignAdapter(trainer, self._series, self.trace)
        setup.foreign = {"trainer": type(trainer).__name__, "own": self.adapter.own}
        self._final_sha256 = ""
        self._loss = 0.0

    def trained(self, result: Any) -> None:
        """`train` has returned this: what the weights are now is what was trained."""
        self._final_sha256 = checkpoints.weights_sha256(self._trainer.model)
        self._loss = float(result.training_loss)

    @property
    def evaluated(self) -> bool:
        """Whether its last evaluation was of the trained weights."""
        evaluations = self._series.evaluations
        return bool(evaluations) and evaluations[-1]["step"] == self._trainer.state.global_step

    def left(self) -> Trained:
        """What the run leaves, once nothing more is asked of the Trainer."""
        self.trace.predicted()
        adapter, trainer, series = self.adapter, self._trainer, self._series.series()
        scores: dict[str, float] = {}
        if self._setup.stopwatch is None:
            # One that was never evaluated is known by what it came to in training, whatever was logged on the way.
            scores = adapter.scores or {"train_loss": float(np.mean(series["loss"], dtype=np.float64))}
        return Trained(
            model=trainer.model,
            facts={**adapter.facts(), "final_sha256": self._final_sha256},
            trace=self.trace.trace(),
            series={**series, **self.trace.update.series(), **adapter.answers},
            evaluations=self._series.evaluations,
            scores=scores,
            seconds=self._series.seconds,
            samples=self._series.samples,
            train_loss=self._loss,
            steps=trainer.state.global_step,
            optimizer=facts.optimizer(trainer),
            collator=type(trainer.data_collator).__name__,
        )


def prepare(trainer: Any, cell: dict[str, Any], accelerator: str | None) -> None:
    """Hold a Trainer against its cell, and give it what only the harness's own options ask for.

    Without an `accelerator` it is a run that no cell asked for, which is taken as it is.

    Raises
    ------
    RuntimeError
        Where its ranks, its device or its devices are not those of the cell.
    SpecError
        Where its model, or this version, cannot do what the cell asks for.
    """
    arguments = trainer.args
    if accelerator is None:
        return
    if arguments.n_gpu > 1:
        raise RuntimeError(f"{arguments.n_gpu} devices are visible to one process: DataParallel is refused")
    if arguments.world_size != cell["devices"]:
        raise RuntimeError(f"{cell['devices']} ranks were asked for; {arguments.world_size} are seen")
    if arguments.device.type != accelerator:
        raise RuntimeError(f"{accelerator} was asked for; the Trainer trains on {arguments.device.type}")
    hold_precision(cell["precision"])
    if arguments.gradient_checkpointing and not getattr(trainer.model, "supports_gradient_checkpointing", False):
        name = type(trainer.model).__name__
        raise SpecError(f"activation_checkpointing: got true; {name} does not support it")
    if cell.get("dropout", "model") is False:
        without_dropout(trainer.model)
    if (few := cell.get("subset", 0)) and hasattr(trainer.train_dataset, "__len__"):
        trainer.train_dataset = first(trainer.train_dataset, few)
    if cell.get("accepts_loss_kwargs", "model") is False:
        if not hasattr(trainer, "model_accepts_loss_kwargs"):
            raise SpecError("accepts_loss_kwargs: got false; this version's Trainer does not ask the model for it")
        trainer.model_accepts_loss_kwargs = False
    if cell.get("evaluation_draws", "model") is False:
        trainer.evaluate = torch.random.fork_rng(devices=[])(trainer.evaluate)


def first(data: Any, count: int) -> Any:
    """The first examples of a data set that has places."""
    count = min(count, len(data))
    return data.select(range(count)) if hasattr(data, "select") else torch.utils.data.Subset(data, range(count))


def without_dropout(model: Any) -> None:
    """Set every dropout probability of a finished model to 0: its modules', and the numbers that they keep of it."""
    for module in model.modules():
        if isinstance(module, _DropoutNd):
            module.p = 0.0
        for name, value in vars(module).items():
            if isinstance(value, float) and ("dropout" in name or "layerdrop" in name):
                setattr(module, name, 0.0)
    config = getattr(model, "config", None)
    for name in checkpoints.dropout_probabilities(config) if hasattr(config, "to_dict") else ():
        setattr(config, name, 0.0)
