"""`harness report`: from a store to Markdown, plots and JSON."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import NAMING, PART, RESULTS, EnvironmentChoice, Json, ResultsFolder, Select
from harness.disk import write_files
from harness.errors import NothingMeasured, SpecError, StoreError
from harness.grid.grid import load_grid
from harness.pipelines.check import Judging
from harness.pipelines.named.grids import Part, part_named
from harness.pipelines.report import grid_report
from harness.record.folders import results_option
from harness.record.provenance import command_line, today
from harness.record.store import Store
from harness.report.export.table_csv import table_csv
from harness.report.export.table_latex import table_latex
from harness.report.files import read_report
from harness.report.format.svg import FORMATS
from harness.report.format.width import folded
from harness.report.run.answer import headline
from harness.report.run.sections import report_lines
from harness.text import listed, one_line, show

Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="The Markdown file (default: RESULTS/GRID/report.md).", show_default=False),
]
Latex = Annotated[
    Path | None, typer.Option("--latex", help="Write the table of results for LaTeX here.", show_default=False)
]
Csv = Annotated[Path | None, typer.Option("--csv", help="Write the same as CSV here, unrounded.", show_default=False)]
Html = Annotated[
    Path | None, typer.Option("--html", help="Write the report as one page to click through here.", show_default=False)
]
Plots = Annotated[
    str | None, typer.Option("--plots", help="Write the plots in these formats too: png,pdf.", show_default=False)
]


def report(
    grid: Annotated[
        str | None, typer.Argument(help=f"The grid: {NAMING}; {PART}.", metavar="GRID", show_default=False)
    ] = None,
    select: Select = [],  # noqa: B006 - typer wants a list; it is never changed
    results: ResultsFolder = RESULTS,
    environment: EnvironmentChoice = None,
    out: Out = None,
    title: Annotated[
        str | None,
        typer.Option("--title", help="What it is about; the heading is its answer.", show_default=False),
    ] = None,
    command: Annotated[
        str | None, typer.Option("--command", help="The command to name as this report's maker.", show_default=False)
    ] = None,
    note: Annotated[
        list[str], typer.Option("--note", help="A sentence for the reader; may be given again.", show_default=False)
    ] = [],  # noqa: B006 - typer wants a list; it is never changed
    again: Annotated[
        Path | None,
        typer.Option("--from", help="A report's JSON file: render it again, beside it.", show_default=False),
    ] = None,
    html: Html = None,
    latex: Latex = None,
    csv: Csv = None,
    plots: Plots = None,
    as_json: Json = False,
) -> None:
    """Write the Markdown report of a grid's results, with plots (SVG) and the same as JSON beside it.

    Example: harness report quickstart -o reports/quickstart.md --latex table.tex --plots pdf
    """
    formats = _formats(plots)
    for name, path in (("--html", html), ("--latex", latex), ("--csv", csv)):
        if path is not None and not path.name:
            raise SpecError(f"{name}: got {str(path)!r}; allowed the name of a file")
    if (grid is None) == (again is None):
        raise SpecError("report: allowed a grid, or --from with a report's JSON file")
    if out is not None and not out.name:
        raise SpecError(f"--out: got {str(out)!r}; allowed the name of a file")
    unreadable: Sequence[str] = ()
    told: Sequence[str] = ()
    if again is not None:
        for name, value in (("--select", select), ("--title", title), ("--command", command), ("--note", note)):
            if value:
                raise SpecError(f"{name}: got it beside --from; allowed beside a grid: a report's file has its own")
        place = again if out is None else out
        stem, folder = place.stem, place.parent
        data = read_report(again)
        files = data.files(stem, today())
    else:
        assert grid is not None
        part = part_named(grid, results, select)
        spec = load_grid(part.file)
        store = Store(part.results, spec.name)
        stem, folder = ("report", store.folder) if out is None else (out.stem, out.parent)
        made_by = command or f"{_run_command(part)} && {command_line()}"
        asked = Judging(tuple(part.select), environment)
        found = grid_report(spec, store, asked, command=made_by, stem=stem, title=title, notes=note)
        data, files, unreadable = found.data, found.files, found.unreadable
        told = [*filter(None, [headline(data.model, data.verdicts)]), *report_lines(found.head)]
    scored = any(one.n for row in data.model.rows for one in row.all.values())
    if not scored and (latex or csv):
        raise NothingMeasured(f"{latex or csv}: not written; no run has a score that a table could hold")
    wrote = [] if as_json else write_files(files, folder)
    wrote += write_files(data.plots(stem, formats), folder)
    if html is not None:
        wrote += write_files({html.name: data.page(today())}, html.parent)
    if latex is not None:
        wrote += write_files({latex.name: table_latex(data.model, data.verdicts)}, latex.parent)
    if csv is not None:
        wrote += write_files({csv.name: table_csv(data.model)}, csv.parent)
    if as_json:
        print(files[f"{stem}.json"])
    else:
        print(*(folded(line) for line in told), f"wrote {', '.join(one_line(str(path)) for path in wrote)}", sep="\n")
    if unreadable:
        raise StoreError("\n".join(unreadable))


def _formats(text: str | None) -> list[str]:
    wanted = list(dict.fromkeys(filter(None, (text or "").split(","))))
    unknown = next((one for one in wanted if one not in FORMATS), None)
    if unknown is not None or (text is not None and not wanted):
        raise SpecError(f"--plots: got {show(unknown or text)}; allowed {listed(FORMATS)}, or several with commas")
    return wanted


def _run_command(part: Part) -> str:
    words = ["harness", "run", str(part.file), *results_option(part.results)]
    return shlex.join([*words, *(word for one in part.select for word in ("--select", one))])
