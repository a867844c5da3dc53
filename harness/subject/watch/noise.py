"""How quiet the machine was: what other processes and the hypervisor took while a window was timed.

The kernel's own counters, read at the window's two edges and nowhere between.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.protocol import MOST_OTHERS, processor_seconds

MOST_BESIDE_DEVICE = 0.02
"""The fraction of the cores that others may keep busy beside a device: the agents of a large machine always do some."""
MOST_STEAL = 0.01
MOST_DRIFT = 0.1
"""How far the matrix products' rate may have moved between the window's two sides."""


def snapshot() -> dict[str, Any]:
    """The counters now, in seconds: wall clock, this process' and its workers' CPU time, the machine's busy and stolen.

    `busy` and `stolen` are None where the system does not keep them (they are Linux's).
    """
    busy, stolen = processor_seconds()
    return {
        "wall": time.perf_counter(), "own": _own(), "busy": busy, "stolen": stolen, "load": _load(),
        "compiled": compiled_frames(),
    }  # fmt: skip


def between(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What one process saw of a window: its seconds, its own CPU time, the machine's busy and stolen time."""
    found = {name: _difference(before[name], after[name]) for name in ("wall", "own", "busy", "stolen", "compiled")}
    return {**found, "load": before["load"], "cores": os.cpu_count() or 1}


def noise(seen: Sequence[dict[str, Any]], drift: float | None = None, on_device: bool = False) -> dict[str, Any]:
    """The record's `Noise`: what each rank saw of the window (rank 0 first), and the drift of the products' rate.

    `on_device` says that what was timed is a device's work, which the processor only feeds.
    """
    first = seen[0]
    most = max(MOST_OTHERS, MOST_BESIDE_DEVICE * first["cores"]) if on_device else MOST_OTHERS
    wall, others, steal = first["wall"], None, None
    if first["busy"] is not None:
        own = sum(one["own"] for one in seen)
        others = max(0.0, (first["busy"] - own) / wall)
        steal = first["stolen"] / (wall * first["cores"])
    reasons: list[str] = []
    if others is not None and others > most:
        reasons.append(f"other processes kept {others:.2f} cores busy (at most {most:g})")
    if steal is not None and steal > MOST_STEAL:
        reasons.append(f"the hypervisor took {100 * steal:.1f} % of the CPU time (at most {100 * MOST_STEAL:g} %)")
    if drift is not None and abs(drift) > MOST_DRIFT:
        reasons.append(f"the machine's own speed moved by {100 * drift:+.0f} % (at most {100 * MOST_DRIFT:g} %)")
    compiled = max(one["compiled"] for one in seen)
    if compiled:
        reasons.append(f"the compiler worked in the window: {compiled} frames (at most 0)")
    return {
        "others_cores": others, "steal": steal, "load": first["load"], "compiled_frames": compiled, "reasons": reasons,
    }  # fmt: skip


def compiled_frames() -> int:
    """How many frames torch's compiler has been given so far in this process."""
    dynamo = sys.modules.get("torch._dynamo.utils")  # imported by whoever compiles
    return 0 if dynamo is None else int(dynamo.counters["frames"]["total"])


def _own() -> float:
    """CPU seconds of this process and of all that come from it, those that have ended too: a loader has workers."""
    ended = os.times()
    return time.process_time() + ended.children_user + ended.children_system + sum(map(_spent, children(os.getpid())))


def _spent(pid: int) -> float:
    """CPU seconds of another process and of all that come from it; 0 where it is no more (Linux)."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except (OSError, ValueError):
        return 0.0
    return sum(map(int, words[11:15])) / os.sysconf("SC_CLK_TCK") + sum(map(_spent, children(pid)))


def children(pid: int) -> list[int]:
    """The processes that a process has started and that are there yet (Linux)."""
    try:
        lists = [path.read_text(encoding="ascii") for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []
    return [int(word) for text in lists for word in text.split()]


def _difference(before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else after - before


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None
