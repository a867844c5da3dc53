"""The stopwatch's CUDA branch on a CPU: events that keep the host's clock, a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from harness.protocol import WINDOW  # noqa: E402
from harness.subject.watch import noise, peak, stopwatch  # noqa: E402
from harness.subject.watch.stopwatch import ACCELERATOR_WARM_UP_S, DATA, Stopwatch  # noqa: E402

CUDA = torch.device("cuda", 0)
SPENT = {"data": 0.001, "other": 0.002, "forward": 0.03, "backward": 0.06, "optimizer": 0.007}
STEP_S = sum(SPENT.values())
PROBE_S = 0.25


class Clock:
    """A device in step with its host. `said` is what was done with it, in order."""

    def __init__(self) -> None:
        self.now, self.said, self.peak = 100.0, list[str](), 900.0
        self.rates = [5e14, 4.8e14]

    def event(self, enable_timing: bool) -> Any:
        assert enable_timing
        found = SimpleNamespace()
        found.record = lambda: setattr(found, "instant", self.now)
        found.elapsed_time = lambda later: 1e3 * (later.instant - found.instant)
        return found

    def probe(self, device: torch.device, precision: str) -> dict[str, Any]:
        assert device == CUDA
        self.said.append("probe")
        self.now += PROBE_S
        rate = self.rates.pop(0)
        return {"dtype": precision, "size": 8192, "best": 1.1 * rate, "median": rate}

    def reset(self, device: torch.device) -> None:
        self.said.append("memory from here")
        self.peak = 0.0

    def most(self, device: torch.device) -> float:
        return self.peak * 2**20


class Model:
    """On a device that is not there; its hooks are called as a module's are."""

    def __init__(self) -> None:
        self.before: list[Callable[..., Any]] = []
        self.after: list[Callable[..., Any]] = []
        self.register_forward_pre_hook, self.register_forward_hook = self.before.append, self.after.append

    def parameters(self) -> Any:
        return iter([SimpleNamespace(device=CUDA)])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(stopwatch, "time", SimpleNamespace(perf_counter=lambda: found.now))
    monkeypatch.setattr(noise.time, "perf_counter", lambda: found.now)
    monkeypatch.setattr(peak, "probe", found.probe)
    monkeypatch.setattr(torch.cuda, "Event", found.event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: found.said.append("wait"))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", found.reset)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", found.most)
    return found


def timed(clock: Clock, warmup: int = 3, measured: int = 10, micro: int = 2) -> tuple[dict[str, Any], int]:
    """The part of a run whose steps take `STEP_S` with each of `micro` micro-batches alike; and how many it took."""

    def emit(event: dict[str, Any]) -> None:
        assert event["event"] == WINDOW
        clock.said.append(event["edge"])

    asked = {"warmup_steps": warmup, "measured_steps": measured, "counts": False, "session": "s", "place": 1}
    watch, model = Stopwatch(asked, "bf16", emit), Model()
    watch.begins(model)
    steps = 0
    while not watch.finished:
        steps += 1
        for _ in range(micro):
            clock.now += SPENT["data"] / micro
            watch.mark(DATA)
            clock.now += SPENT["other"] / micro
            model.before[0]()
            clock.now += SPENT["forward"] / micro
            clock.peak = max(clock.peak, 400.0 + watch._measured)
            model.after[0]()
            clock.now += SPENT["backward"] / micro
            watch.micro_batch_ends()
        clock.now += SPENT["optimizer"]
        watch.step_ends()
        assert steps < 10_000
    clock.now += 3.0  # the run's end is no part of anything
    shapes = np.array([[4, 32 + n % 2] for n in range(steps * micro)])
    return watch.part(shapes, np.full(steps * micro, 20)), steps


def test_stages_are_what_the_events_say_and_add_up(clock: Clock) -> None:
    part, _ = timed(clock)
    assert part["clock"] == "device"
    assert part["stages"] == {name: pytest.approx(10 * seconds) for name, seconds in SPENT.items()}
    assert part["step_seconds"] == pytest.approx([STEP_S] * 10)
    assert sum(part["stages"].values()) == pytest.approx(sum(part["step_seconds"]))
    assert (part["steps"], part["step_samples"], part["tokens"], part["real_tokens"]) == (10, [8] * 10, 2600, 400)


def test_the_window_opens_when_the_device_is_warm(clock: Clock) -> None:
    part, steps = timed(clock)
    assert part["warmup_steps"] == round(ACCELERATOR_WARM_UP_S / STEP_S)
    assert steps == part["warmup_steps"] + 10
    assert part["seen"]["wall"] == pytest.approx(10 * STEP_S)


def test_the_limit_is_measured_at_the_window_s_edges_outside_of_it(clock: Clock) -> None:
    """A device that has just been woken is another one than the one that trains: 10 % apart and more."""
    part, _ = timed(clock)
    assert clock.said == ["wait", "probe", "memory from here", "opens", "wait", "closes", "probe"]
    assert part["limit"] == {"dtype": "bf16", "size": 8192, "best": pytest.approx(5.5e14), "median": 5e14}
    assert part["drift"] == pytest.approx(-0.04)


def test_memory_is_the_window_s(clock: Clock) -> None:
    """Neither what the warm-up took nor what the probes do."""
    part, _ = timed(clock)
    assert part["memory"] == 409.0


def test_ranks_wait_for_the_coldest(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The window is the same on all ranks: another one of them says when."""
    asked: list[float] = []

    def least(every: Any, operation: Any) -> None:
        asked.append(float(every))
        every.fill_(min(float(every), float(len(asked) > 150)))

    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "all_reduce", least)
    tensor = torch.tensor
    monkeypatch.setattr(stopwatch.torch, "tensor", lambda value, device: tensor(value) if device == CUDA else None)
    part, _ = timed(clock)
    assert part["warmup_steps"] == 3 + 150
    assert asked[99] == 1.0  # this one was warm before
