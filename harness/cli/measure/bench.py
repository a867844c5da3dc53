"""`harness bench`: the nightly. Demands, verify, run, check, speed, report, history; several grids are one job."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from harness.checks.verdict import fail_or_pass
from harness.cli.console import duration
from harness.cli.measure.run import run_options, run_session, say, wishes_of
from harness.cli.options import (
    NAMING,
    RESULTS,
    AllowBusy,
    Badge,
    Comment,
    Fresh,
    Host,
    InconclusiveIs,
    Junit,
    KeepErrored,
    MaxAge,
    MaxHours,
    On,
    Out,
    ResultsFolder,
    Retries,
    Select,
    SkippedIs,
    Slots,
)
from harness.cli.outputs import Outputs
from harness.errors import SpecError
from harness.execution.environment import CURRENT, probe_environment
from harness.execution.executors.reach import reached
from harness.execution.session import open_session
from harness.exit_codes import worst
from harness.grid.grid import load_grids
from harness.grid.project import read_project
from harness.pipelines.bench import Bench, Night, default_grid
from harness.pipelines.check import Judging
from harness.pipelines.named.grids import grids_named
from harness.record.provenance import command_line
from harness.report.screen.night import night_text
from harness.report.screen.results import results_text
from harness.text import listed

Grids = Annotated[
    list[str] | None,
    typer.Argument(
        help=f"Grids to run, each {NAMING} (default: `[tool.harness] grids` of your "
        "pyproject.toml, else the shipped one that fits the machine).",
        metavar="GRID",
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
    inconclusive: InconclusiveIs = "fail",
    skipped: SkippedIs = "pass",
    junit: Junit = None,
    out: Out = None,
    comment: Comment = None,
    badge: Badge = None,
    allow_busy: AllowBusy = False,
    on: On = None,
) -> None:
    """Run grids to their end, verify and judge them, and write a report of each: what a runner does every night.

    Example: harness bench quickstart --max-age 20h --junit verdicts.xml -o verdicts.md
    """
    start = time.monotonic()
    with Outputs("bench", junit=junit, out=out, comment=comment, badge=badge) as outputs, reached(on) as cluster:
        options = run_options(host, max_hours, retries, allow_busy)
        wishes = replace(wishes_of(select, slots, fresh, max_age, retries, keep_errored), on=cluster)
        judging = Judging(
            tuple(select),
            oldest=wishes.renewal.oldest,
            inconclusive=fail_or_pass(inconclusive, "--inconclusive"),
            skipped=fail_or_pass(skipped, "--skipped"),
        )
        named = grids_named(grids or (), results)
        homes = list(dict.fromkeys(one.results for one in named))
        if len(homes) > 1:
            raise SpecError(f"--results: got {listed(map(str, homes))}; allowed one folder for all grids")
        results = homes[0] if homes else results
        chosen = [one.file for one in named] or read_project().grid_files() or [_default_grid()]
        load_grids(chosen)  # every mistake before the first of them runs for hours
        opened = partial(open_session, results=results, wishes=wishes)
        run = partial(run_session, options=options)
        nights: list[Night] = []
        for night in Bench(opened, run, judging, command_line(), say).grids(chosen):
            nights.append(night)
            if night.report is not None:
                say(f"report: {night.report}")
        code = worst([night.exit_code for night in nights])
        for night in nights:
            if night.results is not None and (table := results_text(night.results)):
                say(f"\n{night.name}\n{table}" if len(nights) > 1 else f"\n{table}")
        say("")
        sections = [section for night in nights for section in night.sections]
        outputs.hand_out(sections, text=night_text(sections, code, duration(time.monotonic() - start)))
        for night in nights:
            if night.report is not None:
                print(f"  read    {night.report}")
        raise typer.Exit(code)


def _default_grid() -> Path:
    environment = probe_environment(CURRENT)
    chosen = default_grid(environment)
    say(f"{'CUDA is available' if environment.accelerator == 'cuda' else 'no CUDA device'}: running {chosen}")
    return chosen
