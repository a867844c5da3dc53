"""A grid: the TOML file that says what to run, checked as a whole before anything runs.

Everything wrong with a file is reported at once, a line each: `FILE: dotted.field: got VALUE; allowed ...`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, PrivateAttr, ValidationError

from harness.errors import SpecError
from harness.grid.arguments import with_overlay
from harness.grid.cell import DEFAULTS, TRAINER_ONLY, Cell, HeadSeeding, OrFalse
from harness.grid.environments import EnvironmentSpec, read_environments
from harness.grid.expand import expand
from harness.grid.labels import Namer, place_of, read_labels
from harness.grid.looks import SeedPlan
from harness.grid.matrix import Matrix, identity, read_matrix
from harness.grid.names import name_problems, recipe_problems, timing_problems, values_of
from harness.grid.tables import (
    CheckpointSpec,
    Compare,
    Execution,
    History,
    Name,
    Quality,
    Reference,
    Require,
    Subject,
    Table,
    Text,
    Throughput,
    Variable,
    Verify,
)
from harness.grid.tasks import AXIS, TaskSpec, axis_problems, read_tasks
from harness.grid.waivers import Waiver, waiver_problems
from harness.protocol import OWN_DATA
from harness.text import show
from harness.validation import explain, junk, name_of, parse_toml, raise_problems, read_toml

T = TypeVar("T")


class Grid(Table):
    """A checked grid. Build it with `load_grid`, which also expands it into cells."""

    name: Name
    task: Text
    task_folder: Variable | None = None
    head_seeding: HeadSeeding = "seeded"
    recipe_defaults: str | None = None
    accepts_loss_kwargs: OrFalse = "model"
    evaluation_draws: OrFalse = "model"
    recipe: dict[str, Any] = Field(default_factory=dict)
    subject: Subject | None = None
    matrix: dict[str, Any]
    require: Require = Field(default_factory=Require)
    reference: list[Reference] = Field(default_factory=list)
    quality: Quality | None = None
    compare: list[Compare] = Field(default_factory=list)
    label: dict[str, Text] = Field(default_factory=dict)
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
    _tasks: Mapping[str, TaskSpec] = PrivateAttr(default={})
    _environments: Mapping[str, EnvironmentSpec] = PrivateAttr(default={})

    @property
    def environments(self) -> Mapping[str, EnvironmentSpec]:
        """What its environments are, by label: tables, and what the axis says itself."""
        return {**self.environment, **self._environments}

    @property
    def tasks(self) -> Mapping[str, TaskSpec]:
        """The tables of its tasks, by name."""
        return self._tasks

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

    @cached_property
    def _timed(self) -> list[Cell]:
        """One cell of each configuration that is timed, and before it the one that it is held against."""
        asked = self.throughput
        if asked is None:
            return []
        first: dict[str, Cell] = {}
        for cell in self._cells:
            if fits(cell, asked.where):
                first.setdefault(cell.configuration_id, cell)
        if asked.against is None:
            return list(first.values())
        ours = (replace(cell, axes={**cell.axes, "engine": cell.engine}) for cell in first.values())
        return [one for cell in ours for one in (with_engine(cell, asked.against), cell) if one is not None]

    @cached_property
    def namer(self) -> Namer:
        """What its configurations and data are called wherever people read them."""
        places = {cell.configuration_id: cell for cell in [*self._timed, *self._cells][::-1]}
        labels = read_labels(self.label, values_of(self, self._matrix), self.task) if self.label else {}
        return Namer((place_of(cell) for cell in list(places.values())[::-1]), labels)

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
        plan = {"warmup_steps": asked.warmup_steps, "measured_steps": asked.measured_steps}
        turns = take_turns(self._timed, asked.processes, backwards)
        return [replace(cell, repeat=number, timing=plan) for number, cell in turns]

    def every_cell(self, backwards: bool = False) -> list[Cell]:
        """Return the cells that train to their end, then the timing cells in the order of :meth:`timing_cells`."""
        return [*self.cells(), *self.timing_cells(backwards)]

    def overlay(self) -> dict[str, Any]:
        """Return the arguments that the harness sets because the recipe does not, to be printed."""
        every, added = with_overlay(self.recipe)
        return {name: every[name] for name in added if name not in self.axes}


def fits(cell: Cell, where: Mapping[str, Any]) -> bool:
    """Whether a cell has these values of axes; one that its matrix does not have is at its default."""
    return all(identity(cell.axes.get(axis, DEFAULTS.get(axis))) == identity(value) for axis, value in where.items())


def with_engine(cell: Cell, engine: str) -> Cell | None:
    """The same cell by another engine, without what only a Trainer has; None where that engine cannot run it."""
    if cell.subject is not None or (engine == "loop" and cell.devices > 1):
        return None
    plain = {option: DEFAULTS[option] for option in TRAINER_ONLY}
    return replace(cell, engine=engine, axes={**cell.axes, "engine": engine}, **plain)


def load_grid(path: Path) -> Grid:
    """Read, check and expand a grid: a file, or by its name one that the harness ships ("quickstart").

    Raises
    ------
    SpecError
        With one line for every problem: file, dotted field, value got, what is allowed.
    """
    file = shipped(Path(path))
    return grid_from_document(read_toml(file or Path(path)), Path(path), file)


def load_grids(paths: Iterable[Path]) -> list[Grid]:
    """Read the grids that one command is given; two of one name would share their results.

    Raises
    ------
    SpecError
        With every problem of every file, and both files of a name that is used twice.
    """
    found: dict[str, Grid] = {}
    problems = []
    for path in paths:
        try:
            grid = load_grid(path)
        except SpecError as error:
            problems.append(str(error))
            continue
        first = found.setdefault(grid.name, grid)
        if first is not grid:
            got = f"got {show(grid.name)}, which {name_of(first.path)} has too"
            problems.append(f"{name_of(path)}: name: {got}; allowed a name of its own")
    if problems:
        raise SpecError("\n".join(problems))
    return list(found.values())


def shipped(path: Path) -> Path | None:
    """The file of a grid that the harness ships, where `path` is its bare name and no file of that name is here."""
    if len(path.parts) != 1 or os.path.exists(path):  # noqa: PTH110 - a name may be too long for any file
        return None
    file = Path(str(files("harness") / "shipped" / f"{path.name.removesuffix('.toml')}.toml"))
    return file if file.is_file() else None


def shipped_names() -> list[str]:
    """The names of the grids that the harness ships."""
    folder = Path(str(files("harness") / "shipped"))
    return sorted(file.stem for file in folder.glob("*.toml"))


def grid_from_text(content: bytes, path: Path) -> Grid:
    """Check and expand a grid given as the bytes of its file; raises like `load_grid`."""
    return grid_from_document(parse_toml(content, name_of(path)), path)


def grid_from_document(document: Mapping[str, Any], path: Path, read_from: Path | None = None) -> Grid:
    """Check and expand a grid given as parsed TOML; raises like `load_grid`.

    `read_from` is its file where `path` is only the name of one that the harness ships: its data lie beside it.
    """
    file = name_of(path)
    raise_problems(list(junk(document, f"{file}: ")))
    if isinstance(document.get("subject"), dict) and "task" not in document:
        document = {"task": OWN_DATA, **document}
    grid: Grid | None = None
    tasks, problems = read_tasks(document.get("task"), file)
    raw_matrix, environments, found = read_environments(document, file)
    problems += found
    if isinstance(document.get("task"), dict) or _has_axis(raw_matrix, AXIS):
        document = {**document, "task": tasks.name or ", ".join(_values(raw_matrix, AXIS)) or AXIS}
    try:
        grid = Grid.model_validate(document)
    except ValidationError as error:
        problems += explain(error, Grid, file)
    problems += recipe_problems(document, file)
    matrix, found = read_matrix(raw_matrix, file) if raw_matrix is not None else (Matrix(axes={}), [])
    problems += found
    raise_problems(problems)
    assert grid is not None  # a document that does not validate has problems
    raise_problems(axis_problems(tasks, matrix, file))
    grid._path, grid._matrix, grid._tasks, grid._environments = path, matrix, tasks.tables, environments
    grid._file = read_from
    raise_problems(name_problems(grid, matrix, file))
    cells, problems = expand(grid, matrix, file)
    raise_problems(problems)
    raise_problems(list(waiver_problems(grid.waiver, cells, f"{file}: waiver")))
    grid._cells = tuple(cells)
    raise_problems(timing_problems(grid, matrix, file))
    return grid


def _has_axis(matrix: Any, axis: str) -> bool:
    return bool(_values(matrix, axis))


def _values(matrix: Any, axis: str) -> list[str]:
    """The texts that a matrix, not yet checked, has on an axis, those of `include` too."""
    if not isinstance(matrix, dict):
        return []
    own, include = matrix.get(axis, []), matrix.get("include", [])
    found = list(own) if isinstance(own, list) else [own]
    found += [one.get(axis) for one in include if isinstance(one, dict)] if isinstance(include, list) else []
    return list(dict.fromkeys(value for value in found if isinstance(value, str)))


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
