"""Watching a training run without disturbing it.

Nothing here draws from a global random stream, opens another DataLoader iterator or synchronises a device
inside the loop: losses and norms stay tensors until training ends, times are read from the host's clock.
"""

from __future__ import annotations

import time
from typing import Any, Callable

import numpy as np
import torch

from harness.protocol import EVALUATED, STEP, TRAINING
from harness.subject.watch.stopwatch import DATA, OTHER, Stopwatch

PROGRESS_INTERVAL_S = 0.5


def is_score(name: str) -> bool:
    """Whether an evaluation's entry is a score (or the loss), and not what the Trainer says of its speed."""
    return name != "epoch" and not name.endswith(("runtime", "_per_second", "preparation_time"))


class StepSeries:
    """Per-step series and times of one training run, told by whoever runs the loop. It knows no `Trainer`.

    Attributes
    ----------
    evaluations
        One dict an evaluation during training: epoch, step, and the metrics by name.
    samples
        Training examples seen on this rank.
    seconds
        train (evaluation excluded), evaluate, data_wait: host wall-clock seconds.
    """

    def __init__(self, emit: Callable[[dict[str, Any]], None], stopwatch: Stopwatch | None = None) -> None:
        self._emit = emit
        self._stopwatch = stopwatch
        self._losses: list[torch.Tensor] = []  # one a micro-batch
        self._micro_batches: list[int] = []  # one a step
        self._counted = 0  # micro-batches of the steps that have ended
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

    def train_begins(self, steps: int, model: Any = None) -> None:
        """The first batch is about to be asked for; `model`, the bare one, is where it will be trained."""
        if self._stopwatch is not None:
            self._stopwatch.begins(model)
        self._emit({"event": TRAINING, "steps": steps})
        self._train_start = self._mark = time.perf_counter()

    def not_waiting(self) -> None:
        """What was done since the last step's end (an evaluation, a checkpoint) is not waiting for data."""
        if self._stopwatch is not None:
            self._stopwatch.mark(OTHER)
        self._mark = time.perf_counter()

    def step_begins(self) -> None:
        """A step's first batch has just arrived: since the last step's end the loop has only waited for it."""
        if self._stopwatch is not None:
            self._stopwatch.mark(DATA)
        now = time.perf_counter()
        if len(self._micro_batches) > len(self._step_seconds):
            # Until transformers 4.52 an epoch's rest, too short for a step, is added up with the next epoch's first.
            self.waited(now - self._mark)
            return
        self._data_seconds.append(now - self._mark)
        self._mark = now
        self._norm = None
        # Not those that have come by now: there, too, a step may begin with a micro-batch that nobody announced.
        self._micro_batches.append(-self._counted)

    def waited(self, seconds: float) -> None:
        """A later micro-batch of the step has arrived after so many seconds."""
        if self._stopwatch is not None:
            self._stopwatch.mark(DATA)
        self._data_seconds[-1] += seconds
        self._mark += seconds

    def micro_batch(self, loss: torch.Tensor, examples: int) -> None:
        """A micro-batch of so many examples has had its backward pass; `loss` is its share of the step's."""
        self.samples += examples
        self._losses.append(loss)
        if self._stopwatch is not None:
            self._stopwatch.micro_batch_ends()

    def clipped(self, norm: Any) -> None:
        """The gradient's norm before clipping, a tensor of one element."""
        self._norm = norm

    def optimizer_begins(self, learning_rate: float) -> None:
        """The rate that this step uses."""
        self._learning_rates.append(learning_rate)

    def step_ends(self, step: int, steps: int) -> None:
        """Step number `step` of `steps`, from 1, has ended."""
        if self._stopwatch is not None:
            self._stopwatch.step_ends()
        now = time.perf_counter()
        self._step_seconds.append(now - self._mark)
        self._mark = now
        self._grad_norms.append(self._norm)
        self._micro_batches[-1] += len(self._losses)
        self._counted = len(self._losses)
        if now - self._last_progress >= PROGRESS_INTERVAL_S:
            self._last_progress = now
            self._emit({"event": STEP, "step": step, "steps": steps})

    @property
    def finished(self) -> bool:
        """Whether a timed run has taken its last step; one that is not timed goes on to its own end."""
        return self._stopwatch is not None and self._stopwatch.finished

    def evaluation_took(self, seconds: float) -> None:
        """An evaluation has ended after so many seconds."""
        self.seconds["evaluate"] += seconds
        self._train_start += seconds  # not training time
        self.not_waiting()  # an evaluation may lie between two steps

    def evaluated(self, epoch: float, step: int, steps: int, scores: dict[str, Any]) -> None:
        """What an evaluation after `step` steps found."""
        self.evaluations.append({"epoch": epoch, "step": step, **scores})
        shown = {name: float(value) for name, value in scores.items() if is_score(name) and name != "loss"}
        self._emit({"event": EVALUATED, "step": step, "steps": steps, "scores": shown})

    def train_ends(self) -> None:
        """The last step, and the evaluation after it, have ended."""
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            torch.cuda.synchronize()  # an edge: the last kernels belong to the training time
        self.seconds["train"] = time.perf_counter() - self._train_start
        self.seconds["data_wait"] = float(sum(self._data_seconds))

    def series(self) -> dict[str, np.ndarray]:
        """Per optimizer step, shape (steps,): loss, grad_norm (before clipping), learning_rate, step_seconds,
        data_seconds.

        `loss` is the sum of the losses that the step's micro-batches returned: what the Trainer adds
        to its own running loss. float32 and float64 as the run computed them, never rounded.
        """
        micro = to_float32(self._losses)
        counts = np.asarray(self._micro_batches[: len(self._step_seconds)], dtype=int)  # a last step may never end
        ends = np.cumsum(counts)
        starts = ends - counts
        # Accumulated in float32 one by one, as the Trainer's `_tr_loss += loss` does.
        loss = np.array([_sum_in_order(micro[a:b]) for a, b in zip(starts, ends)], dtype=np.float32)
        return {
            "loss": loss,
            "grad_norm": to_float32(self._grad_norms),
            "learning_rate": np.array(self._learning_rates, dtype=np.float64),
            "step_seconds": np.array(self._step_seconds, dtype=np.float32),
            "data_seconds": np.array(self._data_seconds[: len(counts)], dtype=np.float32),
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
