"""What was edited in a grid since its runs: why cells are to do although the store has runs that look like theirs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from harness.checks.changes import changes
from harness.errors import StoreError
from harness.execution.environment import Environment
from harness.execution.plan import Plan, PlannedCell
from harness.fact import Fact
from harness.grid.cell import Cell
from harness.grid.grid import Grid
from harness.record.attempts import OUTCOMES, RETRIED, Entry, Renewal
from harness.record.model import asked_of
from harness.record.results import Results

MOST: Final = 8
"""Configurations of which the old record is opened."""


def why_to_do(grid: Grid, plan: Plan, results: Results, renewal: Renewal) -> dict[str, Fact]:
    """Why each cell is to do that is, by its id.

    A fact `todo.*`: what was never tried and took the place of an older configuration tells what was edited.
    """
    tried: dict[str, list[Entry]] = {}
    for entry in results.entries:
        if entry.status != "skipped":
            tried.setdefault(entry.cell_id, []).append(entry)
    edits = _edited(grid, plan, results)
    found = {}
    for planned in plan.of("to do"):
        cell = planned.cell
        why = _why(planned, tried.get(cell.cell_id, ()), plan.environments[cell.environment], renewal)
        found[cell.cell_id] = edits.get(cell.cell_id, why) if why.code == "todo.never" else why
    return found


def _edited(grid: Grid, plan: Plan, results: Results) -> dict[str, Fact]:
    """Compare configurations of which nothing was run with the newest foreign one of the same place in the matrix.

    By cell what was edited, and how many runs there are of the old ones of which that was.
    """
    foreign = _foreign(grid, results)
    if not foreign:
        return {}
    tried = {entry.configuration_id for entry in results.entries}
    found: dict[str, tuple[tuple[Fact, ...], int, list[str]]] = {}
    for cells in list(_untried(plan, tried))[:MOST]:
        old = _newest_alike(cells[0], foreign)
        if old is None:
            continue
        try:
            sides = results.record(old).asked, asked_of(cells[0])
        except StoreError:
            continue
        changed = changes(*(asked.model_dump(exclude={"seed", "axes"}) for asked in sides))
        if not changed:
            continue
        _, runs, members = found.get(str(changed), (changed, 0, []))
        runs += sum(entry.configuration_id == old.configuration_id for entry in foreign)
        found[str(changed)] = changed, runs, [*members, *(cell.cell_id for cell in cells)]
    return {
        cell_id: Fact.of("todo.edited", changes=changed, runs=runs)
        for changed, runs, members in found.values()
        for cell_id in members
    }


def _why(planned: PlannedCell, tried: Sequence[Entry], environment: Environment, renewal: Renewal) -> Fact:
    if planned.errored and planned.entry is not None:
        return Fact.of("todo.ended", status=planned.entry.status)
    here = [entry for entry in tried if entry.environment_id == environment.environment_id]
    if not tried:
        return Fact.of("todo.never")
    if not here:
        return Fact.of("todo.environment", label=planned.cell.environment)
    last = max(here, key=lambda entry: (entry.started, entry.path))
    if not last.readable:
        return Fact.of("todo.unreadable")
    if last.status not in OUTCOMES and last.status not in RETRIED:
        return Fact.of("todo.ended", status=last.status)
    if renewal.asked and planned.measurement > last.measurement:
        return Fact.of("todo.fresh") if renewal.fresh else Fact.of("todo.old")
    return Fact.of("todo.content")


def foreign(grid: Grid, results: Results) -> Fact | None:
    """What the store has of cells that the grid does not have: it was edited, or another grid has its name."""
    others = [entry for entry in _foreign(grid, results) if entry.readable]
    if not others:
        return None
    newest = max(others, key=lambda entry: (entry.started, entry.path))
    try:
        command = results.record(newest).provenance.command
    except StoreError:
        command = None
    return Fact.of("store.foreign", runs=len(others), newest=newest.started, command=command)


def _foreign(grid: Grid, results: Results) -> list[Entry]:
    """Attempts at cells that the grid does not have; of a planned part what was left out is none of them."""
    if not results.foreign:
        return []
    known = {cell.cell_id for cell in grid.every_cell()}
    return [entry for entry in results.every if entry.cell_id not in known]


def _untried(plan: Plan, tried: set[str]) -> Iterator[Sequence[Cell]]:
    members: dict[str, list[Cell]] = {}
    for planned in plan.of("to do"):
        if planned.cell.configuration_id not in tried:
            members.setdefault(planned.cell.configuration_id, []).append(planned.cell)
    yield from members.values()


def _newest_alike(cell: Cell, foreign: Sequence[Entry]) -> Entry | None:
    """The newest attempt at another configuration with this checkpoint, precision and number of devices."""
    place = (cell.checkpoint.name, cell.precision, cell.devices)
    alike = [entry for entry in foreign if (entry.checkpoint, entry.precision, entry.devices) == place]
    return max(alike, key=lambda entry: (entry.started, entry.path), default=None)
