"""`harness run`: run what a grid still lacks."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, TextIO

import typer

from harness.cli.console import duration, reporter
from harness.cli.options import (
    RESULTS,
    AllowBusy,
    Fresh,
    GridName,
    Host,
    KeepErrored,
    MaxAge,
    MaxHours,
    On,
    ResultsFolder,
    Retries,
    Select,
    Slots,
)
from harness.errors import HarnessError, Interrupted, SpecError
from harness.execution.executors.reach import reached
from harness.execution.progress import Summary
from harness.execution.run import Runner, RunOptions
from harness.execution.session import Session, Wishes, check_requirements, mean, open_session
from harness.grid.cell import label_of
from harness.grid.grid import Grid
from harness.pipelines.judged import judged
from harness.pipelines.looks import run_looks
from harness.pipelines.named.grids import part_named
from harness.protocol import LOG
from harness.record.attempts import Renewal
from harness.record.folders import to_type
from harness.record.freshness import freshness
from harness.record.provenance import ago, command_line, now, read_age
from harness.record.store import Store
from harness.report.format.width import folded
from harness.report.phrases.head import dates_text
from harness.report.phrases.recipe import many
from harness.report.screen.results import results_text
from harness.text import one_line

OPTIONS: Final = RunOptions()
MOST_ERRORS: Final = 5
"""Errors of a run that are told one by one."""


def run(
    grid: GridName,
    select: Select = [],  # noqa: B006 - typer wants a list; it is never changed
    results: ResultsFolder = RESULTS,
    slots: Slots = None,
    host: Host = "fork",
    max_hours: MaxHours = None,
    fresh: Fresh = False,
    max_age: MaxAge = None,
    retries: Retries = 1,
    keep_errored: KeepErrored = False,
    allow_busy: AllowBusy = False,
    on: On = None,
) -> None:
    """Run the cells that have no result yet. Stop it at any time: the same command goes on where it stopped.

    Example: harness run quickstart --select seed=1
    """
    options = run_options(host, max_hours, retries, allow_busy)
    part = part_named(grid, results, select)
    wishes = wishes_of(part.select, slots, fresh, max_age, retries, keep_errored)
    with reached(on) as cluster:
        session = open_session(part.file, part.results, replace(wishes, on=cluster))
        session, summary = run_looks(session, partial(run_session, options=options), say)
    if not summary.interrupted and (summary.measured or summary.reused):
        print(end_text(session.grid, session.store))
    raise typer.Exit(summary.exit_code)


def end_text(grid: Grid, store: Store) -> str:
    """The table of a grid's results, and what there is to type next."""
    try:
        table = results_text(judged(grid, store).results)
    except HarnessError:  # the run itself has ended: whoever reads its results says what is in the way
        table = ""
    home, file = store.folder.parent, str(grid.path)
    judge = () if grid.throughput is not None and grid.throughput.only else (("judge", "check"),)
    steps = [f"  {name:<6}  {to_type(command, file, results=home)}" for name, command in (*judge, ("write", "report"))]
    return "\n".join(["", *([table, ""] if table else []), *steps])


def wishes_of(
    select: Sequence[str], slots: int | None, fresh: bool, max_age: str | None, retries: int, keep_errored: bool
) -> Wishes:
    """What the options come to; raises SpecError for an age that is none."""
    oldest = None if max_age is None else ago(read_age(max_age, "--max-age"))
    return Wishes(tuple(select), slots, Renewal(fresh, oldest), keep_errored or retries == 0)


def run_options(host: str, max_hours: float | None, retries: int, allow_busy: bool) -> RunOptions:
    """What the options of a command that runs come to, their time beginning now. Raises SpecError for another host."""
    if host not in ("fork", "spawn"):
        raise SpecError(f"--host: got {host!r}; allowed: fork, spawn")
    deadline = None if max_hours is None else time.monotonic() + max_hours * 3600
    return RunOptions("spawn" if host == "spawn" else "fork", deadline, retries, allow_busy)


def say(text: str) -> None:
    """Print now: what comes next takes long."""
    print(text, flush=True)


def run_session(
    session: Session,
    options: RunOptions = OPTIONS,
    *,
    command: str | None = None,
    to: TextIO | None = None,
    scored: bool = True,
) -> Summary:
    """Check the requirements, run, and say what happened; `command` is what goes on with what is still to do.

    Not `scored` are runs of a few steps, made to be compared with each other.
    """
    check_requirements(session)
    mean(session, now())
    told = reporter(to, scored, session.grid.namer.run if scored else label_of)
    try:
        with session.store.under_way():
            summary = Runner(session, options, told).run()
    finally:
        told.close()
    print(folded(summary_text(summary, command or command_line(), session.store.folder, scored)), file=to)
    return summary


def short_runs(options: RunOptions, to: TextIO, command: str, goes_on: str = "") -> Callable[[Session], None]:
    """Who runs sessions of short runs, made to be compared, to their end; `goes_on` is what goes on with the rest.

    It raises Interrupted where one is interrupted.
    """

    def run(session: Session) -> None:
        if run_session(session, options, command=command, to=to, scored=False).interrupted:
            raise Interrupted(f"interrupted; go on with: {goes_on}" if goes_on else "interrupted")

    return run


def summary_text(summary: Summary, command: str, folder: Path | None = None, scored: bool = True) -> str:
    """The last lines of a run: what was measured and reused, what is in the way, and how to go on.

    `folder` is the store's, where the logs of what errored lie.
    """
    found = freshness(summary.reused, None)
    statuses = Counter(summary.statuses)
    if not scored:  # of eight steps no score is one
        statuses["done"] = statuses.pop("ok", 0) + statuses.pop("collapsed", 0)
    wrote = ", ".join(f"{number} {status}" for status, number in sorted((+statuses).items()))
    lines = [f"{summary.measured} of {many(summary.cells, 'cell')} measured now{f' ({wrote})' if wrote else ''}"]
    lines[0] += f", {found.cells} reused" + (f" ({dates_text(found)})" if found.cells else "")
    lines[0] += f", in {duration(summary.seconds)}"
    if summary.cells and found.cells == summary.cells:
        lines.append("nothing left to do: every cell has its outcome; --fresh measures anew")
    for status, number in summary.lost.items():
        if not scored and status == "collapsed":
            continue
        word = "diverged (NaN)" if status == "nonfinite" else "answer no better than a constant one (collapsed)"
        lines.append(f"{number} of {many(summary.cells, 'cell')} {word}")
    lines += [f"skipped, {many(number, 'cell')}: {reason}" for reason, number in summary.skipped.items()]
    lines += [f"blocked, {many(number, 'cell')}: {reason}" for reason, number in summary.blocked.items()]
    for words, entries in (("errored", summary.errors), ("errored before and kept", summary.kept)):
        for entry in entries[:MOST_ERRORS]:
            log = f"; log: {folder / entry.path / LOG}" if folder is not None else ""
            lines.append(f"{words}, seed {entry.seed}: {one_line(f'{entry.status} ({entry.message})')}{log}")
        lines += [f"{words}: {many(len(entries) - MOST_ERRORS, 'more cell')}"] if len(entries) > MOST_ERRORS else []
    if summary.missing:
        why = (
            f"interrupted {summary.interrupted_by}".rstrip()
            if summary.interrupted
            else "out of time"
            if summary.budget_spent
            else "not run"
        )
        lines += [f"{many(summary.missing, 'cell')} still to do ({why}); go on with:", f"  {command}"]
    return "\n".join(lines)
