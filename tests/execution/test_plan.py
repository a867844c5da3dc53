"""Which cells a plan has to do, and which measurements it continues or begins anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.execution.plan import Plan
from harness.record.attempts import OUTCOMES, RETRIED, STATUSES, Renewal
from tests.execution.conftest import FakeMaterials

Make = Callable[..., Any]


def states(plan: Plan) -> list[str]:
    return [planned.state for planned in plan.cells]


def test_a_cell_without_a_record_is_to_do(plan_of: Make, cell_of: Make) -> None:
    plan = plan_of([cell_of()])
    assert states(plan) == ["to do"]
    assert plan.cells[0].entry is None


@pytest.mark.parametrize("status", STATUSES)
def test_only_an_outcome_makes_a_cell_done(plan_of: Make, cell_of: Make, entry_of: Make, status: str) -> None:
    plan = plan_of([cell_of()], [entry_of(cell_of(), status)])
    assert states(plan) == ["done" if status in OUTCOMES else "to do"]


@pytest.mark.parametrize("changed", ["cell_id", "environment_id", "content_id"])
def test_each_of_the_three_ids_must_be_right(plan_of: Make, cell_of: Make, entry_of: Make, changed: str) -> None:
    assert states(plan_of([cell_of()], [entry_of(cell_of(), **{changed: "another"})])) == ["to do"]


def test_another_recipe_is_another_cell(plan_of: Make, cell_of: Make, entry_of: Make) -> None:
    assert states(plan_of([cell_of(recipe={"max_steps": 5})], [entry_of(cell_of())])) == ["to do"]


@pytest.mark.parametrize("status", STATUSES)
def test_what_errored_is_tried_again_unless_it_is_to_be_kept(
    plan_of: Make, cell_of: Make, entry_of: Make, status: str
) -> None:
    entry = entry_of(cell_of(), status, error=f"{status}: why")
    (again,) = plan_of([cell_of()], [entry]).cells
    (kept,) = plan_of([cell_of()], [entry], keep_errored=True).cells
    if status in RETRIED:
        assert (again.state, again.errored, again.entry) == ("to do", True, entry)
        assert (kept.state, kept.errored, kept.entry, kept.reason) == ("errored", True, entry, f"{status}: why")
    else:  # killed, interrupted and unreachable ones always run again, an outcome never
        state = "done" if status in OUTCOMES else "to do"
        assert [(one.state, one.errored) for one in (again, kept)] == [(state, False)] * 2


def test_the_last_outcome_decides(plan_of: Make, cell_of: Make, entry_of: Make) -> None:
    first, second = entry_of(cell_of(), "failed"), entry_of(cell_of(), "ok", attempt=2)
    later = [entry_of(cell_of(), status, attempt=number) for number, status in enumerate(("killed", "oom"), start=3)]
    (planned,) = plan_of([cell_of()], [first, second, *later]).cells
    assert (planned.state, planned.entry, planned.errored) == ("done", second, False)


def test_a_cell_that_cannot_run_here_is_skipped_though_a_record_exists(
    plan_of: Make, cell_of: Make, entry_of: Make
) -> None:
    cell = cell_of(precision="fp16")
    (planned,) = plan_of([cell], [entry_of(cell, "skipped")]).cells
    assert planned.state == "skip"
    assert "CUDA" in (planned.reason or "")


def test_missing_materials_block_a_cell_with_the_reason(plan_of: Make, cell_of: Make, entry_of: Make) -> None:
    good, bad = cell_of(), cell_of(checkpoint="org/gone")
    plan = plan_of([bad, good], materials=FakeMaterials(**{"org/gone": "there is no such thing"}))
    assert states(plan) == ["blocked", "to do"]
    assert plan.cells[0].reason == "there is no such thing"
    assert plan.of("blocked") == [plan.cells[0]]


def test_the_order_is_kept(plan_of: Make, cell_of: Make) -> None:
    cells = [cell_of(seed=seed) for seed in (5, 1, 3)]
    assert [planned.cell.seed for planned in plan_of(cells).cells] == [5, 1, 3]


def test_contents_are_hashed_once_a_checkpoint(plan_of: Make, cell_of: Make) -> None:
    materials = FakeMaterials()
    plan_of([cell_of(seed=seed) for seed in range(50)], materials=materials)
    assert materials.asked == 1


# Measurements.

YOUNG, OLD = "2026-11-22T09:00:00.000Z", "2026-11-22T11:00:00.000Z"
"""The oldest instant that is young enough, before and after the start of every made-up entry."""


def numbered(plan: Plan) -> list[tuple[str, int]]:
    return [(planned.state, planned.measurement) for planned in plan.cells]


@pytest.mark.parametrize(
    ("renewal", "anew"),
    [
        (Renewal(), False),
        (Renewal(fresh=True), True),
        (Renewal(oldest=YOUNG), False),
        (Renewal(oldest=OLD), True),
        (Renewal(at_once=True), True),
    ],
)
def test_a_measurement_that_is_over_is_followed_by_one_of_all_seeds(
    plan_of: Make, cell_of: Make, entry_of: Make, renewal: Renewal, anew: bool
) -> None:
    cells = [cell_of(seed=seed) for seed in (1, 2, 3)]
    entries = [entry_of(cell, status) for cell, status in zip(cells, ("ok", "nonfinite", "collapsed"), strict=True)]
    assert numbered(plan_of(cells, entries, renewal=renewal)) == [("to do", 2) if anew else ("done", 1)] * 3


@pytest.mark.parametrize("missing", [None, "killed", "interrupted"])
@pytest.mark.parametrize("renewal", [Renewal(fresh=True), Renewal(oldest=OLD)])
def test_an_unfinished_measurement_is_continued_whatever_its_age(
    plan_of: Make, cell_of: Make, entry_of: Make, renewal: Renewal, missing: str | None
) -> None:
    cells = [cell_of(seed=seed) for seed in (1, 2)]
    entries = [entry_of(cells[0]), *([entry_of(cells[1], missing)] if missing else [])]
    assert numbered(plan_of(cells, entries, renewal=renewal)) == [("done", 1), ("to do", 1)]
    begun = [entry_of(cell, measurement=number) for number in (1, 2) for cell in cells[: 3 - number]]
    assert numbered(plan_of(cells, begun, renewal=renewal)) == [("done", 2), ("to do", 2)]
    # Whoever does not ask for a new one goes on with the one that was begun too.
    assert numbered(plan_of(cells, begun)) == [("done", 2), ("to do", 2)]


@pytest.mark.parametrize("status", sorted(RETRIED))
def test_what_errored_is_over(plan_of: Make, cell_of: Make, entry_of: Make, status: str) -> None:
    cells = [cell_of(seed=seed) for seed in (1, 2)]
    entries = [entry_of(cells[0]), entry_of(cells[1], status)]
    assert numbered(plan_of(cells, entries, renewal=Renewal(fresh=True))) == [("to do", 2)] * 2
    assert not any(planned.errored for planned in plan_of(cells, entries, renewal=Renewal(fresh=True)).cells)


def test_the_age_of_a_measurement_is_that_of_its_first_start(plan_of: Make, cell_of: Make, entry_of: Make) -> None:
    cells = [cell_of(seed=seed) for seed in (1, 2)]
    entries = [
        entry_of(cells[0], "failed", started="2026-11-20T10:00:00.000Z"),
        *(entry_of(cell, attempt=2, started="2026-11-22T10:00:00.000Z") for cell in cells),
    ]
    between = Renewal(oldest="2026-11-21T00:00:00.000Z")
    assert numbered(plan_of(cells, entries, renewal=between)) == [("to do", 2)] * 2
    again = [entry_of(cell, attempt=3, measurement=2, started="2026-11-23T10:00:00.000Z") for cell in cells]
    assert numbered(plan_of(cells, [*entries, *again], renewal=between)) == [("done", 2)] * 2


def test_configurations_are_measured_anew_one_by_one(plan_of: Make, cell_of: Make, entry_of: Make) -> None:
    cells = [cell_of(seed=seed, recipe={"max_steps": steps}) for steps in (4, 5) for seed in (1, 2)]
    plan = plan_of(cells, [entry_of(cell) for cell in cells[:3]], renewal=Renewal(fresh=True))
    assert numbered(plan) == [("to do", 2), ("to do", 2), ("done", 1), ("to do", 1)]


def test_another_environment_has_measurements_of_its_own(plan_of: Make, cell_of: Make, entry_of: Make) -> None:
    elsewhere = entry_of(cell_of(), environment_id="another", measurement=4)
    assert numbered(plan_of([cell_of()], [elsewhere], renewal=Renewal(fresh=True))) == [("to do", 1)]
