"""`harness accept`: today's results become what tomorrow's are held against."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.checks.scores.baseline.file import FOLDER, SUFFIX
from harness.cli.options import RESULTS, EnvironmentChoice, GridName, ResultsFolder, Select
from harness.grid.grid import load_grid
from harness.pipelines.accept import accept as accept_results
from harness.pipelines.named.grids import part_named
from harness.record.store import Store
from harness.report.accepted import accepted_text
from harness.report.format.width import folded


def accept(
    grid: GridName,
    note: Annotated[str, typer.Option("--note", help="Why, in a sentence for who reviews it.", show_default=False)],
    select: Select = [],  # noqa: B006 - typer wants a list; it is never changed
    only: Annotated[
        list[str],
        typer.Option(
            "--only",
            help="Only the configuration of this verdict on what was accepted, or of this configuration id; "
            "may be given again.",
            show_default=False,
        ),
    ] = [],  # noqa: B006
    results: ResultsFolder = RESULTS,
    environment: EnvironmentChoice = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help=f"The file (default: {FOLDER}/GRID{SUFFIX}).", show_default=False),
    ] = None,
) -> None:
    """Make a grid's results the expectation that `harness check` holds later ones against: a JSON file to commit.

    It prints what changes. A configuration of which a seed is missing, errored or not chosen is left out, and keeps
    what the file had of it.

    Example: harness accept quickstart --note "transformers 5.24: same scores"
    """
    part = part_named(grid, results, select)
    spec = load_grid(part.file)
    found = accept_results(spec, Store(part.results, spec.name), part.select, environment, note, out, only)
    print(folded(accepted_text(found.path, found.file, found.accepted, found.freshness, found.facts)))
    raise typer.Exit(found.exit_code)
