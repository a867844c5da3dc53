"""`harness data`: what a grid's data are, before anything trains on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.options import Json
from harness.grid.grid import load_grid
from harness.pipelines.look.data import Looked, look_at
from harness.report.data import data_lines
from harness.report.phrases.say import say

GridFile = Annotated[Path, typer.Argument(help="The grid: a TOML file, or one that is shipped.", metavar="GRID")]


def data(grid: GridFile, as_json: Json = False) -> None:
    """Tell the splits of a grid's tasks: classes, lengths, repetitions, and validation examples that are in training.

    Example: harness data quickstart
    """
    found = look_at(load_grid(grid))
    if as_json:
        print(json.dumps([_plain(one) for one in found], indent=2))
        return
    print("\n\n".join("\n".join(data_lines(one.task, one.data, one.faults)) for one in found))


def _plain(one: Looked) -> dict[str, Any]:
    faults = [{"code": fact.code, "values": dict(fact.values), "text": say(fact)} for fact in one.faults]
    return {"task": one.task, "data": one.data.model_dump(mode="json"), "faults": faults}
