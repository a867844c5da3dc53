from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from harness.execution.looks import due
from harness.grid.cell import Cell
from harness.grid.looks import SeedPlan
from harness.record.entry import Entry

PLAN = SeedPlan(looks=(2, 3, 5), seeds=(42, 1, 2, 3, 4))
MakeCell = Callable[..., Cell]
MakeEntry = Callable[..., Entry]


@pytest.fixture
def grid(cell_of: MakeCell) -> list[Cell]:
    return [cell_of(seed=seed, precision=precision) for seed in PLAN.seeds for precision in ("fp32", "bf16")]


def seeds(cells: Sequence[Cell], precision: str = "fp32") -> list[int]:
    return [cell.seed for cell in cells if cell.precision == precision]


def ended(entry_of: MakeEntry, grid: list[Cell], count: int, status: str = "ok") -> list[Entry]:
    return [entry_of(cell, status) for cell in grid if cell.seed in PLAN.seeds[:count]]


def test_the_first_look_is_due_first(grid: list[Cell]) -> None:
    assert [(cell.seed, cell.precision) for cell in due(grid, [], PLAN, ())] == [
        (42, "fp32"), (42, "bf16"), (1, "fp32"), (1, "bf16"),
    ]  # fmt: skip


def test_the_undecided_get_the_next_look_and_the_decided_none(grid: list[Cell], entry_of: Any) -> None:
    decided = {cell.configuration_id for cell in grid if cell.precision == "bf16"}
    found = due(grid, ended(entry_of, grid, 2), PLAN, decided)
    assert (seeds(found), seeds(found, "bf16")) == ([42, 1, 2], [42, 1])
    found = due(grid, ended(entry_of, grid, 3), PLAN, decided)
    assert (seeds(found), seeds(found, "bf16")) == ([42, 1, 2, 3, 4], [42, 1, 2])


def test_a_look_that_was_cut_short_is_finished_even_where_it_seems_decided(grid: list[Cell], entry_of: Any) -> None:
    everyone = {cell.configuration_id for cell in grid}
    assert seeds(due(grid, ended(entry_of, grid, 1), PLAN, everyone)) == [42, 1]


def test_after_the_last_look_nothing_more_is_due(grid: list[Cell], entry_of: Any) -> None:
    assert due(grid, ended(entry_of, grid, 5), PLAN, ()) == grid


def test_collapsed_and_failed_runs_count_and_killed_ones_run_again(grid: list[Cell], entry_of: Any) -> None:
    for status in ("collapsed", "failed", "nonfinite"):
        assert seeds(due(grid, ended(entry_of, grid, 2, status), PLAN, ())) == [42, 1, 2]
    assert seeds(due(grid, ended(entry_of, grid, 2, "killed"), PLAN, ())) == [42, 1]


def test_what_cannot_run_here_holds_up_nothing(grid: list[Cell]) -> None:
    skipped = {cell.cell_id for cell in grid if cell.precision == "bf16"}
    assert seeds(due(grid, [], PLAN, (), skipped), "bf16") == [42, 1, 2, 3, 4]
