from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import SpecError
from harness.grid.grid import Grid, grid_from_text

HEAD = 'name = "g"\ntask = "embedded/paraphrase"\n[matrix]\ncheckpoint = ["embedded/tiny-bert"]\n'


def read(seeds: str, more: str = "") -> Grid:
    return grid_from_text(f"{HEAD}seeds = {seeds}\n{more}".encode(), Path("g.toml"))


def test_a_plan_has_its_looks_and_every_seed_of_the_last() -> None:
    grid = read("{ looks = [3, 5], list = [42, 1, 2, 3, 4, 5] }", 'precision = ["fp32", "bf16"]\n')
    assert grid.seed_plan is not None
    assert grid.seed_plan.looks == (3, 5)
    cells = grid.cells()
    assert [cell.seed for cell in cells[:4]] == [42, 42, 1, 1]
    assert len(cells) == 10


def test_seeds_are_known_beforehand_without_a_list() -> None:
    assert [cell.seed for cell in read("{ looks = [2, 4] }").cells()] == [1000, 1001, 1002, 1003]


def test_a_plan_does_not_change_ids() -> None:
    plain = grid_from_text(f"{HEAD}seed = [7, 8]\n".encode(), Path("g.toml"))
    planned = read("{ looks = [2], list = [7, 8] }")
    assert [cell.cell_id for cell in plain.cells()] == [cell.cell_id for cell in planned.cells()]
    assert plain.seed_plan is None


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ("[1, 2]", "matrix.seeds: got [1, 2]; allowed a table"),
        ("{ looks = [3, 3] }", "matrix.seeds.looks: got [3, 3]; allowed a list of rising numbers"),
        ("{ looks = [1, 3] }", "matrix.seeds.looks: got [1, 3]"),
        ("{ looks = [] }", "matrix.seeds.looks: got []"),
        ("{ list = [1, 2] }", "matrix.seeds.looks: got []"),
        ("{ looks = [3], list = [1, 2] }", "matrix.seeds.list: got 2 seeds; allowed at least 3, the last look"),
        ("{ looks = [2], list = [1, 1] }", "matrix.seeds.list: got [1, 1]"),
        ("{ looks = [2], list = [1, -1] }", "matrix.seeds.list: got [1, -1]"),
        ("{ looks = [2], lists = [1, 2] }", "matrix.seeds.lists: got [1, 2]; not a key here; allowed looks, list"),
    ],
)
def test_mistakes_are_named(seeds: str, said: str) -> None:
    with pytest.raises(SpecError) as error:
        read(seeds)
    assert said in str(error.value)


def test_seeds_beside_the_axis_seed() -> None:
    with pytest.raises(SpecError, match="stands beside the axis `seed`; allowed one of the two"):
        read("{ looks = [2] }", "seed = [1, 2]\n")
