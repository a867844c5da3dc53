"""Where a step's time goes, by torch's profiler, over a few steps after the measured ones."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function

STEPS = 5
WAITING = "harness::waiting for data"
OPERATORS = ("aten::",)
COMMUNICATION = ("c10d::", "gloo:", "nccl:", "ncclDevKernel", "record_param_comms")


class Profile:
    """Begins when it is made and ends after five steps; `shares` is the record's `Breakdown` then, None before."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._steps = 0
        self.shares: dict[str, Any] | None = None
        self._profiler = profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if self._cuda else [])])
        self._profiler.__enter__()
        self._start = time.perf_counter()
        self._waiting: Any = None
        self._wait()

    def batch_arrives(self) -> None:
        """The batch that the loop has waited for since the last step's end is there."""
        if self._waiting is not None:
            self._waiting.__exit__(None, None, None)
            self._waiting = None

    def step_ends(self) -> bool:
        """Another step has ended; whether it was the last one to be profiled."""
        self._steps += 1
        if self._steps < STEPS:
            self._wait()
            return False
        if self._cuda:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - self._start
        self._profiler.__exit__(None, None, None)
        events = list(self._profiler.events())
        waits = [event.time_range for event in events if event.name == WAITING]
        spent = {"data": sum(wait.elapsed_us() for wait in waits) / 1e6, "kernels": 0.0, "communication": 0.0}
        for event in events:
            if event.name.startswith(COMMUNICATION):
                spent["communication"] += self._own(event)
            elif event.name.startswith(OPERATORS) and not any(_within(event.time_range, wait) for wait in waits):
                spent["kernels"] += self._own(event)
        shares = {name: value / seconds for name, value in spent.items()}
        self.shares = {"steps": STEPS, **shares, "framework": max(0.0, 1.0 - sum(shares.values()))}
        return True

    def _wait(self) -> None:
        self._waiting = record_function(WAITING)
        self._waiting.__enter__()

    def _own(self, event: Any) -> float:
        """Seconds in the operator itself and in none that it calls."""
        return (event.self_device_time_total if self._cuda else event.self_cpu_time_total) / 1e6


def _within(inner: Any, outer: Any) -> bool:
    return bool(outer.start <= inner.start and inner.end <= outer.end)
