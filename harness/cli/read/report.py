"""`harness report`: from a store to Markdown, plots and JSON."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from harness import __version__
from harness.checks.scores.judge import judge_grid
from harness.cli.options import RESULTS, GridFile, Json, ResultsFolder, Select
from harness.disk import write_durably
from harness.errors import NothingMeasured, StoreError
from harness.grid.grid import Grid, load_grid
from harness.grid.select import select as select_cells
from harness.record.provenance import command_line, today
from harness.record.results import Results
from harness.record.store import Store
from harness.report.run.build import build_report
from harness.report.run.model import GridFacts
from harness.report.run.render import render
from harness.report.speed.build import timing_plan

Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="The Markdown file (default: RESULTS/GRID/report.md).", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(report)


def report(
    grid: GridFile,
    select: Select = [],  # noqa: B006 - typer wants a list; it is never changed
    results: ResultsFolder = RESULTS,
    out: Out = None,
    title: Annotated[str | None, typer.Option("--title", help="The report's heading.", show_default=False)] = None,
    command: Annotated[
        str | None, typer.Option("--command", help="The command to name as this report's maker.", show_default=False)
    ] = None,
    note: Annotated[
        list[str], typer.Option("--note", help="A sentence for the reader; may be given again.", show_default=False)
    ] = [],  # noqa: B006 - typer wants a list; it is never changed
    as_json: Json = False,
) -> None:
    """Write the Markdown report of a grid's results, with plots (SVG) and the same as JSON beside it.

    Example: harness report benchmarks/quickstart.toml -o reports/quickstart.md
    """
    found = load_grid(grid)
    store = Store(results, found.name)
    stem = "report" if out is None else out.stem
    made_by = command or f"{_run_command(grid, results, select)} && {command_line()}"
    files = report_files(found, store, select, stem, made_by, title, note)
    if as_json:
        print(files[f"{stem}.json"])
        return
    written = write_report(files, store.folder if out is None else out.parent)
    print(f"wrote {', '.join(str(path) for path in written)}")


def _run_command(grid: Path, results: Path, select: Sequence[str]) -> str:
    words = ["harness", "run", str(grid)]
    words += ["--results", str(results)] if results != RESULTS else []
    return shlex.join([*words, *(word for one in select for word in ("--select", one))])


def report_files(
    grid: Grid,
    store: Store,
    selection: list[str],
    stem: str,
    command: str,
    title: str | None = None,
    notes: Sequence[str] = (),
) -> dict[str, str]:
    """Render a grid's results; raises NothingMeasured (exit 5) where there is not one record."""
    cells = select_cells(grid.every_cell(), selection)
    results = Results.of(grid, store, cells)
    if not results.entries:
        raise NothingMeasured(f"{store.folder}: no record of {grid.path} yet; run it first: harness run {grid.path}")
    facts = GridFacts(
        name=grid.name,
        task=grid.task,
        file=str(grid.path),
        text=grid.path.read_text(encoding="utf-8"),
        timing=timing_plan(grid, [cell for cell in cells if cell.timed]),
    )
    generator = f"finetune-harness {__version__}"
    model = build_report(facts, results, command=command, generated_by=generator, title=title, notes=notes)
    judgements = []
    if results.trained and (grid.quality is not None or grid.reference):
        judgements = judge_grid(grid, results, today())
    return render(model, stem, judgements=judgements)


def write_report(files: dict[str, str], folder: Path) -> list[Path]:
    """Write the files of a report, each whole or not at all; the Markdown first in the list."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            write_durably(folder / name, text)
    except OSError as error:
        raise StoreError(f"{folder}: cannot write the report: {error.strerror or error}") from error
    return sorted((folder / name for name in files), key=lambda path: (path.suffix != ".md", path.name))
