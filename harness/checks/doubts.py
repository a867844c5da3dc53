"""What a recipe may say and hardly means: arguments of which one has no effect, or undoes another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from harness.fact import Fact
from harness.grid.cell import Cell
from harness.task import METRICS

LOWER: Final = frozenset({"loss"})
"""Of the metrics that a run reports, those of which the lower value is the better one."""
HIGHER: Final = frozenset(METRICS)


def recipe_doubts(cells: Iterable[Cell]) -> Iterator[Fact]:
    """A fact for each doubt about the recipes of these cells; where not all have it, of how many it is."""
    recipes = {cell.configuration_id: cell.recipe for cell in cells}
    found = [fact for recipe in recipes.values() for fact in _of_one(recipe)]
    count, every = Counter(map(str, found)), len(recipes)
    for text, fact in {str(fact): fact for fact in found}.items():
        some = count[text] < every
        yield Fact.of("recipe.some", doubt=fact, number=count[text], every=every) if some else fact


def _of_one(recipe: Mapping[str, Any]) -> Iterator[Fact]:
    steps, epochs = recipe.get("max_steps", -1), recipe.get("num_train_epochs")
    if steps > 0 and epochs is not None:
        yield Fact.of("recipe.steps_count", steps=steps, epochs=epochs)
    metric, greater = recipe.get("metric_for_best_model"), recipe.get("greater_is_better")
    # Without a word transformers takes the direction from the metric's name.
    if greater is not None:
        name = str(metric or "loss").removeprefix("eval_")
        if greater == (name in LOWER) and name in LOWER | HIGHER:
            yield Fact.of("recipe.worst_kept", metric=name, greater_is_better=greater)
