"""`harness history`: a grid session after session, and what changed between them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import NAMING, RESULTS, EnvironmentChoice, Json, ResultsFolder
from harness.disk import write_files
from harness.errors import NothingMeasured, SpecError
from harness.grid.grid import load_grid
from harness.pipelines.check import Judging, check_grid
from harness.pipelines.history import add_line, file_of, history_report, session_of
from harness.pipelines.judged import judged, not_run
from harness.pipelines.named.grids import whole_named
from harness.record.folders import to_type
from harness.record.provenance import command_line
from harness.record.store import Store
from harness.report.format.width import folded
from harness.report.history.as_json import history_json
from harness.report.history.markdown import history_lines
from harness.report.history.plots import history_files, history_page
from harness.text import one_line

SUSPICIOUS = 3

Words = Annotated[
    list[str],
    typer.Argument(
        metavar="[add] GRID",
        help=f"The grid: {NAMING}; with `add` its results are appended first.",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="Write it as Markdown with plots (SVG) here.", show_default=False)
]
Html = Annotated[
    Path | None, typer.Option("--html", help="Write it as one page to click through here.", show_default=False)
]


def history(
    words: Words,
    results: ResultsFolder = RESULTS,
    environment: EnvironmentChoice = None,
    out: Out = None,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Show each configuration over time: score, speed, fingerprint, where they changed and what else changed there.

    The history is a file of JSON lines beside the grid (`[history]` names it), one a session, for your git; `bench`
    appends its own where the grid has that table, and `add` the results that are there now.

    Example: harness history add grid.toml --html history.html
    """
    add, names = words[:1] == ["add"], words[words[:1] == ["add"] :]
    if len(names) != 1:
        raise SpecError(f"history: got {len(names)} grids; allowed [add] GRID, one grid")
    for name, path in (("--out", out), ("--html", html)):
        if path is not None and not path.name:
            raise SpecError(f"{name}: got {str(path)!r}; allowed the name of a file")
    part = whole_named(names[0], results)
    grid = load_grid(part.file)
    if add:
        store = Store(part.results, grid.name)
        found = judged(grid, store, environment)
        if not found.results.entries:
            raise NothingMeasured(not_run(grid.path, store))
        asked = Judging(environment=environment)
        new = add_line(grid, found, check_grid(grid, store, asked, found).section(asked, "harness check").code)
        said = f"{'appended to' if new else 'is already in'} {file_of(grid)}: the session of {session_of(found)}"
        print(one_line(said), file=sys.stderr if as_json else sys.stdout)
    model = history_report(grid, command_line())
    if not model.tracks:
        hint = to_type("history", "add", str(grid.path), results=part.results)
        raise NothingMeasured(f"{file_of(grid)}: no session of {grid.name} yet: {hint}")
    wrote = write_files(history_files(model, out.stem), out.parent) if out is not None else []
    wrote += write_files({html.name: history_page(model)}, html.parent) if html is not None else []
    if as_json:
        print(history_json(model, SUSPICIOUS if model.suspicious else 0), end="")
    else:
        print(folded("\n".join(map(one_line, history_lines(model)))))
    if wrote:
        print(f"wrote {', '.join(one_line(str(path)) for path in wrote)}", file=sys.stderr if as_json else sys.stdout)
    if model.suspicious:
        raise typer.Exit(SUSPICIOUS)
