"""What a training run did: which examples, which losses, which switches. It watches and changes nothing.

The ids of examples travel with their batch (prefetching and loader workers cannot disturb them) and are taken out
before the model sees it; scalars stay on the device until training ends.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Callable

import numpy as np
import torch

from harness.subject.data import checkpoints
from harness.subject.watch.inputs import Hashing, InputWatch
from harness.subject.watch.observation import to_float32
from harness.subject.watch.precision import PrecisionWatch
from harness.subject.watch.streams import Draws, state_number
from harness.subject.watch.update import UpdateWatch

ID_COLUMN = "idx"
TRAVELLING = "harness_example_ids"
UNKNOWN = -1
"""Number of ids in a micro-batch whose examples cannot be told."""

Mark = Callable[[str], None]


class RunTrace:
    """One rank's part of the fingerprint, told by whoever runs the loop. It knows no `Trainer`.

    `mark` is told at each turn what the rank is doing, so that a hanging one can be named; `hashes` hashes inputs.
    """

    def __init__(
        self,
        asked_precision: str | None,
        mark: Mark = lambda text: None,
        compiled: bool = False,
        hashes: Hashing | None = None,
    ) -> None:
        self.precision = PrecisionWatch(asked_precision, compiled)
        hashes = hashes or Hashing()
        self.inputs, self.evaluation_inputs = InputWatch(hashes), InputWatch(hashes)
        self.draws, self.update = Draws(), UpdateWatch()
        self.init_sha256 = ""
        self.dropout: bool | None = None
        self.clipping: float | None = None
        self._compiled = compiled  # such a model hides what it is called with
        self._watched = False
        self._mark = mark
        self._training = False  # within a micro-batch
        self._device: torch.device | None = None
        self._states: list[int] = []
        self._model_losses: list[torch.Tensor] = []
        self._ids: list[Any] = []
        self._evaluated: list[Any] = []
        self._shapes: list[Any] = []
        self._step_ends: list[int] = []
        self._epoch_ends: list[int] = []
        self._epoch_batches: list[int] = []
        self._hooks: list[Any] = []
        self._step_hook: Any = None
        self._optimizer_steps = 0
        self._scales: list[torch.Tensor] = []

    def watch(self, model: Any) -> None:
        """See what the model is called with, and the losses that it returns in training."""
        weight = next(model.parameters(), None)
        self.precision.weights = None if weight is None else _plain(weight.dtype)
        # A compiled model takes its hooks with it, to be compiled anew whenever what they read has changed.
        self._hooks = [model.register_forward_hook(torch.compiler.disable(self._after_forward))]
        if not self._compiled:
            self._hooks.append(model.register_forward_pre_hook(self._before_forward, with_kwargs=True))

    def train_begins(self, model: Any, optimizer: Any) -> None:
        """Hash the initial weights, and count the optimizer's own steps from now on.

        Not before: unseeded ranks agree only once rank 0's weights have been broadcast.
        """
        self.init_sha256 = checkpoints.weights_sha256(model)
        self._device = next(model.parameters()).device
        optimizer = getattr(optimizer, "optimizer", optimizer)
        if isinstance(optimizer, torch.optim.Optimizer):
            self._step_hook = optimizer.register_step_post_hook(self._after_optimizer_step)
            self.update.attach(model, optimizer)
        self._mark("ready to train")

    def fetching(self) -> None:
        """The next batch is asked for; ranks may already wait for each other in it."""
        self._mark(f"fetching batches (step {len(self._step_ends) + 1})")

    def micro_batch(self, inputs: Any, step: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Take the examples' ids out of a batch, and return what `step` makes of it: forward and backward."""
        self._mark(f"in micro-batch {len(self._ids) + 1} (step {len(self._step_ends) + 1})")
        self._ids.append(inputs.pop(TRAVELLING, None))
        self._shapes.append(tuple(inputs["input_ids"].shape) if "input_ids" in inputs else None)
        if len(self._states) == len(self._step_ends) and self._device is not None:
            self._states.append(state_number(self._device))
        if self._compiled:
            self.inputs.see(inputs)
        self._training = True
        if self._watched:
            loss = step(*args, **kwargs)
        else:
            self._watched = True
            loss = self.precision.first_step(step, *args, **kwargs)
        self._training = False
        self._mark(f"after micro-batch {len(self._ids)} (step {len(self._step_ends) + 1})")
        return loss

    def clipped(self, max_norm: Any) -> None:
        """The gradient has been clipped to a norm; infinite where it was only measured."""
        self.clipping = float(max_norm)

    def step_ends(self, scaler: Any = None) -> None:
        """An optimizer step has ended; `scaler` is the loss scaler, where there is one."""
        self._step_ends.append(len(self._ids))
        self._mark(f"ending step {len(self._step_ends)}")
        scale = getattr(scaler, "_scale", None)
        if scale is not None:
            self._scales.append(scale.detach().clone())

    def epoch_ends(self, batches: int) -> None:
        """An epoch that could have had so many batches on this rank has ended."""
        self._epoch_ends.append(len(self._ids))
        self._epoch_batches.append(batches)

    def evaluation_begins(self) -> None:
        """Validation batches are about to be asked for, from the first on."""
        self._evaluated = []
        self.evaluation_inputs.clear()

    def evaluation_batch(self, inputs: Any) -> None:
        """Take the examples' ids out of a validation batch, before the model sees it."""
        self._evaluated.append(inputs.pop(TRAVELLING, None) if isinstance(inputs, MutableMapping) else None)

    def evaluated(self) -> None:
        """An evaluation has ended."""
        self._mark(f"after evaluating (step {len(self._step_ends)})")

    def train_ends(self) -> None:
        """Stop counting steps."""
        if self._step_hook is not None:
            self._step_hook.remove()
        self._mark("trained")

    def predicted(self) -> None:
        """The last evaluation has ended: stop watching the model."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def describe(
        self, arguments: Any, examples: int, scaler: Any = None, accepts_loss_kwargs: bool | None = None
    ) -> dict[str, Any]:
        """Return this rank's part of the fingerprint that is no array."""
        mode = arguments.parallel_mode
        return {
            "world_size": int(arguments.world_size),
            "parallel_mode": str(getattr(mode, "value", mode)),
            "backend": _backend(),
            "init_sha256": self.init_sha256,
            "precision": self.precision.settle(),
            "initial_scale": float(scaler._init_scale) if self._scales and scaler is not None else None,
            "dropout": self.dropout,
            "clipping": self.clipping,
            "attention": self.precision.attention(),
            "attention_kernels": self.precision.kernels(),
            "optimizer_steps": self._optimizer_steps if self._step_hook is not None else None,
            "accepts_loss_kwargs": accepts_loss_kwargs,
            "evaluation_draws": self.draws.most,
            "updated": self.update.tensors or None,
            "examples": examples,
            "batch": int(arguments.per_device_train_batch_size),
            "drop_last": bool(arguments.dataloader_drop_last),
        }

    def trace(self) -> dict[str, np.ndarray]:
        """Return this rank's arrays: by micro-batch, with the ends of steps and epochs as numbers of micro-batches."""
        ids, known = _flat(self._ids)
        evaluated, answered = _flat(self._evaluated)
        # A model that hides its loss in some forward has no losses by micro-batch at all.
        complete = len(self._model_losses) == len(self._ids)
        return {
            "model_loss": to_float32(self._model_losses if complete else []),
            "ids": known,
            "id_counts": ids,
            "evaluated_ids": answered,
            "evaluated_counts": evaluated,
            "shapes": np.array([s if s and len(s) == 2 else (UNKNOWN, UNKNOWN) for s in self._shapes], dtype=np.int32),
            "step_ends": np.array(self._step_ends, dtype=np.int32),
            "epoch_ends": np.array(self._epoch_ends, dtype=np.int32),
            "epoch_batches": np.array(self._epoch_batches, dtype=np.int32),
            "scales": to_float32(self._scales),
            "states": np.array(self._states[: len(self._step_ends)], dtype=np.uint32),
            **_inputs("inputs", self.inputs),
            **_inputs("evaluation", self.evaluation_inputs),
        }

    def _before_forward(self, model: Any, args: Any, kwargs: dict[str, Any]) -> None:
        watch = self.inputs if self._training else self.evaluation_inputs
        # Of a micro-batch's calls the first one; another sees the same examples again.
        if not self._training or len(watch) < len(self._ids):
            watch.see({**{f"argument {place}": value for place, value in enumerate(args)}, **kwargs})

    def _after_forward(self, model: Any, args: Any, output: Any) -> None:
        if not self._training:
            return
        loss = output.get("loss") if isinstance(output, dict) else output[0] if isinstance(output, tuple) else None
        if isinstance(loss, torch.Tensor) and loss.numel() == 1:
            # A copy: the Trainer scales the model's own tensor in place.
            self._model_losses.append(loss.detach().clone())
        if self.dropout is None:
            dropouts = (m for m in model.modules() if isinstance(m, torch.nn.modules.dropout._DropoutNd))
            self.dropout = any(module.training and module.p > 0 for module in dropouts)

    def _after_optimizer_step(self, *args: Any) -> None:
        self._optimizer_steps += 1


def _plain(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _inputs(name: str, watch: InputWatch) -> dict[str, np.ndarray]:
    counts, columns = watch.rows()
    return {f"{name}.rows": counts, **{f"{name}.columns.{column}": rows for column, rows in columns.items()}}


class CarryIds:
    """A collator that takes the id from each example, collates the rest as ever, and lets the ids ride along."""

    def __init__(self, collator: Callable[..., Any]) -> None:
        self._collator = collator

    def __call__(self, features: list[dict[str, Any]]) -> Any:
        """Collate them, ids apart."""
        ids = [int(feature[ID_COLUMN]) for feature in features]
        batch = self._collator([{k: v for k, v in f.items() if k != ID_COLUMN} for f in features])
        batch[TRAVELLING] = torch.tensor(ids)
        return batch


def _flat(batches: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """How many ids each batch has, `UNKNOWN` where they cannot be told, and all ids in one."""
    counts = [UNKNOWN if found is None else len(found) for found in batches]
    known = [found.detach().cpu().numpy() for found in batches if found is not None]
    return np.array(counts, dtype=np.int32), np.concatenate(known).astype("<i4") if known else np.zeros(0, "<i4")


def _backend() -> str | None:
    distributed = torch.distributed
    if not distributed.is_available() or not distributed.is_initialized():
        return None
    return str(distributed.get_backend())
