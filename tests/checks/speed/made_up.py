"""Made-up timing processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from harness.checks.speed.process import Process, machine_key

MACHINE = {"cpu": "one", "architecture": "x86_64", "cores": 2, "memory_gib": 15.6, "system": "Linux 6.1"}
HERE = machine_key(MACHINE, 1)
BUSY = ("other processes kept 0.53 cores busy (at most 0.1)",)
EVEN = [400.0, 404.0, 396.0, 402.0, 398.0]
SLOWER = [352.0, 350.0, 349.0, 353.0, 347.0]
"""12 % below EVEN, pair by pair."""
BITS_LESS = [399.0, 405.0, 395.0, 401.0, 399.0]


def process(arm: str, rate: float, repeat: int = 1, session: str = "s1", **changes: Any) -> Process:
    """A process of the environment `arm`; session sN began in minute N."""
    values: dict[str, Any] = {
        "configuration_id": f"c-{arm}", "label": f"tiny · {arm}", "axes": {"checkpoint": "tiny", "environment": arm},
        "precision": "fp32", "devices": 1, "engine": "trainer", "environment": arm, "session": session,
        "repeat": repeat, "started": f"2026-11-22T10:{int(session[1:]):02d}:{repeat:02d}.000Z", "rate": rate,
        "reasons": (), "machine": HERE, "memory_mib": None, **changes,
    }  # fmt: skip
    return Process(**values)


def arm(name: str, rates: Sequence[float], session: str = "s1", **changes: Any) -> list[Process]:
    return [process(name, rate, number, session, **changes) for number, rate in enumerate(rates, start=1)]


def history(*levels: float, name: str = "old") -> list[Process]:
    return [
        one
        for number, level in enumerate(levels, start=1)
        for one in arm(name, [level * rate / 400 for rate in EVEN], f"s{number}")
    ]


def at(name: str, rates: Sequence[float], precision: str, **changes: Any) -> list[Process]:
    return [
        replace(
            one, precision=precision, configuration_id=f"{one.configuration_id}-{precision}",
            label=f"tiny · {precision} · {name}", axes={**one.axes, "precision": precision},
        )
        for one in arm(name, rates, **changes)
    ]  # fmt: skip
