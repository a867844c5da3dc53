"""`harness check`: verdicts on what was measured, and the exit code that a CI job can rely on."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from harness.checks.scores.gate import judge_grid
from harness.cli.ci import policy_of
from harness.cli.options import RESULTS, GridFile, Inconclusive, Json, Junit, Out, ResultsFolder, Select
from harness.cli.outputs import hand_out
from harness.errors import NothingMeasured, SpecError
from harness.grid.grid import load_grid
from harness.grid.select import select as select_cells
from harness.record.provenance import command_line, today
from harness.record.results import Results
from harness.record.store import Store
from harness.report.verdicts.issue import issue_text
from harness.report.verdicts.words import Head

FAIL_ON: Final = ("quality", "parity", "stability")


def check(
    grid: GridFile,
    select: Select = [],  # noqa: B006 - typer wants a list; it is never changed
    results: ResultsFolder = RESULTS,
    fail_on: Annotated[
        list[str],
        typer.Option("--fail-on", help="Only these checks decide the exit code: quality, parity, stability."),
    ] = [*FAIL_ON],  # noqa: B006
    inconclusive: Inconclusive = "fail",
    junit: Junit = None,
    out: Out = None,
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
    verdicts = judge_grid(found, known, today())
    heeded = [one for one in verdicts if one.check in fail_on or one.outcome in ("ERROR", "SKIP")]
    head = Head("check", "harness check", command_line(), inconclusive=policy)
    code = hand_out(head, verdicts, as_json=as_json, junit=junit, out=out, heeded=heeded)
    if not as_json and (text := issue_text(head, heeded)):
        print(f"\nTo paste into an issue:\n\n{text}")
    raise typer.Exit(code)
