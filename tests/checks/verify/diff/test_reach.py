from __future__ import annotations

import json
from importlib.resources import files

import pytest

from harness.checks.verify.diff.reach import EVERYWHERE, NOWHERE, made_by, only_rounds, reach
from harness.checks.verify.fields import Layer

FIELDS = json.loads((files("harness.subject") / "training_arguments.json").read_text(encoding="utf-8"))["fields"]


def test_it_is_known_where_every_argument_of_the_installed_version_acts() -> None:
    assert len(FIELDS) > 90
    assert [name for name in FIELDS if reach("exact", f"arguments.{name}", 2) == EVERYWHERE] == []


@pytest.mark.parametrize(
    ("layer", "field", "ranks", "stages"),
    [
        ("exact", "arguments.hub_model_id", 1, ""),
        ("exact", "arguments.logging_dir", 1, ""),
        ("exact", "arguments.logging_steps", 1, "watching"),
        ("exact", "arguments.save_total_limit", 1, ""),
        ("exact", "arguments.save_steps", 1, "watching"),
        ("exact", "arguments.optim", 1, "update"),
        ("exact", "arguments.optim_args", 1, "update"),
        ("exact", "arguments.ddp_bucket_cap_mb", 1, ""),
        ("exact", "arguments.average_tokens_across_devices", 1, ""),
        ("asked", "recipe.warmup_steps", 1, "rate"),
        ("asked", "environment", 1, ""),
        ("asked", "checkpoint source", 1, "batch forward"),
        ("environment", "machine.memory_gib", 1, ""),
        ("exact", "optimizer.groups.0.eps", 1, "update"),
        ("exact", "optimizer.schedule", 1, "rate"),
    ],
)
def test_where_it_acts(layer: Layer, field: str, ranks: int, stages: str) -> None:
    assert reach(layer, field, ranks) == set(stages.split())


def test_what_is_not_known_may_act_anywhere() -> None:
    assert reach("exact", "arguments.of_next_year") == EVERYWHERE
    assert reach("environment", "packages.torch") == EVERYWHERE
    assert reach("exact", "arguments.average_tokens_across_devices", 2) != NOWHERE


def test_what_was_done_is_the_doing_of_what_was_asked_for() -> None:
    asked = {"recipe.weight_decay": reach("asked", "recipe.weight_decay")}
    assert made_by("optimizer.groups.0.weight_decay", asked)
    assert not made_by("attention", asked)
    assert not made_by("data order", asked)
    assert made_by("data order", {"seed": reach("asked", "seed")})
    assert not made_by("attention", {"seed": reach("asked", "seed")})


def test_one_formula_in_another_order_only_rounds() -> None:
    assert only_rounds("attention", "sdpa", "eager")
    assert only_rounds("arguments.optim", "adamw_torch", "adamw_torch_fused")
    assert not only_rounds("arguments.optim", "adamw_torch", "sgd")
    assert only_rounds("optimizer.groups.1.fused", None, True)
    assert not only_rounds("optimizer.groups.1.eps", 1e-8, 1e-6)
