"""What a grid calls its values: `[label]` in every name that people read, never in the names of tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import SpecError
from harness.grid.grid import Grid, grid_from_text
from harness.grid.labels import place_of
from harness.grid.select import select

GRID = """
name = "words"
task = "embedded/paraphrase"
[matrix]
checkpoint = "embedded/tiny-bert"
learning_rate = [1e-5, 5e-5]
devices = [1, 2]
gradient_accumulation_steps = [1, 2]
seed = [1, 2]
[label]
"""


def grid(labels: str) -> Grid:
    return grid_from_text((GRID + labels).encode(), Path("g.toml"))


def names(found: Grid) -> list[str]:
    return list(dict.fromkeys(found.namer.label(place_of(cell)) for cell in found.cells()))


def test_labels_of_what_varies_only() -> None:
    found = grid('"0.00001" = "slow"\n"devices=2" = "two ranks"\n"embedded/paraphrase" = "Paraphrase"\n')
    assert names(found)[0] == "slow · devices=1 · gradient_accumulation_steps=1"
    assert names(found)[-1] == "learning_rate=5e-05 · two ranks · gradient_accumulation_steps=2"
    assert found.namer.own("task", "embedded/paraphrase") == "Paraphrase"
    assert found.cells()[0].configuration_label.startswith("embedded/tiny-bert · learning_rate=1e-05")


def test_labels_change_no_id() -> None:
    assert [cell.cell_id for cell in grid('"1e-5" = "slow"\n').cells()] == [cell.cell_id for cell in grid("").cells()]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ('"2" = "two"', r'g\.toml: label\.2: a value of devices, gradient_accumulation_steps; allowed "devices=2"'),
        ('"embedded/tiny-bret" = "t"', "no value of an axis, nor the task; .*did you mean embedded/tiny-bert"),
        ('"1e-5" = "a · b"', "allowed a text without"),
        ('"1e-5" = "5e-05"', "as 5e-05 is called; allowed a text of its own"),
    ],
)
def test_what_is_wrong_is_said(labels: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        grid(labels)


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ('learning_rate="slow, down"', {1e-5}),
        ("learning_rate=fast", {1e-4}),
        ("learning_rate=0.00001", {1e-5}),
        ('learning_rate="slow, down",5e-5', {1e-5, 5e-5}),
    ],
)
def test_a_selection_takes_labels_or_values(expression: str, values: set[float]) -> None:
    text = GRID.replace("5e-5]", "5e-5, 1e-4]") + '"1e-5" = "slow, down"\n"1e-4" = "fast"\n'
    found = grid_from_text(text.encode(), Path("g.toml"))
    assert {cell.recipe["learning_rate"] for cell in select(found.cells(), [expression], found.namer.own)} == values
    with pytest.raises(SpecError, match=r"allowed 1e-05, 5e-05, 0\.0001"):
        select(found.cells(), [expression.replace("learning_rate=", "learning_rate=very ")], found.namer.own)


def test_a_value_goes_before_what_another_is_called() -> None:
    found = grid('"1e-5" = "fast"\n"5e-5" = "1e-05"\n')
    assert {one.recipe["learning_rate"] for one in select(found.cells(), ["learning_rate=1e-05"], found.namer.own)} == {
        1e-5
    }
