"""`harness bench`: run a grid, write its report, run the suites beside it; the command behind `tox -e bench`."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from harness.checks.scores.judge import judge_grid
from harness.checks.verdict import exit_code
from harness.cli.measure.doctor import grid_problems
from harness.cli.measure.run import run_looks
from harness.cli.options import (
    RESULTS,
    AllowBusy,
    Host,
    MaxHours,
    ResultsFolder,
    Retries,
    RetryErrored,
    Select,
    Slots,
    TimeAgain,
)
from harness.disk import write_files
from harness.errors import HarnessError, RequirementError, SpecError
from harness.execution.environment import CURRENT, probe_environment
from harness.execution.progress import Summary
from harness.execution.require import unusable_device
from harness.execution.session import Session, open_session
from harness.execution.suites import FOLDER, PATTERN, TOO_LATE, find_suites, missing_packages, run_suites
from harness.grid.grid import load_grid
from harness.grid.select import select as select_cells
from harness.record.provenance import command_line, today
from harness.record.results import Results
from harness.report.files import report_files
from harness.report.verdicts.text import verdicts_text
from harness.report.verdicts.words import Head

DEFAULT_GRIDS: Final = {"cuda": Path("benchmarks/mrpc.toml"), "cpu": Path("benchmarks/quickstart.toml")}
EXIT_ORDER: Final = (130, 2, 1, 4, 5, 3, 0)

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
    retries: Retries = 0,
    retry_errored: RetryErrored = False,
    time_again: TimeAgain = False,
    allow_busy: AllowBusy = False,
    suites: Suites = None,
) -> None:
    """Run grids to their end and write a report of each. With no grid: the one that fits this machine, and the suites.

    Example: harness bench benchmarks/quickstart.toml
    """
    chosen = grids or [_default_grid()]
    check_together(chosen)
    codes = []
    end = None if max_hours is None else time.monotonic() + max_hours * 3600
    for grid in chosen:
        left = None if end is None else max(0.0, end - time.monotonic()) / 3600
        try:
            session = open_session(
                grid, results, selection=select, slots=slots, retry_errored=retry_errored, time_again=time_again
            )
            session, summary = _run(
                session, results, select, host=host, slots=slots, max_hours=left, retries=retries, allow_busy=allow_busy
            )
            _report(session, select)
            codes += _verdicts(session, select)
        except SpecError:
            raise
        except HarnessError as error:
            # What stops one grid need not stop the others; a night of them is worth running.
            print(f"error: {grid}: {error}", file=sys.stderr)
            codes.append(error.exit_code)
            continue
        codes.append(summary.exit_code)
        if summary.interrupted:
            break
    else:
        if suites or (suites is None and not grids):
            codes += _suites(results, None if end is None else end - time.monotonic())
    raise typer.Exit(worst(codes))


def _suites(results: Path, seconds_left: float | None) -> list[int]:
    """Run the suites of the project whose folder this is; their exit code, none where there is nothing to run."""
    if not find_suites(Path()):
        print(f"suites: no {FOLDER}/{PATTERN} here: none is run", flush=True)
        return []
    missing = missing_packages()
    if missing:
        print(f"suites: SKIP: not installed: {', '.join(missing)}; pip install {' '.join(missing)}", flush=True)
        return []
    try:
        code = run_suites(Path(), results, seconds_left)
    except HarnessError as error:
        print(f"error: suites: {error}", file=sys.stderr)
        return [error.exit_code]
    if code == TOO_LATE:
        print("suites: out of time (--max-hours): not all were run; go on with: pytest benchmarks", flush=True)
    return [code]


def _report(session: Session, select: Sequence[str]) -> None:
    grid, store = session.grid, session.store
    results = Results.of(grid, store, select_cells(grid.every_cell(), list(select)))
    if not results.entries:
        return  # the run has said so, and its exit code says it again
    files = report_files(grid, results, today(), command=command_line())
    print(f"report: {write_files(files, store.folder)[0]}", flush=True)


def _verdicts(session: Session, select: Sequence[str]) -> list[int]:
    """Judge a grid that asks for it and has something to judge; its exit code."""
    grid = session.grid
    results = Results.of(grid, session.store, select_cells(grid.cells(), list(select)))
    if (grid.quality is None and not grid.reference) or not results.entries:
        return []
    verdicts = judge_grid(grid, results, today())
    print(verdicts_text(Head("check", "harness bench"), verdicts), flush=True)
    return [exit_code(verdicts)]


def worst(codes: Sequence[int]) -> int:
    """The exit code that stands for several: the first in the README's order."""
    return min(codes, key=EXIT_ORDER.index)


def check_together(grids: Sequence[Path]) -> None:
    """Read every grid before the first one runs for hours; two of one name would share their results.

    Raises
    ------
    SpecError
        For the first grid that cannot be meant, or a name used twice.
    """
    seen: dict[str, Path] = {}
    for path in grids:
        name = load_grid(path).name
        if name in seen:
            raise SpecError(f"{path}: name: got {name!r}, which {seen[name]} has too; allowed a name of its own")
        seen[name] = path


def _run(session: Session, results: Path, select: Sequence[str], **options: Any) -> tuple[Session, Summary]:
    try:
        return run_looks(session, results, select, **options)
    except RequirementError as error:
        raise RequirementError(f"{error}\n\n{grid_problems(session)}") from error


def _default_grid() -> Path:
    """Choose the grid for this machine and say so; a GPU that torch cannot use is an error, never a quiet fall back."""
    environment = probe_environment(CURRENT)
    problem = unusable_device(environment)
    if problem:
        raise RequirementError(
            f"{problem}\n(name a grid to run it on the CPU all the same, with CUDA_VISIBLE_DEVICES= set)"
        )
    chosen = DEFAULT_GRIDS[environment.accelerator]
    where = "CUDA is available" if environment.accelerator == "cuda" else "no CUDA device"
    print(f"{where}: running {chosen}", flush=True)
    if not chosen.is_file():
        raise SpecError(f"{chosen}: not found; run this in the project's folder, or name a grid: harness bench FILE")
    return chosen
