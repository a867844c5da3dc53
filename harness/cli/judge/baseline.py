"""`harness baseline`: keep a grid's results for review, and compare others with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from harness.checks.scores.baseline.build import build_baseline
from harness.checks.scores.baseline.compare import compare as compare_sides
from harness.checks.scores.baseline.file import SUFFIX, Baseline, GridName, read_baseline, write_baseline
from harness.checks.scores.baseline.pair import BaselineSide
from harness.cli.ci import one_of
from harness.cli.options import RESULTS, GridFile, InconclusiveIs, Json, Junit, Out, ResultsFolder, Select
from harness.cli.outputs import Outputs, waiver_facts
from harness.errors import NothingMeasured, SpecError
from harness.grid.grid import load_grid
from harness.grid.select import select as select_cells
from harness.grid.waivers import Waiver, ledger
from harness.record.provenance import command_line, now, provenance, today
from harness.record.results import Results
from harness.record.store import Store
from harness.report.saved import left_out_lines, made_text, saved_text
from harness.report.verdicts.sections import Section
from harness.report.verdicts.words import Head
from harness.stats.margin import PARITY
from harness.text import show

FOLDER = Path("reports/baselines")
MOST_POINTS = 100.0

app = typer.Typer(help="Keep results for review, and compare others with them.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """Keep results for review, and compare others with them."""


@app.command()
def save(
    grid: GridFile,
    results: ResultsFolder = RESULTS,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help=f"The file (default: {FOLDER}/GRID{SUFFIX}).", show_default=False),
    ] = None,
    select: Select = [],  # noqa: B006 - typer wants a list; it is never changed
    note: Annotated[str, typer.Option("--note", help="A sentence for who reviews it.", show_default=False)] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace the file where there is one.")] = False,
) -> None:
    """Write a grid's results as a small JSON file, to be reviewed and committed; says what it leaves out.

    Example: harness baseline save quickstart --note "before transformers 5.24"
    """
    name, baseline, _ = _results(grid, results, select, note)
    if not any(run.accuracy is not None for one in baseline.configurations for run in one.seeds.values()):
        lines = "\n".join(left_out_lines(baseline.left_out))
        raise NothingMeasured(f"{results / name}: no run of {grid} has a score; nothing is saved\n{lines}".rstrip())
    path = out or FOLDER / f"{name}{SUFFIX}"
    write_baseline(path, baseline, replace=force)
    print(saved_text(baseline, path))


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(help=f"A baseline ({SUFFIX}), or a grid: its results.", show_default=False)],
    b: Annotated[
        Path | None,
        typer.Argument(
            help="Likewise (default: the grid that the baseline names; of a grid alone, its baseline is A).",
            show_default=False,
        ),
    ] = None,
    results: ResultsFolder = RESULTS,
    margin: Annotated[
        float, typer.Option("--margin", help="The largest difference that counts as equal, points of accuracy.")
    ] = PARITY,
    inconclusive: InconclusiveIs = "fail",
    junit: Junit = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Compare B with A: scores paired by seed, where runs part first, collapses, environments, what is missing or new.

    Exit 1 where a configuration FAILs, 4 where one of A is missing or errored in B, 5 where nothing can be compared.

    Example: harness baseline compare reports/baselines/quickstart.json
    """
    if not 0 < margin <= MOST_POINTS:
        raise SpecError(f"--margin: got {margin}; allowed above 0 to {MOST_POINTS:g} points")
    policy = one_of(inconclusive, "--inconclusive")
    first, second = _sides(a, b, results)
    day = today()
    found = compare_sides(first.side, second.side, margin=margin, waivers=second.waivers, today=day)
    old, new = (made_text(side.name, side.results) for side in (first.side, second.side))
    waivers = waiver_facts(ledger(second.waivers, found.verdicts, day))
    head = Head("baseline", "harness baseline compare", command_line(), old, new, policy, found.facts, waivers)
    code = found.exit_code(policy)
    with Outputs("baseline", junit=junit, out=out, as_json=as_json) as outputs:
        raise typer.Exit(outputs.hand_out([Section(head, found.verdicts, code=code)]))


@dataclass(frozen=True)
class _Opened:
    side: BaselineSide
    waivers: Sequence[Waiver] = ()


def _sides(a: Path, b: Path | None, results: Path) -> tuple[_Opened, _Opened]:
    if b is not None:
        return _open(a, results), _open(b, results)
    if a.suffix == SUFFIX:
        first = _open(a, results)
        named = first.side.results.grid
        file = Path(named.file)
        if not file.is_file():
            allowed = "a grid that is there, seen from this folder, or B on the command line"
            raise SpecError(f"{a}: grid.file: got {show(named.file)}; allowed {allowed}")
        return first, _open(file, results, named.select, a)
    path = FOLDER / f"{load_grid(a).name}{SUFFIX}"
    first = _open(path, results)
    return first, _open(a, results, first.side.results.grid.select, path)


def _open(path: Path, results: Path, select: Sequence[str] = (), selected_by: Path | None = None) -> _Opened:
    if path.suffix == SUFFIX:
        return _Opened(BaselineSide(str(path), read_baseline(path)))
    name, found, waivers = _results(path, results, select, selected_by=selected_by)
    return _Opened(BaselineSide(f"{path} ({results / name})", found), waivers)


def _results(
    path: Path, results: Path, select: Sequence[str], note: str = "", selected_by: Path | None = None
) -> tuple[str, Baseline, Sequence[Waiver]]:
    """A grid's name, its results in the form of a baseline, and its waivers."""
    grid = load_grid(path)
    try:
        cells = select_cells(grid.cells(), select)
    except SpecError as error:
        # The user of `compare` wrote no --select: the baseline did.
        if selected_by is None:
            raise
        raise SpecError(f"{selected_by}: grid.select: {error}") from error
    store = Store(results, grid.name)
    known = Results.of(grid, store, cells)
    if not known.entries:
        raise NothingMeasured(f"{store.folder}: no record of {path} yet; run it first: harness run {path}")
    found = build_baseline(
        GridName(name=grid.name, file=str(path), task=grid.task, select=list(select)),
        known,
        date=now(),
        provenance=provenance(path.parent),
        note=" ".join(note.split()),
    )
    return grid.name, found, grid.waiver
