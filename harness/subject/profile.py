"""Where a step's time goes, by torch's profiler, over a few steps after the measured ones."""

from __future__ import annotations

import time
from typing import Any, Dict, Optional

import torch
from torch.profiler import ProfilerActivity, profile

STEPS = 5
OPERATORS = ("aten::",)
COMMUNICATION = ("c10d::", "gloo:", "nccl:", "ncclDevKernel", "record_param_comms")


class Profile:
    """Begins when it is made and ends after five steps; `shares` is the record's `Breakdown` then, None before."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._steps = 0
        self._waited = 0.0
        self.shares: Optional[Dict[str, Any]] = None
        self._profiler = profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if self._cuda else [])])
        self._profiler.__enter__()
        self._start = time.perf_counter()

    def waited(self, seconds: float) -> None:
        """The loop has waited so long for a batch."""
        self._waited += seconds

    def step_ends(self) -> bool:
        """Another step has ended; whether it was the last one to be profiled."""
        self._steps += 1
        if self._steps < STEPS:
            return False
        if self._cuda:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - self._start
        self._profiler.__exit__(None, None, None)
        kernels = communication = 0.0
        for event in self._profiler.key_averages():
            if event.key.startswith(COMMUNICATION):
                communication += self._own(event)
            elif self._cuda or event.key.startswith(OPERATORS):
                kernels += self._own(event)
        found = {"data": self._waited, "kernels": kernels, "communication": communication}
        shares = {name: spent / seconds for name, spent in found.items()}
        self.shares = {"steps": STEPS, **shares, "framework": max(0.0, 1.0 - sum(shares.values()))}
        return True

    def _own(self, event: Any) -> float:
        """Seconds in the operator itself and in none that it calls."""
        return (event.self_device_time_total if self._cuda else event.self_cpu_time_total) / 1e6
