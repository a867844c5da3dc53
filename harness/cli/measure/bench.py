"""`harness bench`: run a grid, write its report, run the suites beside it; the command behind `tox -e bench`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.measure.run import run_options, run_session, say, wishes_of
from harness.cli.options import (
    RESULTS,
    AllowBusy,
    Fresh,
    Host,
    KeepErrored,
    MaxAge,
    MaxHours,
    ResultsFolder,
    Retries,
    Select,
    Slots,
)
from harness.errors import HarnessError, SpecError
from harness.execution.environment import CURRENT, probe_environment
from harness.execution.session import open_session
from harness.exit_codes import worst
from harness.pipelines.bench import Bench, check_together, default_grid
from harness.pipelines.suites import INTERRUPTED, TOO_LATE, left_out, run_suites
from harness.record.provenance import command_line
from harness.report.verdicts.text import verdicts_text
from harness.report.verdicts.words import Head

Grids = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Grids to run (default: benchmarks/mrpc.toml with CUDA, else benchmarks/quickstart.toml).",
        show_default=False,
    ),
]
Suites = Annotated[
    bool | None,
    typer.Option(
        "--suites/--no-suites",
        help="Run the short pytest-benchmark suites of benchmarks/ after the grids (default: where no grid is named).",
        show_default=False,
    ),
]


def bench(
    grids: Grids = None,
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
    suites: Suites = None,
) -> None:
    """Run grids to their end and write a report of each. With no grid: the one that fits this machine, and the suites.

    Example: harness bench benchmarks/quickstart.toml
    """
    options = run_options(host, max_hours, retries, allow_busy)
    chosen = grids or [_default_grid()]
    check_together(chosen)
    wishes = wishes_of(select, slots, fresh, max_age, retries, keep_errored)
    opened = partial(open_session, results=results, wishes=wishes)
    codes = []
    for outcome in Bench(opened, partial(run_session, options=options), command_line(), say).grids(chosen):
        if outcome.error is not None:
            print(f"error: {outcome.grid}: {outcome.error}", file=sys.stderr)
        if outcome.report is not None:
            say(f"report: {outcome.report}")
        if outcome.verdicts is not None:
            say(verdicts_text(Head("check", "harness bench"), outcome.verdicts))
        codes.append(outcome.exit_code)
    if INTERRUPTED not in codes and (suites or (suites is None and not grids)):
        codes += _suites(results, options.seconds_left)
    raise typer.Exit(worst(codes))


def _default_grid() -> Path:
    environment = probe_environment(CURRENT)
    chosen = default_grid(environment)
    say(f"{'CUDA is available' if environment.accelerator == 'cuda' else 'no CUDA device'}: running {chosen}")
    if not chosen.is_file():
        raise SpecError(f"{chosen}: not found; run this in the project's folder, or name a grid: harness bench FILE")
    return chosen


def _suites(results: Path, seconds_left: float | None) -> list[int]:
    """Run the suites of the project whose folder this is; their exit code, none where there is nothing to run."""
    reason = left_out(Path())
    if reason is not None:
        say(f"suites: {reason}")
        return []
    try:
        code = run_suites(Path(), results, seconds_left)
    except HarnessError as error:
        print(f"error: suites: {error}", file=sys.stderr)
        return [error.exit_code]
    if code == TOO_LATE:
        say("suites: out of time (--max-hours): not all were run; go on with: pytest benchmarks")
    return [code]
