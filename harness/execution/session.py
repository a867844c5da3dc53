"""A session: one grid with its store, environments, materials and plan; what every command starts from."""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import RequirementError
from harness.execution.environment import CURRENT, Environment, probe_environment
from harness.execution.inputs import Materials
from harness.execution.packing import choose
from harness.execution.plan import Packing, Plan, make_plan
from harness.execution.require import Requirement, read_requirement, unusable_device
from harness.execution.run import RunOptions
from harness.grid.cell import Cell
from harness.grid.grid import Grid, load_grid
from harness.grid.select import select
from harness.record.model import ERRORED
from harness.record.provenance import today
from harness.record.results import Results
from harness.record.store import Store

REQUIRE_VARIABLE = "HARNESS_REQUIRE"


@dataclass(frozen=True)
class Session:
    """A grid on this machine: `cells` are the selected ones, `results` what its store has of them."""

    grid: Grid
    cells: Sequence[Cell]
    store: Store
    results: Results
    plan: Plan


def open_session(
    path: Path,
    results: Path,
    *,
    selection: Sequence[str] = (),
    slots: int | None = None,
    retry_errored: bool = False,
    time_again: bool = False,
) -> Session:
    """Read a grid and its store, probe its environments, find its materials, and plan.

    Of a grid with planned looks only the cells of the look that is due: open it again after running them. With
    `time_again` timing cells are to do even where they are done: a further session of measurements.

    Raises
    ------
    HarnessError
        SpecError for the grid or the selection, RequirementError for an environment that cannot be used.
    """
    grid = load_grid(path)
    # Which end of a round of timing cells comes first is drawn anew each time.
    cells = select(grid.every_cell(backwards=secrets.choice([False, True])), selection)
    store = Store(results, grid.name)
    if grid.seed_plan is not None:
        cells = [*_due(grid, cells, store), *(cell for cell in cells if cell.timed)]
    again = ERRORED if retry_errored else ()
    return session_of(grid, cells, store, slots=slots, again=again, time_again=time_again)


def session_of(
    grid: Grid,
    cells: Sequence[Cell],
    store: Store,
    *,
    slots: int | None = None,
    again: Collection[str] = (),
    time_again: bool = False,
) -> Session:
    """Probe and plan for these cells, the grid's own or derived from them.

    Final records whose status is in `again` do not count; with `time_again` none of a timing cell does.

    Raises
    ------
    HarnessError
        RequirementError for an environment that cannot be used.
    """
    entries = store.entries()
    environments = {label: _environment(grid, label) for label in dict.fromkeys(cell.environment for cell in cells)}
    place, given = grid.path.parent, grid.task_folder
    materials = {label: Materials(place, environment, given) for label, environment in environments.items()}
    for label, found in materials.items():
        found.find(cell for cell in cells if cell.environment == label)
    settled = {entry.cell_id for entry in entries}
    entries = store.reconcile(entries, [cell.cell_id for cell in cells if cell.cell_id not in settled])
    packing = _packing(grid, cells, environments, store, slots) if environments else None
    results = Results(entries, store, cells)
    plan = make_plan(cells, results, environments, materials, packing, again, time_again)
    return Session(grid, cells, store, results, plan)


def _packing(
    grid: Grid, cells: Sequence[Cell], environments: Mapping[str, Environment], store: Store, slots: int | None
) -> Packing:
    """`--slots` before the grid's own number, that before what was measured; what was measured is beside the grids."""
    place = (cells, environments, store.folder.parent, grid.path)
    if slots is None and grid.execution.slots != "auto":
        return choose(*place, grid.execution.slots, "grid")
    return choose(*place, slots)


def _due(grid: Grid, cells: Sequence[Cell], store: Store) -> list[Cell]:
    from harness.checks.scores.judge import decided, judge_grid  # statistics are slow, and only looks need them here

    results = Results.of(grid, store, cells)
    return results.due(decided(judge_grid(grid, results, today())))


def check_requirements(session: Session) -> None:
    """Raise RequirementError (exit 4) where the machine lacks what the grid or `HARNESS_REQUIRE` insists on."""
    asked = session.grid.require
    wanted = [
        Requirement(asked.accelerator, asked.devices or 0, asked.memory_gib or 0.0),
        read_requirement(os.environ.get(REQUIRE_VARIABLE, "")),
    ]
    problems = []
    for label, environment in session.plan.environments.items():
        if environment.missing:
            problems.append(f"environment {label}: {environment.missing}")
            continue
        reasons = [reason for requirement in wanted for reason in requirement.unmet(environment)]
        unusable = unusable_device(environment)
        if unusable:
            reasons.append(unusable)
        problems += [f"environment {label}: {reason}" for reason in dict.fromkeys(reasons)]
    if problems:
        raise RequirementError("\n".join(problems))


def run_options(session: Session, *, host: str, max_hours: float | None, retries: int, allow_busy: bool) -> RunOptions:
    """The grid's limits and the command's wishes together."""
    execution = session.grid.execution
    return RunOptions(
        host="spawn" if host == "spawn" else "fork",
        timeout_s=execution.timeout_minutes * 60,
        first_step_timeout_s=execution.first_step_timeout_minutes * 60,
        max_s=None if max_hours is None else max_hours * 3600,
        retries=retries,
        allow_busy=allow_busy,
    )


def _environment(grid: Grid, label: str) -> Environment:
    if label == CURRENT:
        return probe_environment(CURRENT)
    python = (grid.path.parent / grid.environment[label].python).absolute()
    return probe_environment(label, str(python))
