"""`harness run`: run what a grid still lacks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import typer

from harness.cli.console import duration, reporter
from harness.cli.options import (
    RESULTS,
    AllowBusy,
    GridFile,
    Host,
    MaxHours,
    ResultsFolder,
    Retries,
    RetryErrored,
    Select,
    Slots,
    TimeAgain,
)
from harness.errors import SpecError
from harness.execution.progress import Summary
from harness.execution.run import Runner
from harness.execution.session import Session, check_requirements, open_session, run_options


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(run)


def run(
    grid: GridFile,
    select: Select = [],  # noqa: B006 - typer wants a list; it is never changed
    results: ResultsFolder = RESULTS,
    slots: Slots = None,
    host: Host = "fork",
    max_hours: MaxHours = None,
    retries: Retries = 0,
    retry_errored: RetryErrored = False,
    time_again: TimeAgain = False,
    allow_busy: AllowBusy = False,
) -> None:
    """Run the cells that have no result yet. Stop it at any time: the same command goes on where it stopped.

    Example: harness run benchmarks/quickstart.toml --select seed=1
    """
    session = open_session(
        grid, results, selection=select, slots=slots, retry_errored=retry_errored, time_again=time_again
    )
    _, summary = run_looks(
        session, results, select, host=host, slots=slots, max_hours=max_hours, retries=retries, allow_busy=allow_busy
    )
    raise typer.Exit(summary.exit_code)


def run_looks(
    session: Session,
    results: Path,
    select: Sequence[str],
    *,
    host: str,
    slots: int | None,
    max_hours: float | None,
    retries: int,
    allow_busy: bool,
) -> tuple[Session, Summary]:
    """Run a session; where its grid plans looks, go on look by look until every configuration is decided.

    Returns the last session that ran and what it did. Out of time, with cells left, or interrupted it stops there.
    """
    end = None if max_hours is None else time.monotonic() + max_hours * 3600
    left = max_hours
    while True:
        summary = run_session(session, host=host, max_hours=left, retries=retries, allow_busy=allow_busy)
        if session.grid.seed_plan is None or summary.interrupted or summary.missing or summary.blocked:
            return session, summary
        following = open_session(session.grid.path, results, selection=select, slots=slots)
        due = len(following.plan.of("to do"))
        if not due:
            return session, summary
        left = None if end is None else max(0.0, end - time.monotonic()) / 3600
        print(f"next look: {due} more cells, of configurations that are not decided yet", flush=True)
        session = following


def run_session(
    session: Session,
    *,
    host: str = "fork",
    max_hours: float | None = None,
    retries: int = 0,
    allow_busy: bool = False,
    command: str | None = None,
    to: TextIO | None = None,
) -> Summary:
    """Check the requirements, run, and say what happened; `command` is what goes on with what is still to do."""
    if host not in ("fork", "spawn"):
        raise SpecError(f"--host: got {host!r}; allowed: fork, spawn")
    check_requirements(session)
    options = run_options(session, host=host, max_hours=max_hours, retries=retries, allow_busy=allow_busy)
    told = reporter(to)
    try:
        summary = Runner(session.store, session.plan, session.grid.path.parent, options, told).run()
    finally:
        told.close()
    print(summary_text(summary, command or f"harness run {session.grid.path}"), file=to)
    return summary


def summary_text(summary: Summary, command: str) -> str:
    """The last lines of a run: counts, what is in the way, and how to go on."""
    counts = [f"{number} {status}" for status, number in sorted(summary.statuses.items())]
    if summary.done_before + summary.done_elsewhere:
        counts.append(f"{summary.done_before + summary.done_elsewhere} done before or elsewhere")
    lines = [f"{', '.join(counts) or 'no cell was run'} in {duration(summary.seconds)}"]
    lines += [f"blocked, {cells} cells: {reason}" for reason, cells in summary.blocked.items()]
    if summary.missing:
        why = "interrupted" if summary.interrupted else "out of time" if summary.budget_spent else "not run"
        lines.append(f"{summary.missing} cells still to do ({why}); go on with: {command}")
    return "\n".join(lines)
