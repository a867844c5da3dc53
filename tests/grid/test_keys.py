"""Keys of a recipe beside `TrainingArguments`: allowed, spelled one way, in the identity, and never an argument."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import SpecError
from harness.grid.arguments import check_recipe, contradiction, default_of
from harness.grid.grid import grid_from_document
from harness.grid.keys import KEYS, arguments_of, batches_of, tokens_of


def cells(recipe: dict[str, Any], **axes: Any) -> list[Any]:
    matrix = {"checkpoint": ["embedded/tiny-bert"], **axes}
    document = {"name": "g", "task": "embedded/paraphrase", "recipe": recipe, "matrix": matrix}
    return grid_from_document(document, Path("g.toml")).cells()


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("max_length", 0, "an integer from 1 to 1048576"),
        ("max_length", 64.0, "an integer from 1 to 1048576"),
        ("max_length", True, "an integer from 1 to 1048576"),
        ("pad_to_multiple_of", "8", "an integer from 1 to 1048576"),
        ("truncation", "longest_first", "true or false"),
        ("padding", False, "true, longest, max_length"),
        ("padding", "max_lenght", "true, longest, max_length; did you mean max_length?"),
        ("padding", [], "true, longest, max_length"),
        ("peft", True, "false, or a table of method, r, alpha, targets, dropout, modules_to_save"),
    ],
)
def test_what_is_not_allowed_is_named(key: str, value: Any, allowed: str) -> None:
    with pytest.raises(SpecError) as error:
        check_recipe(key, value, f"g.toml: recipe.{key}")
    assert str(error.value).startswith(f"g.toml: recipe.{key}: got ")
    assert str(error.value).endswith(f"; allowed {allowed}")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"r": 8}, "method: missing; allowed lora"),
        ({"method": "ia3"}, 'method: got "ia3"; allowed lora'),
        ({"method": "lora", "r": 0}, "r: got 0; allowed an integer from 1 to 1048576"),
        ({"method": "lora", "alpha": 0}, "alpha: got 0; allowed a finite number > 0"),
        ({"method": "lora", "dropout": 1.0}, "dropout: got 1.0; allowed a number in [0, 1)"),
        ({"method": "lora", "targets": []}, "targets: got []; allowed names of linear layers, each once, or "),
        ({"method": "lora", "targets": "query"}, 'targets: got "query"; allowed names of linear layers, each '),
        ({"method": "lora", "targets": ["q", "q"]}, "targets: got ['q', 'q']; allowed names of linear layers, each "),
        ({"method": "lora", "modules_to_save": "x"}, 'modules_to_save: got "x"; allowed names of modules to be '),
        ({"method": "lora", "lora_alpha": 8}, "lora_alpha: got 8; allowed only method, r, alpha, targets, "),
    ],
)
def test_what_is_wrong_in_the_table_of_adapters_is_named(table: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError) as error:
        check_recipe("peft", table, "g.toml: recipe.peft")
    assert str(error.value).startswith(f"g.toml: recipe.peft.{said}")


def test_adapters_are_an_axis_whose_off_is_the_recipe_without_them() -> None:
    one, two = {"method": "lora", "r": 4, "alpha": 16, "targets": ["b", "a"]}, {"method": "lora", "r": 8}
    off, first, second = cells({}, peft=[False, one, two])
    assert len({off.configuration_id, first.configuration_id, second.configuration_id}) == 3
    assert (off.cell_id, off.recipe) == (cells({})[0].cell_id, {})
    # A number is a number, and targets are a set.
    same = cells({"peft": {**one, "alpha": 16.0, "targets": ["a", "b"]}})[0]
    assert same.cell_id == first.cell_id
    assert arguments_of(first.recipe) == {}


def test_a_length_without_truncation_contradicts_itself() -> None:
    assert contradiction({"truncation": False, "max_length": 64}) == (
        "max_length: got 64; allowed without truncation = false"
    )
    assert contradiction({"truncation": True, "max_length": 64}) == ""


def test_they_are_in_the_identity_in_one_spelling() -> None:
    plain, long, short = cells({}), cells({"padding": "longest"}), cells({"padding": True})
    assert long[0].cell_id == short[0].cell_id != plain[0].cell_id
    by_axis = cells({}, max_length=[64, 128])
    assert [cell.recipe for cell in by_axis] == [{"max_length": 64}, {"max_length": 128}]
    assert len({cell.configuration_id for cell in by_axis}) == 2
    assert cells({"max_length": 64})[0].cell_id == by_axis[0].cell_id


def test_they_never_become_training_arguments() -> None:
    recipe = {"max_length": 64, "padding": "max_length", "pad_to_multiple_of": 8, "max_steps": 3}
    assert arguments_of(recipe) == {"max_steps": 3}
    assert tokens_of(recipe) == {"max_length": 64, "truncation": True}
    assert batches_of(recipe) == {"padding": "max_length", "max_length": 64, "pad_to_multiple_of": 8}
    assert {key: default_of(key) for key in KEYS} == {**tokens_of({}), **batches_of({}), "peft": False}
