"""Timing records as the JSON of pytest-benchmark, so that its `compare` and its histogram work on them.

One benchmark a configuration. Its rounds are processes, the unit of replication: each gives one value, the seconds of
a step at its median rate. Nothing in it names the machine's owner, host or folders.
"""

from __future__ import annotations

import json
import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from harness.checks.speed.process import Process, counted, oldest_first

FORMAT: Final = "5.1.0"
"""The version of pytest-benchmark whose files these are like."""


def benchmark_json(grid: str, processes: Sequence[Process]) -> str:
    """The file for the processes of one session, a grid's; configurations in the order in which they first ran.

    A configuration's figures are over its quiet processes, or over all where none was; `extra_info` says which were
    left out, and why.

    Raises
    ------
    ValueError
        Without any process.
    """
    if not processes:
        raise ValueError("processes: none (allowed: at least 1)")
    ordered = oldest_first(processes)
    groups: dict[str, list[Process]] = {}
    for one in ordered:
        groups.setdefault(one.configuration_id, []).append(one)
    labels = _labels(groups)
    data = {
        "machine_info": _machine(ordered[0]),
        "commit_info": _commit(ordered[0]),
        "benchmarks": [_benchmark(grid, labels[key], group) for key, group in groups.items()],
        "datetime": ordered[0].started,
        "version": FORMAT,
    }
    return json.dumps(data, ensure_ascii=True, allow_nan=False, indent=4) + "\n"


def seconds_a_step(process: Process) -> float:
    """The seconds of an optimizer step, over all ranks, at the process' median rate."""
    return process.timing.samples / process.timing.steps / process.rate


def statistics_of(values: Sequence[float]) -> dict[str, Any]:
    """What pytest-benchmark says of a benchmark's rounds, by its own definitions (its `stats.Stats`)."""
    data = sorted(values)
    mean, n = statistics.mean(data), len(data)
    sd = statistics.stdev(data) if n > 1 else 0.0
    q1, q3 = _quartiles(data)
    spread = q3 - q1
    inner = [value for value in data if q1 - 1.5 * spread <= value <= q3 + 1.5 * spread]
    far = sum(not mean - sd <= value <= mean + sd for value in data)
    return {
        "min": data[0],
        "max": data[-1],
        "mean": mean,
        "stddev": sd,
        "rounds": n,
        "median": statistics.median(data),
        "iqr": spread,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": n - len(inner),
        "stddev_outliers": far,
        "outliers": f"{far};{n - len(inner)}",
        "ld15iqr": inner[0],
        "hd15iqr": inner[-1],
        "ops": n / math.fsum(data),
        "total": math.fsum(data),
        "iterations": 1,
        "data": list(values),
    }


def _quartiles(data: Sequence[float]) -> tuple[float, float]:
    """Of sorted values: medians of the halves; of an odd number the weighted form that pytest-benchmark uses."""
    n = len(data)
    if n == 1:
        return data[0], data[0]
    if n % 2 == 0:
        return statistics.median(data[: n // 2]), statistics.median(data[n // 2 :])
    quarter, rest = divmod(n, 4)
    if rest == 1:
        low = 0.25 * data[quarter - 1] + 0.75 * data[quarter]
        return low, 0.75 * data[3 * quarter] + 0.25 * data[3 * quarter + 1]
    low = 0.75 * data[quarter] + 0.25 * data[quarter + 1]
    return low, 0.25 * data[3 * quarter + 1] + 0.75 * data[3 * quarter + 2]


def _labels(groups: Mapping[str, Sequence[Process]]) -> dict[str, str]:
    """Each configuration's label; two of one label (an edited grid's) are told apart by their ids."""
    labels = Counter(group[0].label for group in groups.values())
    return {
        key: f"{group[0].label} · {key[:8]}" if labels[group[0].label] > 1 else group[0].label
        for key, group in groups.items()
    }


def _benchmark(grid: str, label: str, group: Sequence[Process]) -> dict[str, Any]:
    chosen, first = counted(group), group[0]
    timing = first.timing
    limits = [one.timing.limit.flops_per_second for one in chosen if one.timing.limit is not None]
    extra = {
        "unit": "seconds of an optimizer step at the process' median rate; a round is a process",
        "configuration_id": first.configuration_id,
        "session": timing.session,
        "samples_per_second": [one.rate for one in chosen],
        "processes": len(group),
        "not_quiet": {str(one.repeat): list(one.reasons) for one in group if not one.quiet},
        "left_out": len(group) - len(chosen),
        "warmup_steps": timing.warmup_steps,
        "measured_steps": timing.steps,
        "clock": timing.clock,
        "limit_flops_per_second": limits,
        "peak_memory_mib": _peaks(chosen),
    }
    return {
        "group": grid,
        "name": label,
        "fullname": f"{grid}::{label}",
        "params": dict(first.axes),
        "param": label,
        "extra_info": extra,
        "options": {"disable_gc": False, "min_rounds": len(chosen), "timer": "perf_counter", "warmup": True},
        "stats": statistics_of([seconds_a_step(one) for one in chosen]),
    }


def _peaks(group: Sequence[Process]) -> dict[str, float]:
    peaks: dict[str, float] = {}
    for one in group:
        for kind, value in (one.record.measured.peak_memory_mib if one.record.measured else {}).items():
            if math.isfinite(value):
                peaks[kind] = max(value, peaks.get(kind, value))
    return peaks


def _machine(one: Process) -> dict[str, Any]:
    """The machine as far as speed goes with it, in pytest-benchmark's words where it has one."""
    observed = one.record.observed
    assert observed is not None  # a record without is no process
    facts = observed.machine
    system, _, release = str(facts.get("system", "")).partition(" ")
    rest = {key: facts[key] for key in ("memory_gib", "accelerators", "cuda", "driver", "boards") if facts.get(key)}
    return {
        "machine": facts.get("architecture"),
        "system": system,
        "release": release,
        "cpu": {"brand_raw": facts.get("cpu"), "count": facts.get("cores"), "arch": facts.get("architecture")},
        "python_version": observed.python,
        **rest,
        "threads_a_rank": observed.threads,
        "packages": dict(observed.packages),
    }


def _commit(one: Process) -> dict[str, Any]:
    source = one.record.provenance
    return {
        "id": source.git_sha or "unversioned",
        "time": None,
        "author_time": None,
        "dirty": bool(source.git_dirty),
        "project": None,
        "branch": "(unknown)",
    }
