"""`harness validate`: is this grid meant? Nothing is probed, fetched or run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.options import Json
from harness.errors import SpecError
from harness.grid.grid import Grid, load_grid

GridFiles = Annotated[list[Path], typer.Argument(help="The grids: TOML files.", show_default=False)]


def validate(grids: GridFiles, as_json: Json = False) -> None:
    """Check grids without running anything (no torch needed).

    Example: harness validate benchmarks/*.toml
    """
    found, problems = [], []
    for path in grids:
        try:
            found.append(load_grid(path))
        except SpecError as error:
            problems.append(str(error))
    if problems:
        raise SpecError("\n".join(problems))
    if as_json:
        print(json.dumps([_facts(grid) for grid in found], indent=2))
        return
    for grid in found:
        facts = _facts(grid)
        axes = ", ".join(f"{name} ({count})" for name, count in facts["axes"].items())
        trained = f"{facts['cells']} cells in {facts['configurations']} configurations"
        print(f"{grid.path}: ok, {trained if facts['cells'] else 'no cell is trained to its end'}; axes: {axes}")
        if grid.task_folder:
            print(
                f"  task: {grid.task}, from the folder that {grid.task_folder} names; where it is unset, from the hub"
            )
        overlay = ", ".join(f"{name}={value}" for name, value in facts["overlay"].items())
        print(f"  set by the harness unless the recipe says otherwise: {overlay or 'nothing'}")
        if grid.throughput:
            print(
                f"  timed: {grid.throughput.processes} processes of each of {facts['timed_configurations']} "
                f"configurations, {facts['timing_cells']} in all"
            )
        for line in facts["waivers"]:
            print(f"  {line}")


def _facts(grid: Grid) -> dict[str, Any]:
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
        "waivers": waiver_lines(grid),
    }


def waiver_lines(grid: Grid) -> list[str]:
    """A line for each waiver that has expired, or fits nothing of the grid."""
    if not grid.waiver:
        return []
    from harness.checks.waived import standing  # statistics: only a grid with waivers waits for them
    from harness.record.provenance import today
    from harness.report.phrases.say import say

    return [say(fact) for fact in standing(grid.waiver, grid.every_cell(), today())]
