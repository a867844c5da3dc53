"""`harness compare`: is B slower than A? Two results, two arms of one, or a speed baseline; exit codes as a gate."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from harness import __version__
from harness.checks.speed.baseline import (
    MAX_BYTES,
    WANTED,
    parse_speed_baseline,
    replicates_of,
    speed_baseline,
    speed_baseline_text,
)
from harness.checks.speed.compare import Comparison
from harness.checks.speed.sides import SpeedSide, compare_sides, confirmed, exit_code, suspicious
from harness.cli.ci import add_step_summary, annotate, policy_of
from harness.cli.console import one_line
from harness.cli.judge.speed_side import SUFFIX, SideName, fresh, open_side, side_name
from harness.cli.measure.run import run_session
from harness.cli.options import AllowBusy, Json
from harness.cli.read.report import write_report
from harness.disk import explained, write_durably
from harness.errors import SpecError
from harness.execution.session import session_of
from harness.grid.file import name_of, read_bytes
from harness.grid.grid import Grid, load_grid
from harness.record.provenance import command_line, now
from harness.report.verdicts.speed_junit import speed_commands, speed_junit
from harness.report.verdicts.speed_markdown import speed_markdown
from harness.report.verdicts.speed_text import speed_text
from harness.report.verdicts.words import Inconclusive
from harness.stats.throughput import MARGIN
from harness.text import listed, show

MOST_MARGIN: Final = 100.0

SideArgument = Annotated[
    str,
    typer.Argument(
        help="A grid's results (results/GRID) or a speed baseline (.json), with :AXIS=VALUE[,AXIS=VALUE] a part of it.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(compare)


def compare(
    a: SideArgument,
    b: Annotated[str | None, typer.Argument(help="Likewise; left out with --save.", show_default=False)] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            "--margin",
            help=f"The largest slow-down that counts as equal, percent (default: the grid's with --confirm, else "
            f"{100 * MARGIN:g}).",
            show_default=False,
        ),
    ] = None,
    confirm: Annotated[
        Path | None,
        typer.Option(
            "--confirm",
            help="A grid: time what looks slower again before it alarms; both must fail.",
            show_default=False,
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", help="Keep A's sessions in this file, with those it has.", show_default=False),
    ] = None,
    inconclusive: Annotated[
        str, typer.Option("--inconclusive", help="What INCONCLUSIVE means for the exit code: fail (3) or pass (0).")
    ] = "fail",
    junit: Annotated[
        Path | None, typer.Option("--junit", help="Write JUnit XML here, a test a configuration.", show_default=False)
    ] = None,
    summary: Annotated[
        Path | None, typer.Option("--summary", help="Write the comparison as Markdown here.", show_default=False)
    ] = None,
    allow_busy: AllowBusy = False,
    as_json: Json = False,
) -> None:
    """Compare the speed of B with A's, by pairs of processes of one session, or B's newest session with A's.

    Exit 1 where a configuration is slower by more than the margin, 4 where one of A is missing, 5 where nothing can be
    compared, 3 where it is undecided, as on a machine that was not quiet. Under GitHub Actions it also writes the step
    summary and annotations.

    Example: harness compare results/speed:environment=old results/speed:environment=new --junit speed.xml
    """
    first = side_name(a)
    if save is not None:
        if b is not None or confirm is not None:
            raise SpecError("--save: got it beside B or --confirm; allowed with one result: --save FILE RESULTS")
        print(_save(first, save))
        return
    if b is None:
        raise SpecError("B: missing; allowed two results to compare, or --save FILE RESULTS")
    second, policy = side_name(b), policy_of(inconclusive)
    if first.path.absolute() == second.path.absolute() and first.wanted == second.wanted:
        raise SpecError(
            f"{second.text}: the same as A; allowed another result, or two arms of one: "
            f"{first.path}:environment=OLD {first.path}:environment=NEW"
        )
    grid = None if confirm is None else load_grid(confirm)
    if grid is not None:
        _check_confirmable(grid, second)
    fraction = _fraction(margin, grid)
    sides = open_side(first), open_side(second)
    found = compare_sides(*sides, fraction)
    if grid is not None:
        found = _confirm(grid, (first, second), sides, found, fraction, allow_busy=allow_busy)
    code = exit_code(found, inconclusive=policy)
    print(_as_json(found, first, second, fraction, code) if as_json else speed_text(found, a, b, fraction))
    _write(found, (a, b), fraction, policy, junit, summary)
    raise typer.Exit(code)


def _fraction(margin: float | None, grid: Grid | None) -> float:
    if margin is None:
        return grid.throughput.margin / 100 if grid is not None and grid.throughput is not None else MARGIN
    if not 0 < margin < MOST_MARGIN:
        raise SpecError(f"--margin: got {margin:g}; allowed above 0 and below {MOST_MARGIN:g} percent")
    return margin / 100


def _save(name: SideName, path: Path) -> str:
    """Write a side's sessions to a file, with the sessions that it has already; say what it holds."""
    if path.suffix != SUFFIX:
        raise SpecError(f"--save: got {show(str(path))}; allowed a file name that ends in {SUFFIX}")
    side = open_side(name)
    before = []
    if path.exists():
        before = replicates_of(parse_speed_baseline(read_bytes(path, WANTED, MAX_BYTES), name_of(path)))
    # What the side says of a process stands: it is the record itself.
    kept = speed_baseline([*before, *side.replicates], harness=__version__, date=now())
    with explained(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, speed_baseline_text(kept))
    lines = [f"wrote {one_line(str(path))}: {len(kept.configurations)} configurations"]
    for each in kept.configurations:
        sessions = {one.session for one in each.processes}
        lines.append(f"  {one_line(each.label)}: {len(sessions)} sessions, {len(each.processes)} processes")
    return "\n".join(lines)


def _check_confirmable(grid: Grid, b: SideName) -> None:
    if b.is_file:
        raise SpecError(f"--confirm: B is the file {b.path}; allowed results of {grid.path}, which can be timed again")
    if b.store.grid != grid.name:
        raise SpecError(
            f"--confirm: got {grid.path}, a grid named {grid.name}; allowed the grid of B's results, {b.store.grid}"
        )
    if not grid.timing_cells():
        raise SpecError(f"--confirm: {grid.path} times nothing; allowed a grid with a [throughput] table")


def _confirm(
    grid: Grid,
    names: tuple[SideName, SideName],
    sides: tuple[SpeedSide, SpeedSide],
    found: Sequence[Comparison],
    margin: float,
    *,
    allow_busy: bool,
) -> list[Comparison]:
    """Time what is suspicious once more, in a session of its own, and judge it by that session alone.

    Side by side both arms run again; else only B, against the same sessions of A.
    """
    doubtful = [one for one in found if suspicious(one, margin)]
    if not doubtful:
        return list(found)
    store = names[1].store
    wanted = {key for one in doubtful for key in one.configuration_ids[-1:]}
    wanted |= {key for one in doubtful if one.design == "side by side" for key in one.configuration_ids}
    cells = [cell for cell in grid.timing_cells(secrets.choice([False, True])) if cell.configuration_id in wanted]
    absent = wanted - {cell.configuration_id for cell in cells}
    if absent:
        labels = [one.b for one in doubtful if set(one.configuration_ids) & absent]
        raise SpecError(f"--confirm: {grid.path} does not time {listed(labels)} (any more); allowed the grid as it was")
    in_order = (cell for cell in grid.timing_cells() if cell.configuration_id in wanted)  # however they will run
    labels = list(dict.fromkeys(cell.configuration_label for cell in in_order))
    print(f"timing again before it alarms: {one_line(listed(labels))}", file=sys.stderr)
    session = session_of(grid, cells, store, time_again=True)
    ran = run_session(session, allow_busy=allow_busy, command=command_line(), to=sys.stderr)
    if ran.interrupted:
        raise typer.Exit(ran.exit_code)
    again = _fresh_sides(names, sides, doubtful)
    fresh_by_ids = {one.configuration_ids: one for one in (compare_sides(*again, margin) if again else ())}
    return [
        confirmed(one, fresh_by_ids.get(one.configuration_ids)) if one in doubtful else one for one in found
    ]  # fmt: skip


def _fresh_sides(
    names: tuple[SideName, SideName], sides: tuple[SpeedSide, SpeedSide], doubtful: Sequence[Comparison]
) -> tuple[SpeedSide, SpeedSide] | None:
    """The sides with what was timed just now, of the doubtful configurations alone: they are a family of their own."""
    ids = {key for one in doubtful for key in one.configuration_ids}
    earlier = {key for one in doubtful if one.design == "sessions" for key in one.configuration_ids[:1]}
    b = fresh(open_side(names[1]), sides[1])
    a = fresh(open_side(names[0]), sides[0])
    old = [one for one in sides[0].replicates if one.configuration_id in earlier]
    a = SpeedSide(a.name, (*old, *(one for one in a.replicates if one.configuration_id not in earlier)), (), a.named)
    b = SpeedSide(b.name, tuple(one for one in b.replicates if one.configuration_id in ids), (), b.named)
    return (a, b) if a.replicates and b.replicates else None


def _as_json(found: Sequence[Comparison], a: SideName, b: SideName, margin: float, code: int) -> str:
    data = {"schema": 1, "kind": "harness-speed-comparison", "a": a.text, "b": b.text, "margin": margin}
    return json.dumps({**data, "exit_code": code, "comparisons": [asdict(one) for one in found]}, indent=1)


def _write(
    found: Sequence[Comparison],
    names: tuple[str, str],
    margin: float,
    inconclusive: Inconclusive,
    junit: Path | None,
    summary: Path | None,
) -> None:
    if junit is not None:
        write_report({junit.name: speed_junit(found, inconclusive=inconclusive)}, junit.parent)
    text = speed_markdown(found, *names, margin, command=command_line())
    if summary is not None:
        write_report({summary.name: text}, summary.parent)
    add_step_summary(lambda: text)
    annotate(lambda: speed_commands(found, inconclusive=inconclusive))
