"""`harness selftest` on real runs: all that is planted is found; a gate that is blind, or sees ghosts, is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.pipelines.selftest import trials
from harness.pipelines.selftest.faults import RUN_FAULTS, STORE_FAULTS
from harness.report.verdicts.json import verdicts_from_json

Make = Callable[..., Any]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("selftest")


def test_every_planted_fault_is_found_and_nothing_else_is(harness: Make, here: Path, ground: Path) -> None:
    code, out, _ = harness("selftest", "--work", str(ground), "--json", "-o", "selftest.md")
    data = json.loads(out)
    done = data["head"]["facts"][0]["values"]
    assert (code, data["exit_code"], data["kind"]) == (0, 0, "harness-selftest")
    assert (done["planted"], done["found"], done["clean"], done["alarms"]) == (42, 42, 5, 0)
    layers = {one.layer for one in RUN_FAULTS}
    assert layers == {"asked", "exact", "trajectory", "outcome"}
    named = {tuple(one["reason"]["values"]["names"]) for one in data["verdicts"]}
    assert ("logged loss",) in named
    _, verdicts = verdicts_from_json(out)
    assert len(verdicts) == 47
    page = Path("selftest.md").read_text(encoding="utf-8")
    assert "| found | one logged loss changed by 1e-4" in page
    assert str(ground) not in page


def test_a_blind_gate_and_one_that_sees_ghosts_are_told(
    harness: Make, here: Path, ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss = next(one for one in RUN_FAULTS if one.name == "loss")
    gone = next(one for one in STORE_FAULTS if one.name == "half-gone")
    # As where no command saw a changed loss, and where honest runs look as if cells were missing.
    monkeypatch.setattr(trials, "RUN_FAULTS", (replace(loss, values={}, arrays={}), loss))
    monkeypatch.setattr(trials, "STORE_FAULTS", (replace(gone, codes=()),))
    code, out, _ = harness("selftest", "--work", str(ground))
    assert code == 1
    assert "found and named in 2 of 4 trials with a planted fault, 2 MISSED; 1 false alarm in 3 without one" in out
    assert "MISSED       one logged loss changed by 1e-4" in out
    assert "FALSE ALARM  half of the cells removed" in out
    assert "missed: diff ends with 0, not 1: identical to the last bit" in out
