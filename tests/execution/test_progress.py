"""What a run says that it did."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from harness.cli.measure.run import summary_text
from harness.execution.plan import Plan, PlannedCell
from harness.execution.progress import Interrupts, Summary

Make = Callable[..., Any]


@pytest.mark.parametrize(("before", "counted"), [(signal.SIG_DFL, 1), (signal.SIG_IGN, 0)])
def test_a_terminal_that_closes_ends_a_run_in_order_unless_it_was_told_to_go_on(before: Any, counted: int) -> None:
    kept = signal.signal(signal.SIGHUP, before)
    try:
        with Interrupts().heard() as interrupts:
            os.kill(os.getpid(), signal.SIGHUP)
        assert interrupts.count == counted
        assert signal.getsignal(signal.SIGHUP) == before
    finally:
        signal.signal(signal.SIGHUP, kept)


def test_what_there_is_to_say_before_a_run(cell_of: Make, entry_of: Make) -> None:
    cells = [cell_of(seed=seed) for seed in range(6)]
    planned = [
        PlannedCell(cells[0], "done", entry=entry_of(cells[0], "collapsed")),
        PlannedCell(cells[1], "errored", entry=entry_of(cells[1], "timeout")),
        PlannedCell(cells[2], "to do", entry=entry_of(cells[2], "oom")),
        PlannedCell(cells[3], "skip", reason="no GPU"),
        PlannedCell(cells[4], "skip", reason="no GPU"),
        PlannedCell(cells[5], "blocked", reason="no hub"),
    ]
    found = Summary.of(Plan(planned, {}, {}, 1))
    assert (found.cells, len(found.reused), len(found.kept)) == (6, 1, 1)
    assert (found.skipped, found.blocked) == (Counter({"no GPU": 2}), Counter({"no hub": 1}))
    assert [found.measured, dict(found.lost), found.exit_code] == [0, {"collapsed": 1}, 4]


def test_collapsed_and_diverged_runs_are_told_whenever_they_were_measured(cell_of: Make, entry_of: Make) -> None:
    summary = Summary(
        cells=5, reused=[entry_of(cell_of(), "collapsed")], statuses=Counter(collapsed=1, nonfinite=2, ok=1)
    )
    assert (summary.measured, dict(summary.lost), summary.exit_code) == (4, {"collapsed": 2, "nonfinite": 2}, 0)
    assert summary_text(summary, "harness run g.toml").splitlines() == [
        "4 of 5 cells measured now (1 collapsed, 2 nonfinite, 1 ok), 1 reused (all of 2026-11-22 10:00 (UTC)), in 0 s",
        "2 of 5 cells answer no better than a constant one (collapsed)",
        "2 of 5 cells diverged (NaN)",
    ]


def test_errors_are_told_with_their_log_and_the_rest_is_counted(cell_of: Make, entry_of: Make, tmp_path: Any) -> None:
    errors = [entry_of(cell_of(seed=n), "failed", error="E: no\x1b[31m") for n in range(7)]
    text = summary_text(Summary(cells=7, errors=errors, statuses=Counter(failed=7)), "again", tmp_path)
    assert text.count(f"; log: {tmp_path}/cells/") == 5
    assert "errored, seed 0: failed (no [31m); log: " in text
    assert text.splitlines()[-1] == "errored: 2 more cells"
    before = summary_text(Summary(cells=1, kept=errors[:1], missing=1, budget_spent=True), "again")
    assert "errored before and kept, seed 0: failed (no [31m)" in before
    assert before.splitlines()[-2:] == ["1 cell still to do (out of time); go on with:", "  again"]
