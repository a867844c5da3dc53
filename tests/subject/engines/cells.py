"""Cells run in the test's own process, as a cell's process runs them: a tiny BERT on some generated examples."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from harness.execution.job import TIMED
from harness.grid.arguments import OVERLAY
from harness.grid.keys import arguments_of, batches_of
from harness.subject import train
from harness.subject.data import checkpoints, tasks
from harness.subject.process import merge_ranks

EXAMPLES, VALIDATION, BATCH = 90, 30, 8

Outcome = tuple[dict[str, Any], dict[str, np.ndarray], list[dict[str, Any]]]
"""A cell's result, its series, and what it told while it ran."""

OPTIONS = ("accepts_loss_kwargs", "resume_at", "devices", "seed")
"""Of a cell; every other change is one of the recipe."""


class Cells:
    """Runs cells; the checkpoint and the examples that they share are in its folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._checkpoint = checkpoints.locate("embedded/tiny-bert", None, None, folder)
        tasks.tokenize_to(folder / "whole", {"name": "embedded/paraphrase"}, self._checkpoint)
        self._whole = datasets.load_from_disk(str(folder / "whole"))
        self._count = 0

    def job(
        self,
        engine: str,
        dropout: bool = False,
        precision: str = "fp32",
        examples: int = EXAMPLES,
        timing: dict[str, Any] | None = None,
        **changes: Any,
    ) -> dict[str, Any]:
        """The job of a cell; `timing` are the steps of one that is timed."""
        dataset = self._folder / f"first-{examples}"
        if not dataset.is_dir():
            splits = {"train": self._whole["train"].select(range(examples))}
            splits["validation"] = self._whole["validation"].select(range(VALIDATION))
            datasets.DatasetDict(splits).save_to_disk(str(dataset))
        options = {name: changes.pop(name) for name in OPTIONS if name in changes}
        cell = {
            "task": "embedded/paraphrase", "engine": engine, "seed": 42, "precision": precision, "devices": 1,
            "head_seeding": "seeded",
            "dropout": "model" if dropout else False, **options,
        }  # fmt: skip
        # A rate at which twenty steps move the weights, so that a wrong step shows in the next loss.
        arguments = {**OVERLAY, "learning_rate": 1e-3, "per_device_train_batch_size": BATCH, **changes}
        job = {
            "cell": cell, "arguments": arguments_of(arguments), "batches": batches_of(arguments),
            "peft": arguments.get("peft"),
            "dataset": str(dataset), "data": {}, "accelerator": "cpu",
            "checkpoint": {"path": str(self._checkpoint), "sha256": "", "config": {}},
        }  # fmt: skip
        if timing is not None:
            job["arguments"] = {**job["arguments"], **TIMED}
            job["timing"] = {"counts": False, "session": "s", "place": 1, **timing}
        return job

    def run(self, engine: str, **changes: Any) -> Outcome:
        """Run a cell to its end."""
        os.environ.pop("ACCELERATE_MIXED_PRECISION", None)  # left by transformers 4.45; a real cell has its own process
        self._count += 1
        folder = self._folder / f"{engine}-{self._count}"
        folder.mkdir()
        events: list[dict[str, Any]] = []
        result = merge_ranks.merge([train.run_cell(self.job(engine, **changes), folder, events.append)], folder)
        with np.load(folder / "series.npz") as series:
            return result, dict(series), events
