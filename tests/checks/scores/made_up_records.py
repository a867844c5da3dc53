"""Attempts made up one by one with a record each, and the baseline built from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from harness.checks.scores.baseline import file as baseline_file
from harness.checks.scores.baseline.build import build_baseline
from harness.checks.scores.baseline.file import Baseline
from harness.grid.cell import Cell
from harness.record.attempts import Entry
from harness.record.model import Provenance, Record, asked_of
from harness.record.results import Results
from tests.checks.conftest import build_run, plant

Make = Callable[..., Any]
DATE = "2026-11-22T10:00:00.000Z"
GRID = baseline_file.GridName(name="demo", file="demo.toml", task="embedded/paraphrase")
PROVENANCE = Provenance(harness="0.1.0", git_sha="0123456789abcdef", git_dirty=False, command="harness accept x")
FINAL_HASH = "fe" * 32
PLAIN = build_run()


def record_of(cell: Cell, entry: Entry) -> Record:
    """A record with the entry's status and scores; its hashes tell the seed."""
    ids = ("cell_id", "configuration_id", "environment_id", "content_id", "attempt", "status", "started")
    values = {name: getattr(entry, name) for name in ids}
    packages = {"transformers": "5.22.0", "accelerate": "1.15.0"}
    run = plant(PLAIN, {**values, "observed.packages": packages, "observed.weights.final_sha256": FINAL_HASH,
                        "observed.fingerprint.data_order_sha256": f"{cell.seed % 256:02x}" * 32})  # fmt: skip
    return run.record.model_copy(update={"asked": asked_of(cell)})


@dataclasses.dataclass
class MadeUp:
    """Cells with their entries, and the baseline built from them."""

    entry_of: Make
    cells: dict[tuple[str, int], Cell]
    entries: list[Entry] = dataclasses.field(default_factory=list)
    read: list[Entry] = dataclasses.field(default_factory=list)

    def add(self, seed: int, accuracy: float | None = 0.8, precision: str = "fp32", **changes: Any) -> None:
        cell = self.cells[precision, seed]
        metrics = {} if accuracy is None else {"accuracy": accuracy, "f1": 0.9}
        path = f"{cell.cell_id}/{len(self.entries)}"
        self.entries.append(self.entry_of(cell, **{"metrics": metrics, "path": path, **changes}))

    def record(self, entry: Entry) -> Record:
        self.read.append(entry)
        cell = next(cell for cell in self.cells.values() if cell.cell_id == entry.cell_id)
        return record_of(cell, entry)

    def series(self, entry: Entry, names: Any = None) -> Mapping[str, Any]:
        raise AssertionError("a baseline needs no series")

    def build(self, **options: Any) -> Baseline:
        plan = options.pop("plan", None)
        values = {"date": DATE, "provenance": PROVENANCE, **options}
        return build_baseline(GRID, Results(self.entries, self, list(self.cells.values()), plan), **values)
