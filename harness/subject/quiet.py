"""How quiet the machine was: what other processes and the hypervisor took while a window was timed.

The kernel's own counters, read at the window's two edges and nowhere between.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

STAT = Path("/proc/stat")
MOST_OTHERS = 0.1
"""Cores that other processes may keep busy."""
MOST_STEAL = 0.01
MOST_DRIFT = 0.1
"""How far the matrix products' rate may have moved between the window's two sides."""


def snapshot() -> Dict[str, Any]:
    """The counters now, in seconds: wall clock, this process' CPU time, the machine's busy and stolen time.

    `busy` and `stolen` are None where the system does not keep them (they are Linux's).
    """
    busy, stolen = _machine()
    return {"wall": time.perf_counter(), "own": time.process_time(), "busy": busy, "stolen": stolen, "load": _load()}


def between(before: Dict[str, Any], after: Dict[str, Any]) -> Dict[str, Any]:
    """What one process saw of a window: its seconds, its own CPU time, the machine's busy and stolen time."""
    found = {name: _difference(before[name], after[name]) for name in ("wall", "own", "busy", "stolen")}
    return {**found, "load": before["load"], "cores": os.cpu_count() or 1}


def noise(seen: Sequence[Dict[str, Any]], drift: Optional[float] = None) -> Dict[str, Any]:
    """The record's `Noise`: what each rank saw of the window (rank 0 first), and the drift of the products' rate."""
    first = seen[0]
    wall, others, steal = first["wall"], None, None
    if first["busy"] is not None:
        own = sum(one["own"] for one in seen)
        others = max(0.0, (first["busy"] - own) / wall)
        steal = first["stolen"] / (wall * first["cores"])
    reasons: List[str] = []
    if others is not None and others > MOST_OTHERS:
        reasons.append(f"other processes kept {others:.2f} cores busy (at most {MOST_OTHERS:g})")
    if steal is not None and steal > MOST_STEAL:
        reasons.append(f"the hypervisor took {100 * steal:.1f} % of the CPU time (at most {100 * MOST_STEAL:g} %)")
    if drift is not None and abs(drift) > MOST_DRIFT:
        reasons.append(f"the machine's own speed moved by {100 * drift:+.0f} % (at most {100 * MOST_DRIFT:g} %)")
    return {"others_cores": others, "steal": steal, "load": first["load"], "reasons": reasons}


def _difference(before: Optional[float], after: Optional[float]) -> Optional[float]:
    return None if before is None or after is None else after - before


def _machine() -> "tuple[Optional[float], Optional[float]]":
    try:
        words = STAT.read_text(encoding="ascii").split("\n", 1)[0].split()
        user, nice, system, _, _, interrupts, soft, stolen = map(int, words[1:9])
    except (OSError, ValueError):
        return None, None
    tick = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + interrupts + soft) / tick, stolen / tick


def _load() -> Optional[float]:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None
