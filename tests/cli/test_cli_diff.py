"""`harness diff` on real runs of a tiny BERT, each with one thing changed: what it calls the change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BASE: Mapping[str, Any] = {"checkpoint": "embedded/tiny-bert", "seed": 42, "dropout": False}
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "base": {},
    "seed": {"seed": 1},
    "batch": {"per_device_train_batch_size": 16},
    "accumulation": {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2},
    "rate": {"learning_rate": 2e-3},
    "warm-up": {"warmup_steps": 3},
    "decay": {"weight_decay": 0.5},
    "betas": {"adam_beta2": 0.9},
    "dropout": {"dropout": "model"},
    "evaluation": {"per_device_eval_batch_size": 32},
    "watching": {"eval_strategy": "no"},
    "order 1": {"train_sampling_strategy": "group_by_length", "data_seed": 1},
    "order 2": {"train_sampling_strategy": "group_by_length", "data_seed": 2},
}
GRID = """
name = "planted"
task = "embedded/paraphrase"
[recipe]
max_steps = 4
learning_rate = 1e-3
[matrix]
checkpoint = ["embedded/tiny-bert"]
seed = [42]
dropout = [false]
repeat = [1]
include = [
ROWS
]
"""
Diff = Callable[[str, str], tuple[int, dict[str, Any]]]


@pytest.fixture(scope="module")
def diff(tmp_path_factory: pytest.TempPathFactory) -> Diff:
    """Run each variant for 4 steps, and compare two of them by name."""
    folder = tmp_path_factory.mktemp("diff")
    rows = [json.dumps({**BASE, **change, "repeat": n}) for n, change in enumerate(VARIANTS.values(), 2)]
    include = ",\n".join("  " + row.replace('": ', '" = ') for row in rows)
    (folder / "planted.toml").write_text(GRID.replace("ROWS", include))
    variables = {name: value for name, value in os.environ.items() if name != "HARNESS_REQUIRE"}
    variables |= {"HARNESS_CACHE": str(folder / "cache"), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    variables["PYTHONPATH"] = str(REPOSITORY)

    def harness(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "harness", *arguments]
        return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)

    done = harness("run", "planted.toml")
    assert done.returncode == 0, done.stdout + done.stderr
    places = {}
    for path in folder.glob("results/planted/cells/*/*/*/*/record.json"):
        repeat = json.loads(path.read_text(encoding="utf-8"))["asked"].get("repeat", 1)
        if repeat > 1:
            places[list(VARIANTS)[repeat - 2]] = str(path.parent)

    def compare(a: str, b: str) -> tuple[int, dict[str, Any]]:
        done = harness("diff", places[a], places[b], "--json")
        (verdict,) = json.loads(done.stdout)["verdicts"]
        return done.returncode, verdict

    return compare


@pytest.mark.parametrize(
    ("name", "item", "step", "explained"),
    [
        ("seed", "the model's own loss", 0, "seed"),
        ("batch", "the model's own loss", 0, "recipe.per_device_train_batch_size"),
        ("accumulation", "gradient norm", 0, "recipe.gradient_accumulation_steps"),
        ("rate", "learning rate", 0, "recipe.learning_rate"),
        ("warm-up", "learning rate", 0, "recipe.warmup_steps"),
        ("decay", "gradient norm", 1, "recipe.weight_decay"),
        ("betas", "gradient norm", 2, "recipe.adam_beta2"),
        ("dropout", "the model's own loss", 0, "dropout"),
        ("order 1", "the model's own loss", 0, "recipe.train_sampling_strategy"),
    ],
)
def test_a_change_is_found_where_it_shows_and_called_by_its_name(
    diff: Diff, name: str, item: str, step: int, explained: str
) -> None:
    code, verdict = diff("base", name)
    assert (code, verdict["reason"]["code"]) == (1, "diff.different")
    effect, cause = verdict["findings"][:2]
    assert (effect["item"], effect["step"], cause["item"]) == (item, step, explained)
    assert verdict["reason"]["values"]["cause"]["values"]["item"] == explained


def test_what_changes_nothing_is_identical_or_equal_and_says_so(diff: Diff) -> None:
    code, verdict = diff("base", "watching")
    values = verdict["reason"]["values"]
    assert (code, verdict["reason"]["code"], values["idle"]) == (0, "diff.identical", ["recipe.eval_strategy"])
    code, verdict = diff("base", "evaluation")
    values = verdict["reason"]["values"]
    assert (code, verdict["reason"]["code"]) == (0, "diff.equal")
    assert set(values["bits"]) <= {"logits", "scores.loss"}
    assert 0 < values["largest"] < 1e-5


def test_an_order_that_only_the_evaluation_has_is_no_difference_in_training(diff: Diff) -> None:
    code, verdict = diff("order 1", "order 2")
    assert (code, verdict["reason"]["code"]) == (0, "diff.equal")
    assert verdict["reason"]["values"]["idle"] == ["recipe.data_seed"]
    assert "evaluation order" in [one["item"] for one in verdict["findings"]]
    assert verdict["reason"]["values"]["largest"] < 1e-5
