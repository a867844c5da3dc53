from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import SpecError
from harness.grid.grid import Grid, grid_from_document


def grid(axis: Any, **more: Any) -> Grid:
    document = {"name": "g", "task": "embedded/paraphrase", "recipe": {"max_steps": 3}}
    matrix = {"checkpoint": "embedded/tiny-bert", "environment": axis}
    return grid_from_document({**document, "matrix": matrix, **more}, Path("g.toml"))


def test_a_requirement_is_its_own_label_and_a_table_has_a_name() -> None:
    old = {"name": "old", "packages": ["transformers==4.45.2", "accelerate==1.0.1"], "python": "3.12"}
    found = grid(["current", "transformers == 4.57.6", old, "transformers @ ../transformers", "torch @ /a/torch-copy"])
    assert [cell.environment for cell in found.cells()] == [
        "current", "transformers==4.57.6", "old", "transformers @ ../transformers", "torch @ torch-copy",
    ]  # fmt: skip
    assert found.environments["old"].version == "3.12"
    assert [str(one) for one in found.environments["old"].requirements()] == old["packages"]
    assert found.environments["torch @ torch-copy"].packages == ["torch @ /a/torch-copy"]


def test_a_grid_of_tables_and_one_of_the_axis_ask_for_the_same_cells() -> None:
    packages = ["transformers==4.45.2"]
    table = grid(["old"], environment={"old": {"packages": packages}})
    axis = grid([{"name": "old", "packages": packages}])
    assert table.cells()[0].cell_id == axis.cells()[0].cell_id
    assert table.environments == axis.environments


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        (["transformers"], 'matrix.environment: got "transformers"; allowed current'),
        ([{"name": "a"}], "matrix.environment[0].packages: missing; required, or python"),
        ([{"name": "a", "packages": ["x y"]}], 'matrix.environment[0].packages[0]: got "x y"'),
        ([{"name": "a", "packages": ["x==1", "X==2"]}], "matrix.environment[0].packages[1]"),
        ([{"name": "current", "packages": ["x==1"]}], "matrix.environment[0].name"),
        (["x @ /a/b", "x @ /c/b"], 'got "x @ b" for two environments; allowed { name = "..."'),
    ],
)
def test_what_cannot_be_meant_is_said_with_its_place(environment: Any, words: str) -> None:
    with pytest.raises(SpecError) as error:
        grid(environment)
    assert words in str(error.value)
