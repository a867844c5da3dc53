"""Whatever happens to a child, its cell has a record that says what, and the other cells go on."""

from __future__ import annotations

import os
from typing import Any

import pytest


def test_dying_children_leave_records_and_the_others_go_on(house: Any) -> None:
    faults = {
        1: "kill", 2: "segfault", 3: "leave", 4: "raise", 5: "python-memory", 6: "torch-memory", 7: "late-raise",
        8: "late-kill",
    }  # fmt: skip
    house.grid([*faults, 9, 10])
    code, output = house.run(faults=faults)
    assert code == 4, output
    found = {record.asked.seed: record for record in house.records()}
    assert {seed: record.status for seed, record in found.items()} == {
        1: "killed", 2: "failed", 3: "failed", 4: "failed", 5: "oom", 6: "oom", 7: "failed", 8: "killed",
        9: found[9].status, 10: found[10].status,
    }  # fmt: skip
    assert {found[9].status, found[10].status} <= {"ok", "collapsed"}
    failures = {seed: record.failure for seed, record in found.items() if seed in faults}
    assert failures[1].message == "killed by SIGKILL"
    assert "planted: signal 9" in failures[1].details
    assert failures[2].message == "crashed with SIGSEGV"
    assert "planted: signal 11" in failures[2].details
    assert failures[3].message == "the process left with status 3 and no result"
    assert "planted: leaving" in failures[3].details
    for seed in (4, 7):
        assert (failures[seed].type, failures[seed].message) == ("ValueError", "planted: no such luck")
        assert "sitecustomize.py" in failures[seed].details
    assert failures[5].type == "MemoryError"
    assert "memory" in failures[6].message
    assert all(record.measured is None for seed, record in found.items() if seed in faults)
    assert house.processes() == {}
    assert house.locked() == []
    house.assert_index_is_true()


@pytest.mark.slow
def test_hanging_children_time_out(house: Any) -> None:
    # The second limit must leave a child of a busy machine the time to come to its first step.
    limits = "[execution]\nfirst_step_timeout_minutes = {first}\ntimeout_minutes = {total}"
    house.grid([1, 2], more=limits.format(first=0.05, total=10))
    code, output = house.run("--select", "seed=1", faults={1: "hang"})
    assert code == 4, output
    house.grid([1, 2], more=limits.format(first=10, total=0.2))
    code, output = house.run("--select", "seed=2", faults={2: "late-hang"})
    assert code == 4, output
    first, later = house.records(1)[0], house.records(2)[0]
    assert (first.status, later.status) == ("timeout", "timeout")
    assert first.failure.message == "no training step within 3 s"
    assert later.failure.message == "still running after 12 s"
    assert "planted: hanging" in first.failure.details
    assert "planted: hanging" in later.failure.details
    assert house.processes() == {}


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "words"), [("disk", "full disk"), ("no-result", "could not write its result")])
def test_a_child_that_finds_no_room_is_not_done_and_stops_the_run(house: Any, fault: str, words: str) -> None:
    house.grid([1, 2])
    code, output = house.run("--slots", "1", faults={1: fault})
    assert code == 4
    assert words in output
    assert "run the same command again" in output
    assert "Traceback" not in output
    (record,) = house.records()
    assert (record.asked.seed, record.status) == (1, "killed")
    code, output = house.run()
    assert code == 0, output
    assert [r.final for r in house.records(1)] == [False, True]
    assert [r.final for r in house.records(2)] == [True]


def test_odd_results_are_failures_of_their_cells_and_the_others_go_on(house: Any) -> None:
    faults = {1: "ok-of-nothing", 2: "no-status", 3: "deep-result"}
    house.grid([*faults, 4])
    code, output = house.run(faults=faults)
    assert code == 4, output
    found = {record.asked.seed: record for record in house.records()}
    assert {seed: found[seed].status for seed in faults} == dict.fromkeys(faults, "failed")
    assert {found[seed].failure.type for seed in faults} == {"InvalidResult"}
    assert "got neither scores nor a timing" in found[1].failure.message
    assert "status: got None" in found[2].failure.message
    assert found[4].final


@pytest.mark.slow
def test_what_is_lost_of_the_cache_is_made_again_and_is_no_fault_of_the_cell(house: Any) -> None:
    house.cache = house.folder / "cache"
    house.grid([1, 2])
    code, output = house.run("--slots", "1", faults={1: ["lost-cache", [1]]})
    assert code == 4, output
    (lost,), (other,) = house.records(1), house.records(2)
    assert (lost.status, lost.failure.message) == (
        "killed",
        "what was prepared for it in the cache is gone, or is not as it was",
    )
    assert other.final, "prepared again for the cells that come after it"
    assert output.count("preparing ") == 2
    code, output = house.run()
    assert code == 0, output
    assert [record.final for record in house.records(1)] == [False, True]
    assert other.observed.data == house.records(1)[1].observed.data


@pytest.mark.slow
def test_labels_swapped_in_the_cache_are_not_trained(house: Any) -> None:
    house.cache = house.folder / "cache"
    house.grid([1])
    assert house.run()[0] == 0
    (arrow,) = house.cache.glob("tokenized-*/train/*.arrow")
    (weights,) = house.cache.glob("tiny-bert-1/model.safetensors")
    before = {}
    for path in (arrow, weights):
        seen, content = path.stat(), bytearray(path.read_bytes())
        before[path] = bytes(content)
        content[-100:] = bytes(100)
        path.write_bytes(content)
        os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    house.grid([1, 2])
    code, output = house.run()
    assert code == 0, output
    assert "preparing " in output
    assert {path: path.read_bytes() for path in before} == before
    first, second = house.records()
    assert first.observed.weights.checkpoint_sha256 == second.observed.weights.checkpoint_sha256


@pytest.mark.slow
def test_a_stopped_host_holds_up_nobody_for_ever(house: Any) -> None:
    house.grid([1, 2], more="[execution]\nfirst_step_timeout_minutes = 10\ntimeout_minutes = 0.3")
    code, output = house.run("--slots", "1", faults={1: "stopped-host"}, timeout=200)
    assert code == 4, output
    (stopped,), (other,) = house.records(1), house.records(2)
    assert (stopped.status, stopped.failure.message) == ("timeout", "still running after 18 s")
    assert other.final
    assert house.processes() == {}


def test_a_helper_in_a_session_of_its_own_is_not_left_behind(house: Any) -> None:
    house.grid([1, 2])
    code, output = house.run("--slots", "1", faults={1: "daemon", 2: "daemon"})
    assert code == 0, output
    assert house.processes() == {}
    assert house.locked() == []


@pytest.mark.slow
def test_a_killed_preparation_leaves_nothing_for_ever(house: Any) -> None:
    house.cache = house.folder / "cache"
    house.grid([1])
    harness = house.start()
    house.wait_for(lambda: list(house.cache.glob("scratch-*/prepare-*")))
    harness.kill()
    harness.wait()
    house.wait_until_empty(5)
    assert len(list(house.cache.glob("scratch-*"))) == 1
    code, output = house.run()
    assert code == 0, output
    assert [path.name for path in house.cache.iterdir() if path.name.startswith(("scratch", "finetune"))] == []
    assert list(house.cache.glob("**/*.tmp")) == []
