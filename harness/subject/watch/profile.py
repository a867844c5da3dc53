"""The breakdown of a timing cell: what its steps are spent on, by torch's profiler."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile, record_function

PROFILED_STEPS = 5
WAITING = "harness::waiting for data"
OPERATORS = ("aten::",)
COMMUNICATION = ("c10d::", "gloo:", "nccl:", "record_param_comms")
COLLECTIVES = ("ncclDevKernel", "ncclKernel")
"""What NCCL calls its kernels on the device, the latter before 2.19."""


class Profile:
    """Where a step's time goes, by torch's profiler, over a few steps after the measured ones.

    Begins when it is made and ends after five steps; `shares` is the record's `Breakdown` then, None before.
    """

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
        if self._steps < PROFILED_STEPS:
            self._wait()
            return False
        if self._cuda:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - self._start
        self._profiler.__exit__(None, None, None)
        spent = _on_device(self._profiler.events()) if self._cuda else _on_host(self._profiler.events())
        shares = {name: value / seconds for name, value in spent.items()}
        self.shares = {"steps": PROFILED_STEPS, **shares, "framework": max(0.0, 1.0 - sum(shares.values()))}
        return True

    def _wait(self) -> None:
        self._waiting = record_function(WAITING)
        self._waiting.__enter__()


def _on_host(events: Iterable[Any]) -> dict[str, float]:
    """Seconds by what they were spent on, each operator's own: without those of the operators that it calls."""
    events = list(events)
    waits = [event.time_range for event in events if event.name == WAITING]
    kernels = communication = 0.0
    for event in events:
        if event.name.startswith(COMMUNICATION):
            communication += event.self_cpu_time_total
        elif event.name.startswith(OPERATORS) and not any(_within(event.time_range, wait) for wait in waits):
            kernels += event.self_cpu_time_total
    return {"data": _waited(events), "kernels": kernels / 1e6, "communication": communication / 1e6}


def _on_device(events: Iterable[Any]) -> dict[str, float]:
    """Seconds of the device's own events, of which the host's have the sum once more, and named ranges a third time."""
    events = list(events)
    kernels = communication = 0.0
    for event in events:
        if event.device_type != DeviceType.CPU and not getattr(event, "is_user_annotation", False):
            took = event.time_range.elapsed_us()
            if event.name.startswith(COLLECTIVES):
                communication += took
            else:
                kernels += took
    host = [event for event in events if event.device_type == DeviceType.CPU]
    return {"data": _waited(host), "kernels": kernels / 1e6, "communication": communication / 1e6}


def _waited(events: Iterable[Any]) -> float:
    return sum(event.time_range.elapsed_us() for event in events if event.name == WAITING) / 1e6


def _within(inner: Any, outer: Any) -> bool:
    return bool(outer.start <= inner.start and inner.end <= outer.end)
