"""`harness export`: timings as the JSON of pytest-benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.disk import write_durably
from harness.errors import NothingMeasured, SpecError, StoreError
from harness.record.results import Results
from harness.record.store import Store, store_grids
from harness.report.speed.export import benchmark_json
from harness.report.speed.processes import processes_of, session_starts
from harness.text import listed, show

Folder = Annotated[Path, typer.Argument(help="A grid's results: RESULTS/GRID.", show_default=False)]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="The JSON file (default: standard output).", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(export)


def export(
    folder: Folder,
    out: Out = None,
    session: Annotated[
        str | None, typer.Option("--session", help="The session's id (default: the newest).", show_default=False)
    ] = None,
) -> None:
    """Write the timings of one session as a file for pytest-benchmark's `compare` and histograms.

    Example: harness export results/speed -o speed.json && pytest-benchmark compare speed.json
    """
    store = _store(folder)
    processes = processes_of(Results(store.entries(), store).timings)
    sessions = session_starts(processes)
    if not sessions:
        raise NothingMeasured(f"{folder}: no timing in it yet; a grid with [throughput] makes some: harness run GRID")
    chosen = session or next(iter(sessions))
    if chosen not in sessions:
        known = listed(f"{name} ({start[:16]})" for name, start in sessions.items())
        raise SpecError(f"--session: got {show(chosen)}; allowed {known}")
    text = benchmark_json(store.grid, [one for one in processes if one.session == chosen])
    if out is None:
        print(text, end="")
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_durably(out, text)
    except OSError as error:
        raise StoreError(f"{out}: cannot be written: {error.strerror or error}") from error
    print(f"wrote {out}: session {chosen} of {sessions[chosen][:16].replace('T', ' ')} UTC")


def _store(folder: Path) -> Store:
    """The store of one grid; a folder of several is asked for the grid."""
    folder = folder.resolve()
    if (folder / "cells").is_dir():
        return Store(folder.parent, folder.name)
    grids = store_grids(folder)
    allowed = f"one of {listed(str(folder / name) for name in grids)}" if grids else "a grid's results, RESULTS/GRID"
    raise SpecError(f"results: got {show(str(folder))}, which holds no grid's cells; allowed {allowed}")
