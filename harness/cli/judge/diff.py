"""`harness diff`: what differs between two runs, causes before consequences."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.checks.verdict import exit_code
from harness.checks.verify.diff.difference import difference
from harness.checks.verify.series import EXACT, tolerance_between
from harness.cli.options import RESULTS, Json, Junit, Out, ResultsFolder
from harness.cli.outputs import Outputs
from harness.pipelines.find import find_run
from harness.record.provenance import command_line
from harness.record.run import read_run
from harness.report.verdicts.sections import Section
from harness.report.verdicts.words import Head

RunName = Annotated[
    str,
    typer.Argument(help="A run: its folder, its record.json, or the first letters of its cell id.", show_default=False),
]


def diff(
    a: RunName,
    b: RunName,
    results: ResultsFolder = RESULTS,
    exact: Annotated[bool, typer.Option("--exact", help="No tolerance: equal to the last bit.")] = False,
    junit: Junit = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Compare two runs layer by layer: asked, environment, hashes and counts, each step, outcome.

    Example: harness diff results/old/cells/3f/3f.../env/001 results/new/cells/3f/3f.../env/001
    """
    with Outputs("diff", junit=junit, out=out, as_json=as_json) as outputs:
        folders = [find_run(name, results) for name in (a, b)]
        first, second = (read_run(folder) for folder in folders)
        verdict = difference(first, second, EXACT if exact else tolerance_between(first, second))
        sides = (verdict.against or verdict.subject, verdict.subject)
        first_name, second_name = (f"{side.label} ({folder})" for side, folder in zip(sides, folders, strict=True))
        head = Head("diff", "harness diff", command_line(), first_name, second_name)
        raise typer.Exit(outputs.hand_out([Section(head, [verdict], code=exit_code([verdict]))]))
