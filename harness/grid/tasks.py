"""The `task` of a grid: a name, a table of one's own, or tables that the axis `task` has the names of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, ValidationError, model_validator

from harness.grid.tables import Table, Text
from harness.task import METRICS, NUMBER_METRICS, TABLE_FORMATS, metric_name
from harness.text import dotted, is_plain_text, listed, show, suggestion
from harness.validation import explain

if TYPE_CHECKING:
    from harness.grid.matrix import Matrix

AXIS = "task"


class TaskSpec(Table):
    """A task of one's own: files beside the grid, or a data set of the hub whose splits these then name.

    `text` is one column or two, `label` that of classes (strings or integers) or of numbers, which are learned where a
    metric is of numbers. `metrics` are names of those that ship, or `package.module:function`; the first one gates.
    `test` is predicted and not scored.
    """

    train: Text | None = None
    validation: Text | None = None
    test: Text | None = None
    hub: Text | None = None
    config: Text | None = None
    revision: Text | None = None
    text: Text | Annotated[list[Text], Field(min_length=1, max_length=2)]
    label: Text
    metrics: Annotated[list[Text], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _whole(self) -> TaskSpec:
        if self.hub is None:
            for name in ("train", "validation"):
                if getattr(self, name) is None:
                    raise ValueError(f".{name}: missing; required, or hub")
            for name in ("config", "revision"):
                if (value := getattr(self, name)) is not None:
                    raise ValueError(f".{name}: got {show(value)}; allowed with hub")
            for name in ("train", "validation", "test"):
                path = getattr(self, name)
                if path is not None and PurePath(path).suffix.lower() not in TABLE_FORMATS:
                    raise ValueError(f".{name}: got {show(path)}; allowed a file that ends in {listed(TABLE_FORMATS)}")
        columns = [*self.texts, self.label]
        if len(set(columns)) < len(columns):
            raise ValueError(
                f".text: got {show(self.text)} with label {show(self.label)}; allowed columns of their own"
            )
        self._check_metrics()
        return self

    def _check_metrics(self) -> None:
        every = self.metrics or []
        for number, name in enumerate(every):
            own = name.count(":") == 1 and all(part.isidentifier() for part in name.replace(":", ".").split("."))
            if name not in METRICS and not own:
                allowed = f"{listed(METRICS, len(METRICS))}, or package.module:function"
                raise ValueError(f".metrics[{number}]: got {show(name)}; allowed {allowed}{suggestion(name, METRICS)}")
        numbers = [name for name in every if name in NUMBER_METRICS]
        if numbers and (others := [name for name in every if name in METRICS and name not in NUMBER_METRICS]):
            raise ValueError(
                f".metrics: got {show(others[0])}, of classes, with {numbers[0]}, of numbers; allowed one kind"
            )
        names = [metric_name(name) for name in every]
        if len(set(names)) < len(names):
            raise ValueError(f".metrics: got {show(every)}; allowed each name once")

    @property
    def texts(self) -> list[str]:
        """The columns of text."""
        return [self.text] if isinstance(self.text, str) else list(self.text)

    def asked(self) -> dict[str, Any]:
        """What counts for identity: what is written, no more."""
        return {**self.model_dump(exclude_none=True), "text": self.texts}

    @property
    def name(self) -> str:
        """What a table without a name is called: its data set, or its training file as the grid spells it."""
        return self.hub or self.train or AXIS


@dataclass(frozen=True)
class Tasks:
    """What a grid says of its tasks: the `name` without an axis, and the tables by name."""

    name: str | None = None
    tables: Mapping[str, TaskSpec] = field(default_factory=dict)


def read_tasks(raw: Any, file: str) -> tuple[Tasks, list[str]]:
    """Read a grid's `task`; return what is sound of it, and every problem as a line of text."""
    if not isinstance(raw, dict):
        return Tasks(name=raw), []
    if not all(isinstance(value, dict) for value in raw.values()) or not raw:
        spec, problems = _read(raw, f"{file}: task")
        return (Tasks(spec.name, {spec.name: spec}) if spec else Tasks()), problems
    tables, problems = {}, []
    for name, table in raw.items():
        where = f"{file}: task.{dotted(name)}"
        if not is_plain_text(name):
            problems.append(f"{where}: allowed a name of 1 to 300 printable characters")
            continue
        spec, found = _read(table, where)
        problems += found
        if spec is not None:
            tables[name] = spec
    return Tasks(tables=tables), problems


def _read(table: dict[str, Any], where: str) -> tuple[TaskSpec | None, list[str]]:
    try:
        return TaskSpec.model_validate(table), []
    except ValidationError as error:
        lines = explain(error, TaskSpec, where, "the table")
        return None, [f"{where}.{line.removeprefix(f'{where}: ')}" for line in lines]


def axis_problems(tasks: Tasks, matrix: Matrix, file: str) -> list[str]:
    """What is wrong with `task` beside an axis of that name, a line each."""
    used = [value for value in matrix.axes.get(AXIS, ()) if isinstance(value, str)]
    used += [entry[AXIS] for entry in matrix.include if isinstance(entry.get(AXIS), str)]
    if not used:
        if tasks.name is None and tasks.tables:
            return [f"{file}: task: got tables by name without an axis of it; allowed matrix.task, or one table [task]"]
        return []
    if tasks.name is not None:
        return [f"{file}: task: is an axis of the matrix too; allowed one of the two"]
    idle = [name for name in tasks.tables if name not in used]
    allowed = f"only what the axis matrix.task uses: {listed(used)}"
    return [f"{file}: task.{dotted(name)}: is defined and not used; allowed {allowed}" for name in idle]
