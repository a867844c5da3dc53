"""Recipes that are allowed and hardly meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.checks.doubts import recipe_doubts
from harness.fact import Fact
from harness.grid.cell import Cell

STEPS = Fact.of("recipe.steps_count", steps=10, epochs=3.0)


@pytest.mark.parametrize(
    ("recipe", "doubts"),
    [
        ({"max_steps": 10}, []),
        ({"num_train_epochs": 3.0}, []),
        ({"max_steps": -1, "num_train_epochs": 3.0}, []),
        ({"max_steps": 10, "num_train_epochs": 3.0}, [STEPS]),
        ({"metric_for_best_model": "loss"}, []),
        ({"metric_for_best_model": "loss", "greater_is_better": False}, []),
        ({"metric_for_best_model": "eval_f1", "greater_is_better": True}, []),
        ({"metric_for_best_model": "precision", "greater_is_better": False}, []),  # nobody here knows it
    ],
)
def test_a_doubt_is_of_what_has_no_effect(
    cell_of: Callable[..., Cell], recipe: dict[str, Any], doubts: list[Fact]
) -> None:
    assert list(recipe_doubts([cell_of(recipe=recipe)])) == doubts


@pytest.mark.parametrize(
    ("metric", "greater"), [("loss", True), ("eval_loss", True), (None, True), ("accuracy", False), ("eval_f1", False)]
)
def test_a_direction_that_contradicts_its_metric(
    cell_of: Callable[..., Cell], metric: str | None, greater: bool
) -> None:
    recipe = {"greater_is_better": greater, **({"metric_for_best_model": metric} if metric else {})}
    name = (metric or "loss").removeprefix("eval_")
    expected = Fact.of("recipe.worst_kept", metric=name, greater_is_better=greater)
    assert list(recipe_doubts([cell_of(recipe=recipe)])) == [expected]


def test_a_doubt_is_told_once_and_of_how_many_it_is(cell_of: Callable[..., Cell]) -> None:
    cells = [cell_of(recipe={"max_steps": 10, "num_train_epochs": 3.0}, seed=seed) for seed in (1, 2)]
    cells += [cell_of(recipe={"num_train_epochs": 3.0}, seed=seed) for seed in (1, 2)]
    assert list(recipe_doubts(cells)) == [Fact.of("recipe.some", doubt=STEPS, number=1, every=2)]
