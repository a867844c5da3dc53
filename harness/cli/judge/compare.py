"""`harness compare`: is B slower than A? Two results, two arms of one, or a speed baseline; exit codes as a gate."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from harness import __version__
from harness.checks.speed.sides import compare_sides, names_of
from harness.checks.verdict import Fact, exit_code, fail_or_pass, named
from harness.cli.measure.run import run_session
from harness.cli.options import (
    NAMING,
    PART,
    RESULTS,
    AllowBusy,
    InconclusiveIs,
    Json,
    Junit,
    On,
    Out,
    ResultsFolder,
)
from harness.cli.outputs import Outputs
from harness.errors import SpecError, StoreError
from harness.execution.executors.cluster import Cluster
from harness.execution.executors.reach import reached
from harness.execution.run import RunOptions
from harness.execution.session import Wishes, session_of
from harness.exit_codes import worst
from harness.grid.cell import Cell
from harness.grid.grid import Grid, load_grid
from harness.grid.labels import place_of
from harness.pipelines.confirm import check_confirmable, confirm
from harness.pipelines.named.grids import grid_named
from harness.pipelines.speed_sides import SideName, open_side, save_side, side_name
from harness.record.attempts import Renewal
from harness.record.provenance import command_line, now
from harness.report.phrases.recipe import many
from harness.report.verdicts.sections import Section
from harness.report.verdicts.words import Head
from harness.stats.throughput import MARGIN
from harness.text import listed, one_line

MOST_MARGIN: Final = 100.0

SideArgument = Annotated[
    str,
    typer.Argument(
        help=f"A grid ({NAMING}), or a speed baseline (.json); {PART}.",
        metavar="A",
        show_default=False,
    ),
]


def compare(
    a: SideArgument,
    b: Annotated[
        str | None, typer.Argument(help="Likewise; left out with --save.", metavar="B", show_default=False)
    ] = None,
    results: ResultsFolder = RESULTS,
    margin: Annotated[
        float | None,
        typer.Option(
            "--margin",
            help=f"The largest slow-down that counts as equal, percent (default: the grid's with --confirm, else "
            f"{100 * MARGIN:g}).",
            show_default=False,
        ),
    ] = None,
    again: Annotated[
        str | None,
        typer.Option(
            "--confirm",
            metavar="GRID",
            help="A grid: time what looks slower again before it alarms; both must fail.",
            show_default=False,
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", help="Keep A's sessions in this file, with those it has.", show_default=False),
    ] = None,
    inconclusive: InconclusiveIs = "fail",
    junit: Junit = None,
    out: Out = None,
    allow_busy: AllowBusy = False,
    on: On = None,
    as_json: Json = False,
) -> None:
    """Compare the speed of B with A's, by pairs of processes of one session, or B's newest session with A's.

    Under GitHub Actions it also writes the step summary and annotations.

    Example: harness compare results/speed:environment=old results/speed:environment=new --junit speed.xml
    """
    first = side_name(a, results)
    if save is not None:
        if b is not None or again is not None:
            raise SpecError("--save: got it beside B or --confirm; allowed with one result: --save FILE RESULTS")
        print(_save(first, save))
        return
    with Outputs("compare", junit=junit, out=out, as_json=as_json) as outputs:
        if b is None:
            raise SpecError("B: missing; allowed two results to compare, or --save FILE RESULTS")
        second, policy = side_name(b, results), fail_or_pass(inconclusive, "--inconclusive")
        if first.same_as(second):
            raise SpecError(
                f"{second.text}: the same as A; allowed another result, or two arms of one: "
                f"{first.path}:environment=OLD {first.path}:environment=NEW"
            )
        grid = None if again is None else load_grid(grid_named(again, results))
        if grid is not None:
            check_confirmable(grid, second)
        fraction = _fraction(margin, grid)
        sides = open_side(first), open_side(second)
        verdicts = compare_sides(*sides, fraction)
        if grid is not None:
            with reached(on) as cluster:
                run = partial(_time_again, grid, second, allow_busy, cluster)
                verdicts = confirm(grid, (first, second), sides, verdicts, fraction, run)
        names = names_of(*sides)
        damaged = dict.fromkeys(error for side in sides for error in side.unreadable)
        facts = (
            Fact.of("speed.margin", margin=fraction),
            *(Fact.of("speed.unreadable", error=error) for error in damaged),
        )
        head = Head("compare", "harness compare", command_line(), a, b, policy, facts)
        code = worst([exit_code(verdicts, inconclusive=policy), *([StoreError.exit_code] if damaged else [])])
        raise typer.Exit(outputs.hand_out([Section(head, [named(one, names) for one in verdicts], code=code)]))


def _fraction(margin: float | None, grid: Grid | None) -> float:
    if margin is None:
        return grid.throughput.margin / 100 if grid is not None and grid.throughput is not None else MARGIN
    if not 0 < margin < MOST_MARGIN:
        raise SpecError(f"--margin: got {margin:g}; allowed above 0 and below {MOST_MARGIN:g} percent")
    return margin / 100


def _save(name: SideName, path: Path) -> str:
    kept, names = save_side(name, path, harness=__version__, date=now())
    lines = [f"wrote {one_line(str(path))}: {many(len(kept.configurations), 'configuration')}"]
    for each in kept.configurations:
        sessions = {process.session for process in each.processes}
        lines.append(
            f"  {one_line(names[each.label])}: {many(len(sessions), 'session')}, {many(len(each.processes), 'process')}"
        )
    return "\n".join(lines)


def _time_again(grid: Grid, b: SideName, allow_busy: bool, on: Cluster | None, cells: Sequence[Cell]) -> None:
    """A session of these cells; what it says goes to standard error."""
    wanted = {cell.configuration_id for cell in cells}
    labels = (grid.namer.label(place_of(cell)) for cell in grid.timing_cells() if cell.configuration_id in wanted)
    print(f"timing again before it alarms: {one_line(listed(dict.fromkeys(labels)))}", file=sys.stderr)
    session = session_of(grid, cells, b.store, Wishes(renewal=Renewal(fresh=True), on=on))
    ran = run_session(session, RunOptions(allow_busy=allow_busy), command=command_line(), to=sys.stderr)
    if ran.interrupted:
        raise typer.Exit(ran.exit_code)
