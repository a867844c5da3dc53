"""The engines through the whole harness: one grid, each engine a column, one and two ranks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.record.model import Record
from harness.record.store import Store

ROOT = Path(__file__).parent.parent
STEPS, TOLERANCE = 20, 1e-5
GRID = f"""
name = "engines"
task = "embedded/paraphrase"
[recipe]
max_steps = {STEPS}
weight_decay = 0.01
warmup_steps = 0.1
learning_rate = 1e-3
[matrix]
checkpoint = "embedded/tiny-bert"
seed = 42
engine = ["trainer", "loop", "accelerate"]
devices = [1, 2]
accepts_loss_kwargs = ["model", false]
dropout = false
exclude = [
  {{ engine = "loop", devices = 2 }},
  {{ engine = "loop", accepts_loss_kwargs = false }},
  {{ engine = "accelerate", accepts_loss_kwargs = false }},
]
"""
Runs = dict[tuple[str, int, bool], tuple[Record, dict[str, np.ndarray]]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """(engine, devices, with the work-around) -> record and series."""
    folder = tmp_path_factory.mktemp("engine-axis")
    (folder / "grid.toml").write_text(GRID)
    command = [sys.executable, "-m", "harness", "run", str(folder / "grid.toml"), "--results", str(folder / "results")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    store = Store(folder / "results", "engines")
    found: Runs = {}
    for entry in store.entries():
        record = store.record(entry)
        asked = record.asked
        found[asked.engine, asked.devices, asked.accepts_loss_kwargs is False] = (
            record,
            dict(np.load(store.series_path(entry))),
        )
    return found


def assert_equal_steps(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert len(one["loss"]) == STEPS
    for name in ("loss", "grad_norm"):
        np.testing.assert_allclose(one[name], other[name], rtol=TOLERANCE)
    np.testing.assert_array_equal(one["learning_rate"], other["learning_rate"])
    # Ranks cut one order of examples among themselves; a step sees the same ones.
    for start, end in zip(one["example_offsets"][:-1], one["example_offsets"][1:], strict=True):
        assert sorted(one["example_ids"][start:end]) == sorted(other["example_ids"][start:end])
    assert one["logits"].shape == (240, 2)
    np.testing.assert_allclose(one["logits"], other["logits"], rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(one["labels"], other["labels"])


def test_every_cell_ran_as_asked(runs: Runs) -> None:
    assert len(runs) == 7
    for (engine, devices, _), (record, _) in runs.items():
        assert record.observed is not None
        found = record.observed.fingerprint
        assert found is not None
        assert (found.engine, found.world_size, found.dropout) == (engine, devices, False)
        assert (found.parallel_mode, found.backend) == (
            ("not_parallel", None) if devices == 1 else ("distributed", "gloo")
        )
        assert (found.optimizer, found.optimizer_steps) == ("AdamW", STEPS)
        assert found.eval_examples == 240
        assert found.seen is not None
        (epoch,) = found.seen.epochs
        assert (epoch.seen, epoch.distinct) == (8 * STEPS, 8 * STEPS)
        assert record.measured is not None
        assert record.measured.train_samples == 8 * STEPS


@pytest.mark.parametrize("engine", ["loop", "accelerate"])
def test_one_device(runs: Runs, engine: str) -> None:
    assert_equal_steps(runs[engine, 1, False][1], runs["trainer", 1, True][1])


def test_two_ranks_are_one_device(runs: Runs) -> None:
    assert_equal_steps(runs["accelerate", 2, False][1], runs["loop", 1, False][1])
    assert_equal_steps(runs["accelerate", 2, False][1], runs["trainer", 2, True][1])


def test_the_trainers_gradient_on_two_ranks(runs: Runs) -> None:
    """huggingface/transformers#47688: twice too large where BERT is left to scale the loss."""
    record, series = runs["trainer", 2, False]
    assert record.observed is not None
    assert record.observed.fingerprint is not None
    scale = 2 if record.observed.fingerprint.accepts_loss_kwargs else 1
    right = runs["accelerate", 2, False][1]
    assert series["grad_norm"][0] / right["grad_norm"][0] == pytest.approx(scale, rel=TOLERANCE)
