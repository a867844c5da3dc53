"""`harness data`: what a grid's data are, before anything trains on them."""

from __future__ import annotations

import json
from typing import Any

from harness.cli.options import RESULTS, Json, ResultsFolder, WholeGrid
from harness.grid.grid import load_grid
from harness.pipelines.look.data import Looked, look_at
from harness.pipelines.named.grids import grid_named
from harness.report.data import data_lines
from harness.report.format.width import folded
from harness.report.phrases.say import say


def data(grid: WholeGrid, results: ResultsFolder = RESULTS, as_json: Json = False) -> None:
    """Tell the splits of a grid's tasks: classes, lengths, repetitions, and validation examples that are in training.

    Example: harness data quickstart
    """
    found = look_at(load_grid(grid_named(grid, results)))
    if as_json:
        print(json.dumps([_plain(one) for one in found], indent=2))
        return
    print(folded("\n\n".join("\n".join(data_lines(one.task, one.data, one.faults)) for one in found)))


def _plain(one: Looked) -> dict[str, Any]:
    faults = [{"code": fact.code, "values": dict(fact.values), "text": say(fact)} for fact in one.faults]
    return {"task": one.task, "data": one.data.model_dump(mode="json"), "faults": faults}
