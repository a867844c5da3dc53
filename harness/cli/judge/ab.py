"""`harness ab`: what does going from environment A to environment B do to training?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.measure.run import short_runs
from harness.cli.options import RESULTS, AllowBusy, Comment, GridOrBuiltIn, Json, Junit, On, ResultsFolder
from harness.cli.outputs import Outputs
from harness.execution.executors.reach import reached
from harness.execution.run import RunOptions
from harness.pipelines.ab.scores import check_scorable
from harness.pipelines.ab.sides import compare_sides, grid_of_two
from harness.pipelines.named.grids import grid_named
from harness.record.provenance import command_line
from harness.report.verdicts.ab import ab_text

Side = Annotated[
    str,
    typer.Argument(
        help="A requirement (transformers==4.57.6, 'transformers @ FOLDER', a wheel, a URL; several in one pair of "
        "quotes), a label of the grid, the path of an interpreter, or current.",
        show_default=False,
    ),
]


def ab(
    a: Side,
    b: Side,
    grid: GridOrBuiltIn = None,
    only_new: Annotated[
        bool, typer.Option("--only-new", help="A difference that no check calls wrong is told and is no FAIL.")
    ] = False,
    speed: Annotated[bool, typer.Option("--speed", help="Time both too, in turn, by processes of their own.")] = False,
    scores: Annotated[
        bool, typer.Option("--scores", help="Train each cell of GRID to its end in both, and compare their scores.")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Every difference of every pair, layer by layer.")] = False,
    results: ResultsFolder = RESULTS,
    reuse: Annotated[bool, typer.Option("--reuse", help="Judge an earlier ab's runs; train what failed.")] = False,
    allow_busy: AllowBusy = False,
    on: On = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Also write a Markdown report here.", show_default=False)
    ] = None,
    junit: Junit = None,
    comment: Comment = None,
    as_json: Json = False,
) -> None:
    """Hold environment B against environment A: both are built where they have to be, the same short runs in each.

    Says whether they train equal to the last bit, equal within rounding, or since which step not and why; and which
    checks of `harness verify` fail newly, no longer, or in both. How fast they train and what they score only if asked.

    Example: harness ab transformers==4.57.6 transformers==5.0.0
    """
    with (
        Outputs("ab", junit=junit, out=out, comment=comment, as_json=as_json, is_report=True) as outputs,
        reached(on) as cluster,
    ):
        path = None if grid is None else grid_named(grid, results)
        if scores:
            check_scorable(path)
        chosen = grid_of_two(a, b, path, scores=scores)
        again, to = f"{command_line()} --reuse", sys.stderr if as_json else sys.stdout
        run = short_runs(RunOptions(allow_busy=allow_busy), to, again, again)

        found = compare_sides(chosen, results, run, reuse=reuse, speed=speed, scores=scores, on=cluster)
        section = found.section(command_line(), only_new=only_new, grid=str(path or ""))
        text = None if as_json else ab_text(section, found.diff, every)
        raise typer.Exit(outputs.hand_out([section], text=text))
