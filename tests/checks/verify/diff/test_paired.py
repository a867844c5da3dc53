"""Two sides of several runs: which meet which, and what all pairs come to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.checks.verdict import Fact, exit_code
from harness.checks.verify.diff.paired import Candidate, judge, pairs, summary
from harness.errors import SpecError, StoreError
from harness.record.run import Run

MakeRun = Callable[..., Run]


def candidate(cell: str, environment: str = "e1", run: Run | None = None, **axes: Any) -> Candidate:
    def read() -> Run:
        if run is None:
            raise StoreError("gone")
        return run

    return Candidate(
        cell, f"{cell}/{environment}", f"{cell}-{environment}-{id(run)}", cell, axes, (cell, environment), read
    )


def met(a: list[Candidate], b: list[Candidate], *named: str) -> list[tuple[str | None, str | None]]:
    return [(x and x.run_id, y and y.run_id) for x, y in pairs(a, b, frozenset(named))]


class TestPairs:
    def test_one_run_meets_one_run_whatever_they_are(self) -> None:
        assert met([candidate("c1", seed=1)], [candidate("c2", seed=2)]) == [("c1/e1", "c2/e1")]

    def test_the_same_cell_meets_itself_and_what_is_missing_is_told(self) -> None:
        a = [candidate("c1", seed=1), candidate("c2", seed=2)]
        b = [candidate("c3", seed=3), candidate("c2", "e2", seed=2)]
        assert met(a, b) == [("c1/e1", None), ("c2/e1", "c2/e2"), (None, "c3/e1")]

    def test_by_place_but_for_the_axis_that_is_selected(self) -> None:
        a = [candidate(f"a{seed}", seed=seed, precision="fp32") for seed in (1, 2)]
        b = [candidate(f"b{seed}", seed=seed, precision="bf16") for seed in (2, 1)]
        assert met(a, b, "precision") == [("a1/e1", "b1/e1"), ("a2/e1", "b2/e1")]
        assert met(a, b)[0] == ("a1/e1", None)

    def test_by_place_where_a_recipe_made_other_cells_and_one_grid_has_an_axis_more(self) -> None:
        a = [candidate(f"a{seed}", seed=seed) for seed in (1, 2)]
        b = [candidate(f"b{seed}", seed=seed, dropout=False) for seed in (1, 2)]
        assert met(a, b) == [("a1/e1", "b1/e1"), ("a2/e1", "b2/e1")]

    def test_the_same_cell_in_two_grids_meets_that_of_its_grid(self) -> None:
        a = [candidate("c", grid=grid, seed=1) for grid in ("g", "h")]
        b = [candidate("c", "e2", grid=grid, seed=1) for grid in ("h", "g")]
        assert [(x.axes["grid"], y.axes["grid"]) for x, y in pairs(a, b, frozenset()) if x and y] == [
            ("g", "g"), ("h", "h"),
        ]  # fmt: skip

    def test_several_counterparts_are_refused(self) -> None:
        a = [candidate(f"a{n}", seed=1, precision="fp32") for n in (1, 2)]
        with pytest.raises(SpecError, match="several runs with one place"):
            pairs(a, [candidate("b", seed=1, precision="bf16")], frozenset({"precision"}))


class TestJudge:
    def test_the_same_run_is_identical_and_says_so(self, plain_run: Run) -> None:
        one, copy = candidate("c", run=plain_run), candidate("c", run=Run(plain_run.record, plain_run.series))
        for pair in ((one, one), (one, copy)):
            verdict = judge(pair)
            assert (verdict.outcome, verdict.reason, exit_code([verdict])) == ("PASS", Fact.of("diff.same"), 0)

    def test_a_copy_that_was_changed_or_is_damaged_is_not_the_same_run(
        self, plain_run: Run, planted: Callable[..., Run]
    ) -> None:
        one, changed = candidate("c", run=plain_run), planted(plain_run, {"measured.metrics.accuracy": 0.1})
        assert judge((one, candidate("c", run=changed))).reason.code == "diff.different"
        assert judge((one, candidate("c"))).reason.code == "diff.unreadable"

    def test_a_missing_and_an_unreadable_side_are_errors(self, plain_run: Run) -> None:
        there = candidate("c", run=plain_run)
        for pair, code in (((there, None), "diff.missing"), ((there, candidate("c", "e2")), "diff.unreadable")):
            verdict = judge(pair)
            assert (verdict.outcome, verdict.reason.code, exit_code([verdict])) == ("ERROR", code, 4)

    def test_what_both_skipped_is_no_pair_that_failed(self, plain_run: Run, planted: Callable[..., Run]) -> None:
        skipped = planted(plain_run, {"status": "skipped", "observed": None, "measured": None})
        verdict = judge((candidate("c", run=skipped), candidate("c", "e2", run=skipped)))
        assert (verdict.outcome, verdict.reason.code) == ("SKIP", "diff.skipped")

    def test_exact_has_no_tolerance(self, plain_run: Run, planted: Callable[..., Run]) -> None:
        other = planted(plain_run, grad_norm=plain_run.series["grad_norm"] * np.float32(1 + 3e-7))
        pair = candidate("a", run=plain_run), candidate("b", run=other)
        assert [judge(pair, exact).reason.code for exact in (False, True)] == ["diff.equal", "diff.different"]


def test_the_summary_counts_states_and_has_the_worst_pair_and_the_mean_scores(make_run: MakeRun) -> None:
    runs = [make_run(seed=seed) for seed in (1, 2, 3)]
    same = [judge((candidate(f"c{n}", run=run), candidate(f"d{n}", run=run))) for n, run in enumerate(runs)]
    other = judge((candidate("e", run=runs[0]), candidate("f", run=runs[1])))
    found = summary([*same, other]).values
    assert (found["state"], found["pairs"], found["states"]) == ("different", 4, {"different": 1, "identical": 3})
    assert found["first"] == other.reason
    accuracies = [run.record.measured.metrics["accuracy"] for run in (*runs, runs[0])]
    assert found["scores"]["scores.accuracy"]["a"] == pytest.approx(sum(accuracies) / 4)
    assert found["scores"]["scores.accuracy"]["n"] == 4
    assert summary([other]) == other.reason
    assert summary([judge((candidate("c"),) * 2)] * 2) == Fact.of("diff.same")
