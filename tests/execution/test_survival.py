"""The store survives what happens to the processes: kills at random moments, two harnesses at once, interrupts."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCORED = {"ok", "collapsed"}


class Tormentor:
    """Kills a house's processes at random moments, and remembers every record and attempt that it has seen."""

    def __init__(self, house: Any, seed: int) -> None:
        self.house, self.random = house, random.Random(seed)
        self.harness: Any = None
        self.kills: Counter[str] = Counter()
        self.records: dict[Path, bytes] = {}
        self.attempts: set[Path] = set()

    def torment(self, kills: int) -> None:
        while sum(self.kills.values()) < kills:
            if self.harness is not None and self.harness.poll() == 0:
                break  # a fast machine: everything was done before it could be disturbed again
            if self.harness is None or self.harness.poll() is not None:
                self._start()
            self._wait_for_a_moment()
            self._kill()
            self.look()
        if self.harness.poll() is None:
            self.harness.kill()
            self.kills["harness, at the end"] += 1
        self.harness.wait()

    def look(self) -> None:
        """No attempt may be gone and no record changed."""
        self.attempts |= {path for path in self.house.results.glob("g/cells/??/*/*/*") if path.name.isdigit()}
        assert all(path.is_dir() for path in self.attempts)
        for path, content in self.records.items():
            assert path.read_bytes() == content, f"{path} was rewritten"
        for path in self.attempts:
            record = path / "record.json"
            if record not in self.records and record.exists():
                self.records[record] = record.read_bytes()

    def _start(self) -> None:
        if self.harness is not None:
            output = self.harness.stdout.read()
            assert "internal error" not in output, output
            assert self.harness.returncode in (-signal.SIGKILL, 4), output
        if self.random.random() < 0.3:
            for folder in self.house.cache.glob("t*"):  # prepare again
                shutil.rmtree(folder)
        self.harness = self.house.start()

    def _wait_for_a_moment(self) -> None:
        """Any moment at all, or one while a child (a cell's, mostly) is at work: most of a run is starting."""
        kind = self.random.random()
        if kind < 0.15:
            time.sleep(self.random.uniform(0, 5))
            return
        end = time.monotonic() + 60
        while self.harness.poll() is None and time.monotonic() < end:
            children = self.house.children()
            if children and (kind < 0.3 or any("preparing" not in self._phase(pid) for pid in children)):
                break
            time.sleep(0.01)
        time.sleep(self.random.choice([0.0, self.random.uniform(0, 0.2), self.random.uniform(0, 1)]))

    def _kill(self) -> None:
        victims = {
            "harness": [self.harness.pid] if self.harness.poll() is None else [],
            "host": self.house.hosts(),
            "child": self.house.children(),
        }
        kind = self.random.choice(["harness", "host", "child", "child"])
        if not victims[kind]:
            return
        pid = self.random.choice(victims[kind])
        phase = self._phase(pid) if kind == "child" else ""
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.kills[f"{kind}{phase}"] += 1
        if kind == "harness":
            self.harness.wait()

    @staticmethod
    def _phase(pid: int) -> str:
        try:
            folder = Path(f"/proc/{pid}/fd/1").readlink().parent
        except OSError:
            return ", being born"
        if folder.name.startswith("prepare-"):
            return ", preparing"
        if (folder / "series.npz").exists():
            return ", writing"
        return ", training" if (folder / "trainer").exists() else ", loading"


def check_survival(house: Any, new_house: Callable[..., Any], cells: int, kills: int, seed: int) -> None:
    undisturbed = new_house("undisturbed")
    seeds = range(1, cells + 1)
    undisturbed.grid(seeds, max_steps=10)
    code, output = undisturbed.run()
    assert code == 0, output
    expected = {record.cell_id: undisturbed.facts(record) for record in undisturbed.records()}
    assert len(expected) == cells

    cache = house.folder / "cache"
    cache.mkdir()
    for probe in house.cache.glob("probe-*.json"):
        shutil.copy(probe, cache)
    house.cache = cache
    house.grid(seeds, max_steps=10)
    tormentor = Tormentor(house, seed)
    tormentor.torment(kills)
    house.wait_until_empty(2)  # nothing outlives its harness
    killed_before = sum(record.status == "killed" for record in house.records())
    code, output = house.run()
    print(dict(tormentor.kills), f"{len(tormentor.attempts)} attempts seen")
    assert code == 0, output

    tormentor.look()
    records = house.records()
    assert all((path / "record.json").is_file() for path in tormentor.attempts), "an attempt has no record"
    assert Counter(record.status in SCORED for record in records)[True] == cells
    assert {record.status for record in records} <= SCORED | {"killed"}
    final = {record.cell_id: record for record in records if record.status in SCORED}
    assert final.keys() == expected.keys()
    for cell_id, record in final.items():
        assert house.facts(record) == expected[cell_id]
    for cell_id in expected:
        numbers = sorted(record.attempt for record in records if record.cell_id == cell_id)
        assert numbers == list(range(1, len(numbers) + 1))
        assert final[cell_id].attempt == numbers[-1], "an attempt was made after the final one"
    killed = [record for record in records if record.status == "killed"]
    assert len(killed) >= killed_before
    assert tormentor.kills
    assert all("killed" in record.failure.message for record in killed)
    house.assert_index_is_true()
    assert house.processes() == {}
    assert house.locked() == []
    assert list(house.results.rglob("*.tmp")) == []


def test_a_few_kills_lose_and_change_nothing(house: Any, new_house: Callable[..., Any]) -> None:
    check_survival(house, new_house, cells=8, kills=6, seed=20)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fifty_kills_lose_and_change_nothing(house: Any, new_house: Callable[..., Any]) -> None:
    check_survival(house, new_house, cells=60, kills=50, seed=1)


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


def test_data_loader_workers_die_with_their_harness(house: Any) -> None:
    house.grid([1], max_steps=10**6, recipe="dataloader_num_workers = 2\nnum_train_epochs = 10000")
    harness = house.start()
    house.wait_for(lambda: len(house.processes()) == 5)  # harness, host, child, two workers
    harness.kill()
    harness.wait()
    house.wait_until_empty(2)
    house.wait_for(lambda: not house.locked())  # a process's files close just after it has lost its memory


@pytest.mark.parametrize("spawn", [False, True], ids=["fork", "spawn"])
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
