"""What differs between two tables: dotted fields, and values that Python takes for equal."""

from __future__ import annotations

from harness.checks.changes import changes, same_hardware
from harness.checks.verdict import Fact


def test_each_field_that_differs_in_its_order() -> None:
    a = {"threads": 1, "recipe": {"max_steps": 4, "bf16": 1, "optim": "a"}}
    b = {"threads": 1, "recipe": {"max_steps": 8, "bf16": True, "optim": "a", "seed": 0}}
    found = changes(a, b)
    assert found == (
        Fact.of("changed", field="recipe.max_steps", a=4, b=8),
        Fact.of("changed", field="recipe.bf16", a=1, b=True),
        Fact.of("changed", field="recipe.seed", a=None, b=0),
    )
    assert isinstance(found[1].values["b"], bool)
    assert changes(a, a) == ()


def test_an_empty_table_is_no_value_of_its_own() -> None:
    assert changes({"recipe": {}}, {"recipe": {"bf16": True}}) == (
        Fact.of("changed", field="recipe.bf16", a=None, b=True),
    )
    assert changes({"recipe": {"lr": {}}}, {"recipe": {"lr": 1}}) == (
        Fact.of("changed", field="recipe.lr", a=None, b=1),
    )
    assert changes({}, {"recipe": {}}) == ()


def test_hardware_is_what_kernels_depend_on() -> None:
    machine = {"cpu": "A", "cores": 2, "accelerators": ["H100"]}
    assert same_hardware(machine, {**machine, "cores": 4})
    assert not same_hardware(machine, {**machine, "accelerators": []})
