"""`harness check`: verdicts on what was measured, and the exit code that a CI job can rely on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.checks.scores.baseline.file import FOLDER, SUFFIX
from harness.cli.ci import one_of
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
)
from harness.cli.outputs import Outputs
from harness.errors import SpecError
from harness.grid.grid import load_grid
from harness.pipelines.check import CHECKS, Judging, check_grid
from harness.pipelines.named.grids import part_named
from harness.pipelines.verdicts.kept import keep
from harness.record.provenance import ago, command_line, read_age
from harness.record.store import Store
from harness.report.screen.verdicts import screen_text


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
        part = part_named(grid, results, select)
        for name in fail_on:
            if name not in CHECKS:
                raise SpecError(f"--fail-on: got {name!r}; allowed {', '.join(CHECKS)}")
        asked = Judging(
            tuple(part.select),
            environment,
            None if max_age is None else ago(read_age(max_age, "--max-age")),
            fail_on,
            one_of(inconclusive, "--inconclusive"),
            one_of(skipped, "--skipped"),
            accepted,
        )
        spec = load_grid(part.file)
        outputs.about(spec.name)
        store = Store(part.results, spec.name)
        section = check_grid(spec, store, asked).section(asked, command_line())
        keep(store, section)
        outputs.hand_out([section], text=None if verbose or as_json else screen_text(section))
        raise typer.Exit(section.code)
