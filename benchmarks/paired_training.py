"""Plain and observed trainings in turn (A B B A) in one process: `python paired_training.py CHECKPOINT STEPS BLOCKS`.

Prints JSON: a block is two pairs of runs of the same recipe with the same seed, so step i of a pair trains on the same
sentences; for each run its way, and for each step wall and CPU seconds as one and the same stopwatch saw them.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
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

from harness.subject import child, tasks
from harness.subject.fingerprint import Witness
from harness.subject.observation import Observer

ORDER = ("plain", "observed", "observed", "plain")


class Stopwatch(TrainerCallback):
    """Reads two clocks at every step's end, in both kinds of run."""

    def __init__(self) -> None:
        self.ticks: list[tuple[float, float]] = []

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        """Note both times."""
        self.ticks.append((time.perf_counter(), time.process_time()))

    on_step_end = on_train_begin


def train(checkpoint: str, dataset: Any, steps: int, observed: bool) -> list[tuple[float, float]]:
    """One run; (wall, CPU) seconds of each step."""
    set_seed(42)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as nowhere:
        arguments = TrainingArguments(
            folder, max_steps=steps, save_strategy="no", report_to="none", use_cpu=True, disable_tqdm=True
        )
        trainer = Trainer(
            AutoModelForSequenceClassification.from_pretrained(checkpoint, num_labels=2),
            arguments,
            train_dataset=dataset,
            data_collator=DataCollatorWithPadding(tokenizer=tokenizer),
            processing_class=tokenizer,
        )
        stopwatch = Stopwatch()
        if observed:
            Witness("fp32").attach(trainer)  # all that a cell is watched by, in a cell's order
            Observer(child.pipe_emitter(nowhere.fileno())).attach(trainer)
        trainer.add_callback(stopwatch)  # after the observer, so that the observer's work is in the step
        trainer.train()
    ticks = stopwatch.ticks
    return [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(ticks)]


def main() -> None:
    checkpoint, steps, blocks = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "tokenized"
        tasks.tokenize_to(target, {"name": "embedded/paraphrase"}, Path(checkpoint))
        dataset = load_from_disk(str(target))["train"]
        train(checkpoint, dataset, min(steps, 5), True)  # what runs first pays for what is imported late
        runs = [
            {"way": way, "steps": train(checkpoint, dataset, steps, way == "observed")}
            for _ in range(blocks)
            for way in ORDER
        ]
    print("\n" + json.dumps(runs))


if __name__ == "__main__":
    main()
