"""`harness diff`: are two runs the same, and if not, since which step, by how much and why?"""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.options import NAMING, PART, RESULTS, Json, Junit, Out, Plot, ResultsFolder
from harness.cli.outputs import Outputs, write_plot
from harness.pipelines.notebook.difference import diff as sides
from harness.pipelines.notebook.plot import plot
from harness.record.provenance import command_line

SideName = Annotated[
    str,
    typer.Argument(
        help=f"A run (its folder, or its id as `harness runs` lists it), a grid ({NAMING}), or a folder of several "
        f"grids' results; {PART}; or a file that `harness accept` wrote; or a trainer_state.json, or a folder of "
        "checkpoints, of a run that never saw the harness.",
        show_default=False,
    ),
]


def diff(
    a: SideName,
    b: SideName,
    results: ResultsFolder = RESULTS,
    exact: Annotated[bool, typer.Option("--exact", help="No tolerance: equal to the last bit.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Every difference, layer by layer.")] = False,
    drawn: Plot = None,
    junit: Junit = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Say whether runs are identical, equal within rounding or different: since which step, by how much, why.

    Of several runs on a side each is held against its counterpart on the other. Where a side is an accepted file,
    configurations are: by scores, hashes, recipe and environment, which is what such a file keeps. Two
    trainer_state.json are compared as far as a Trainer logged.

    Example: harness diff nightly:environment=old nightly:environment=new
    """
    with Outputs("diff", junit=junit, out=out, as_json=as_json) as outputs:
        found = sides(a, b, results, exact)
        if drawn is not None:
            write_plot(plot(found), drawn)
        shown = None if as_json else found.text(every)
        raise typer.Exit(outputs.hand_out([found.section(command_line())], text=shown))
