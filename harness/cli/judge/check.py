"""`harness check`: verdicts on what was measured, and the exit code that a CI job can rely on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from harness.checks.scores.gate import exit_code
from harness.checks.scores.judge import judge_grid
from harness.checks.scores.judgement import Judgement
from harness.cli.ci import add_step_summary, annotate, policy_of
from harness.cli.options import RESULTS, GridFile, Json, ResultsFolder, Select
from harness.cli.read.report import write_report
from harness.errors import NothingMeasured, SpecError
from harness.grid.grid import load_grid
from harness.grid.select import select as select_cells
from harness.record.provenance import command_line, today
from harness.record.results import Results
from harness.record.store import Store
from harness.report.verdicts.forest import forest_svg
from harness.report.verdicts.github import workflow_commands
from harness.report.verdicts.issue_text import issue_text
from harness.report.verdicts.json import judgement_json
from harness.report.verdicts.junit import to_junit
from harness.report.verdicts.markdown import judgement_markdown, step_summary
from harness.report.verdicts.text import judgement_text

FAIL_ON: Final = ("quality", "parity", "stability")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(check)


def check(
    grid: GridFile,
    select: Select = [],  # noqa: B006 - typer wants a list; it is never changed
    results: ResultsFolder = RESULTS,
    fail_on: Annotated[
        list[str],
        typer.Option("--fail-on", help="Only these checks decide the exit code: quality, parity, stability."),
    ] = [*FAIL_ON],  # noqa: B006
    inconclusive: Annotated[
        str, typer.Option("--inconclusive", help="What INCONCLUSIVE means for the exit code: fail (3) or pass (0).")
    ] = "fail",
    junit: Annotated[
        Path | None, typer.Option("--junit", help="Write JUnit XML here, a test a verdict.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the verdicts as Markdown here.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Judge a grid's results: quality against references, parity of precisions and devices, collapses.

    Under GitHub Actions it also writes the step summary and annotations.

    Example: harness check benchmarks/mrpc.toml --junit verdicts.xml
    """
    policy = policy_of(inconclusive)
    for name in fail_on:
        if name not in FAIL_ON:
            raise SpecError(f"--fail-on: got {name!r}; allowed {', '.join(FAIL_ON)}")
    found = load_grid(grid)
    store = Store(results, found.name)
    if found.throughput is not None and found.throughput.only:
        raise NothingMeasured(
            f"{grid}: throughput.only = true: it has no scores to judge; `harness compare` judges speed"
        )
    known = Results.of(found, store, select_cells(found.cells(), select))
    if not known.entries:
        raise NothingMeasured(f"{store.folder}: no record of {grid} yet; run it first: harness run {grid}")
    judgements = judge_grid(found, known, today())
    print(judgement_json(judgements) if as_json else judgement_text(judgements))
    heeded = [one for one in judgements if one.check in fail_on or one.outcome in ("ERROR", "SKIP")]
    code = exit_code(heeded, inconclusive=policy)
    _write(judgements, heeded, policy, junit, out)
    if not as_json and (text := issue_text(heeded, command=command_line(), inconclusive=policy)):
        print(f"\nTo paste into an issue:\n\n{text}")
    raise typer.Exit(code)


def _write(
    judgements: Sequence[Judgement],
    heeded: Sequence[Judgement],
    inconclusive: Literal["fail", "pass"],
    junit: Path | None,
    out: Path | None,
) -> None:
    if junit is not None:
        write_report({junit.name: to_junit(heeded, inconclusive=inconclusive)}, junit.parent)
    if out is not None:
        svg = forest_svg(judgements)
        picture = f"{out.stem}-forest.svg" if svg else None
        text = judgement_markdown(judgements, forest_file=picture)
        write_report({out.name: text, **({picture: svg} if picture and svg else {})}, out.parent)
    add_step_summary(lambda: step_summary(judgements, command=command_line()))
    annotate(lambda: workflow_commands(heeded, inconclusive=inconclusive))
