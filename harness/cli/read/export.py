"""`harness export`: results in the forms of other programs; without `--to`, timings as the JSON of pytest-benchmark."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.checks.speed.process import processes_of, session_starts
from harness.cli.options import RESULTS, ResultsFolder, ResultsOf, Select
from harness.disk import explained, write_output
from harness.errors import NothingMeasured, SpecError
from harness.pipelines.named.places import store_named
from harness.pipelines.publish.export import TARGETS, Exported, Wish, export_results
from harness.record.folders import to_type
from harness.record.provenance import command_line
from harness.record.results import Results
from harness.record.store import Store
from harness.report.speed.export import benchmark_json
from harness.text import listed, one_line, show

To = Annotated[
    str | None,
    typer.Option("--to", help=f"{', '.join(TARGETS)} (default: timings for pytest-benchmark).", show_default=False),
]
Out = Annotated[
    str | None,
    typer.Option(
        "--out", "-o", help="The file or folder, or MLflow's URI (default: standard output).", show_default=False
    ),
]
Session = Annotated[
    str | None,
    typer.Option("--session", help="Of timings: the session's id (default: the newest).", show_default=False),
]
Environment = Annotated[
    str | None,
    typer.Option(
        "--environment", help="Whose runs (default: those that `run` meant); all for every one.", show_default=False
    ),
]


def export(
    name: ResultsOf,
    to: To = None,
    out: Out = None,
    select: Select = [],  # noqa: B006 - typer wants a list; it is never changed
    results: ResultsFolder = RESULTS,
    environment: Environment = None,
    session: Session = None,
) -> None:
    """Write results in the form of another program, after the run. Nothing is published that is a FAIL.

    Example: harness export grid.toml --to model-card -o README.md

    Example: harness export results/speed -o speed.json && pytest-benchmark compare speed.json
    """
    if out is not None and not out:
        raise SpecError('--out: got ""; allowed the name of a file or folder')
    if to is None:
        _timings(store_named(name, results), None if out is None else Path(out), session)
        return
    if session is not None:
        raise SpecError(f"--session: got it beside --to {to}; allowed without --to, for timings")
    found = export_results(Wish(name, to, results, out, select, environment, command_line()))
    wrote = list(found.written)
    if found.text is not None and out is not None:
        _write(Path(out), found.text)
        wrote.append(out)
    elif found.text is not None:
        print(found.text, end="")
    for line in _told(found):
        print(one_line(line), file=sys.stderr)
    if wrote:
        print(f"wrote {', '.join(map(one_line, wrote))}")


def _told(found: Exported) -> list[str]:
    """What was kept back, and what is marked."""
    held = [f"not published: {one.label}{f', {one.metric}' if one.metric else ''}: {one.why}" for one in found.held]
    return held + [f"marked: {one.row.label}: {one.mark}" for one in found.marked]


def _write(path: Path, text: str) -> None:
    with explained(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_output(path, text)


def _timings(store: Store, out: Path | None, session: str | None) -> None:
    processes = processes_of(Results(store.entries(), store).timings)
    sessions = session_starts(processes)
    if not sessions:
        hint = to_type("run", store.grid, results=store.folder.parent)
        raise NothingMeasured(f"{store.folder}: no timing in it yet; a grid with [throughput] makes some: {hint}")
    chosen = session or next(iter(sessions))
    if chosen not in sessions:
        known = listed(f"{name} ({start[:16]})" for name, start in sessions.items())
        raise SpecError(f"--session: got {show(chosen)}; allowed {known}")
    text = benchmark_json(store.grid, [one for one in processes if one.session == chosen])
    if out is None:
        print(text, end="")
        return
    _write(out, text)
    print(f"wrote {out}: session {chosen} of {sessions[chosen][:16].replace('T', ' ')} UTC")
