"""The study of planted faults: each of the list can be planted, and what a command says is judged by the list."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from benchmarks.detection.faults import COMMANDS, read_list
from benchmarks.detection.judge import Told, quiet, told
from benchmarks.detection.page import Counts, enough, page
from benchmarks.detection.plant import planted
from benchmarks.detection.trial import CHECKPOINT, DAMAGED, KINDS, NOTHING, grid_text
from harness.checks.verify.checklist import KINDS as ALL_KINDS
from harness.grid.grid import load_grid

FAULTS, CLEAN = read_list()


def test_each_fault_of_the_list_can_be_planted() -> None:
    assert (len(FAULTS), len(CLEAN)) == (25, 10)
    assert {one.area for one in FAULTS} == {"data", "model", "optimizer", "schedule", "evaluation", "precision"}
    assert {one.name for one in FAULTS} | {NOTHING} == {*planted.FAULTS, *DAMAGED}
    assert all(set(one.find) <= set(COMMANDS) == set(one.names) for one in FAULTS)
    assert {kind for one in FAULTS for kind in (*one.kinds, *KINDS)} <= set(ALL_KINDS)


@pytest.mark.parametrize("one", [*FAULTS, *CLEAN], ids=lambda one: one.name)
def test_what_a_run_is_asked_for_is_a_grid_of_one_cell(one: Any, tmp_path: Path) -> None:
    (tmp_path / "g.toml").write_text(grid_text(one.on, CHECKPOINT))
    grid = load_grid(tmp_path / "g.toml")
    (cell,) = grid.cells()
    for name, value in one.on.items():
        assert (getattr(cell, name) if hasattr(cell, name) else cell.recipe[name]) == value


def test_what_is_planted_keeps_its_signature_and_gets_the_original_first() -> None:
    class Owner:
        def double(self, number: int, times: int = 2) -> int:
            return number * times

    before = inspect.signature(Owner.double)
    planted.around(Owner, "double")(lambda original, self, number: original(self, number) + 1)
    assert inspect.signature(Owner.double) == before
    assert Owner().double(3) == 7


def finding(item: str, outcome: str = "FAIL", cause: str | None = None, **values: Any) -> dict[str, Any]:
    return {"item": item, "outcome": outcome, "cause": cause, "fact": {"code": "a", "values": values}}


def test_verify_calls_a_fault_by_its_failed_findings() -> None:
    verdicts = [
        {"outcome": "PASS", "item": "devices", "findings": [finding("loss", "PASS")]},
        {"outcome": "FAIL", "item": "", "findings": [finding("inputs", cause="inputs"), finding("labels", "PASS")]},
        {"outcome": "FAIL", "item": "resume", "findings": [finding("loss", cause="micro_loss")]},
        {"outcome": "ERROR", "item": "", "findings": [
            finding("run", "ERROR", why={"code": "run.failure", "values": {"type": "PrecisionMismatch"}}),
        ]},
    ]  # fmt: skip
    found = told("verify", 1, {"verdicts": verdicts})
    assert found.calls == ("inputs", "resume", "loss", "micro_loss", "run", "PrecisionMismatch")
    assert found.named("verify", ["micro_loss"])
    assert not found.named("verify", ["labels"])
    assert not Told(3, found.calls).found("verify")
    assert not told("verify", 70, None).calls


def test_diff_calls_a_fault_by_the_cause_that_it_leads_with() -> None:
    reason = {"code": "diff.different", "values": {"cause": {"code": "difference", "values": {"item": "clipping"}}}}
    findings = [finding("the model's own loss", cause="clipping"), finding("logits", cause="logits")]
    verdict = {"outcome": "FAIL", "item": "", "reason": reason, "findings": findings}
    assert told("diff", 1, {"verdicts": [verdict]}) == Told(1, ("clipping",), "different")
    equal = {"outcome": "PASS", "item": "", "reason": {"code": "diff.equal", "values": {}}, "findings": findings}
    assert told("diff", 0, {"verdicts": [equal]}) == Told(0, (), "equal")


def test_a_clean_variant_is_quiet_only_where_nothing_else_than_was_asked_for_is_named() -> None:
    order = next(one for one in CLEAN if one.name == "other-order")
    passed = Told(0, ())
    assert quiet(order, {"verify": passed, "diff": Told(1, ("asked", "recipe.data_seed"), "different")})
    assert not quiet(order, {"verify": passed, "diff": Told(1, ("data order",), "different")})
    assert not quiet(order, {"verify": Told(1, ("inputs",)), "diff": Told(1, ("recipe.data_seed",), "different")})
    same = next(one for one in CLEAN if one.name == "saving")
    assert quiet(same, {"verify": passed, "diff": Told(0, (), "identical")})
    assert not quiet(same, {"verify": passed, "diff": Told(0, (), "equal")})


def test_the_page_counts_both_tries_and_names_what_was_missed() -> None:
    right: dict[str, dict[str, Told]] = {
        one.name: {command: Told(1, one.names[command][:1]) for command in COMMANDS} for one in FAULTS
    }
    right |= {
        one.name: {"verify": Told(0, ()), "diff": Told(int(bool(one.names)), one.names, one.states[0])} for one in CLEAN
    }
    assert enough(FAULTS, CLEAN, right)
    unseen = {"verify": Told(0, ()), "diff": Told(0, (), "identical")}
    misnamed = {"verify": Told(0, ()), "diff": Told(1, ("packages",), "different")}
    first = {**right, **{one.name: unseen for one in FAULTS[:3]}, FAULTS[3].name: misnamed}
    assert Counts.of(FAULTS, first).text().startswith("22 of 25 found, 21 named rightly (`verify` 21 and 21 of them")
    assert not enough(FAULTS, CLEAN, first)
    text = page(FAULTS, CLEAN, right, first, "python -m benchmarks.detection", "transformers 5.23.0.")
    assert "25 of 25 found, 25 named rightly" in text
    assert "First try: 22 of 25 found" in text
    assert "10 of 10 clean variants without an alarm." in text
    assert f"- {FAULTS[3].name}, at first: `verify` -; `diff` packages" in text
    text = page(FAULTS, CLEAN, first, first, "python -m benchmarks.detection", "transformers 5.23.0.")
    assert f"- {FAULTS[0].name}: not found" in text
    assert f"- {FAULTS[3].name}: found, and no name is right: `diff`: packages" in text
