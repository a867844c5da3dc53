"""`harness why`: the evidence of one verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from harness.cli.options import NAMING, RESULTS, ResultsFolder
from harness.pipelines.verdicts.kept import find_verdict
from harness.report.format.width import folded
from harness.report.screen.verdicts import answer
from harness.report.verdicts.text import verdicts_text
from harness.report.verdicts.words import word


def why(
    name: Annotated[
        str,
        typer.Argument(
            metavar="ID|GRID",
            help=f"A verdict's id, or its beginning, as `check` shows it; or a grid ({NAMING}): all that is red.",
            show_default=False,
        ),
    ],
    results: ResultsFolder = RESULTS,
) -> None:
    """Show what a verdict of the last `check` or `bench` rests on: figures, p values, each run, notes, logs.

    Example: harness why 3fa2

    Example: harness why quickstart
    """
    found = find_verdict(name, results)
    if len(found.verdicts) != 1:
        print(folded(verdicts_text(found.head, found.verdicts)))
        return
    (verdict,) = found.verdicts
    head = replace(found.head, facts=(), waivers=())  # those are of all verdicts
    print(folded(f"{word(verdict)}  {head.grid}: {answer(verdict)}\n\n{verdicts_text(head, found.verdicts)}"))
