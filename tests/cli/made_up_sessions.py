"""Sessions of a grid's timing cells, written as runs would leave them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from harness.grid.cell import Cell
from harness.grid.grid import load_grid
from harness.record.model import asked_of, parse_record
from harness.record.store import Store

RECORD = Path(__file__).resolve().parents[1] / "data" / "records" / "v1" / "ok.json"
GRID = """
name = "speed"
task = "embedded/paraphrase"
[recipe]
max_steps = 4
[matrix]
checkpoint = ["embedded/tiny-bert"]
precision = ["fp32", "bf16"]
optim = ["adamw_torch", "adafactor"]
[throughput]
warmup_steps = 2
measured_steps = 5
processes = {processes}
margin = {margin}
only = true
"""
EVEN = (1.0, 1.01, 0.99, 1.005, 0.995)
OTHER = (0.998, 1.012, 0.988, 1.002, 0.998)
MOMENT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
BUSY = ("other processes kept 0.53 cores busy (at most 0.1)",)

Levels = Mapping[tuple[str, str], float]
"""(precision, optim) -> samples a second."""
ALIKE = {(p, o): 400.0 for p in ("fp32", "bf16") for o in ("adamw_torch", "adafactor")}
SLOW = {**ALIKE, ("bf16", "adafactor"): 340.0}


def timing(cell: Cell, rate: float, session: str, place: int, reasons: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "session": session, "place": place, "clock": "host", "warmup_steps": 2, "steps": 5, "seconds": 40 / rate,
        "samples": 40, "samples_per_second": rate, "median_samples_per_second": rate, "step_ms": {"p50": 8000 / rate},
        "stages": {"data": 0, "forward": 40 / rate, "backward": 0, "optimizer": 0, "other": 0},
        "noise": {"reasons": list(reasons)},
    }  # fmt: skip


def put(
    store: Store, cell: Cell, rate: float, session: str, started: datetime, *, place: int = 1,
    machine: Mapping[str, Any] | None = None, reasons: Sequence[str] = (), status: str = "ok",
) -> None:  # fmt: skip
    """Write one timing record, as a run would."""
    data = json.loads(RECORD.read_text(encoding="utf-8"))
    attempt = store.begin(cell.cell_id, "env0")
    data.update(
        grid=store.grid, cell_id=cell.cell_id, configuration_id=cell.configuration_id, environment_id="env0",
        attempt=attempt.number, status=status, started=f"{started.isoformat(timespec='milliseconds')[:-6]}Z",
        asked=asked_of(cell).model_dump(mode="json"), series={}, series_sha256=None,
    )  # fmt: skip
    data["observed"]["machine"].update(machine or {})
    measured = {"metrics": {}, "peak_memory_mib": {"process": 500.0}}
    data["measured"] = {**measured, "timing": timing(cell, rate, session, place, reasons)} if status == "ok" else None
    if status != "ok":
        data["failure"] = {"type": "oom", "message": "out of memory"}
    # Without an index, and so without waiting for the disk: the store finds them all the same.
    (attempt.folder / "record.json").write_text(parse_record(data, "made up").to_json(), encoding="utf-8")


def session(
    results: Path,
    grid: Path,
    levels: Levels,
    name: str = "s1",
    minute: int = 0,
    spreads: Any = (EVEN, OTHER),
    **options: Any,
) -> None:
    """A session of all of a grid's timing cells; `levels` leaves out what was not run."""
    loaded = load_grid(grid)
    store = Store(results, loaded.name)
    for place, cell in enumerate(loaded.timing_cells(), start=1):
        key = (cell.precision, cell.recipe["optim"])
        if key in levels:
            spread = spreads[cell.precision == "bf16"][(cell.repeat - 1) % 5]
            when = MOMENT + timedelta(minutes=minute, seconds=place)
            put(store, cell, levels[key] * spread, name, when, place=place, **options)


ARMS = ("results/speed:precision=fp32", "results/speed:precision=bf16")
