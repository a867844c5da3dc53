"""What a cell is made ready with is what it was lent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from harness.subject import train
from harness.subject.data import checkpoints, tasks


def test_a_cell_that_was_lent_a_gpu_never_trains_on_the_cpu(tmp_path: Path) -> None:
    """The device fell off the bus between plan and run: transformers takes the CPU then, without a word."""
    checkpoint = checkpoints.locate("embedded/tiny-bert", None, None, tmp_path)
    tasks.tokenize_to(tmp_path / "data", {"name": "embedded/paraphrase"}, checkpoint)
    cell = {
        "task": "embedded/paraphrase", "engine": "trainer", "seed": 42, "precision": "fp32", "devices": 1,
        "head_seeding": "seeded",
    }  # fmt: skip
    job: dict[str, Any] = {
        "cell": cell, "arguments": {"max_steps": 1, "report_to": "none"}, "dataset": str(tmp_path / "data"),
        "checkpoint": {"path": str(checkpoint), "sha256": "", "config": {}}, "data": {}, "accelerator": "cuda",
    }  # fmt: skip
    with pytest.raises(RuntimeError, match="cuda was asked for; torch in its process trains on cpu: a device is gone"):
        train.run_cell(job, tmp_path, lambda event: None)
