"""`harness show`: one run: what was asked, where it ran, what came of it, and its values step by step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import RESULTS, Json, Plot, ResultsFolder
from harness.cli.outputs import write_plot
from harness.disk import write_files
from harness.errors import SpecError
from harness.pipelines.notebook.plot import plot
from harness.pipelines.notebook.runs import one_run
from harness.report.run.one import run_json, run_text
from harness.report.run.steps import steps_csv

RunName = Annotated[
    str,
    typer.Argument(
        help="A run: its id as `harness runs` lists it, its folder, or GRID:AXIS=VALUE[,AXIS=VALUE].",
        metavar="RUN",
        show_default=False,
    ),
]
Csv = Annotated[
    Path | None,
    typer.Option("--csv", help="Write the values by step as CSV here; - prints them.", show_default=False),
]


def show(
    run: RunName, results: ResultsFolder = RESULTS, csv: Csv = None, drawn: Plot = None, as_json: Json = False
) -> None:
    """Show one run: what was asked, environment, outcome, scores by epoch, and loss and gradient norm by step.

    Example: harness show quickstart:precision=bf16,seed=1 --csv steps.csv
    """
    to_stdout = csv is not None and str(csv) == "-"
    if to_stdout and as_json:
        raise SpecError("--csv: got - beside --json; allowed one of the two")
    one = one_run(run, results)
    read = one.read()
    if drawn is not None:
        write_plot(plot(one), drawn)
    if csv is not None and not to_stdout:
        write_files({csv.name: steps_csv(read)}, csv.parent)
    if to_stdout:
        print(steps_csv(read), end="")
    elif as_json:
        print(json.dumps(run_json(one.run_id, one.folder, read), indent=2, allow_nan=False))
    else:
        print(run_text(one.run_id, one.shown or one.label, one.folder, read))
