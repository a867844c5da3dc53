"""A real Trainer on a model of a few hundred weights: seconds, and nothing stands for anything."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
datasets = pytest.importorskip("datasets")

from harness.subject import arguments as subject_arguments  # noqa: E402
from harness.subject.watch.adapter import TrainerAdapter  # noqa: E402
from harness.subject.watch.fingerprint import RunTrace  # noqa: E402
from harness.subject.watch.observation import StepSeries  # noqa: E402

EXAMPLES, BATCH = 22, 4


class Toy(torch.nn.Module):  # type: ignore[misc]
    """Two layers with dropout, so that the random stream matters; its loss is a plain mean."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Dropout(dropout), torch.nn.Linear(8, 2))

    def forward(self, input_ids: Any, labels: Any = None) -> Any:
        logits = self.layers(input_ids.float())
        loss = logits.square().mean() if labels is None else torch.nn.functional.cross_entropy(logits, labels)
        return {"loss": loss, "logits": logits}


def _examples(count: int) -> dict[str, list[Any]]:
    """Columns; the examples' ids begin at 100."""
    inputs = np.random.default_rng(1).integers(-9, 9, size=(count, 3))
    labels = [int(row.sum() > 0) for row in inputs]
    return {"input_ids": inputs.tolist(), "labels": labels, "idx": list(range(100, 100 + count))}


@pytest.fixture
def toy() -> type[Any]:
    return Toy


@pytest.fixture
def examples() -> Callable[[int], dict[str, list[Any]]]:
    return _examples


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., SimpleNamespace]:
    """Trains two epochs of 22 examples in batches of 4; `recipe` are training arguments."""

    def run(
        watched: bool = True, asked: str = "fp32", dropout: float = 0.2, dataset: Any = None, **recipe: Any
    ) -> SimpleNamespace:
        os.environ.pop("ACCELERATE_MIXED_PRECISION", None)  # left by transformers 4.45; a cell has its own process
        transformers.set_seed(5)
        requested = {
            "output_dir": str(tmp_path), "per_device_train_batch_size": BATCH, "per_device_eval_batch_size": BATCH,
            "num_train_epochs": 2, "learning_rate": 0.1, "logging_steps": 1, "eval_strategy": "epoch",
            "save_strategy": "no", "report_to": "none", "use_cpu": True, "disable_tqdm": True, "seed": 5, **recipe,
        }  # fmt: skip
        trainer = transformers.Trainer(
            Toy(dropout),
            subject_arguments.build(requested),
            train_dataset=datasets.Dataset.from_dict(_examples(EXAMPLES)) if dataset is None else dataset,
            eval_dataset=datasets.Dataset.from_dict(_examples(6)),
            compute_metrics=lambda p: {"accuracy": float((p.predictions.argmax(-1) == p.label_ids).mean())},
        )
        events: list[dict[str, Any]] = []
        series, trace = StepSeries(events.append), RunTrace(asked)
        adapter = TrainerAdapter(trainer, series, trace) if watched else None
        trainer.train()
        return SimpleNamespace(trainer=trainer, series=series, trace=trace, adapter=adapter, events=events)

    return run
