"""What a grid calls its values: `[label]` in every name that people read, never in the names of tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import SpecError
from harness.grid.grid import Grid, grid_from_text
from harness.grid.labels import place_of

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
