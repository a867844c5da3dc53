"""A grid: the TOML file that says what to run, checked as a whole before anything runs.

Everything wrong with a file is reported at once, a line each: `FILE: dotted.field: got VALUE; allowed ...`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import Field, PrivateAttr, ValidationError

from harness.errors import SpecError
from harness.grid.arguments import check_recipe, default_of, frozen_versions, with_overlay
from harness.grid.cell import DEFAULTS, Cell, HeadSeeding, OrFalse
from harness.grid.expand import expand
from harness.grid.looks import SeedPlan
from harness.grid.matrix import Matrix, identity, read_matrix
from harness.grid.tables import (
    CheckpointSpec,
    Compare,
    EnvironmentSpec,
    Execution,
    History,
    Name,
    Quality,
    Reference,
    Require,
    Table,
    Text,
    Throughput,
    Variable,
    Verify,
    compare_problems,
)
from harness.grid.waivers import Waiver, waiver_problems
from harness.text import dotted, listed, show
from harness.validation import explain, junk, name_of, parse_toml, raise_problems, read_toml

T = TypeVar("T")

CURRENT: Final = "current"
"""The environment that needs no definition: the interpreter that runs the harness."""
HUB_TASK_PREFIX: Final = "glue/"
"""Of tasks that come from the hub, or from the folder that the environment variable `task_folder` names."""


class Grid(Table):
    """A checked grid. Build it with `load_grid`, which also expands it into cells."""

    name: Name
    task: Text
    task_folder: Variable | None = None
    head_seeding: HeadSeeding = "seeded"
    recipe_defaults: str | None = None
    accepts_loss_kwargs: OrFalse = "model"
    recipe: dict[str, Any] = Field(default_factory=dict)
    matrix: dict[str, Any]
    require: Require = Field(default_factory=Require)
    reference: list[Reference] = Field(default_factory=list)
    quality: Quality | None = None
    compare: list[Compare] = Field(default_factory=list)
    waiver: list[Waiver] = Field(default_factory=list)
    throughput: Throughput | None = None
    verify: Verify | None = None
    history: History | None = None
    checkpoint: dict[Text, CheckpointSpec] = Field(default_factory=dict)
    environment: dict[Name, EnvironmentSpec] = Field(default_factory=dict)
    execution: Execution = Field(default_factory=Execution)

    _path: Path = PrivateAttr(default=Path("grid.toml"))
    _file: Path | None = PrivateAttr(default=None)
    _matrix: Matrix = PrivateAttr(default=Matrix(axes={}))
    _cells: tuple[Cell, ...] = PrivateAttr(default=())

    @property
    def path(self) -> Path:
        """What the user called it: its file, or the bare name of one that the harness ships."""
        return self._path

    @property
    def file(self) -> Path:
        """Where it was read from; local folders in it are relative to its folder."""
        return self._file or self._path

    @property
    def folder(self) -> Path:
        """The folder of its file."""
        return self.file.parent

    @property
    def axes(self) -> Mapping[str, Any]:
        """The axes as written: name -> list of values, in the order of the file."""
        return self._matrix.axes

    @property
    def seed_plan(self) -> SeedPlan | None:
        """The planned looks, where the grid has them; its cells then have every seed of the plan."""
        return self._matrix.seed_plan

    def cells(self) -> list[Cell]:
        """Return every cell that trains to its end, the first seed of each configuration before any second one."""
        return [] if self.throughput is not None and self.throughput.only else list(self._cells)

    def timing_cells(self, backwards: bool = False) -> list[Cell]:
        """The timing cells that `[throughput]` asks for, interleaved as they are to run; none without that table.

        Each configuration has `processes` replicates, all at its first seed and so of the same batches. A round takes
        every configuration once, and every second round takes them in reverse (with `backwards` the first does): any
        two of them alternate A B B A.
        """
        asked = self.throughput
        if asked is None:
            return []
        first: dict[str, Cell] = {}
        for cell in self._cells:
            first.setdefault(cell.configuration_id, cell)
        plan = {"warmup_steps": asked.warmup_steps, "measured_steps": asked.measured_steps}
        turns = take_turns(first.values(), asked.processes, backwards)
        return [replace(cell, repeat=number, timing=plan) for number, cell in turns]

    def every_cell(self, backwards: bool = False) -> list[Cell]:
        """Return the cells that train to their end, then the timing cells in the order of :meth:`timing_cells`."""
        return [*self.cells(), *self.timing_cells(backwards)]

    def overlay(self) -> dict[str, Any]:
        """Return the arguments that the harness sets because the recipe does not, to be printed."""
        every, added = with_overlay(self.recipe)
        return {name: every[name] for name in added if name not in self.axes}


def load_grid(path: Path) -> Grid:
    """Read, check and expand a grid: a file, or by its name one that the harness ships ("quickstart").

    Raises
    ------
    SpecError
        With one line for every problem: file, dotted field, value got, what is allowed.
    """
    file = shipped(Path(path))
    grid = grid_from_document(read_toml(file or Path(path)), Path(path))
    grid._file = file
    return grid


def shipped(path: Path) -> Path | None:
    """The file of a grid that the harness ships, where `path` is its bare name and no file of that name is here."""
    if len(path.parts) != 1 or os.path.exists(path):  # noqa: PTH110 - a name may be too long for any file
        return None
    file = Path(str(files("harness") / "shipped" / f"{path.name.removesuffix('.toml')}.toml"))
    return file if file.is_file() else None


def grid_from_text(content: bytes, path: Path) -> Grid:
    """Check and expand a grid given as the bytes of its file; raises like `load_grid`."""
    return grid_from_document(parse_toml(content, name_of(path)), path)


def grid_from_document(document: Mapping[str, Any], path: Path) -> Grid:
    """Check and expand a grid given as parsed TOML; raises like `load_grid`."""
    file = name_of(path)
    raise_problems(list(junk(document, f"{file}: ")))
    grid: Grid | None = None
    problems: list[str] = []
    try:
        grid = Grid.model_validate(document)
    except ValidationError as error:
        problems += explain(error, Grid, file)
    problems += _recipe_problems(document, file)
    raw_matrix = document.get("matrix")
    matrix, found = read_matrix(raw_matrix, file) if isinstance(raw_matrix, dict) else (Matrix(axes={}), [])
    problems += found
    raise_problems(problems)
    assert grid is not None  # a document that does not validate has problems
    raise_problems(_name_problems(grid, matrix, file))
    grid._path, grid._matrix = path, matrix
    cells, problems = expand(grid, matrix, file)
    raise_problems(problems)
    raise_problems(list(waiver_problems(grid.waiver, cells, file)))
    grid._cells = tuple(cells)
    return grid


def take_turns(ways: Iterable[T], rounds: int, backwards: bool = False) -> list[tuple[int, T]]:
    """Return (round, way): each round from 1 has every way once, every second one in reverse (`backwards`: the first).

    Any two of them alternate A B B A.
    """
    forth = list(ways)
    return [
        (number, way)
        for number in range(1, rounds + 1)
        for way in (forth if number % 2 != backwards else reversed(forth))
    ]


def _recipe_problems(document: Mapping[str, Any], file: str) -> list[str]:
    problems = []
    recipes = [("recipe", document.get("recipe"))]
    checkpoints = document.get("checkpoint")
    if isinstance(checkpoints, dict):
        for name, spec in checkpoints.items():
            if isinstance(spec, dict):
                recipes.append((f"checkpoint.{dotted(name)}.recipe", spec.get("recipe")))
    for where, recipe in recipes:
        for field, value in recipe.items() if isinstance(recipe, dict) else ():
            try:
                check_recipe(field, value, f"{file}: {where}.{dotted(field)}")
            except SpecError as error:
                problems.append(str(error))
    return problems


def _name_problems(grid: Grid, matrix: Matrix, file: str) -> list[str]:
    """Find names that are defined and unused, used and undefined, or defined twice."""
    problems = []
    if grid.recipe_defaults is not None and grid.recipe_defaults not in frozen_versions():
        got, known = show(grid.recipe_defaults), listed(frozen_versions())
        problems.append(f"{file}: recipe_defaults: got {got}; allowed {known}")
    if grid.task_folder is not None and not grid.task.startswith(HUB_TASK_PREFIX):
        got = f"got {show(grid.task_folder)} with task {show(grid.task)}"
        problems.append(f"{file}: task_folder: {got}; allowed with a task of the hub, like glue/mrpc")
    if "accepts_loss_kwargs" in grid.model_fields_set and "accepts_loss_kwargs" in matrix.axes:
        problems.append(f"{file}: accepts_loss_kwargs: is an axis of the matrix too; allowed one of the two")
    used = {key: _used(matrix, key) for key in ("checkpoint", "environment")}
    for name in grid.checkpoint:
        if name not in used["checkpoint"]:
            allowed = f"only what the axis matrix.checkpoint uses: {listed(used['checkpoint'])}"
            problems.append(f"{file}: checkpoint.{dotted(name)}: is defined and not used; allowed {allowed}")
        for field in grid.checkpoint[name].recipe:
            if field in matrix.axes:
                where = f"{file}: checkpoint.{dotted(name)}.recipe.{field}"
                problems.append(f"{where}: is an axis of the matrix too; allowed one of the two")
    for label in used["environment"]:
        if label != CURRENT and label not in grid.environment:
            known = listed((CURRENT, *grid.environment))
            problems.append(f"{file}: matrix.environment: got {show(label)}; allowed {known}, as defined in the grid")
    for label in grid.environment:
        if label == CURRENT:
            problems.append(f"{file}: environment.{CURRENT}: is the running interpreter; allowed another name")
        elif label not in used["environment"]:
            allowed = f"only what the axis matrix.environment uses: {listed(used['environment']) or 'nothing'}"
            problems.append(f"{file}: environment.{dotted(label)}: is defined and not used; allowed {allowed}")
    problems += _throughput_problems(grid, matrix, file)
    if grid.compare:
        problems += compare_problems(grid.compare, _values(grid, matrix), f"{file}: compare")
    seen: set[tuple[str, str | None]] = set()
    for number, reference in enumerate(grid.reference):
        key = (reference.id, reference.metric)
        if key in seen:
            problems.append(f"{file}: reference[{number}].id: got {show(reference.id)} again; allowed once a metric")
        seen.add(key)
        problems += _reference_problems(reference, f"{file}: reference[{number}]")
    return problems


def _throughput_problems(grid: Grid, matrix: Matrix, file: str) -> list[str]:
    """What cannot be timed, and what asks for scores where cells are only timed."""
    if grid.throughput is None:
        return []
    problems = []
    for axis in ("repeat", "resume_at"):
        if _used(matrix, axis):
            problems.append(f"{file}: matrix.{axis}: is an axis; allowed without [throughput], which has `processes`")
    if grid.throughput.only:
        tables = {"quality": grid.quality, "reference": grid.reference, "compare": grid.compare}
        judged = [name for name, found in tables.items() if found]
        if matrix.seed_plan is not None:
            judged.append("matrix.seeds")
        problems += [
            f"{file}: {name}: needs scores; throughput.only = true trains no cell to its end; allowed one of the two"
            for name in judged
        ]
    return problems


def _reference_problems(reference: Reference, where: str) -> list[str]:
    """What is wrong with a reference that is only named: the registry does not know it, or it is of another split."""
    if reference.model_fields_set - {"id"}:
        return []
    from harness.references import find  # numpy: only a grid that names a reference waits for it

    try:
        known = find(reference.id, f"{where}.id")
    except SpecError as error:
        return [str(error)]
    if known.split != "validation":
        return [f"{where}.id: got {show(reference.id)}; it is on the {known.split} split, runs are on validation"]
    return []


def _values(grid: Grid, matrix: Matrix) -> dict[str, list[Any]]:
    """The values that cells have on each axis; on one of `include` alone the others have what they have without it."""
    values = {axis: _used(matrix, axis) for axis in matrix.axes}
    for axis in dict.fromkeys(axis for entry in matrix.include for axis in entry if axis not in values):
        default = [] if axis == "checkpoint" else [DEFAULTS.get(axis, grid.recipe.get(axis))]
        default = [default_of(axis)] if default == [None] else default
        values[axis] = [*default, *(value for value in _used(matrix, axis) if value not in default)]
    return values


def _used(matrix: Matrix, axis: str) -> list[Any]:
    """The values of an axis, each once: its own and those of `include`."""
    included = (entry[axis] for entry in matrix.include if axis in entry)
    return list({identity(value): value for value in [*included, *matrix.axes.get(axis, ())][::-1]}.values())[::-1]
