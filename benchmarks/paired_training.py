"""Trainings of one recipe in turn, in one process: `python paired_training.py CHECKPOINT STEPS PRECISION[,...] WAY...`.

A way is `trainer` (plain), `observed` (the Trainer with all that a cell is watched by) or `loop` (the plain loop, which
nobody watches). All have the same seed and so the same batches, step by step, and end with the same weights.

Prints JSON: `limits` (operations a second by precision), `flops` (of each step), and of each run its way, precision,
weights' hash, and (wall, CPU) seconds of each step, as one and the same stopwatch saw them.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from itertools import count, islice, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from datasets import load_from_disk
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from harness.subject.data import checkpoints, tasks
from harness.subject.engines import plain
from harness.subject.process import child
from harness.subject.watch import peak
from harness.subject.watch.adapter import TrainerAdapter
from harness.subject.watch.fingerprint import RunTrace
from harness.subject.watch.observation import StepSeries

Ticks = list[tuple[float, float]]


class Stopwatch(TrainerCallback):
    """Reads two clocks at every step's end, in every kind of run."""

    def __init__(self) -> None:
        self.ticks: Ticks = []

    def tick(self, *args: Any, **kwargs: Any) -> None:
        """Note both times."""
        self.ticks.append((time.perf_counter(), time.process_time()))

    on_train_begin = on_step_end = tick


def prepare(checkpoint: str, splits: Any, steps: int, precision: str, folder: str) -> SimpleNamespace:
    """What each way starts from, made anew: as much of the subject's `Setup` as they need."""
    set_seed(42)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    return SimpleNamespace(
        precision=precision,
        splits=splits,
        tokenizer=tokenizer,
        collator=DataCollatorWithPadding(tokenizer=tokenizer),
        model=AutoModelForSequenceClassification.from_pretrained(checkpoint, num_labels=2),
        arguments=TrainingArguments(
            folder,
            max_steps=steps,
            bf16=precision == "bf16",
            save_strategy="no",
            report_to="none",
            use_cpu=True,
            disable_tqdm=True,
        ),
    )


def trainer(setup: SimpleNamespace, observed: bool = False) -> Ticks:
    """A run of the Trainer."""
    made = Trainer(
        setup.model,
        setup.arguments,
        train_dataset=setup.splits["train"],
        data_collator=setup.collator,
        processing_class=setup.tokenizer,
    )
    stopwatch = Stopwatch()
    with Path(os.devnull).open("w") as nowhere:
        if observed:
            # All that a cell is watched by.
            TrainerAdapter(made, StepSeries(child.pipe_emitter(nowhere.fileno())), RunTrace(setup.precision))
        made.add_callback(stopwatch)  # after the observer, so that the observer's work is in the step
        made.train()
    return stopwatch.ticks


def loop(setup: SimpleNamespace) -> Ticks:
    """A run of the course's loop, made of the parts of the harness's own, without its journal."""
    arguments, model = setup.arguments, setup.model
    plain.begin(arguments)
    loader, order = plain.train_loader(_without_ids(setup))
    optimizer = plain.make_optimizer(model, arguments)
    schedule = plain.make_schedule(optimizer, arguments, arguments.max_steps)
    autocast = torch.autocast("cpu", dtype=torch.bfloat16) if arguments.bf16 else nullcontext()
    largest, stopwatch = plain.clip_norm(arguments), Stopwatch()
    stopwatch.tick()
    for epoch in count():
        order.set_epoch(epoch)
        model.train()
        for batch in loader:
            with autocast:
                loss = model(**batch).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), largest)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            stopwatch.tick()
            if len(stopwatch.ticks) > arguments.max_steps:
                return stopwatch.ticks
    raise AssertionError("an endless loop has ended")


WAYS: dict[str, Callable[[SimpleNamespace], Ticks]] = {
    "trainer": trainer,
    "observed": lambda setup: trainer(setup, observed=True),
    "loop": loop,
}


def flops(setup: SimpleNamespace) -> list[float]:
    """Operations of each step's forward and backward pass, padding included."""
    work = peak.Work(setup.model)
    loader, order = plain.train_loader(_without_ids(setup))

    def shapes() -> Any:
        for epoch in count():
            order.set_epoch(epoch)
            for batch in loader:
                yield batch["input_ids"].shape

    return [float(work.of(*shape)) for shape in islice(shapes(), setup.arguments.max_steps)]


def _without_ids(setup: SimpleNamespace) -> Any:
    """A script's loader carries no ids of examples."""
    train = setup.splits["train"].remove_columns("idx")
    return SimpleNamespace(**{**vars(setup), "splits": {"train": train}})


def main() -> None:
    checkpoint, steps, precisions, *ways = sys.argv[1:]
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "tokenized"
        tasks.tokenize_to(target, {"name": "embedded/paraphrase"}, Path(checkpoint))
        splits = load_from_disk(str(target))
        found: dict[str, Any] = {"runs": [], "limits": {}}
        for precision in precisions.split(","):
            for way in dict.fromkeys(ways):  # what runs first pays for what is imported late
                WAYS[way](prepare(checkpoint, splits, min(int(steps), 5), precision, folder))
            before = peak.probe(torch.device("cpu"), precision)["best"]
            for way in ways:
                setup = prepare(checkpoint, splits, int(steps), precision, folder)
                taken = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(WAYS[way](setup))]
                weights = checkpoints.weights_sha256(setup.model)
                found["runs"].append({"way": way, "precision": precision, "steps": taken, "weights": weights})
            found["limits"][precision] = max(before, peak.probe(torch.device("cpu"), precision)["best"])
        found["flops"] = flops(setup)
    print("\n" + json.dumps(found))


if __name__ == "__main__":
    main()
