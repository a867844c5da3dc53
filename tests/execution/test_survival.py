"""The store survives what happens to the processes: one that is killed, two harnesses at once, interrupts."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from harness.execution.cache import LOCK

SCORED = {"ok", "collapsed"}


@pytest.mark.slow
def test_two_harnesses_share_a_store(house: Any) -> None:
    house.grid(range(1, 9))
    processes = [house.start(), house.start()]
    outputs = [house.end_of(process) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    records = house.records()
    assert sorted(record.asked.seed for record in records) == list(range(1, 9)), outputs
    assert {record.attempt for record in records} == {1}
    assert {record.status for record in records} <= SCORED
    ran = [sum(line.startswith("start ") for line in output.splitlines()) for output in outputs]
    assert sum(ran) == 8
    assert all("[8/8]" in output for output in outputs)
    house.assert_index_is_true()
    assert house.locked() == []
    assert house.processes() == {}


def test_a_killed_harness_takes_everything_with_it_within_two_seconds(house: Any) -> None:
    # One cell hangs within training, the other has left a helper behind that hangs too.
    house.grid([1, 2])
    harness = house.start(faults={1: "late-hang", 2: "helper"})
    house.wait_for(lambda: house.planted() == 2)
    assert len(house.hosts()) == 1
    assert len(house.children()) == 2
    assert len(house.processes()) == 5, "harness, host, two children, one helper"
    harness.kill()
    harness.wait()
    house.wait_until_empty(2)
    house.wait_for(lambda: not house.locked())  # a process's files close just after it has lost its memory
    assert house.records() == []
    code, output = house.run()
    assert code == 0, output
    for seed in (1, 2):
        killed, final = house.records(seed)
        assert (killed.status, final.final) == ("killed", True)
        assert killed.failure.message == "the harness was killed while this attempt ran"
        assert "planted: hanging" in killed.failure.details
        assert (killed.attempt, final.attempt) == (1, 2)
    house.assert_index_is_true()


DIES_AFTER_THE_RECORD = """
import os
from harness.record.store import Store
whole = Store.write
Store.write = lambda *given: (whole(*given), os._exit(9))
from harness.__main__ import main
main()
"""


@pytest.mark.slow
def test_a_driver_that_dies_after_a_record_leaves_nothing_behind(house: Any) -> None:
    house.cache = house.folder / "cache"
    house.grid([1])
    house.program = ("-c", DIES_AFTER_THE_RECORD)
    code, output = house.run()
    assert code == 9, output
    assert {path.name for path in house.results.glob("g/cells/??/*/*/*/*")} == {"record.json", "series.npz", "log.txt"}
    left = house.cache / "scratch-left"
    left.mkdir()
    (left / LOCK).touch()
    house.program = ("-m", "harness")
    code, output = house.run()
    assert code == 0, output
    assert len(house.records()) == 1
    assert list(house.cache.glob("scratch-*")) == [], "nothing was prepared, and what a dead preparation left is gone"


def test_data_loader_workers_die_with_their_harness(house: Any) -> None:
    house.grid([1], max_steps=10**6, recipe="dataloader_num_workers = 2\nnum_train_epochs = 10000")
    harness = house.start()
    house.wait_for(lambda: len(house.processes()) == 5)  # harness, host, child, two workers
    harness.kill()
    harness.wait()
    house.wait_until_empty(2)
    house.wait_for(lambda: not house.locked())  # a process's files close just after it has lost its memory


@pytest.mark.parametrize(
    "spawn", [pytest.param(False, id="fork"), pytest.param(True, id="spawn", marks=pytest.mark.slow)]
)
def test_a_killed_host_costs_its_running_cells_and_no_more(house: Any, spawn: bool) -> None:
    house.grid([1, 2, 3])
    arguments = ["--slots", "1", *(["--host", "spawn"] if spawn else [])]
    harness = house.start(*arguments, faults={1: ["late-hang", [1]]})
    house.wait_for(house.planted)
    (host,) = house.hosts()
    os.kill(host, signal.SIGKILL)
    output = house.end_of(harness)
    assert harness.returncode == 4, output
    assert "a new one takes over" in output
    assert "1 cell still to do" in output
    assert [record.status for record in house.records(1)] == ["killed"]
    assert all(record.final for seed in (2, 3) for record in house.records(seed))
    assert house.processes() == {}
    house.assert_index_is_true()
