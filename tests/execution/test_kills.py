"""Whatever is killed, by whichever signal and whenever: nothing is lost, nothing left running, no folder left behind.

Seeded; a few by `tox -e slow`, many by hand: `HARNESS_KILLS=300 HARNESS_KILLS_SEED=7 tox -e slow -- -s -k kills`.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

KILLS = int(os.environ.get("HARNESS_KILLS", "0"))
SEED = int(os.environ.get("HARNESS_KILLS_SEED", "1"))
SCORED = {"ok", "collapsed"}
KEPT = {"record.json", "series.npz", "log.txt"}
"""What an attempt leaves."""
BY_ORDER = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
TRIED_AGAIN = ("--retries", "1")
"""A cell whose loader lost a worker has failed; without retries no later run takes it up."""
LIMIT_S = 1800
"""Against hangs alone: on a busy machine the slowest of it takes minutes."""
GONE_S = 10.0
"""How long what was killed may take to be gone, on a machine that does other things: seconds, where idle far less."""


class Tormentor:
    """Kills a house's processes at random moments, and remembers every record and attempt that it has seen."""

    def __init__(self, house: Any, seed: int, devices: dict[str, int]) -> None:
        self.house, self.random, self.devices = house, random.Random(seed), devices
        self.harness: Any = None
        self.kills: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.records: dict[Path, bytes] = {}
        self.attempts: set[Path] = set()

    def torment(self, kills: int) -> None:
        """Kill until so many were killed in all, or every cell is done."""
        self.records, self.attempts, self.harness = {}, set(), None
        while sum(self.kills.values()) < kills:
            if self.harness is not None and self.harness.poll() is not None:
                self._end()
                if self.harness.returncode == 0:
                    return
                self.harness = None
            if self.harness is None:
                self._start()
            self._wait_for_a_moment()
            self._kill()
            self.look()
        if self.harness.poll() is None:
            self.harness.kill()
        self._end()

    def look(self) -> None:
        """No record may be changed, and no attempt gone but one that was withdrawn before it began."""
        for path in self.attempts:
            assert path.is_dir(), f"{path} is gone"
        for path, content in self.records.items():
            assert path.read_bytes() == content, f"{path} was rewritten"
        for path in self.house.results.glob("g/cells/??/*/*/*/record.json"):
            self.attempts.add(path.parent)
            if path not in self.records:
                self.records[path] = path.read_bytes()
        if self.harness is not None and self.harness.poll() is None:
            self.attempts |= {path.parent for path in self.house.results.glob("g/cells/??/*/*/*/trainer")}

    def _start(self) -> None:
        if self.random.random() < 0.2:
            for folder in self.house.cache.glob("t*"):  # prepare again
                shutil.rmtree(folder)
        host = self.random.choice(["fork", "fork", "spawn"])
        self.harness = self.house.start("--slots", "2", "--host", host, *TRIED_AGAIN)

    def _end(self) -> None:
        """The harness has ended, or is about to: by itself, or by a signal, in order where that can be."""
        output, _ = self.harness.communicate(timeout=LIMIT_S)
        code = self.harness.returncode
        assert "internal error" not in output, output
        if not output.rstrip().endswith("KeyboardInterrupt"):  # heard by Python itself, which had not begun with us yet
            assert "Traceback" not in output, output
            assert code in (0, 4, 130, -signal.SIGKILL, *(-number for number in BY_ORDER)), (code, output)
        self.house.wait_until_empty(GONE_S)
        self.house.wait_for(lambda: not self.house.locked(), GONE_S)

    def _wait_for_a_moment(self) -> None:
        """Any moment at all, or one while a child (a cell's, mostly) is at work: most of a run is starting."""
        kind = self.random.random()
        if kind < 0.1:
            time.sleep(self.random.uniform(0, 5))
            return
        end = time.monotonic() + 60
        while self.harness.poll() is None and time.monotonic() < end:
            found = self._victims()
            if (found["child"] and kind < 0.2) or found["rank" if kind < 0.5 else "worker"]:
                break
            if kind > 0.8 and any("training" in self._phase(pid) for pid in found["child"]):
                break
            time.sleep(0.02)
        time.sleep(self.random.choice([0.0, self.random.uniform(0, 0.2), self.random.uniform(0, 1)]))

    def _victims(self) -> dict[str, list[int]]:
        """Live processes by what they are; below a child are its ranks, or its loader's workers, or theirs."""
        parents = {pid: self.house.parent_of(pid) for pid in self.house.processes()}
        below: dict[int, list[int]] = {}
        for pid, parent in sorted(parents.items()):
            below.setdefault(parent, []).append(pid)
        hosts = self.house.hosts()
        found: dict[str, list[int]] = {
            "driver": [self.harness.pid] if self.harness.poll() is None else [],
            "host": hosts,
            "child": [pid for host in hosts for pid in below.get(host, ())],
            "rank": [],
            "worker": [],
        }
        for child in found["child"]:
            folder = self._folder(child)
            several = folder is not None and self.devices.get(folder.parent.parent.name, 1) > 1
            found["rank" if several else "worker"] += below.get(child, ())
        found["worker"] += [pid for rank in found["rank"] for pid in below.get(rank, ())]
        return found

    def _kill(self) -> None:
        victims = {kind: pids for kind, pids in self._victims().items() if pids}
        if not victims:
            return
        # Drivers and hosts cost a start of everything, and are always there.
        (kind,) = self.random.choices(list(victims), [1 if kind in ("driver", "host") else 2 for kind in victims])
        pid = self.random.choice(victims[kind])
        number = self.random.choice([signal.SIGKILL, signal.SIGKILL, *BY_ORDER])
        phase = self._phase(pid) if kind == "child" else ""
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        self.kills[f"{kind}{phase} {number.name}"] += 1
        print(sum(self.kills.values()), f"{kind}{phase} {number.name}", flush=True)
        if kind == "driver":
            self.harness.wait(timeout=LIMIT_S)

    @staticmethod
    def _folder(pid: int) -> Path | None:
        try:
            return Path(f"/proc/{pid}/fd/1").readlink().parent
        except OSError:
            return None

    def _phase(self, pid: int) -> str:
        folder = self._folder(pid)
        if folder is None:
            return ", being born"
        if folder.name.startswith("prepare-"):
            return ", preparing"
        if (folder / "series.npz").exists():
            return ", writing"
        return ", training" if (folder / "trainer").exists() else ", loading"


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files, with a short name: sockets lie in it."""
    folder = Path(tempfile.mkdtemp(prefix="k"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def facts(house: Any, record: Any) -> Any:
    found = house.facts(record)
    del found["observed"]["host"]
    return found


def check_survival(house: Any, new_house: Callable[..., Any], temporary: Path, kills: int, seed: int) -> None:
    places = [new_house("undisturbed"), house]
    for place in places:
        place.grid([1, 2], max_steps=10, more="devices = [1, 2]\ndataloader_num_workers = [0, 2]")
    code, output = places[0].run(timeout=LIMIT_S)
    assert code == 0, output
    expected = {record.cell_id: facts(places[0], record) for record in places[0].records()}
    assert len(expected) == 8

    cache = house.folder / "cache"
    cache.mkdir()
    for probe in house.cache.glob("probe-*.json"):
        shutil.copy(probe, cache)
    house.cache, house.variables = cache, {"TMPDIR": str(temporary)}
    tormentor = Tormentor(house, seed, {record.cell_id: record.asked.devices for record in places[0].records()})
    while sum(tormentor.kills.values()) < kills:
        shutil.rmtree(house.results, ignore_errors=True)
        tormentor.torment(kills)
        check_round(house, tormentor, expected, temporary)
        print(f"whole and equal; {dict(sorted(tormentor.kills.items()))}; {dict(tormentor.statuses)}", flush=True)


def check_round(house: Any, tormentor: Tormentor, expected: dict[str, Any], temporary: Path) -> None:
    """Resume, and hold what there is then against an undisturbed run."""
    code, output = house.run(*TRIED_AGAIN, timeout=LIMIT_S)
    assert code == 0, output
    tormentor.look()
    assert all((path / "record.json").is_file() for path in tormentor.attempts), "an attempt has no record"
    records = house.records()
    final = {record.cell_id: record for record in records if record.status in SCORED}
    assert Counter(record.status in SCORED for record in records)[True] == len(expected)
    assert final.keys() == expected.keys()
    for cell_id, record in final.items():
        assert facts(house, record) == expected[cell_id]
        numbers = sorted(other.attempt for other in records if other.cell_id == cell_id)
        assert numbers == list(range(1, len(numbers) + 1))
        assert record.attempt == numbers[-1], "an attempt was made after the final one"
    for record in records:
        tormentor.statuses[record.status] += 1
        if record.status == "failed":  # a cell that lost one of its processes, and could say so
            assert any(word in record.failure.message for word in ("worker", "rank")), record.failure
        elif record.status not in SCORED:
            assert record.status in ("killed", "interrupted")
            assert record.status in record.failure.message
    house.assert_index_is_true()
    assert house.processes() == {}
    assert house.locked() == []
    left = {path.name for path in house.results.glob("g/cells/??/*/*/*/*")} - KEPT
    left |= {path.name for path in [*house.results.rglob("*.tmp"), *house.cache.rglob("*.tmp")]}
    left |= {path.name for path in [*house.cache.glob("scratch-*"), *temporary.iterdir()]}
    left -= {name for name in left if name.startswith("torchinductor_")}  # a cache of torch's, one a user
    assert left == set(), "something was left behind"


@pytest.mark.slow
def test_a_few_kills_lose_and_change_nothing(house: Any, new_house: Callable[..., Any], temporary: Path) -> None:
    check_survival(house, new_house, temporary, kills=6, seed=20)


@pytest.mark.slow
@pytest.mark.skipif(not KILLS, reason="by hand: HARNESS_KILLS says how many")
@pytest.mark.timeout(120 * max(KILLS, 1))
def test_many_kills_lose_and_change_nothing(house: Any, new_house: Callable[..., Any], temporary: Path) -> None:
    check_survival(house, new_house, temporary, KILLS, SEED)
