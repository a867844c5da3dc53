"""Jobs: a task is tokenized once and found again, and a cell leaves nothing that nobody asked for."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any

import pytest

from harness.execution import cache
from harness.execution.attempt import Running
from harness.execution.inputs import files_sha256
from harness.execution.job import Preparations, _has_whole_batch, earlier
from harness.protocol import CHECKPOINT_FILES

EPOCHS = """
name = "g"
task = "embedded/paraphrase"
[recipe]
num_train_epochs = 2
per_device_train_batch_size = 100
[matrix]
checkpoint = "embedded/tiny-bert"
seed = [1, 2]
"""


@pytest.mark.slow
def test_a_task_is_tokenized_once_for_a_grid_and_not_again(house: Any) -> None:
    house.cache = house.folder / "cache"
    house.grid([1, 2])
    code, output = house.run()
    assert code == 0, output
    assert output.count("preparing ") == 1
    (tokenized,) = house.cache.glob("tokenized-*")
    made = tokenized.stat().st_mtime_ns
    house.grid([1, 2, 3])
    code, output = house.run()
    assert code == 0, output
    assert "preparing " not in output
    assert tokenized.stat().st_mtime_ns == made
    first, second, third = house.records()
    assert first.observed.data == second.observed.data == third.observed.data
    assert first.observed.weights.checkpoint_sha256 == third.observed.weights.checkpoint_sha256


@pytest.mark.parametrize(
    ("batch", "devices", "subset", "whole"), [(8, 1, 0, True), (400, 2, 0, True), (401, 2, 0, False), (8, 1, 7, False)]
)
def test_a_timing_cell_drops_short_batches_where_there_are_whole_ones(
    cell_of: Any, batch: int, devices: int, subset: int, whole: bool
) -> None:
    cell = cell_of(recipe={"per_device_train_batch_size": batch}, devices=devices, subset=subset)
    assert _has_whole_batch(cell, 800) is whole


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A cache with a checkpoint and a tokenized task, and the preparation's result under the key k."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    checkpoint, dataset = tmp_path / "checkpoint", tmp_path / "tokenized-k"
    for path in (checkpoint / "config.json", *(dataset / split / "data-0.arrow" for split in ("train", "validation"))):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    (dataset / "harness-facts.json").write_text('{"train": 1}')
    digest = hashlib.sha256(b"{}").hexdigest()
    sums = [f"{digest}  {split}/data-0.arrow" for split in ("train", "validation")]
    (dataset / "harness.sha256").write_text("\n".join(sums) + "\n")
    digest = files_sha256(checkpoint, CHECKPOINT_FILES)
    facts = {"status": "ok", "checkpoint": str(checkpoint), "dataset": str(dataset), "data": {"train": 1}}
    cache.remember("prepared-k", {**facts, "checkpoint_sha256": digest})
    return checkpoint, dataset


def test_what_was_prepared_is_found_again(prepared: tuple[Path, Path]) -> None:
    checkpoint, dataset = prepared
    for known in (None, checkpoint):
        found = earlier("k", known)
        assert found is not None
        assert (found["checkpoint"], found["dataset"]) == (str(checkpoint), str(dataset))
    assert earlier("k", checkpoint.parent) is None  # the same files somewhere else: the plan's own folder is taken
    assert earlier("another", None) is None


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("checkpoint/config.json", None),
        ("checkpoint/config.json", "{ }"),  # other bytes are another checkpoint
        ("tokenized-k/harness-facts.json", None),
        ("tokenized-k/harness-facts.json", '{"train": 2}'),
        ("tokenized-k/harness-facts.json", "{"),
        ("tokenized-k/validation/data-0.arrow", None),
        ("tokenized-k/train/data-0.arrow", "[]"),  # other bytes are other data
        ("tokenized-k/harness.sha256", None),
        ("tokenized-k/harness.sha256", ""),
        ("prepared-k.json", "[" * 20_000),
        ("prepared-k.json", "[]"),
        ("prepared-k.json", "null"),
        ("prepared-k.json", "{}"),
    ],
)
def test_what_is_not_all_there_is_prepared_again(
    prepared: tuple[Path, Path], tmp_path: Path, path: str, text: str | None
) -> None:
    if text is None:
        (tmp_path / path).unlink()
    else:
        (tmp_path / path).write_text(text)
    assert earlier("k", None) is None


def test_a_full_cache_is_told_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    preparations = Preparations(None)  # type: ignore[arg-type] - what a preparation left is told without a plan
    failure = {"type": "OSError", "message": "[Errno 28] No space left on device"}
    result = {"status": "failed", "failure": failure, "disk_full": True}
    preparations.finish(Running("prepare-k", "current", False, tmp_path, "", 0.0, preparation="k"), 0, result)
    assert preparations.problems == {"k": f"{tmp_path}: OSError: [Errno 28] No space left on device"}


def inside(house: Any) -> set[str]:
    """Names of what lies in the folders of attempts; a folder may go away beneath os.walk, not beneath glob."""
    return {
        name
        for attempt in house.results.glob("g/cells/??/*/*/[0-9]*")
        for _, folders, files in os.walk(attempt)
        for name in (*folders, *files)
    }


@pytest.mark.slow
def test_an_ordinary_cell_writes_no_checkpoint(house: Any) -> None:
    """Its folder after its last step, and seen all the while; after it the scaffolding is gone too."""
    (house.folder / "g.toml").write_text(EPOCHS, encoding="utf-8")
    harness = house.start("--slots", "1")
    seen: set[str] = set()
    while harness.poll() is None:
        seen |= inside(house)
        time.sleep(0.005)
    output = harness.stdout.read()
    assert harness.returncode == 0, output
    suspicious = ("checkpoint", "optimizer", "scheduler", "rng_state", "training_args", "trainer_state", "model")
    assert [name for name in seen if name.startswith(suspicious)] == []
    assert [name for name in seen if name.endswith((".pt", ".pth", ".bin", ".safetensors"))] == []
    left = inside(house)
    assert left == {"record.json", "series.npz", "log.txt"}
    assert all(record.measured.epochs[-1].epoch == 2 for record in house.records())


def test_a_checkpoint_that_is_asked_for_would_be_seen(house: Any) -> None:
    """The test above looks in the right place."""
    text = EPOCHS.replace("[matrix]", 'save_strategy = "epoch"\n[matrix]').replace("[1, 2]", "[1]")
    (house.folder / "g.toml").write_text(text, encoding="utf-8")
    harness = house.start()
    seen: set[str] = set()
    while harness.poll() is None:
        seen |= inside(house)
        time.sleep(0.005)
    assert any(name.startswith("checkpoint-") for name in seen), (seen, harness.stdout.read())
