"""`harness check`: verdicts on what was measured, and the exit code that a CI job can rely on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.checks.scores.baseline.file import FOLDER, SUFFIX
from harness.cli.options import (
    RESULTS,
    Badge,
    Comment,
    EnvironmentChoice,
    GridName,
    InconclusiveIs,
    Issue,
    Json,
    Junit,
    MaxAge,
    Out,
    ResultsFolder,
    Select,
    SkippedIs,
    Verbose,
    option_of,
)
from harness.cli.outputs import Outputs
from harness.pipelines.check import CHECKS
from harness.pipelines.notebook.verdicts import to_judge
from harness.record.provenance import command_line


def check(
    grid: GridName,
    select: Select = [],  # noqa: B006 - typer wants a list; it is never changed
    results: ResultsFolder = RESULTS,
    environment: EnvironmentChoice = None,
    max_age: MaxAge = None,
    accepted: Annotated[
        Path | None,
        typer.Option(
            "--accepted",
            help=f"What was accepted (default: {FOLDER}/GRID{SUFFIX}, where it is there).",
            show_default=False,
        ),
    ] = None,
    fail_on: Annotated[
        list[str],
        typer.Option("--fail-on", help=f"Only these checks decide the exit code: {', '.join(CHECKS)}."),
    ] = [*CHECKS],  # noqa: B006
    inconclusive: InconclusiveIs = "fail",
    skipped: SkippedIs = "pass",
    junit: Junit = None,
    out: Out = None,
    comment: Comment = None,
    issue: Issue = None,
    badge: Badge = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Judge a grid's results: against references and what was accepted, parity and comparisons, collapses.

    The answer is one screen; `harness why ID` has the evidence of one verdict, and -v that of all. Under GitHub Actions
    it also writes the step summary and annotations.

    Example: harness check mrpc --max-age 20h --junit verdicts.xml
    """
    with Outputs("check", junit=junit, out=out, comment=comment, issue=issue, badge=badge, as_json=as_json) as outputs:
        wanted = to_judge(
            grid, results, select, environment, max_age, accepted, fail_on, inconclusive, skipped, option=option_of
        )
        outputs.about(wanted.grid.name)
        found = wanted.judge(command_line())
        outputs.hand_out([found.section], text=None if verbose or as_json else found.text)
        raise typer.Exit(found.exit_code)
