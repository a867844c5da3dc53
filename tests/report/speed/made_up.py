"""A grid that is only timed, and processes made up for it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.cli.app import run_command
from harness.grid.cell import Cell
from harness.grid.grid import Grid
from harness.record.model import Record, asked_of
from harness.record.store import Store

GRID = """
name = "speed"
task = "embedded/paraphrase"
[matrix]
checkpoint = ["embedded/tiny-bert"]
precision = ["bf16", "fp32"]
engine = ["trainer", "loop"]
devices = [1, 2]
exclude = [{ engine = "loop", devices = 2 }, { precision = "bf16", devices = 2 }]
[throughput]
warmup_steps = 20
measured_steps = 100
processes = 3
only = true
"""
Rates = dict[str, Sequence[float]]
RATES: Rates = {
    "fp32 · trainer · devices=1": (100, 110, 121),
    "bf16 · trainer · devices=1": (200, 231, 242),
    "fp32 · loop · devices=1": (110, 110, 132),
    "bf16 · loop · devices=1": (220, 220, 220),
    "fp32 · trainer · devices=2": (150, 168, 178),
}
BUSY = "other processes kept 1.00 cores busy (at most 0.1)"


def record(cell: Cell, rate: float, *, session: str = "s1", day: int = 22, **changes: Any) -> Record:
    """One process: 100 steps of 8 samples in 8 s, 10 + 20 + 30 + 10 + 10 ms a step; replicate 1 counts FLOPs."""
    first = cell.repeat == 1
    timing = {
        "session": session,
        "place": cell.repeat,
        "clock": "host",
        "warmup_steps": 20,
        "steps": 100,
        "seconds": 8.0,
        "samples": 800,
        "samples_per_second": 100.0,
        "median_samples_per_second": float(rate),
        "tokens": 40_000,
        "tokens_per_second": 5_000.0,
        "real_tokens": 30_000,
        "step_ms": {"p5": 70.0, "p50": 80.0 + cell.repeat, "p95": 90.0},
        "stages": {"data": 1.0, "forward": 2.0, "backward": 3.0, "optimizer": 1.0, "other": 1.0},
        "flops": 4e11 if first else None,
        "limit": {"dtype": "float32", "size": 1024, "flops_per_second": 1e12, "drift": 0.01 * cell.repeat},
        "mfu": 0.05 if first else None,
        "breakdown": {"steps": 5, "data": 0.1, "kernels": 0.6, "communication": 0.0, "framework": 0.3}
        if first
        else None,
        "noise": {"reasons": changes.pop("reasons", [])},
        "energy_joules": changes.pop("joules", None),
    }
    status = changes.pop("status", "ok")
    machine = {"system": "Linux 6.18", "architecture": "x86_64", "cpu": "a CPU", "cores": 2, "memory_gib": 15.6}
    observed = {
        "python": "3.11.7",
        "packages": {"torch": "2.13.0"},
        "machine": machine,
        "threads": 1,
        "determinism": {},
        "host": "spawn",
    }
    measured = {"seconds": {"total": 9.0}, "peak_memory_mib": {"process": 500.0 + cell.repeat}, "timing": timing}
    return Record.model_validate(
        {
            "grid": "speed",
            "cell_id": cell.cell_id,
            "configuration_id": cell.configuration_id,
            "environment_id": "e0f1a2b3c4d5e6f7a8b9",
            "content_id": "c0ffee00c0ffee00c0ff",
            "attempt": 1,
            "status": status,
            "started": f"2026-11-{day}T10:0{cell.repeat}:00.000Z",
            "finished": f"2026-11-{day}T10:0{cell.repeat}:09.000Z",
            "asked": asked_of(cell),
            "observed": observed if status == "ok" else None,
            "measured": measured if status == "ok" else None,
            "failure": None if status == "ok" else {"type": "oom", "message": "out of memory"},
            "provenance": {"harness": "0.1.0"},
            **changes,
        }
    )


def short(cell: Cell) -> str:
    return cell.configuration_label.removeprefix("embedded/tiny-bert · ")


def records(grid: Grid, rates: Rates = RATES, change: Callable[[Cell], dict[str, Any]] | None = None) -> list[Record]:
    return [
        record(cell, rates[short(cell)][cell.repeat - 1], **(change(cell) if change else {}))
        for cell in grid.timing_cells()
        if short(cell) in rates
    ]


def stored(grid: Grid, folder: Path, found: list[Record]) -> Store:
    store = Store(folder, grid.name)
    for one in found:
        attempt = store.begin(one.cell_id, one.environment_id)
        store.write(one.model_copy(update={"attempt": attempt.number}), attempt)
    return store


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["harness", *map(str, arguments)])
    return run_command()
