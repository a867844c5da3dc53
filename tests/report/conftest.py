"""Made-up results with figures that can be checked by hand."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from harness.grid.cell import Cell, Checkpoint
from harness.record.attempts import Entry
from harness.record.model import Record
from harness.record.results import Results
from harness.report.run.build import build_report
from harness.report.run.model import GridFacts, ReportModel

COMMAND = "harness report benchmarks/quickstart.toml --out reports/demo.md"
COLLAPSED = {"accuracy": 279 / 408, "f1": 558 / 687}


def make_entry(checkpoint: str = "minilm", seed: int = 1, precision: str = "fp32", **changes: Any) -> Entry:
    axes = changes.pop("axes", {"checkpoint": checkpoint, "precision": precision, "seed": seed})
    shape = [checkpoint, precision, *(f"{k}={v}" for k, v in axes.items() if k not in ("checkpoint", "seed"))]
    values: dict[str, Any] = {
        "cell_id": "/".join([*shape, str(seed)]),
        "configuration_id": "/".join(shape),
        "environment_id": "e0f1a2b3c4d5e6f7a8b9",
        "content_id": "c0ffee00c0ffee00c0ff",
        "attempt": 1,
        "status": "ok",
        "started": "2026-11-22T10:00:00Z",
        "checkpoint": checkpoint,
        "seed": seed,
        "precision": precision,
        "devices": 1,
        "axes": axes,
        "metrics": {"accuracy": 0.8, "f1": 0.9, "loss": 0.4},
        "seconds": {"load": 0.4, "tokenize": 0.2, "train": 100.0, "data_wait": 1.5, "evaluate": 5.0, "total": 110.0},
        "samples_per_second": 22.5,
        "steps": 1377,
        "error": None,
    }
    values.update(changes)
    place = (values["cell_id"], values["environment_id"], values["content_id"], values["attempt"])
    return Entry(**{"path": "/".join(map(str, place)), **values})


def make_record(entry: Entry, **observed: Any) -> Record:
    split = {"examples": 3668, "labels": [1194, 2474], "sha256": "ab" * 32}
    return Record.model_validate(
        {
            "schema": 1,
            "grid": "demo",
            "cell_id": entry.cell_id,
            "configuration_id": entry.configuration_id,
            "environment_id": entry.environment_id,
            "content_id": entry.content_id,
            "attempt": entry.attempt,
            "status": entry.status,
            "started": entry.started,
            "finished": entry.started,
            "asked": {
                "task": "glue/mrpc",
                "checkpoint": {"name": entry.checkpoint, "source": f"pypi:{entry.checkpoint}", "config": {}},
                "seed": entry.seed,
                "precision": entry.precision,
                "devices": 1,
                "environment": "current",
                "engine": "trainer",
                "head_seeding": "seeded",
                "threads": 1,
                "recipe": {"num_train_epochs": 3},
                "axes": dict(entry.axes),
            },
            "observed": {
                "python": "3.11.7",
                "packages": {"torch": "2.13.0", "transformers": "5.23.0", "anyio": "4.16.0"},
                "machine": {"cpu": "a CPU, 2 cores", "memory_gib": 15.6, "accelerators": []},
                "threads": 1,
                "determinism": {"deterministic_algorithms": True},
                "host": "fork",
                "data": {
                    "source": "mrpc",
                    "train": split,
                    "validation": {**split, "examples": 408, "labels": [129, 279]},
                },
                "weights": {
                    "checkpoint_sha256": "cd" * 32,
                    "parameters": 22_713_986,
                    "newly_initialised": ["classifier.weight", "classifier.bias"],
                    "unused": [],
                    "init_sha256": "ef" * 32,
                },
                "arguments": {"num_train_epochs": 3, "learning_rate": 5e-05, "optim": "adamw_torch_fused", "seed": 1},
                "optimizer_steps": 1377,
                **observed,
            },
            "provenance": {"harness": "0.1.0", "git_sha": "0123456789abcdef", "git_dirty": False},
        }
    )


def make_cell(entry: Entry) -> Cell:
    """The cell that an entry is of, with the entry's ids."""
    checkpoint = Checkpoint(entry.checkpoint, f"pypi:{entry.checkpoint}")
    cell = Cell("made/up", checkpoint, entry.seed, {}, precision=entry.precision, axes=entry.axes)
    vars(cell).update(cell_id=entry.cell_id, configuration_id=entry.configuration_id)
    return cell


@dataclass
class MadeUp:
    """What lies behind entries: `records` and, a run of a configuration after the other, `curves` and `norms`."""

    entries: Sequence[Entry]
    records: Mapping[str, Record]
    curves: Mapping[str, Sequence[Any]]
    norms: Mapping[str, Sequence[Any]]

    def record(self, entry: Entry) -> Record:
        return self.records.get(entry.configuration_id) or make_record(entry)

    def series(self, entry: Entry, names: Collection[str] | None = None) -> Mapping[str, Any]:
        if entry.configuration_id not in self.curves:
            return {}
        own = [one.path for one in self.entries if one.configuration_id == entry.configuration_id]
        place = own.index(entry.path)
        every = {"loss": self.curves, "grad_norm": self.norms}
        found = {name: of.get(entry.configuration_id, ()) for name, of in every.items()}
        return {name: runs[place] for name, runs in found.items() if place < len(runs)}


def make_report(
    entries: list[Entry],
    cells: Sequence[Cell] | None = None,
    records: Mapping[str, Record] | None = None,
    curves: Mapping[str, Sequence[Any]] | None = None,
    norms: Mapping[str, Sequence[Any]] | None = None,
    **options: Any,
) -> ReportModel:
    """A report of a plan that has the entries' own cells, unless said otherwise; without records only of the index."""
    grid = options.pop("grid", GridFacts("demo", "glue/mrpc"))
    reader = None if records is None and curves is None else MadeUp(entries, records or {}, curves or {}, norms or {})
    cells = list({entry.cell_id: make_cell(entry) for entry in entries}.values()) if cells is None else cells
    results = Results(entries, reader, cells)
    return build_report(grid, results, command=COMMAND, generated_by="harness 0.1.0", **options)


def demo() -> ReportModel:
    """Two checkpoints, three precisions, three seeds: one run collapsed, one failed, one precision skipped."""
    entries: list[Entry] = []
    right = {
        ("minilm", "fp32"): (330, 327, 333),
        ("minilm", "bf16"): (331, 326, 329),
        ("small", "fp32"): (318, 320, 310),
    }
    for (checkpoint, precision), counts in right.items():
        for seed, hits in zip((42, 1, 2), counts, strict=True):
            metrics = {"accuracy": hits / 408, "f1": (hits + 20) / 408, "loss": 0.5}
            entries.append(make_entry(checkpoint, seed, precision, metrics=metrics))
    entries.append(make_entry("small", 42, "bf16", status="collapsed", metrics=COLLAPSED))
    entries.append(make_entry("small", 1, "bf16", status="failed", metrics={}, error="ValueError: a | b\n<b>c</b>"))
    entries.append(make_entry("small", 2, "bf16", status="killed", metrics={}))
    entries += [
        make_entry(c, s, "fp16", status="skipped", metrics={}, error="Unavailable: fp16 needs a GPU")
        for c in ("minilm", "small")
        for s in (42, 1, 2)
    ]
    steps = np.arange(200)
    curves = {
        key: [0.7 * np.exp(-steps / (80 + 10 * n)) + 0.02 * np.cos(steps * (1 + n)) for n in range(3)]
        for key in dict.fromkeys(e.configuration_id for e in entries if e.status in ("ok", "collapsed"))
    }
    text = 'name = "demo"\ntask = "glue/mrpc"\n[matrix]\nseed = [42, 1, 2]\n'
    grid = GridFacts("demo", "glue/mrpc", file="benchmarks/demo.toml", text=text)
    return make_report(entries, grid=grid, records={}, curves=curves)


@pytest.fixture(name="make_entry")
def _make_entry() -> Any:
    return make_entry


@pytest.fixture(name="make_cell")
def _make_cell() -> Any:
    return make_cell


@pytest.fixture(name="make_record")
def _make_record() -> Any:
    return make_record


@pytest.fixture(name="make_report")
def _make_report() -> Any:
    return make_report


@pytest.fixture(name="demo", scope="session")
def _demo() -> ReportModel:
    return demo()
