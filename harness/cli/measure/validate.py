"""`harness validate`: is this grid meant, and what could no night of it decide? Nothing is probed, fetched or run."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from harness.cli.options import NAMING, RESULTS, Json, ResultsFolder
from harness.errors import MaterialError
from harness.fact import Fact
from harness.grid.arguments import written_defaults
from harness.grid.grid import Grid, load_grids
from harness.pipelines.foreseen import Foreseen, foreseen, night_ahead
from harness.pipelines.named.grids import grids_named
from harness.record.store import Store
from harness.report.format.width import folded
from harness.report.phrases.recipe import many
from harness.report.phrases.say import say, told

GridNames = Annotated[list[str], typer.Argument(help=f"The grids, each {NAMING}.", metavar="GRID", show_default=False)]


def validate(grids: GridNames, results: ResultsFolder = RESULTS, as_json: Json = False) -> None:
    """Check grids without running anything (no torch, no network needed): names, references, numbers of seeds.

    Example: harness validate benchmarks/*.toml
    """
    named = grids_named(grids, results)
    homes = [one.results for one in named]
    found = [
        (grid, foreseen(grid), night_ahead(grid, Store(home, grid.name).entries()))
        for grid, home in zip(load_grids(one.file for one in named), homes, strict=True)
    ]
    if as_json:
        print(json.dumps([_facts(*one) for one in found], indent=2))
    else:
        print(folded("\n".join(line for one in found for line in _lines(*one))))
    if any(ahead.blocked for _, ahead, _ in found):
        raise typer.Exit(MaterialError.exit_code)


def _lines(grid: Grid, ahead: Foreseen, night: Fact) -> list[str]:
    facts = _facts(grid, ahead, night)
    axes = ", ".join(f"{name} ({count})" for name, count in facts["axes"].items())
    trained = f"{many(facts['cells'], 'cell')} in {many(facts['configurations'], 'configuration')}"
    lines = [f"{grid.path}: ok, {trained if facts['cells'] else 'no cell is trained to its end'}; axes: {axes}"]
    if grid.task_folder:
        lines.append(
            f"task: {grid.task}, from the folder that {grid.task_folder} names; where it is unset, from the hub"
        )
    overlay = ", ".join(f"{name}={value}" for name, value in facts["overlay"].items())
    lines.append(f"set by the harness unless the recipe says otherwise: {overlay or 'nothing'}")
    if grid.throughput:
        lines.append(
            f"timed: {many(grid.throughput.processes, 'process')} of each of "
            f"{many(facts['timed_configurations'], 'configuration')}, {facts['timing_cells']} in all"
        )
    lines.append(say(night))
    if facts["written_defaults"]:
        written = ", ".join(f"{name}={value}" for name, value in facts["written_defaults"].items())
        lines.append(f"written as the default is, which makes other cells than leaving it out: {written}")
    lines += [say(fact) for fact in ahead.applies]
    lines += [f"warning: {say(fact)}" for fact in (*ahead.missing, *ahead.doubts)]
    return "\n  ".join(lines).splitlines()


def _facts(grid: Grid, ahead: Foreseen, night: Fact) -> dict[str, Any]:
    cells, timed = grid.cells(), grid.timing_cells()
    return {
        "file": str(grid.path),
        "name": grid.name,
        "task": grid.task,
        "task_folder": grid.task_folder,
        "cells": len(cells),
        "configurations": len({cell.configuration_id for cell in cells}),
        "timing_cells": len(timed),
        "timed_configurations": len({cell.configuration_id for cell in timed}),
        "axes": {name: len(values) for name, values in grid.axes.items()},
        "overlay": grid.overlay(),
        "written_defaults": written_defaults(grid.recipe),
        "night": told(night),
        "applies": [told(fact) for fact in ahead.applies],
        "warnings": [told(fact) for fact in (*ahead.missing, *ahead.doubts)],
    }
