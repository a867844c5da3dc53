"""A session: one grid with its store, environments, materials and plan; what every command starts from."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from harness.errors import NothingMeasured, RequirementError, SpecError
from harness.execution.environment import CURRENT, Environment, machine_here, probe_environment, unbuilt
from harness.execution.environments.build import build, find
from harness.execution.environments.uv import BuildFailed
from harness.execution.environments.wanted import asked
from harness.execution.executors.cluster import Cluster
from harness.execution.executors.recipe import recipe_of
from harness.execution.inputs import Materials
from harness.execution.packing import choose_packing
from harness.execution.plan import Plan, make_plan
from harness.execution.require import Requirement, as_meant, read_requirement, unusable_device
from harness.grid.cell import Cell
from harness.grid.grid import Grid, load_grid
from harness.grid.select import select
from harness.record.attempts import NEVER, Entry, Renewal
from harness.record.meant import write_meant
from harness.record.provenance import today
from harness.record.results import Results
from harness.record.store import Store

REQUIRE_VARIABLE: Final = "HARNESS_REQUIRE"
LEAST_FREE_MIB: Final = 64.0
CELL_BYTES: Final = 40 * 2**10
"""What a cell leaves beside what grows with its steps, on a disk of 4 KiB blocks: record, log, answers to 240 examples,
folders. Measured: 40,960 bytes for a tiny BERT of 4 steps."""
STEP_BYTES: Final = 24
"""Of the series of a step (`harness.subject.watch`): loss, gradient norm, two times at 4 bytes each, the rate at 8."""
TURN_BYTES: Final = 8
"""Of a micro-batch: its loss and where its examples begin, beside 4 bytes for the id of each example."""
USUAL_STEPS: Final = 1377
"""Of a recipe that does not say: the course's on MRPC. That makes 129,088 bytes; measured, compressed, 98,304."""
LIKE: Final = 20
"""So many of a store's newest records tell what the next ones take."""


@dataclass(frozen=True)
class Wishes:
    """What the user asks for of a grid's cells: which, how many ranks at once, what is measured anew or left alone.

    They run `on` a cluster, or on this machine.
    """

    selection: Sequence[str] = ()
    slots: int | None = None
    renewal: Renewal = NEVER
    keep_errored: bool = False
    on: Cluster | None = None


@dataclass(frozen=True)
class Session:
    """A grid on this machine: `cells` are the selected ones, `results` what its store has of them.

    `wishes` are what the user asked for.
    """

    grid: Grid
    cells: Sequence[Cell]
    store: Store
    results: Results
    plan: Plan
    wishes: Wishes = Wishes()

    def reopened(self) -> Session:
        """The same once more, by what its store has now: the cells of the next look, or what is too old to count.

        What errored has been tried again by now, and is left alone.
        """
        later = replace(self.wishes, renewal=replace(self.wishes.renewal, fresh=False), keep_errored=True)
        return open_session(self.grid.path, self.store.folder.parent, later)


def open_session(path: Path, results: Path, wishes: Wishes = Wishes()) -> Session:
    """Read a grid and its store, probe its environments, find its materials, and plan.

    Of a grid with planned looks only the cells of the look that is due: open it again after running them.

    Raises
    ------
    HarnessError
        SpecError for the grid or the selection, RequirementError for an environment that cannot be used.
    """
    grid = load_grid(path)
    # Which end of a round of timing cells comes first is drawn anew each time.
    cells = select(grid.every_cell(backwards=secrets.choice([False, True])), wishes.selection, grid.namer.own)
    if wishes.renewal.asked and (axis := _splits_configurations(wishes.selection)):
        raise SpecError(
            f"--select {axis}: beside --fresh or --max-age; allowed without it: a new measurement is of every seed, "
            "so that no unlucky one is measured again alone"
        )
    store = Store(results, grid.name)
    if grid.seed_plan is not None:
        cells = [*_due(grid, cells, store, wishes.renewal), *(cell for cell in cells if cell.timed)]
    return session_of(grid, cells, store, wishes)


def session_of(grid: Grid, cells: Sequence[Cell], store: Store, wishes: Wishes = Wishes()) -> Session:
    """Probe and plan for these cells, the grid's own or derived from them.

    Raises
    ------
    HarnessError
        RequirementError for an environment that cannot be used.
    """
    entries = store.entries()
    environments = {label: environment_of(grid, label) for label in dict.fromkeys(cell.environment for cell in cells)}
    if wishes.on is not None:
        environments |= _of_nodes(grid, environments, wishes.on, entries)
    materials = materials_of(grid, environments)
    for label, found in materials.items():
        if environments[label].failure is not None:
            continue
        found.find(cell for cell in cells if cell.environment == label)
    settled = {entry.cell_id for entry in entries}
    entries = store.reconcile(entries, [cell.cell_id for cell in cells if cell.cell_id not in settled])
    results, packing = Results(entries, store, cells), None
    sound = {label: one for label, one in environments.items() if one.failure is None}
    able = [cell for cell in cells if cell.environment in sound]
    if wishes.on is not None and sound:
        packing = wishes.on.packing(able, wishes.slots)
    elif sound:
        packing = choose_packing(able, sound, store.folder.parent, grid, wishes.slots)
    plan = make_plan(cells, results, environments, materials, packing, wishes.renewal, wishes.keep_errored)
    return Session(grid, cells, store, results, plan, wishes)


def _of_nodes(
    grid: Grid, environments: Mapping[str, Environment], cluster: Cluster, entries: Sequence[Entry]
) -> dict[str, Environment]:
    """The environments as the nodes of a cluster have them; what could not be built here is not asked for there."""
    sound = {label: one for label, one in environments.items() if one.failure is None}
    recipes = {
        label: recipe_of(grid.environments[label], label, grid.folder, cluster.fabric.put)
        for label, one in sound.items()
        if one.built is not None
    }
    return cluster.environments(sound, [entry.environment_id for entry in entries], recipes) if sound else {}


def _splits_configurations(selection: Sequence[str]) -> str | None:
    """The axis by which a selection takes some seeds of a configuration and leaves others."""
    axes = (expression.partition("=")[0].strip() for expression in selection)
    return next((axis for axis in axes if axis == "seed"), None)


def _due(grid: Grid, cells: Sequence[Cell], store: Store, renewal: Renewal) -> list[Cell]:
    from harness.checks.scores.gate import decided, judge_grid  # statistics are slow, and only looks need them here

    results = Results.of(grid, store, cells)
    return results.due(decided(judge_grid(grid, results, today())), renewal)


def check_requirements(session: Session) -> None:
    """Raise RequirementError (exit 4) where the machine lacks what the grid or `HARNESS_REQUIRE` insists on."""
    problems = unmet_requirements(session)
    if problems:
        raise RequirementError("\n".join(problems))


def expected_exit_code(session: Session) -> int:
    """What `run` would end with before anything can go wrong in it: 4 what is in the way, 5 nothing can run, else 0."""
    plan = session.plan
    if unmet_requirements(session) or plan.of("blocked") or plan.of("errored"):
        return RequirementError.exit_code
    return 0 if plan.of("to do") or plan.of("done") else NothingMeasured.exit_code


def disk_problem(results: Path, cells: Sequence[Cell] = (), entries: Sequence[Entry] = ()) -> str | None:
    """Say that too little space is left for the results of these cells, or that they cannot be written.

    What a cell takes is what the greatest of the store's newest records takes (`entries`), else an estimate from its
    steps and batches.
    """
    existing = next(folder for folder in [results.absolute(), *results.absolute().parents] if folder.exists())
    known = [size for entry in entries[-LIKE:] if (size := _taken(entry))]
    each, source = (max(known), "as its newest records take") if known else (0, "estimated from their steps")
    needed = LEAST_FREE_MIB + sum(each or _estimated(cell) for cell in cells) / 2**20
    free = shutil.disk_usage(existing).free / 2**20
    if free < needed:
        why = f" for {len(cells)} cell{'' if len(cells) == 1 else 's'}, {source}" if cells else ""
        return f"{free:.0f} MiB free for results at {existing}; {needed:.0f} MiB are needed{why}"
    if not os.access(existing, os.W_OK):
        return f"{existing} cannot be written; choose another place with --results"
    return None


def _taken(entry: Entry) -> int:
    """Bytes of an attempt with a series, as its stamp has them, and of what lies around them; 0 of any other."""
    if entry.stamp is None or entry.stamp.series is None:
        return 0
    return CELL_BYTES + entry.stamp.record.size + entry.stamp.series.size


def _estimated(cell: Cell) -> int:
    """Bytes that a cell may leave, its series not compressed."""
    steps, batch, turns = (
        value if isinstance(value := cell.recipe.get(name), int) and value > 0 else usual
        for name, usual in (
            ("max_steps", USUAL_STEPS),
            ("per_device_train_batch_size", 8),
            ("gradient_accumulation_steps", 1),
        )
    )
    if cell.timing is not None:
        steps = sum(cell.timing.values())
    return CELL_BYTES + steps * (STEP_BYTES + turns * (TURN_BYTES + 4 * batch * cell.devices))


def wanted_of(grid: Grid) -> list[Requirement]:
    """What the grid and `HARNESS_REQUIRE` insist on; raises SpecError for a word in the variable that is none."""
    asked = grid.require
    return [
        Requirement(asked.accelerator, asked.devices or 0, asked.memory_gib or 0.0),
        read_requirement(os.environ.get(REQUIRE_VARIABLE, "")),
    ]


def unmet_requirements(session: Session) -> list[str]:
    """What the machine lacks of what the grid or `HARNESS_REQUIRE` insists on, a line each."""
    wanted = wanted_of(session.grid)
    problems = []
    for label, environment in session.plan.environments.items():
        if environment.failure is not None:
            continue  # its cells have a record each that says so
        if environment.missing:
            problems.append(f"environment {label}: {environment.missing}")
            continue
        reasons = [reason for requirement in wanted for reason in requirement.unmet(environment)]
        unusable = unusable_device(environment)
        if unusable:
            reasons.append(unusable)
        problems += [f"environment {label}: {reason}" for reason in dict.fromkeys(reasons)]
    to_do = [planned.cell for planned in session.plan.of("to do")]
    disk = disk_problem(session.store.folder.parent, to_do, session.results.every) if to_do else None
    return [*problems, disk] if disk else problems


def mean(session: Session, run: str) -> None:
    """Note in the store what a run that begins at `run` means, for whoever reads its results later."""
    environments = {label: as_meant(one) for label, one in session.plan.environments.items()}
    on = session.wishes.on
    machine = machine_here() if on is None else on.machine
    grid = session.grid
    file = grid.path if grid.path.is_file() else None  # a shipped one is known by its name
    write_meant(session.store.folder, machine, run, environments, grid.label, file)


def materials_of(grid: Grid, environments: Mapping[str, Environment]) -> dict[str, Materials]:
    """Who finds the materials of a grid, by environment."""
    place, given = grid.folder, grid.task_folder
    return {label: Materials(place, environment, given) for label, environment in environments.items()}


def environment_of(grid: Grid, label: str, *, known: bool = False) -> Environment:
    """Probe one of a grid's environments, which is built where it has to be; with `known` only where it is built.

    Raises
    ------
    RequirementError
        Where its interpreter cannot be run, uv is missing, or a path that it names is not there. One that cannot be
        built, or is not, has a `failure`.
    """
    if label == CURRENT:
        return probe_environment(CURRENT)
    spec = grid.environments[label]
    if spec.packages is None:
        return probe_environment(label, str((grid.folder / str(spec.python)).absolute()))
    try:
        built = find(spec, label, grid.folder) if known else build(spec, label, grid.folder)
    except BuildFailed as error:
        return unbuilt(label, asked(spec), f"environment {label} cannot be built: {error}")
    if built is None:
        return unbuilt(label, asked(spec), f"environment {label} is not built here")
    return replace(probe_environment(label, built.python), built=built.told())
