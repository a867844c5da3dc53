"""Which cells are due: the looks of a plan."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pytest

from harness.grid.cell import Cell
from harness.grid.looks import SeedPlan
from harness.record.attempts import Entry, Renewal
from harness.record.results import Results

LOOKS = SeedPlan(looks=(2, 3, 5), seeds=(42, 1, 2, 3, 4))


@pytest.fixture
def looked_at(cell_of: Any) -> list[Cell]:
    return [cell_of(seed=seed, precision=precision) for seed in LOOKS.seeds for precision in ("fp32", "bf16")]


def due(cells: list[Cell], entries: list[Entry], decided: Collection[str] = ()) -> list[Cell]:
    return Results(entries, cells=cells, plan=LOOKS).due(decided)


def seeds(cells: Sequence[Cell], precision: str = "fp32") -> list[int]:
    return [cell.seed for cell in cells if cell.precision == precision]


def ended(entry_of: Any, cells: list[Cell], count: int, status: str = "ok") -> list[Entry]:
    return [entry_of(cell, status) for cell in cells if cell.seed in LOOKS.seeds[:count]]


def test_the_first_look_is_due_first(looked_at: list[Cell]) -> None:
    assert [(cell.seed, cell.precision) for cell in due(looked_at, [])] == [
        (42, "fp32"), (42, "bf16"), (1, "fp32"), (1, "bf16"),
    ]  # fmt: skip


def test_the_undecided_get_the_next_look_and_the_decided_none(looked_at: list[Cell], entry_of: Any) -> None:
    decided = {cell.configuration_id for cell in looked_at if cell.precision == "bf16"}
    found = due(looked_at, ended(entry_of, looked_at, 2), decided)
    assert (seeds(found), seeds(found, "bf16")) == ([42, 1, 2], [42, 1])
    found = due(looked_at, ended(entry_of, looked_at, 3), decided)
    assert (seeds(found), seeds(found, "bf16")) == ([42, 1, 2, 3, 4], [42, 1, 2])


def test_a_look_that_was_cut_short_is_finished_even_where_it_seems_decided(
    looked_at: list[Cell], entry_of: Any
) -> None:
    everyone = {cell.configuration_id for cell in looked_at}
    assert seeds(due(looked_at, ended(entry_of, looked_at, 1), everyone)) == [42, 1]


def test_after_the_last_look_nothing_more_is_due(looked_at: list[Cell], entry_of: Any) -> None:
    assert due(looked_at, ended(entry_of, looked_at, 5)) == looked_at


def test_collapsed_and_failed_runs_count_and_killed_ones_run_again(looked_at: list[Cell], entry_of: Any) -> None:
    for status in ("collapsed", "failed", "nonfinite"):
        assert seeds(due(looked_at, ended(entry_of, looked_at, 2, status))) == [42, 1, 2]
    assert seeds(due(looked_at, ended(entry_of, looked_at, 2, "killed"))) == [42, 1]


def test_what_cannot_run_here_holds_up_nothing(looked_at: list[Cell], entry_of: Any) -> None:
    skips = [entry_of(cell, "skipped", content_id=None) for cell in looked_at if cell.precision == "bf16"]
    assert seeds(due(looked_at, skips), "bf16") == [42, 1, 2, 3, 4]


def test_looks_count_where_the_configuration_ran_last(looked_at: list[Cell], entry_of: Any) -> None:
    later = {"environment_id": "env1", "started": "2026-11-23T10:00:00.000Z"}
    entries = [*ended(entry_of, looked_at, 3), entry_of(looked_at[0], **later)]
    assert (seeds(due(looked_at, entries)), seeds(due(looked_at, entries), "bf16")) == ([42, 1], [42, 1, 2, 3, 4])


def test_what_is_measured_anew_begins_with_its_first_look(looked_at: list[Cell], entry_of: Any) -> None:
    everyone = {cell.configuration_id for cell in looked_at}
    entries = ended(entry_of, looked_at, 3)
    fresh = Results(entries, cells=looked_at, plan=LOOKS).due(everyone, Renewal(fresh=True))
    assert (seeds(fresh), seeds(fresh, "bf16")) == ([42, 1], [42, 1])
    old = Results(entries, cells=looked_at, plan=LOOKS).due(everyone, Renewal(oldest="2026-11-22T09:00:00.000Z"))
    assert seeds(old) == [42, 1, 2]
    # The new one has begun: its looks go on from there.
    begun = [entry_of(cell, measurement=2, attempt=2) for cell in looked_at if cell.seed == 42]
    found = Results([*entries, *begun], cells=looked_at, plan=LOOKS).due(set(), Renewal(fresh=True))
    assert (seeds(found), seeds(found, "bf16")) == ([42, 1], [42, 1])


def test_a_run_beyond_the_look_is_expected_once_it_ended(looked_at: list[Cell], entry_of: Any) -> None:
    entries = [*ended(entry_of, looked_at, 3), entry_of(looked_at[6]), entry_of(looked_at[8], "killed")]
    results = Results(entries, cells=looked_at, plan=LOOKS)
    assert (seeds(results.expected), seeds(results.expected, "bf16")) == ([42, 1, 2, 3], [42, 1, 2])
    assert [list(one.due) for one in results.configurations] == [[42, 1, 2], [42, 1, 2]]
