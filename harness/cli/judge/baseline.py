"""`harness baseline`: keep a grid's results for review, and compare others with them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.baselines.build import build_baseline
from harness.baselines.file import SUFFIX, read_baseline, write_baseline
from harness.baselines.model import Baseline, GridName
from harness.checks.scores.against_baseline import Comparison, exit_code
from harness.checks.scores.against_baseline import compare as compare_sides
from harness.checks.scores.baseline_pair import Side
from harness.cli.options import RESULTS, GridFile, Json, ResultsFolder, Select
from harness.errors import NothingMeasured, SpecError
from harness.grid.grid import load_grid
from harness.grid.select import select as select_cells
from harness.grid.waivers import Use, Waiver, ledger
from harness.record.provenance import now, provenance, today
from harness.record.results import Results
from harness.record.store import Store
from harness.report.verdicts.baseline_text import comparison_text, left_out_lines, saved_text
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

    Example: harness baseline save benchmarks/quickstart.toml --note "before transformers 5.24"
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
    inconclusive: Annotated[
        str, typer.Option("--inconclusive", help="fail: undecided is exit 3; pass: it is listed only.")
    ] = "fail",
    as_json: Json = False,
) -> None:
    """Compare B with A: scores paired by seed, where runs part first, collapses, environments, what is missing or new.

    Exit 1 where a configuration FAILs, 4 where one of A is missing or errored in B, 5 where nothing can be compared.

    Example: harness baseline compare reports/baselines/quickstart.json
    """
    if not 0 < margin <= MOST_POINTS:
        raise SpecError(f"--margin: got {margin}; allowed above 0 to {MOST_POINTS:g} points")
    policy: Literal["fail", "pass"]
    if inconclusive == "fail":
        policy = "fail"
    elif inconclusive == "pass":
        policy = "pass"
    else:
        raise SpecError(f"--inconclusive: got {show(inconclusive)}; allowed fail, pass")
    first, second = _sides(a, b, results)
    day = today()
    found = compare_sides(first.side, second.side, margin=margin, waivers=second.waivers, today=day)
    uses = ledger(second.waivers, found.judgements, day)
    code = exit_code(found, inconclusive=policy)
    print(_as_json(found, uses, code) if as_json else comparison_text(found, (first.side, second.side), uses))
    raise typer.Exit(code)


@dataclass(frozen=True)
class _Opened:
    side: Side
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
        return _Opened(Side(str(path), read_baseline(path)))
    name, found, waivers = _results(path, results, select, selected_by=selected_by)
    return _Opened(Side(f"{path} ({results / name})", found), waivers)


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


def _as_json(found: Comparison, uses: Sequence[Use], code: int) -> str:
    data = {
        "a": found.a,
        "b": found.b,
        "exit_code": code,
        "environments": [asdict(one) for one in found.environments],
        "judgements": [asdict(one) for one in found.judgements],
        "departures": {key: [asdict(one) for one in several] for key, several in found.departures.items()},
        "waivers": [use.text for use in uses],
    }
    return json.dumps(data, indent=1)
