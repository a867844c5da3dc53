"""`harness diff`: what differs between two runs, causes before consequences."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from harness.checks.verify.diff import compare
from harness.checks.verify.tolerance import EXACT, Tolerance, tolerance_between
from harness.cli.options import RESULTS, Json, ResultsFolder
from harness.errors import SpecError
from harness.grid.cell import cell_label
from harness.record.model import RECORD
from harness.record.run import Run, read_run
from harness.record.store import Store, store_grids
from harness.report.verdicts.diff_text import difference_text
from harness.text import listed, show

SHORTEST_ID = 4

RunName = Annotated[
    str,
    typer.Argument(help="A run: its folder, its record.json, or the first letters of its cell id.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(diff)


def diff(
    a: RunName,
    b: RunName,
    results: ResultsFolder = RESULTS,
    exact: Annotated[bool, typer.Option("--exact", help="No tolerance: equal to the last bit.")] = False,
    as_json: Json = False,
) -> None:
    """Compare two runs layer by layer: asked, environment, hashes and counts, each step, outcome. Exit 1: they differ.

    Example: harness diff results/old/cells/3f/3f.../env/001 results/new/cells/3f/3f.../env/001
    """
    folders = [_folder(name, results) for name in (a, b)]
    first, second = runs = [read_run(folder) for folder in folders]
    tolerance: Tolerance = EXACT if exact else tolerance_between(first, second)
    found = compare(first, second, tolerance)
    if as_json:
        differences = {"differences": found.differences, "consequences": found.consequences}
        data = {name: [{**asdict(one), "text": one.text} for one in listing] for name, listing in differences.items()}
        print(json.dumps({"equal": found.equal, **data, "not_available": found.not_available}, indent=1, default=str))
    else:
        labels = [f"{_label(run)} ({folder})" for run, folder in zip(runs, folders, strict=True)]
        print(difference_text(labels, found, tolerance))
    raise typer.Exit(1 if found.differ else 0)


def _label(run: Run) -> str:
    asked, packages = run.record.asked, run.record.observed.packages if run.record.observed else {}
    label = cell_label(asked.checkpoint.name, asked.seed, asked.axes)
    return f"{label} · transformers {packages['transformers']}" if "transformers" in packages else label


def _folder(name: str, results: Path) -> Path:
    path = Path(name)
    if path.name == RECORD and path.is_file():
        return path.parent
    if (path / RECORD).is_file():
        return path
    if len(name) < SHORTEST_ID or not name.isalnum():
        allowed = f"the folder of a run, its {RECORD}, or {SHORTEST_ID} or more letters of a cell id in {results}"
        raise SpecError(f"{show(name)}: no such run; allowed {allowed}")
    found = [
        store.folder / entry.path
        for store in (Store(results, grid) for grid in store_grids(results))
        for entry in store.entries()
        if entry.cell_id.startswith(name)
    ]
    if not found:
        raise SpecError(f"{show(name)}: no run of such a cell in {results}; allowed a cell id as in its records")
    if len(found) > 1:
        shown = listed([str(folder) for folder in found], 12)
        raise SpecError(f"{show(name)}: {len(found)} runs begin so; allowed one of their folders: {shown}")
    return found[0]
