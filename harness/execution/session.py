"""A session: one grid with its store, environments, materials and plan; what every command starts from."""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import RequirementError
from harness.execution.environment import CURRENT, Environment, probe_environment
from harness.execution.inputs import Materials
from harness.execution.packing import choose_packing
from harness.execution.plan import Plan, make_plan
from harness.execution.require import Requirement, read_requirement, unusable_device
from harness.grid.cell import Cell
from harness.grid.grid import Grid, load_grid
from harness.grid.select import select
from harness.record.attempts import ERRORED
from harness.record.provenance import today
from harness.record.results import Results
from harness.record.store import Store

REQUIRE_VARIABLE = "HARNESS_REQUIRE"


@dataclass(frozen=True)
class Session:
    """A grid on this machine: `cells` are the selected ones, `results` what its store has of them.

    `selection` and `slots` are what the user asked for.
    """

    grid: Grid
    cells: Sequence[Cell]
    store: Store
    results: Results
    plan: Plan
    selection: Sequence[str] = ()
    slots: int | None = None

    def reopened(self) -> Session:
        """The same once more, by what its store has now: the cells of the next look."""
        return open_session(self.grid.path, self.store.folder.parent, selection=self.selection, slots=self.slots)


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
    session = session_of(grid, cells, store, slots=slots, again=again, time_again=time_again)
    return replace(session, selection=tuple(selection))


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
    results, packing = Results(entries, store, cells), None
    if environments:
        packing = choose_packing(cells, environments, store.folder.parent, grid, slots)
    plan = make_plan(cells, results, environments, materials, packing, again, time_again)
    return Session(grid, cells, store, results, plan, slots=slots)


def _due(grid: Grid, cells: Sequence[Cell], store: Store) -> list[Cell]:
    from harness.checks.scores.gate import decided, judge_grid  # statistics are slow, and only looks need them here

    results = Results.of(grid, store, cells)
    return results.due(decided(judge_grid(grid, results, today())))


def check_requirements(session: Session) -> None:
    """Raise RequirementError (exit 4) where the machine lacks what the grid or `HARNESS_REQUIRE` insists on."""
    problems = unmet_requirements(session)
    if problems:
        raise RequirementError("\n".join(problems))


def unmet_requirements(session: Session) -> list[str]:
    """What the machine lacks of what the grid or `HARNESS_REQUIRE` insists on, a line each."""
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
    return problems


def _environment(grid: Grid, label: str) -> Environment:
    if label == CURRENT:
        return probe_environment(CURRENT)
    python = (grid.path.parent / grid.environment[label].python).absolute()
    return probe_environment(label, str(python))
