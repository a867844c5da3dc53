"""The matrix of a grid: its axes read and checked, and the pure expansion with the semantics of GitHub's matrix."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.errors import SpecError
from harness.grid.arguments import UnknownField, check_recipe, check_recipe_field, recipe_fields
from harness.grid.cell import AXES
from harness.grid.looks import SeedPlan, read_seed_plan
from harness.text import canonical_json, dotted, listed, show, suggestion
from harness.validation import Problems

Combination = dict[str, Any]

MAX_COMBINATIONS: Final = 1_000_000
_SCALINGS: Final = ("strong", "weak")


@dataclass(frozen=True)
class Matrix:
    """Axes with their values, in the order of the file; `include` and `exclude` mean what they mean on GitHub."""

    axes: Mapping[str, Sequence[Any]]
    include: Sequence[Mapping[str, Any]] = ()
    exclude: Sequence[Mapping[str, Any]] = ()
    scaling: str = "strong"
    seed_plan: SeedPlan | None = None

    def size(self) -> int:
        """Return the number of combinations before `exclude` and `include`."""
        return math.prod(map(len, self.axes.values())) if self.axes else 0

    def combinations(self) -> list[Combination]:
        """Expand: the product of the axes (last axis fastest), minus `exclude`, then extended by `include`.

        An include entry is added to every combination whose original values it does not overwrite (values
        added by earlier entries may be overwritten); one that fits none becomes a combination of its own.
        """
        names = tuple(self.axes)
        product = itertools.product(*self.axes.values()) if names else iter(())
        combinations = [dict(zip(names, values, strict=True)) for values in product]
        if self.exclude:
            dropped = _by_keys(self.exclude, names)
            combinations = [
                combination
                for combination in combinations
                if not any(_place(combination, keys) in places for keys, places in dropped.items())
            ]
        if not self.include:
            return combinations
        wanted = _by_keys(self.include, names)
        used: set[int] = set()
        for combination in combinations:
            fitting: list[int] = []
            # Places are looked up before anything is added: only original values decide.
            for keys, places in wanted.items():
                fitting += places.get(_place(combination, keys), ())
            for index in sorted(fitting):
                combination.update(self.include[index])
            used.update(fitting)
        return combinations + [dict(entry) for index, entry in enumerate(self.include) if index not in used]


def identity(value: Any) -> Any:
    """Return a hashable stand-in: equal for 3 and 3.0, different for 1 and true."""
    if isinstance(value, bool):
        return ("true",) if value else ("false",)
    return value if isinstance(value, (str, int, float)) else (canonical_json(value),)


def _place(combination: Mapping[str, Any], keys: Sequence[str]) -> tuple[Any, ...]:
    return tuple(identity(combination[key]) for key in keys)


def _by_keys(
    entries: Sequence[Mapping[str, Any]], axes: Sequence[str]
) -> dict[tuple[str, ...], dict[tuple[Any, ...], list[int]]]:
    """Index entries by the axes they name and the values they give them, so that expansion stays linear."""
    index: dict[tuple[str, ...], dict[tuple[Any, ...], list[int]]] = defaultdict(lambda: defaultdict(list))
    for number, entry in enumerate(entries):
        keys = tuple(axis for axis in axes if axis in entry)
        index[keys][_place(entry, keys)].append(number)
    return index


def read_matrix(raw: Mapping[str, Any], file: str) -> tuple[Matrix, list[str]]:
    """Read a grid's [matrix]; return what is sound of it, and every problem as a line of text.

    Raises
    ------
    SpecError
        Where there are more than are shown.
    """
    problems = Problems()
    axes: dict[str, Sequence[Any]] = {}
    plan: SeedPlan | None = None
    for name, value in raw.items():
        if name in ("include", "exclude", "scaling"):
            continue
        if name == "seeds":
            plan = _read_seeds(raw, file, problems)
            axes["seed"] = plan.seeds if plan else ()
            continue
        where = f"{file}: matrix.{dotted(name)}"
        if _accepts(problems, _check_axis_name, name, value, where):
            axes[name] = _read_axis(name, value, where, problems)
    scaling = raw.get("scaling", "strong")
    if scaling not in _SCALINGS:
        problems.append(f"{file}: matrix.scaling: got {show(scaling)}; allowed {listed(_SCALINGS)}")
    include = _read_entries(raw, "include", file, problems)
    exclude = _read_entries(raw, "exclude", file, problems)
    for number, entry in enumerate(include):
        for name, value in entry.items():
            where = f"{file}: matrix.include[{number}].{dotted(name)}"
            if _accepts(problems, _check_axis_name, name, value, where):
                _accepts(problems, _check_axis_value, name, value, where)
    values = {name: set(map(identity, axis)) for name, axis in axes.items()}
    for number, entry in enumerate(exclude):
        for name, value in entry.items():
            where = f"{file}: matrix.exclude[{number}].{dotted(name)}"
            if name not in axes:
                problems.append(
                    f"{where}: got {show(value)}; not an axis of this matrix; allowed {listed(axes)}"
                    f"{suggestion(name, axes)}"
                )
            elif identity(value) not in values[name]:
                problems.append(f"{where}: got {show(value)}; allowed {listed(axes[name], each=show)}")
    matrix = Matrix(axes=axes, include=include, exclude=exclude, scaling=str(scaling), seed_plan=plan)
    if matrix.size() > MAX_COMBINATIONS:
        problems.append(f"{file}: matrix: got {matrix.size()} combinations; allowed at most {MAX_COMBINATIONS}")
    if "checkpoint" not in raw and not any("checkpoint" in entry for entry in include):
        problems.append(f"{file}: matrix.checkpoint: missing; allowed one or more checkpoints, it is required")
    return matrix, problems


def _read_axis(name: str, value: Any, where: str, problems: list[str]) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    if not values:
        problems.append(f"{where}: got []; allowed at least one value")
    seen: dict[Any, int] = {}
    sound = []
    for number, item in enumerate(values):
        place = f"{where}[{number}]" if isinstance(value, list) else where
        if not _accepts(problems, _check_axis_value, name, item, place):
            continue
        first = seen.setdefault(identity(item), number)
        if first == number:
            sound.append(item)
        else:
            problems.append(f"{place}: got {show(item)} again; allowed each value once (it is at [{first}])")
    return sound


def _read_seeds(raw: Mapping[str, Any], file: str, problems: list[str]) -> SeedPlan | None:
    where = f"{file}: matrix.seeds"
    if "seed" in raw:
        problems.append(f"{where}: stands beside the axis `seed`; allowed one of the two")
    try:
        return read_seed_plan(raw["seeds"], where)
    except SpecError as error:
        problems.append(str(error))
        return None


def _read_entries(raw: Mapping[str, Any], key: str, file: str, problems: list[str]) -> list[Mapping[str, Any]]:
    entries = raw.get(key, [])
    if not isinstance(entries, list):
        problems.append(f"{file}: matrix.{key}: got {show(entries)}; allowed a list of tables")
        return []
    sound: list[Mapping[str, Any]] = []
    for number, entry in enumerate(entries):
        if isinstance(entry, dict) and entry:
            sound.append(entry)
        else:
            # Its place is kept: messages about later entries count by position.
            sound.append({})
            allowed = "a table of at least one axis and its value"
            problems.append(f"{file}: matrix.{key}[{number}]: got {show(entry)}; allowed {allowed}")
    return sound


def _check_axis_name(name: str, value: Any, where: str) -> None:
    if name in AXES:
        return
    if name in ("include", "exclude", "scaling"):
        raise SpecError(f"{where}: got {show(value)}; allowed axes only: {listed(AXES)}, recipe fields")
    try:
        check_recipe_field(name, value, where)
    except UnknownField:
        close = suggestion(name, (*AXES, *recipe_fields(), "include", "exclude", "scaling", "seeds"))
        raise SpecError(
            f"{where}: got {show(value)}; not an axis; allowed {listed(AXES)}, or a TrainingArguments field{close}"
        ) from None


def _check_axis_value(name: str, value: Any, where: str) -> None:
    if name not in AXES:
        check_recipe(name, value, where)
    elif (allowed := AXES[name](value)) is not None:
        raise SpecError(f"{where}: got {show(value)}; allowed {allowed}")


def _accepts(problems: list[str], check: Any, *args: Any) -> bool:
    try:
        check(*args)
    except SpecError as error:
        problems.append(str(error))
        return False
    return True
