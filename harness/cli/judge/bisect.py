"""`harness bisect`: which release of a package, or commit of a checkout, changed what training does?"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Final

import typer

from harness.checks.releases.history import History
from harness.cli.measure.run import short_runs
from harness.cli.options import RESULTS, AllowBusy, GridOrBuiltIn, Json, Junit, MaxHours, ResultsFolder
from harness.cli.outputs import Outputs
from harness.execution.run import RunOptions
from harness.pipelines.bisect.bisect import QUICK, planned, prober
from harness.pipelines.bisect.bisect import bisect as bisected
from harness.pipelines.bisect.index import commits, releases
from harness.pipelines.named.grids import grid_named
from harness.pipelines.verify import grid_to_verify
from harness.record.provenance import command_line
from harness.report.releases.markdown import releases_markdown
from harness.report.releases.text import bisect_text

TITLE: Final = "harness bisect"


def bisect(
    package: Annotated[str, typer.Argument(help="The package, as an index calls it.", show_default=False)],
    since: Annotated[str, typer.Option("--from", help="The first release, or commit.", show_default=False)],
    until: Annotated[str, typer.Option("--to", help="The last release, or commit.", show_default=False)],
    grid: GridOrBuiltIn = None,
    on: Annotated[
        list[str],
        typer.Option("--on", help=f"Only this check: {', '.join(QUICK)}; may be given again.", show_default=False),
    ] = [],  # noqa: B006 - typer wants a list; it is never changed
    checkout: Annotated[
        Path | None,
        typer.Option("--checkout", help="A checkout of the package: its commits, not releases.", show_default=False),
    ] = None,
    exhaustive: Annotated[bool, typer.Option("--exhaustive", help="Probe every release.")] = False,
    pre: Annotated[bool, typer.Option("--pre", help="Pre-releases too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be probed, and leave.")] = False,
    max_hours: MaxHours = None,
    results: ResultsFolder = RESULTS,
    allow_busy: AllowBusy = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Also write a page with its plot here.", show_default=False)
    ] = None,
    junit: Junit = None,
    as_json: Json = False,
) -> None:
    """Probe releases by verify's checks and a fixed short run, each in an environment of its own, and say what changed.

    The last patch of every minor first, then every release between neighbours that differ. Stop it at any time: the
    same command goes on, and probes nothing twice.

    Example: harness bisect transformers --from 4.45.0 --to 5.23.0 --on accumulation
    """
    with Outputs("bisect", junit=junit, out=out, as_json=as_json, is_report=True) as outputs:
        run = short_runs(RunOptions(allow_busy=allow_busy), sys.stderr, command_line(), command_line())

        path = None if grid is None else grid_named(grid, results)
        chosen = grid_to_verify(path)
        probing = prober(chosen, path, results, on or QUICK, run)
        listed = (
            commits(package, checkout, since, until)
            if checkout is not None
            else releases(package, since, until, before=pre)
        )
        if dry_run:
            section = planned(package, listed, exhaustive, TITLE, command_line())
            raise typer.Exit(outputs.hand_out([section], text=None if as_json else bisect_text(section)))
        deadline = None if max_hours is None else time.monotonic() + max_hours * 3600
        history = History(listed, on)
        found = bisected(
            package,
            history,
            probing,
            exhaustive=exhaustive,
            deadline=deadline,
            say=lambda text: print(text, file=sys.stderr, flush=True),
        )
        section = found.section(TITLE, command_line())
        stem = out.stem if out is not None else ""
        files = releases_markdown(section, stem)
        page, text = files.pop(stem), None if as_json else bisect_text(section)
        raise typer.Exit(outputs.hand_out([section], text=text, markdown=page, beside=files))
