from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from harness.checks.verdict import exit_code
from harness.checks.verify.checklist import KINDS, judge, make_checklist
from harness.checks.verify.invariants import NOISY
from harness.grid.cell import Cell

MakeCell = Callable[..., Cell]
SEVERAL = {"engine": 2, "resume": 3, "observation": 4}


def pairs_of(kind: str, *cells: Cell, **options: Any) -> list[Any]:
    return [pair for pair in make_checklist(cells, **options).pairs if pair.kind == kind]


def examples_a_step(cell: Cell) -> int:
    recipe = cell.recipe
    batch = int(recipe.get("per_device_train_batch_size", 8))
    return batch * int(recipe.get("gradient_accumulation_steps", 1)) * cell.devices


def test_every_kind_of_pair_is_made_once(cell_of: MakeCell) -> None:
    checklist = make_checklist([cell_of()])
    assert Counter(pair.kind for pair in checklist.pairs) == {**dict.fromkeys(KINDS, 1), **SEVERAL}
    assert {pair.base.engine for pair in checklist.pairs if pair.kind == "engine"} == {"loop", "accelerate"}
    assert len(checklist.cells) == len({cell.cell_id for cell in checklist.cells}) == 23


@pytest.mark.parametrize(
    ("batch", "accumulation", "devices", "whole"), [(8, 1, 1, 8), (2, 3, 1, 8), (32, 1, 2, 64), (1, 1, 1, 8)]
)
def test_twins_see_the_same_examples_in_each_step(
    cell_of: MakeCell, batch: int, accumulation: int, devices: int, whole: int
) -> None:
    recipe = {"per_device_train_batch_size": batch, "gradient_accumulation_steps": accumulation}
    cell = cell_of(recipe=recipe, devices=devices)
    for kind in ("accumulation", "devices", "resume", "engine", "eval_batch", "threads", "epoch_end", "padding"):
        for pair in pairs_of(kind, cell):
            assert examples_a_step(pair.base) == examples_a_step(pair.twin), kind
            expected = {"padding": 48, "resume": min(whole, 32), "epoch_end": min(whole, 32)}.get(kind, whole)
            assert examples_a_step(pair.base) == expected, kind
    (pair,) = pairs_of("accumulation", cell)
    assert pair.twin.recipe["gradient_accumulation_steps"] == 4
    assert pair.base.recipe["gradient_accumulation_steps"] == 1
    (pair,) = pairs_of("devices", cell)
    assert (pair.base.devices, pair.twin.devices) == (1, 2)


def test_invariants_are_in_fp32_without_dropout_and_seeded(cell_of: MakeCell) -> None:
    cell = cell_of(precision="bf16", head_seeding="course", devices=2, recipe={"save_strategy": "epoch"})
    for pair in make_checklist([cell]).pairs:
        for one in (pair.base, pair.twin):
            if pair.kind == "repeat":
                assert (one.precision, one.dropout, one.devices, one.head_seeding) == ("bf16", "model", 2, "course")
                assert one.recipe == {"save_strategy": "epoch", "max_steps": 8}
            else:
                dropout = "model" if pair.kind in NOISY else False
                assert (one.precision, one.dropout, one.head_seeding) == ("fp32", dropout, "seeded")
                assert one.recipe["save_strategy"] == ("no" if one is pair.base else one.recipe["save_strategy"])


def test_precisions_and_device_counts_share_their_invariants(cell_of: MakeCell) -> None:
    cells = [
        cell_of(precision=precision, devices=devices, recipe={"per_device_train_batch_size": 32 // devices})
        for precision in ("fp32", "bf16")
        for devices in (1, 2)
    ]
    checklist = make_checklist(cells)
    assert Counter(pair.kind for pair in checklist.pairs) == {
        **dict.fromkeys(KINDS, 1),
        **SEVERAL,
        "repeat": 4,
    }


def test_the_work_around_stays_with_the_trainer(cell_of: MakeCell) -> None:
    for pair in make_checklist([cell_of(accepts_loss_kwargs=False, evaluation_draws=False)]).pairs:
        for one in (pair.base, pair.twin):
            expected = False if one.engine == "trainer" else "model"
            assert (one.accepts_loss_kwargs, one.evaluation_draws) == (expected, expected)


def test_steps_are_few(cell_of: MakeCell) -> None:
    for asked, got in ((-1, 8), (5, 5), (500, 8)):
        (pair,) = pairs_of("threads", cell_of(recipe={"max_steps": asked}))
        assert pair.base.recipe["max_steps"] == pair.twin.recipe["max_steps"] == got
        assert (pair.base.threads, pair.twin.threads) == (1, 2)
    (pair,) = pairs_of("repeat", cell_of(recipe={}), steps=3)
    assert pair.base.recipe == {"max_steps": 3}
    assert (pair.base.repeat, pair.twin.repeat) == (1, 2)


def test_two_epochs_of_three_batches_and_a_quarter(cell_of: MakeCell) -> None:
    cell = cell_of(recipe={"per_device_train_batch_size": 304, "eval_strategy": "epoch"})
    resumed = pairs_of("resume", cell)
    assert [pair.twin.resume_at for pair in resumed] == [2, 4, 6]  # inside an epoch, at its end, in a later one
    assert {pair.base.subset for pair in resumed} == {104}
    assert {(pair.base.recipe["max_steps"], pair.base.recipe["eval_strategy"]) for pair in resumed} == {(8, "epoch")}
    watched = pairs_of("observation", cell)
    assert {pair.base.recipe["eval_strategy"] for pair in watched} == {"no"}
    assert [pair.twin.recipe["eval_strategy"] for pair in watched] == ["epoch", "no", "no", "no"]
    (end,) = pairs_of("epoch_end", cell)
    assert (end.base.accepts_loss_kwargs, end.base.dropout, end.twin.subset) == (False, False, 104)
    (epochs,) = pairs_of("epochs", cell)
    assert epochs.base == end.twin
    assert (epochs.twin.recipe["max_steps"], epochs.twin.recipe["num_train_epochs"]) == (-1, 2.0)
    assert (examples_a_step(end.base), end.twin.recipe["gradient_accumulation_steps"]) == (32, 4)


def test_one_seed_of_a_configuration_unless_every_one_is_asked_for(cell_of: MakeCell) -> None:
    cells = [cell_of(seed=seed) for seed in (1, 2, 3)]
    assert {cell.seed for cell in make_checklist(cells).cells} == {1}
    assert {cell.seed for cell in make_checklist(cells, every_seed=True).cells} == {1, 2, 3}


def test_only_some_kinds(cell_of: MakeCell) -> None:
    checklist = make_checklist([cell_of()], kinds=["engine"])
    assert {pair.kind for pair in checklist.pairs} == {"engine"}
    assert checklist.skipped == ()


def test_what_needs_a_whole_epoch_says_that_it_is_skipped(cell_of: MakeCell) -> None:
    checklist = make_checklist([cell_of(task="glue/mrpc")])
    assert not [pair for pair in checklist.pairs if pair.kind == "padding"]
    (verdict,) = checklist.skipped
    assert (verdict.outcome, verdict.check, verdict.item) == ("SKIP", "invariants", "padding")
    assert (verdict.reason.code, verdict.reason.values["task"]) == ("padding.needs_whole_epoch", "glue/mrpc")
    assert verdict.subject.cell_ids == ()


def test_plain_engines_are_only_repeated(cell_of: MakeCell) -> None:
    assert {pair.kind for pair in make_checklist([cell_of(engine="loop")]).pairs} == {"repeat"}


def test_twins_can_be_told_apart(cell_of: MakeCell) -> None:
    labels = [cell.label for cell in make_checklist([cell_of()]).cells]
    assert len(set(labels)) == len(labels)


def test_cells_that_left_no_run_are_errors_with_sides_that_were_not_measured(cell_of: MakeCell) -> None:
    checklist = make_checklist([cell_of()], kinds=["accumulation"])
    verdicts = judge(checklist, {})
    assert [verdict.check for verdict in verdicts] == ["fidelity", "fidelity", "invariants"]
    assert {verdict.outcome for verdict in verdicts} == {"ERROR"}
    (pair,), last = checklist.pairs, verdicts[-1]
    assert last.against is not None
    assert (last.against.label, last.subject.label) == (pair.base.label, pair.twin.label)
    assert (last.item, last.reason.values["runs"], last.measured) == (
        "accumulation",
        [pair.base.label, pair.twin.label],
        False,
    )
    assert exit_code(verdicts) == 5


def test_quick_has_each_check_once_in_each_environment(cell_of: MakeCell) -> None:
    found = make_checklist([cell_of(environment=label) for label in ("a", "b")]).quick()
    assert Counter((pair.base.environment, pair.kind) for pair in found.pairs) == {
        (label, kind): 1 for label in ("a", "b") for kind in KINDS if kind not in ("threads", "padding")
    }
    assert {pair.twin.resume_at for pair in found.pairs if pair.kind == "resume"} == {4}
    assert {cell.threads for cell in found.cells} == {1}
