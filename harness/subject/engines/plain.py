"""What the two plain loops share: order, loaders, optimizer, schedule, evaluation. No `Trainer` code.

The settings mean what `TrainingArguments` says they mean; each is worked out here anew, so that the Trainer can be
compared with it.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterator
from typing import Any, Callable, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler
from transformers import enable_full_determinism, get_scheduler, set_seed

from harness.subject.data import adapters
from harness.subject.engines.setup import Setup
from harness.subject.watch.fingerprint import ID_COLUMN, CarryIds
from harness.task import VALIDATION

LABEL_COLUMNS = ("label", "labels", "label_ids")
NO_DECAY = re.compile(r"bias|layernorm|rmsnorm|(?:^|[._])norm(?:\.|$)")


class Plan(NamedTuple):
    """How micro-batches make optimizer steps. An epoch's last step takes what is left: no step spans two epochs.

    transformers 4.45 counted on over the end of an epoch; since 4.46 the Trainer does as is done here. The two
    differ only where an epoch's micro-batches are no multiple of `accumulation`.

    Attributes
    ----------
    batches
        Micro-batches an epoch, on this rank.
    accumulation
        Micro-batches a step.
    epochs, steps
        Epochs begun, and optimizer steps in all.
    """

    batches: int
    accumulation: int
    epochs: int
    steps: int

    @classmethod
    def of(cls, arguments: Any, batches: int) -> Plan:
        """Plan a run; `max_steps` goes before `num_train_epochs`."""
        if not batches:
            raise RuntimeError("the training data make no batch: dataloader_drop_last dropped the only one")
        accumulation = arguments.gradient_accumulation_steps
        an_epoch = math.ceil(batches / accumulation)
        if arguments.max_steps > 0:
            return cls(batches, accumulation, math.ceil(arguments.max_steps / an_epoch), arguments.max_steps)
        epochs = arguments.num_train_epochs
        return cls(batches, accumulation, math.ceil(epochs), math.ceil(epochs * an_epoch))

    def together(self, number: int) -> int:
        """How many micro-batches make the step to which an epoch's micro-batch `number`, from 0, belongs."""
        return min(self.accumulation, self.batches - number // self.accumulation * self.accumulation)

    def ends_step(self, number: int) -> bool:
        """Whether an epoch's micro-batch `number`, from 0, is the last of its step."""
        return (number + 1) % self.accumulation == 0 or number + 1 == self.batches


class EpochOrder(Sampler):
    """The Trainer's order: each epoch one permutation, from a generator of its own seeded with seed + epoch.

    Where that comes from (transformers 5.23.0 with accelerate 1.15.0; 4.45.2 with 1.0.1 is the same):
    `Trainer._get_train_sampler` returns a `RandomSampler` without a generator. `Accelerator.prepare` replaces it by
    accelerate's `SeedableRandomSampler`, since `AcceleratorConfig.use_seedable_sampler` is true by default. Its
    initial seed is `data_seed`, or without one `torch.random.initial_seed()`: what `Trainer.__init__` has just seeded
    torch with, which is `seed`. At the beginning of an epoch `DataLoaderShard.__iter__` tells it the epoch's number,
    it seeds its generator with initial seed + epoch, and `RandomSampler.__iter__` draws one `torch.randperm`.
    accelerate 1.0.1 has no `data_seed`, and the Trainer of 4.45.2 nowhere reads it; here it counts in any version.
    Ranks cut the batches of this one order among themselves (accelerate's `BatchSamplerShard`).
    """

    def __init__(self, examples: int, seed: int) -> None:
        self._examples, self._seed, self._epoch = examples, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Number of the epoch to come, from 0."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator()
        generator.manual_seed(self._seed + self._epoch)
        yield from torch.randperm(self._examples, generator=generator).tolist()

    def __len__(self) -> int:
        return self._examples


class Evaluation(NamedTuple):
    """`logits` (examples, outputs) float32, `labels` (examples,), in the data's order; `loss` their mean."""

    logits: np.ndarray
    labels: np.ndarray
    loss: float


class StepCounter:
    """Counts an optimizer's own steps: where a gradient is not finite the loss scaler leaves the step out.

    A fused optimizer is always called and leaves the step out by itself, on the device. The host is not told, and does
    not wait to ask: such a step counts and moves the schedule, as it does with accelerate.
    """

    def __init__(self, optimizer: Any) -> None:
        self.count = 0
        optimizer.register_step_post_hook(self._after_step)

    def _after_step(self, *args: Any) -> None:
        self.count += 1


def begin(arguments: Any) -> None:
    """Seed as a script does before it trains (dropout draws from these streams), and refuse more than one device.

    Raises
    ------
    RuntimeError
        Where this process sees several devices: each rank has one.
    """
    if arguments.n_gpu > 1:
        raise RuntimeError(f"{arguments.n_gpu} devices are visible to one process: DataParallel is refused")
    (enable_full_determinism if arguments.full_determinism else set_seed)(arguments.seed)


def train_loader(setup: Setup) -> tuple[Any, EpochOrder]:
    """The training batches, whose examples' ids ride along, and the order that must be told each epoch."""
    arguments, split = setup.arguments, setup.splits["train"]
    order = EpochOrder(len(split), arguments.seed if arguments.data_seed is None else arguments.data_seed)
    has_ids = ID_COLUMN in split.column_names
    loader = DataLoader(
        _model_columns(setup, split, *([ID_COLUMN] if has_ids else [])),
        batch_size=arguments.per_device_train_batch_size,
        sampler=order,
        drop_last=arguments.dataloader_drop_last,
        collate_fn=CarryIds(setup.collator) if has_ids else setup.collator,
        **_workers(arguments),
    )
    return loader, order


def eval_loader(setup: Setup, split: str = VALIDATION) -> Any:
    """The batches of the validation split, or a further one, in order; `dataloader_drop_last` drops none of them."""
    return DataLoader(
        _model_columns(setup, setup.splits[split]),
        batch_size=setup.arguments.per_device_eval_batch_size,
        collate_fn=setup.collator,
        **_workers(setup.arguments),
    )


def make_optimizer(model: Any, arguments: Any) -> Any:
    """AdamW on two groups: no weight decay for biases and the weights of normalisations."""
    fused = {"fused": True} if _plain(arguments.optim) == "adamw_torch_fused" else {}
    return torch.optim.AdamW(
        _parameter_groups(model, arguments.weight_decay),
        lr=arguments.learning_rate,
        betas=(arguments.adam_beta1, arguments.adam_beta2),
        eps=arguments.adam_epsilon,
        **fused,
    )


def make_schedule(optimizer: Any, arguments: Any, steps: int) -> Any:
    """The course's `get_scheduler`, one move an optimizer step."""
    return get_scheduler(
        arguments.lr_scheduler_type,
        optimizer=optimizer,
        num_warmup_steps=arguments.get_warmup_steps(steps),
        num_training_steps=steps,
        scheduler_specific_kwargs=arguments.lr_scheduler_kwargs or None,
    )


def clip_norm(arguments: Any) -> float:
    """The norm to clip to. 0 means no clipping: clipping to infinity measures the norm and changes nothing."""
    return float(arguments.max_grad_norm) if arguments.max_grad_norm else math.inf


def evaluate(model: Any, forward: Callable[[Any], tuple[Any, Any]], loader: Any, gather: Callable[[Any], Any]) -> Any:
    """Run over the validation examples.

    Parameters
    ----------
    forward
        From a batch to the model's outputs and the batch's labels.
    gather
        From this rank's rows of a batch to all ranks' rows, in order and each once.

    Returns
    -------
    Evaluation
        Its loss is the mean over examples, an example's being the mean of its batch, as the model returns it.
        On several ranks accelerate fills up the last batches with examples of the first: their rows are dropped by
        `gather`, but in the means of those batches they stay, as with the Trainer.
    """
    model.eval()
    parts: list[tuple[Any, ...]] = []
    with torch.no_grad():
        for batch in loader:
            outputs, labels = forward(batch)
            parts.append(gather((outputs.logits.float(), labels, outputs.loss.repeat(len(labels)))))
    logits, labels, losses = (torch.cat([part[n] for part in parts]).cpu().numpy() for n in range(3))
    wanted = len(loader.dataset)
    if len(logits) != wanted:
        raise RuntimeError(f"evaluation: got {len(logits)} rows of logits for {wanted} examples")
    return Evaluation(logits.astype(np.float32), labels, float(losses.mean(dtype=np.float64)))


def _parameter_groups(model: Any, weight_decay: float) -> list[dict[str, Any]]:
    normalising = {
        id(weight)
        for module in model.modules()
        if isinstance(module, torch.nn.LayerNorm)
        for weight in module.parameters(recurse=False)
    }
    decayed: list[Any] = []
    bare: list[Any] = []
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            spared = id(weight) in normalising or NO_DECAY.search(name.lower())
            (bare if spared else decayed).append(weight)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": bare, "weight_decay": 0.0}]


def _model_columns(setup: Setup, split: Any, *others: str) -> Any:
    """The data without the columns that the model's `forward` does not take."""
    taken = {*inspect.signature(adapters.bare(setup.model).forward).parameters, *LABEL_COLUMNS, *others}
    return split.remove_columns([name for name in split.column_names if name not in taken])


def _workers(arguments: Any) -> dict[str, Any]:
    return {
        "num_workers": arguments.dataloader_num_workers,
        "pin_memory": arguments.dataloader_pin_memory,
        "persistent_workers": arguments.dataloader_persistent_workers,
        "prefetch_factor": arguments.dataloader_prefetch_factor,
    }


def _plain(value: Any) -> str:
    return str(getattr(value, "value", value))
