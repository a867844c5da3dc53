"""The kernel's counters, made up, and what is said of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness import protocol
from harness.subject.watch import noise


def stat(path: Path, busy: float, stolen: float = 0.0) -> None:
    """A /proc/stat whose user time and stolen time are these seconds."""
    path.write_text(f"cpu  {int(busy * 100)} 0 0 500 0 0 0 {int(stolen * 100)} 0 0\ncpu0 1 2 3\n", encoding="ascii")


@pytest.fixture
def counters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "stat"
    monkeypatch.setattr(protocol, "STAT", path)
    monkeypatch.setattr(protocol.os, "sysconf", lambda name: 100)
    monkeypatch.setattr(noise.os, "cpu_count", lambda: 2)
    return path


def window(counters: Path, monkeypatch: pytest.MonkeyPatch, own: float, busy: float, stolen: float = 0.0) -> dict:
    """Ten seconds in which this process took `own` and the machine was busy for `busy` seconds of CPU time."""
    clocks = {"perf_counter": iter([100.0, 110.0]), "process_time": iter([5.0, 5.0 + own])}
    for name, values in clocks.items():
        monkeypatch.setattr(noise.time, name, lambda values=values: next(values))
    stat(counters, 1000.0, 7.0)
    before = noise.snapshot()
    stat(counters, 1000.0 + busy, 7.0 + stolen)
    return noise.between(before, noise.snapshot())


def test_alone(counters: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = noise.noise([window(counters, monkeypatch, own=10.0, busy=10.2)], drift=-0.02)
    assert found["others_cores"] == pytest.approx(0.02)
    assert found["steal"] == 0
    assert found["reasons"] == []


def test_a_neighbour(counters: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = noise.noise([window(counters, monkeypatch, own=10.0, busy=14.0)])
    assert found["reasons"] == ["other processes kept 0.40 cores busy (at most 0.1)"]


@pytest.mark.parametrize(("cores", "busy", "quiet"), [(2, 11.2, False), (64, 22.0, True), (64, 23.0, False)])
def test_a_neighbour_of_a_device(
    counters: Path, monkeypatch: pytest.MonkeyPatch, cores: int, busy: float, quiet: bool
) -> None:
    """What 64 cores have of agents is no noise of a GPU's work; on the processor it is."""
    monkeypatch.setattr(noise.os, "cpu_count", lambda: cores)
    seen = window(counters, monkeypatch, own=10.0, busy=busy)
    assert (noise.noise([seen], on_device=True)["reasons"] == []) is quiet
    assert noise.noise([seen])["reasons"] == [
        f"other processes kept {(busy - 10) / 10:.2f} cores busy (at most 0.1)"
    ]  # fmt: skip


SPIN = "import time; end = time.process_time() + 0.4\nwhile time.process_time() < end: pass\nprint(flush=True); input()"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="other systems keep no such counters")
def test_workers_are_no_strangers() -> None:
    """What a process' own children take is its own, while they live, and no less when they have ended."""
    before = noise.snapshot()["own"]
    with subprocess.Popen([sys.executable, "-c", SPIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        living = noise.snapshot()["own"] - before
    ended = noise.snapshot()["own"] - before
    assert 0.35 < living <= ended + 0.02


def test_ranks_are_no_neighbours_of_each_other(counters: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = window(counters, monkeypatch, own=9.5, busy=19.0)
    assert noise.noise([seen, {**seen, "own": 9.4}])["others_cores"] == pytest.approx(0.01)
    assert noise.noise([seen])["reasons"]


def test_a_compiler_that_worked_in_the_window(counters: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = iter([4, 6])
    monkeypatch.setattr(noise, "compiled_frames", lambda: next(frames))
    seen = window(counters, monkeypatch, own=10.0, busy=10.0)
    found = noise.noise([{**seen, "compiled": 0}, seen])
    assert found["compiled_frames"] == 2
    assert found["reasons"] == ["the compiler worked in the window: 2 frames (at most 0)"]


def test_a_hypervisor_that_takes_its_share(counters: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = noise.noise([window(counters, monkeypatch, own=9.0, busy=9.0, stolen=1.0)])
    assert found["steal"] == pytest.approx(0.05)
    assert found["reasons"] == ["the hypervisor took 5.0 % of the CPU time (at most 1 %)"]


def test_drift(counters: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = window(counters, monkeypatch, own=10.0, busy=10.0)
    assert noise.noise([seen], drift=-0.25)["reasons"] == ["the machine's own speed moved by -25 % (at most 10 %)"]


def test_a_system_that_keeps_no_counters(counters: Path) -> None:
    before = noise.snapshot()
    found = noise.noise([noise.between(before, noise.snapshot())])
    assert (found["others_cores"], found["steal"], found["reasons"]) == (None, None, [])
