"""What `harness report` does, and `bench` after a run: the runs that count, their verdicts, and both as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.checks.material import run_faults
from harness.checks.scores.compared import Comparison
from harness.checks.verdict import Verdict
from harness.errors import NothingMeasured
from harness.grid.cell import Cell
from harness.grid.grid import Grid
from harness.grid.select import select
from harness.pipelines.check import Checked, Judging, check_grid, part_of
from harness.pipelines.judged import Judged, judged, not_run
from harness.record.freshness import freshness
from harness.record.provenance import today
from harness.record.results import Results
from harness.record.store import Store
from harness.report.files import ReportData, report_model
from harness.report.run.model import ReportHead


@dataclass(frozen=True)
class Reported:
    """A report's files by name, and the cells whose record cannot be believed: they are in no figure."""

    files: dict[str, str]
    head: ReportHead
    unreadable: Sequence[str]
    data: ReportData


@dataclass(frozen=True)
class Found:
    """A report before it is rendered, and the results that it is of."""

    data: ReportData
    head: ReportHead
    results: Results


def report_data(
    grid: Grid,
    store: Store,
    asked: Judging,
    *,
    command: str,
    title: str | None = None,
    notes: Sequence[str] = (),
    found: Judged | None = None,
    checked: Checked | None = None,
) -> Found:
    """What a store has of a grid, or of a part of it, judged where the grid asks for it.

    `found` is what the store has, and `checked` its verdicts, where a command has them already.

    Raises
    ------
    HarnessError
        NothingMeasured where there is no record; SpecError for the selection or the environment.
    """
    every = grid.every_cell()
    cells = select(every, asked.selection, grid.namer.own)
    whole = judged(grid, store, asked.environment) if found is None else found
    results = whole.results.of_cells(cells)
    if not results.entries:
        raise NothingMeasured(not_run(grid.path, store))
    wanted = results.trained and (grid.quality is not None or grid.reference or grid.compare)
    found_so = (checked or check_grid(grid, store, asked, whole)) if wanted else None
    comparisons, verdicts = _of_part(found_so, every, cells) if found_so else ((), ())
    counting = [entry for one in results.configurations for entry in one.entries]
    counting = counting or [entry for entry in results.entries if entry.status == "ok"]
    fresh = freshness(counting, whole.run, sum(len(one.missing) for one in results.configurations))
    part = part_of(grid, every, cells)
    # Of a part there are no verdicts for a reason of its own, and what is compared is no nothing.
    nothing = [one for one in found_so.notes if one.code == "judged.nothing"] if found_so and part is None else []
    head = ReportHead(fresh, part, (*nothing, *whole.notes, *run_faults(results)))
    model = report_model(
        grid,
        results,
        command=command,
        title=title,
        notes=notes,
        head=head,
        comparisons=comparisons,
    )
    data = ReportData(model, verdicts)
    return Found(data, head, results)


def _of_part(
    found: Checked, every: Sequence[Cell], cells: Sequence[Cell]
) -> tuple[tuple[Comparison, ...], tuple[Verdict, ...]]:
    """The comparisons and verdicts of a part of a grid: those of configurations of which every run is shown.

    Rows of chosen seeds beside a test of all would be of two samples, and who chooses seeds chooses the verdict.
    """
    shown = {cell.cell_id for cell in cells}
    left = {cell.configuration_id for cell in every if cell.cell_id not in shown}
    comparisons = (one for one in found.comparisons if not {one.configuration_a, one.configuration_b} & left)

    def is_whole(one: Verdict) -> bool:
        return not {side.configuration_id for side in (one.subject, one.against) if side is not None} & left

    return tuple(comparisons), tuple(filter(is_whole, found.verdicts))


def grid_report(grid: Grid, store: Store, asked: Judging, *, stem: str = "report", **options: Any) -> Reported:
    """Report what a store has of a grid: `report_data` with its `options`, as files. Raises as it does."""
    one = report_data(grid, store, asked, **options)
    results = one.results
    unreadable = [entry.error or "" for entry in results.entries if entry.status == "unreadable"]
    return Reported(one.data.files(stem, today()), one.head, unreadable, one.data)
