from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.grid.cell import Cell, Checkpoint
from harness.text import ID_LENGTH, canonical_json, short_hash

CELL = Cell(
    task="glue/mrpc",
    checkpoint=Checkpoint("base", "google-bert/bert-base-uncased"),
    seed=42,
    recipe={"num_train_epochs": 3, "learning_rate": 5e-5},
    axes={"checkpoint": "base", "seed": 42, "precision": "fp32"},
)
OTHERS: dict[str, Any] = {
    "task": "embedded/paraphrase",
    "seed": 1,
    "recipe": {"num_train_epochs": 4, "learning_rate": 5e-5},
    "precision": "bf16",
    "devices": 2,
    "environment": "old",
    "engine": "loop",
    "head_seeding": "course",
    "threads": 2,
    "recipe_defaults": "4.45.2",
    "accepts_loss_kwargs": False,
    "dropout": False,
    "resume_at": 4,
    "repeat": 2,
    "checkpoint": Checkpoint("base", "google-bert/bert-base-cased"),
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_the_ids_of_a_cell_never_change() -> None:
    """A changed hash would make every stored result undone: these two are written down."""
    assert (CELL.cell_id, CELL.configuration_id) == ("da9765f0964a58b7569d", "3a8f46e3e99ba2970db0")


@pytest.mark.parametrize("field", OTHERS)
def test_everything_asked_for_enters_the_id(field: str) -> None:
    other = replace(CELL, **{field: OTHERS[field]})
    assert other.cell_id != CELL.cell_id
    assert (other.configuration_id == CELL.configuration_id) == (field == "seed")


def test_names_and_places_do_not_enter_the_id() -> None:
    renamed = replace(CELL, checkpoint=replace(CELL.checkpoint, name="another"), axes={"anything": 1})
    assert renamed.cell_id == CELL.cell_id
    assert renamed.configuration_id == CELL.configuration_id


@pytest.mark.parametrize("change", [{"revision": "abc"}, {"config": {"num_hidden_layers": 2}}, {"source": "./local"}])
def test_the_checkpoint_enters_the_id(change: dict[str, Any]) -> None:
    assert replace(CELL, checkpoint=replace(CELL.checkpoint, **change)).cell_id != CELL.cell_id


def test_the_order_of_a_recipe_does_not_matter() -> None:
    assert replace(CELL, recipe=dict(reversed(CELL.recipe.items()))).cell_id == CELL.cell_id


def test_label() -> None:
    assert CELL.label == "base · fp32 · seed 42"
    axes = {"checkpoint": "base", "precision": "bf16", "learning_rate": 5e-05, "optim": "sgd", "lr_kwargs": {"a": [1]}}
    assert (
        replace(CELL, seed=7, axes=axes).label
        == 'base · bf16 · learning_rate=5e-05 · optim=sgd · lr_kwargs={"a":[1]} · seed 7'
    )


def test_asked_is_plain_json() -> None:
    assert json.loads(json.dumps(CELL.asked())) == CELL.asked()


@given(json_values)
def test_canonical_json_is_json_in_one_spelling(value: Any) -> None:
    text = canonical_json(value)
    assert text.isascii()
    assert canonical_json(json.loads(text)) == text
    assert len(short_hash(value)) == ID_LENGTH


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_canonical_json_sorts(value: dict[str, int]) -> None:
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": -float("inf")}])
def test_canonical_json_refuses_what_json_lacks(value: Any) -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(value)
