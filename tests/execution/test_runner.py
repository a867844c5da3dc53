"""The run itself: interrupts, retries, the time budget, preparations that fail, exit codes."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from typing import Any

import pytest

from harness.execution.host import LEAVING_S
from harness.execution.progress import Summary
from harness.execution.run import INTERRUPT_GRACE_S
from tests.conftest import cell_of, entry_of

SCORED = {"ok", "collapsed"}
REUSED = [entry_of(cell_of())]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("signals", "fault"),
    [
        ([signal.SIGINT], "late-hang"),
        ([signal.SIGTERM], "late-hang"),
        ([signal.SIGINT, signal.SIGINT], "deaf"),
        ([signal.SIGTERM, signal.SIGINT], "deaf"),
    ],
    ids=["SIGINT", "SIGTERM", "SIGINT twice, deaf cells", "SIGTERM and SIGINT, deaf cells"],
)
def test_interrupts_end_the_cells_and_a_resume_completes_them(house: Any, signals: list[int], fault: str) -> None:
    house.grid([1, 2, 3])
    harness = house.start("--slots", "2", faults=dict.fromkeys((1, 2, 3), fault))
    house.wait_for(lambda: house.planted() == 2)
    start = time.monotonic()
    harness.send_signal(signals[0])
    for number in signals[1:]:
        house.wait_for(lambda: house.planted("deaf") == 2)  # two signals at once are one
        start = time.monotonic()
        harness.send_signal(number)
    output = house.end_of(harness)
    assert time.monotonic() - start < INTERRUPT_GRACE_S, "ended by the grace's end, not by the signals"
    assert harness.returncode == 130, output
    assert house.processes() == {}
    assert house.locked() == []
    by = (
        "by the user"
        if signals[0] == signal.SIGINT
        else "by SIGTERM: another program ended it, as a scheduler or `timeout` does"
    )
    assert f"3 cells still to do (interrupted {by}); go on with:\n  " in output
    assert "Traceback" not in output
    assert [(r.status, r.failure.message) for r in house.records()] == [("interrupted", f"interrupted {by}")] * 2
    code, output = house.run()
    assert code == 0, output
    assert Counter(record.status in SCORED for record in house.records()) == {True: 3, False: 2}
    house.assert_index_is_true()


def test_an_interrupt_while_the_host_starts_ends_at_once(house: Any) -> None:
    house.grid([1])
    harness = house.start()
    (host,) = house.wait_for(house.hosts)
    os.kill(host, signal.SIGSTOP)  # it will never have started
    start = time.monotonic()
    harness.send_signal(signal.SIGINT)
    output = house.end_of(harness)
    assert harness.returncode == 130, output
    assert time.monotonic() - start < LEAVING_S, "the host was waited for"
    assert house.processes() == {}
    assert house.records() == []
    assert "1 cell still to do (interrupted by the user)" in output


@pytest.mark.slow
def test_errored_cells_are_tried_again_by_each_run_and_kept_when_asked(house: Any) -> None:
    house.grid([1, 2])
    faults = {1: ["raise", [1, 2, 3, 4]]}
    code, output = house.run("--retries", "0", faults=faults)
    assert code == 4, output
    assert [r.status for r in house.records(1)] == ["failed"]
    assert "errored, seed 1: failed (planted" in output
    assert "001/log.txt" in output

    for kept in (["--keep-errored"], ["--retries", "0"]):
        code, output = house.run(*kept, faults=faults)
        assert code == 4, output
        assert "0 of 2 cells measured now, 1 reused" in output
        assert "errored before and kept, seed 1: failed (planted" in output
        assert len(house.records()) == 2

    code, output = house.run(
        "--retries", "1", faults=faults
    )  # counts what a run tries beyond what had errored before it
    assert code == 4, output
    assert [r.attempt for r in house.records(1)] == [1, 2]
    code, output = house.run("--retries", "3", faults=faults)
    assert code == 0, output
    assert [r.status in SCORED for r in house.records(1)] == [False] * 4 + [True]
    assert {r.measurement for r in house.records()} == {1}
    assert len(house.records(2)) == 1
    house.assert_index_is_true()


@pytest.mark.slow
def test_no_time_left_loses_nothing(house: Any) -> None:
    house.grid([1, 2])
    code, output = house.run("--max-hours", "0")
    assert code == 5, output  # nothing was measured
    assert "2 cells still to do (out of time); go on with:\n  " in output
    assert house.scanned() == []
    code, output = house.run("--select", "seed=1")
    assert code == 0, output
    code, output = house.run("--max-hours", "0")
    assert code == 3, output
    assert [record.asked.seed for record in house.records()] == [1]
    code, output = house.run()
    assert code == 0, output
    code, output = house.run("--max-hours", "0")  # nothing is missing
    assert code == 0, output
    assert len(house.records()) == 2


@pytest.mark.slow
def test_a_preparation_that_is_killed_is_made_again(house: Any) -> None:
    cache = house.folder / "cache"
    cache.mkdir()
    house.cache = cache
    house.grid([1])
    harness = house.start()
    house.wait_for(house.children)
    os.kill(house.children()[0], signal.SIGKILL)
    output = house.end_of(harness)
    assert harness.returncode == 0, output
    assert output.count("preparing ") == 2
    assert [record.attempt for record in house.records()] == [1]


@pytest.mark.slow
def test_a_damaged_record_is_said_and_its_cell_runs_again(house: Any) -> None:
    house.grid([1, 2])
    assert house.run()[0] == 0
    (first,) = house.records(1)
    folder = house.store.cell_folder(first.cell_id) / first.environment_id / "001"
    (folder / "record.json").write_text("{", encoding="utf-8")
    house.store.reindex()
    code, output = house.run()
    assert code == 0, output
    assert "1 cell to do, 1 done" in output
    assert "001: its record is unreadable and counts for nothing" in output
    again = [entry for entry in house.scanned() if entry.cell_id == first.cell_id]
    assert [(entry.attempt, entry.status) for entry in again] == [(1, "unreadable"), (2, first.status)]
    assert (folder / "record.json").read_text(encoding="utf-8") == "{"


def test_an_unwritable_results_place_is_a_clear_error(house: Any) -> None:
    house.grid([1])
    (house.folder / "results").write_text("a file", encoding="utf-8")
    code, output = house.run()
    assert code == 4
    assert "cannot read it: Not a directory" in output
    (house.folder / "results").unlink()
    (house.folder / "results" / "g").mkdir(parents=True)
    (house.folder / "results" / "g" / "hosts").write_text("a file", encoding="utf-8")
    code, output = house.run()
    assert code == 4
    assert "the host process cannot be started" in output
    assert "internal error" not in output
    assert house.processes() == {}


@pytest.mark.parametrize(
    ("summary", "code"),
    [
        (Summary(statuses=Counter(ok=1)), 0),
        (Summary(statuses=Counter(collapsed=1, skipped=3)), 0),
        (Summary(reused=REUSED), 0),
        (Summary(statuses=Counter(ok=1), budget_spent=True), 0),
        (Summary(statuses=Counter(ok=1), budget_spent=True, missing=1), 3),
        (Summary(reused=REUSED, budget_spent=True, missing=1), 3),
        (Summary(budget_spent=True, missing=1), 5),
        (Summary(statuses=Counter(ok=1), missing=1), 4),
        (Summary(statuses=Counter(ok=1, failed=1)), 4),
        (Summary(statuses=Counter(ok=1, killed=1), missing=1), 4),
        (Summary(statuses=Counter(ok=1, nonfinite=1)), 0),
        (Summary(statuses=Counter(failed=1), budget_spent=True, missing=1), 4),
        (Summary(reused=REUSED, kept=[entry_of(cell_of(), "failed")]), 4),
        (Summary(statuses=Counter(ok=1), blocked={"no such checkpoint": 2}), 4),
        (Summary(statuses=Counter(skipped=3)), 5),
        (Summary(), 5),
        (Summary(statuses=Counter(failed=1, interrupted=2), missing=2, interrupted=True), 130),
    ],
)
def test_exit_codes(summary: Summary, code: int) -> None:
    assert summary.exit_code == code
