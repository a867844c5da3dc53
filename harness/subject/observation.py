"""Watching a `Trainer` run without disturbing it.

Nothing here draws from a global random stream, opens another DataLoader iterator or synchronises a device
inside the loop: losses and norms stay tensors until training ends, times are read from the host's clock.
"""

from __future__ import annotations

import time
from typing import Any, Callable

import numpy as np
import torch
from transformers import TrainerCallback

PROGRESS_INTERVAL_S = 0.5


class Observer(TrainerCallback):
    """Collects per-step series and times of one training run.

    Attach with :meth:`attach` before `train()`; read :meth:`series` and :attr:`seconds` after it.

    Attributes
    ----------
    evaluations
        One dict a `Trainer.evaluate`: epoch, step, and the metrics by name.
    seconds
        train (evaluation excluded), evaluate, data_wait: host wall-clock seconds.
    """

    def __init__(self, emit: Callable[[dict[str, Any]], None]) -> None:
        self._emit = emit
        self._losses: list[torch.Tensor] = []  # one a micro-batch
        self._micro_batches: list[int] = []  # one a step
        self._grad_norms: list[Any] = []
        self._learning_rates: list[float] = []
        self._step_seconds: list[float] = []
        self._data_seconds: list[float] = []
        self.evaluations: list[dict[str, Any]] = []
        self.samples = 0
        self.seconds = {"train": 0.0, "evaluate": 0.0, "data_wait": 0.0}
        self._last_progress = 0.0
        self._norm: Any = None
        self._train_start = self._mark = time.perf_counter()

    def attach(self, trainer: Any) -> None:
        """Wrap the three calls whose results no callback is given; each wrapper returns its callee's own result."""
        training_step = trainer.training_step
        clip = trainer.accelerator.clip_grad_norm_
        evaluate = trainer.evaluate

        def observed_step(model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
            self.samples += len(inputs["labels"])
            loss = training_step(model, inputs, *args, **kwargs)
            self._losses.append(loss)
            return loss

        def observed_clip(*args: Any, **kwargs: Any) -> Any:
            norm = clip(*args, **kwargs)
            self._norm = norm
            return norm

        def observed_evaluate(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            metrics = evaluate(*args, **kwargs)
            spent = time.perf_counter() - start
            self.seconds["evaluate"] += spent
            self._train_start += spent  # not training time
            self._mark = time.perf_counter()  # nor waiting for data: an evaluation may lie between two steps
            return metrics

        trainer.training_step = observed_step
        trainer.accelerator.clip_grad_norm_ = observed_clip
        trainer.evaluate = observed_evaluate
        trainer.add_callback(self)

    # The Trainer's events, in their order within a run.

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._emit({"event": "training", "steps": state.max_steps})
        self._train_start = self._mark = time.perf_counter()

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._mark = time.perf_counter()

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        # The batch has just arrived: since the last step's end the loop has only waited for it.
        now = time.perf_counter()
        self._data_seconds.append(now - self._mark)
        self._mark = now
        self._norm = None
        self._micro_batches.append(-len(self._losses))

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        # The rate that this step uses: the scheduler moves on before `on_step_end`.
        scheduler = kwargs.get("lr_scheduler")
        self._learning_rates.append(float(scheduler.get_last_lr()[0]) if scheduler is not None else float("nan"))

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        now = time.perf_counter()
        self._step_seconds.append(now - self._mark)
        self._mark = now
        self._grad_norms.append(self._norm)
        self._micro_batches[-1] += len(self._losses)
        if now - self._last_progress >= PROGRESS_INTERVAL_S:
            self._last_progress = now
            self._emit({"event": "step", "step": state.global_step, "steps": state.max_steps})

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._mark = time.perf_counter()  # writing a checkpoint is not waiting for data

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        scores = {key[len("eval_") :]: value for key, value in (metrics or {}).items() if key.startswith("eval_")}
        self.evaluations.append({"epoch": float(state.epoch or 0.0), "step": state.global_step, **scores})
        shown = {key: scores[key] for key in ("accuracy", "f1") if key in scores}
        self._emit({"event": "evaluated", "step": state.global_step, "steps": state.max_steps, **shown})

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            torch.cuda.synchronize()  # an edge: the last kernels belong to the training time
        self.seconds["train"] = time.perf_counter() - self._train_start
        self.seconds["data_wait"] = float(sum(self._data_seconds))

    def series(self) -> dict[str, np.ndarray]:
        """Per optimizer step, shape (steps,): loss, grad_norm (before clipping), learning_rate, step_seconds,
        data_seconds.

        `loss` is the sum of the losses that `training_step` returned within the step: what the Trainer adds
        to its own running loss. float32 and float64 as the run computed them, never rounded.
        """
        micro = to_float32(self._losses)
        ends = np.cumsum(self._micro_batches) if self._micro_batches else np.zeros(0, dtype=int)
        starts = ends - np.asarray(self._micro_batches, dtype=int)
        # Accumulated in float32 one by one, as the Trainer's `_tr_loss += loss` does.
        loss = np.array([_sum_in_order(micro[a:b]) for a, b in zip(starts, ends)], dtype=np.float32)
        return {
            "loss": loss,
            "grad_norm": to_float32(self._grad_norms),
            "learning_rate": np.array(self._learning_rates, dtype=np.float64),
            "step_seconds": np.array(self._step_seconds, dtype=np.float32),
            "data_seconds": np.array(self._data_seconds, dtype=np.float32),
        }


def _sum_in_order(values: np.ndarray) -> np.float32:
    total = np.float32(0)
    for value in values:
        total = np.float32(total + value)
    return total


def to_float32(values: list[Any]) -> np.ndarray:
    """Bring scalars (device tensors, floats, None for "not seen") to the host in one transfer a device."""
    tensors = [torch.as_tensor(float("nan") if value is None else value).detach() for value in values]
    if not tensors:
        return np.zeros(0, dtype=np.float32)
    device = tensors[0].device
    return torch.stack([t.to(device, torch.float32).reshape(()) for t in tensors]).cpu().numpy()
