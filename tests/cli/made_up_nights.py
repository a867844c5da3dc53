"""A grid whose nights are made up, a record a run; what was accepted of it, and what `check` says of that."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from harness.grid.cell import Cell
from harness.grid.grid import load_grid
from harness.record.model import RECORD, asked_of
from harness.record.store import Store
from tests.checks.conftest import POSITIVES, VALIDATION, build_run, plant, sha

Make = Callable[..., Any]
GRID = """
name = "night"
task = "embedded/paraphrase"
[recipe]
max_steps = 4
[matrix]
checkpoint = ["embedded/tiny-bert"]
precision = ["fp32", "bf16"]
seed = [1, 2, 3, 4, 5]
"""
FP32, BF16 = "embedded/tiny-bert · fp32", "embedded/tiny-bert · bf16"
FILE = Path("reports/baselines/night.json")
PLAIN = build_run()


def two_classes(counts: dict[str, int]) -> dict[str, Any]:
    """Confusion counts as a record has them."""
    return {"counts": [[counts["tn"], counts["fp"]], [counts["fn"], counts["tp"]]]}


WRONG = {1: 40, 2: 42, 3: 38, 4: 44, 5: 41}
"""Wrong answers of 240, by seed."""


class Night:
    """A grid and its store; each attempt begins a minute after the one before."""

    def __init__(self, folder: Path) -> None:
        self.path, self.minutes = folder / "night.toml", 0
        self.write(GRID)

    def write(self, text: str) -> None:
        self.path.write_text(text, encoding="utf-8")
        self.grid = load_grid(self.path)

    def cells(self, precision: str | None = None) -> list[Cell]:
        return [cell for cell in self.grid.cells() if precision in (None, cell.precision)]

    def put(
        self,
        cell: Cell,
        wrong: int = 40,
        status: str = "ok",
        measurement: int = 1,
        bits: str = "",
        day: int = 26,
        content: str = "c0",
    ) -> Path:
        """File an attempt at a cell; `bits` tells its weights from those of other runs of the same seed."""
        store = Store(Path("results"), self.grid.name)
        attempt = store.begin(cell.cell_id, "e0")
        self.minutes += 1
        fn = wrong // 3
        counts = {"tp": POSITIVES - fn, "fp": wrong - fn, "fn": fn, "tn": VALIDATION - POSITIVES - (wrong - fn)}
        metrics = {"accuracy": 1 - wrong / VALIDATION, "f1": 2 * counts["tp"] / (2 * counts["tp"] + wrong)}
        began = f"2026-11-{day}T{self.minutes // 60:02d}:{self.minutes % 60:02d}:00.000Z"
        values = {
            "grid": self.grid.name, "cell_id": cell.cell_id, "configuration_id": cell.configuration_id,
            "environment_id": "e0", "content_id": content, "attempt": attempt.number, "status": status,
            "measurement": measurement, "started": began, "finished": began, "series": {}, "series_sha256": None,
            "measured.metrics": metrics, "measured.confusion": two_classes(counts),
            "observed.data.train.sha256": sha("rows", 0, content),
            "observed.weights.final_sha256": sha("end", cell.seed, bits),
            "observed.fingerprint.final_sha256": sha("end", cell.seed, bits),
        }  # fmt: skip
        record = plant(PLAIN, values).record.model_copy(update={"asked": asked_of(cell)})
        if status not in ("ok", "collapsed"):
            failed = {"measured": None, "failure": {"type": status.title(), "message": "planted"}}
            record = type(record).model_validate({**record.model_dump(by_alias=True), **failed})
        store.write(record, attempt)
        return attempt.folder / RECORD

    def measure(self, cells: Iterable[Cell] | None = None, more: int = 0, **changes: Any) -> None:
        """A run of every cell, or of these, with so many more wrong answers."""
        for cell in self.cells() if cells is None else cells:
            self.put(cell, WRONG[cell.seed] + more + cell.seed * bool(more) % 3, **changes)


def kept(path: Path = FILE) -> dict[str, Any]:
    found = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def baselines(harness: Make, *options: str) -> tuple[int, dict[str, str], list[dict[str, Any]]]:
    """(exit code, outcome by configuration, the verdicts) of what `check` says of the accepted file."""
    code, out, _ = harness("check", "night.toml", *options, "--json")
    found = [one for one in json.loads(out)["verdicts"] if one["check"] == "baseline"]
    return code, {one["subject"]["label"]: one["outcome"] for one in found}, found
