"""What every engine starts from (data, model and resolved arguments of one cell), and what it hands back."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Callable, NamedTuple

import datasets
import numpy as np
import torch
from transformers import AutoTokenizer, DataCollatorWithPadding, set_seed

from harness.protocol import BEACON, TRAINER
from harness.subject import arguments as subject_arguments
from harness.subject.data import adapters, checkpoints, lengths
from harness.subject.watch.stopwatch import Stopwatch
from harness.task import TEST, Task, named_task, suffix_of

Emit = Callable[[dict[str, Any]], None]
Mark = Callable[[str], None]
BACKENDS = {"cpu": "gloo", "cuda": "nccl"}
"""Of `torch.distributed`, by accelerator: what ranks talk through."""
BEACON_BYTES = 96


@dataclass
class Setup:
    """A cell made ready on one rank. `requested` are the arguments in today's names, `arguments` what they became.

    `trainable` is how many of the model's tensors could be trained as it was loaded; `frozen_sha256` is of those that
    could not, where adapters are trained in their place.

    `build_model` makes the model anew from the checkpoint, as seeded as the cell asks for: a resumed run starts so.
    `foreign` is what is known of somebody else's training code, where that trains.
    With a `stopwatch` the cell is timed: an engine trains until that has `finished`, and does not evaluate nor predict.
    """

    cell: dict[str, Any]
    task: Task
    folder: Path
    splits: Any
    tokenizer: Any
    collator: Any
    model: Any
    trainable: int
    loaded: dict[str, list[str] | None]
    requested: dict[str, Any]
    arguments: Any
    build_model: Callable[[], Any]
    score: Callable[[np.ndarray, np.ndarray], dict[str, float]]
    frozen_sha256: str | None = None
    stopwatch: Stopwatch | None = None
    foreign: dict[str, Any] = field(default_factory=dict)


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
        By optimizer step: see `StepSeries.series`; and `logits` (examples, outputs), `labels` (examples,); of each
        further split the same, its suffix behind the name.
    evaluations
        One dict an evaluation during training: epoch, step, the task's scores, loss.
    scores
        Of the prediction after training: the task's scores by name, those of further splits with a suffix; loss.
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


def prepare(job: dict[str, Any], folder: Path, emit: Emit, clock: Clock) -> Setup:
    """Load a cell's data and model and resolve its arguments.

    Raises
    ------
    RuntimeError
        Where the rank's world, or what it trains on, is not what was asked for.
    MaterialError
        Where the model has no position for some token that it would be given.
    """
    cell, checkpoint = job["cell"], job["checkpoint"]
    task = task_of(job)
    # Without a data set the training code brings its own.
    splits = datasets.load_from_disk(job["dataset"]) if job["dataset"] else None
    if splits is not None and (subset := cell.get("subset", 0)):
        splits["train"] = splits["train"].select(range(min(subset, len(splits["train"]))))
    tokenizer = _tokenizer(checkpoint["path"], needed="subject" not in job)
    clock.lap("tokenize")

    found: dict[str, list[str] | None] = {}

    dropout = cell.get("dropout", "model") is not False

    def build_model() -> Any:
        if cell["head_seeding"] == "seeded":
            # The course leaves this out: its head is random even at a fixed seed. "course" keeps that.
            set_seed(cell["seed"])
        model, loaded = checkpoints.load_model(
            checkpoint["path"],
            checkpoint["config"],
            dropout=dropout,
            random=checkpoint.get("random", False),
            head=checkpoints.head_of(task),
        )
        found.update(loaded)
        if cell.get("accepts_loss_kwargs", "model") is False:
            # The work-around for huggingface/transformers#47688: the Trainer scales the loss itself.
            model.accepts_loss_kwargs = False
        return adapters.put_on(model, job["peft"], dropout) if job.get("peft") else model

    model = None if "subject" in job else build_model()  # somebody else's code builds it, or another one
    collation = lengths.collation(tokenizer, job.get("batches", {}))  # asks a tokenizer only for its length
    if model is not None:
        lengths.check(splits, model, collation)
    clock.lap("load")
    requested = requested_of(job, folder)
    arguments = subject_arguments.build(requested)
    if arguments.world_size != cell["devices"]:
        raise RuntimeError(f"{cell['devices']} ranks were asked for; {arguments.world_size} are seen")
    if arguments.device.type != job["accelerator"]:
        # transformers takes the CPU where torch sees no device, without a word.
        seen = f"torch in its process trains on {arguments.device.type}"
        raise RuntimeError(f"{job['accelerator']} was asked for; {seen}: a device is gone, or CUDA cannot use it")
    stopwatch = Stopwatch(job["timing"], cell["precision"], emit) if "timing" in job else None
    return Setup(
        cell=cell,
        task=task,
        folder=folder,
        splits=splits,
        tokenizer=tokenizer,
        collator=None if tokenizer is None else DataCollatorWithPadding(tokenizer=tokenizer, **collation),
        model=model,
        trainable=0 if model is None else sum(weight.requires_grad for weight in model.parameters()),
        loaded=found,
        requested=requested,
        arguments=arguments,
        build_model=build_model,
        frozen_sha256=adapters.frozen_sha256(model) if model is not None and job.get("peft") else None,
        score=_unscored if stopwatch is not None else _scorer(task, job.get("task_folder")),
        stopwatch=stopwatch,
    )


def task_of(job: dict[str, Any]) -> Task:
    """The task of a cell's job, its classes those that its data have."""
    task = Task.of(job["task"]) if job.get("task") else named_task(job["cell"]["task"])
    classes = (job["data"] or {}).get("classes")
    return replace(task, classes=tuple(classes) if classes else None)


def requested_of(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """All arguments that a cell asks for, by today's names: its recipe's, and those that the harness owns."""
    cell = job["cell"]
    requested = {**job["arguments"], **_precision(cell["precision"]), "seed": cell["seed"]}
    requested["output_dir"] = str(folder / TRAINER)
    requested["use_cpu"] = job["accelerator"] == "cpu"
    if cell["devices"] > 1:
        requested.setdefault("ddp_backend", BACKENDS[job["accelerator"]])
    return requested


def _tokenizer(path: str, needed: bool) -> Any:
    try:
        return AutoTokenizer.from_pretrained(path, trust_remote_code=False)
    except (OSError, ValueError):
        if needed:
            raise
        return None


def _scorer(task: Task, folder: str | None) -> Callable[[np.ndarray, np.ndarray], dict[str, float]]:
    # Imports that a fresh interpreter which only measures speed need not wait for.
    from harness.subject import metrics

    return metrics.scorer(task, folder)


def labels_of(task: Task, labels: Any) -> np.ndarray:
    """Labels as a series has them: classes as int64, numbers as float32."""
    return np.asarray(labels, dtype=np.float32 if task.regression else np.int64)


def further_answers(task: Task, split: str, logits: Any, labels: Any) -> dict[str, np.ndarray]:
    """The series of a further split: `logits` and `labels`, its suffix behind them."""
    end = suffix_of(split)
    said = {f"logits{end}": np.asarray(logits, dtype=np.float32)}
    return said if split == TEST else {**said, f"labels{end}": labels_of(task, labels)}


def further_scores(task: Task, split: str, scores: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The scores of a further split, its suffix behind their names."""
    end = suffix_of(split)
    if split == TEST:
        return {}
    return {f"{name}{end}": scores[prefix + name] for name in task.scored if prefix + name in scores}


def _unscored(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    raise RuntimeError("a timing cell is not evaluated")


def _precision(precision: str) -> dict[str, Any]:
    """The flags of each precision; every flag is set, so that no version's default decides."""
    flags: dict[str, Any] = {"fp16": precision == "fp16", "bf16": precision == "bf16"}
    if torch.cuda.is_available():
        flags["tf32"] = precision == "tf32"
    return flags


def hold_precision(precision: str) -> None:
    """Let float32 products on CUDA be tf32 only where that was asked for; to be called once an engine is made.

    accelerate switches tf32 on for a compiled model, some containers by TORCH_ALLOW_TF32_CUBLAS_OVERRIDE. By the old
    setter, which writes the state behind torch's old getters and behind its new ones: then none of them raises.
    """
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"


def beacon(folder: Path) -> Callable[[str], None]:
    """Where this process is a rank: a function that notes what it is doing, at the cost of one small write."""
    if "RANK" not in os.environ:
        return _silent
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    descriptor = os.open(folder / BEACON.format(os.environ["RANK"]), flags, 0o644)
    count = 0

    def mark(text: str) -> None:
        nonlocal count
        count += 1
        os.pwrite(descriptor, f"{count} {text}".ljust(BEACON_BYTES).encode()[:BEACON_BYTES], 0)

    return mark


def _silent(text: str) -> None:
    """Nobody waits for a cell that is alone."""


class Clock:
    """Wall-clock seconds by phase; a phase may have several laps. A fresh interpreter is of some `age` by now."""

    def __init__(self, age: float = 0.0) -> None:
        self.seconds: dict[str, float] = {"start": age} if age else {}
        self._age, self._start = age, time.perf_counter()
        self._mark = self._start

    def lap(self, phase: str) -> None:
        """Add the time since the last lap to a phase."""
        now = time.perf_counter()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + now - self._mark
        self._mark = now

    def total(self) -> float:
        """Seconds since the clock was made, and the process's age at that time."""
        return self._age + time.perf_counter() - self._start
