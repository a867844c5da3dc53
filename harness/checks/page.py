"""Somebody's published page as references: the JSON of a report, a reference a row, each a sample of its runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.errors import SpecError
from harness.grid.arguments import default_of
from harness.grid.cell import Cell
from harness.grid.grid import grid_from_text
from harness.grid.names import OPTIONS
from harness.protocol import SUBJECT
from harness.record.configuration import GOOD
from harness.references import Published, Reference
from harness.references.model import MAX_DECIMALS
from harness.task import METRICS
from harness.text import listed, show
from harness.validation import decoded, explain, name_of, raise_problems, read_bytes

WANTED: Final = "the JSON of a report, as `harness report -o` writes it"
MAX_BYTES: Final = 64 * 2**20
_SILENT: Final = (
    "num_train_epochs", "per_device_train_batch_size", "gradient_accumulation_steps", "learning_rate",
    "lr_scheduler_type", "weight_decay", "warmup_steps",
)  # fmt: skip
"""What a recipe leaves alone is the default: of a report all is known that was asked for."""

_UNIT: Final = "_points"


class _Part(BaseModel):
    """A part of a report, as far as a reference needs it."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class _Score(_Part):
    """A run; each of its scores has a key of its own, which says the unit since schema 2."""

    seed: int
    status: str
    scores: dict[str, float | None] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        keys = {key: key.removesuffix(_UNIT) for key in data if key.endswith(_UNIT) or key in ("accuracy", "f1")}
        for key in keys:
            value = data[key]
            if value is not None and not (isinstance(value, int | float) and -100 <= value <= 100):
                raise ValueError(f".{key}: got {show(value)}; allowed points from -100 to 100")
        return {**data, "scores": {name: data[key] for key, name in keys.items()}}


class _Row(_Part):
    label: str
    axes: dict[str, Any]
    configuration_id: str
    environment_id: str = ""
    content_id: str | None = None
    scores: list[_Score]


class _Checkpoint(_Part):
    name: str
    source: str


class _Environment(_Part):
    environment_id: str
    packages: list[Annotated[list[str], Field(min_length=2, max_length=2)]] = Field(default_factory=list)


class _Page(_Part):
    """A report: see `harness.report.run.model.ReportModel`."""

    schema_: Literal[1, 2] = Field(alias="schema")
    kind: Literal["harness-report"]
    task: str
    rows: list[_Row] = Field(min_length=1)
    checkpoints: list[_Checkpoint] = Field(default_factory=list)
    environments: list[_Environment] = Field(default_factory=list)
    grid_text: str | None = None


def read_page(path: Path, name: str, row: str | None, where: str) -> list[Reference]:
    """The rows of a report that have a score, or the one with the label `row`; `where` is the grid's table.

    Raises
    ------
    SpecError
        With file, field, value and what is allowed.
    """
    page, file = _read(path), name_of(path)
    known = [one for one in page.rows if any(score.status in GOOD for score in one.scores)]
    chosen = [one for one in known if row in (None, one.label)]
    if not known:
        raise SpecError(f"{file}: rows: got no run with a score; allowed {WANTED}")
    if not chosen:
        raise SpecError(f"{where}.row: got {show(row)}; allowed {listed(show(one.label) for one in known)} of {file}")
    ids = [one.configuration_id for one in chosen]
    if twice := [one.label for one in chosen if ids.count(one.configuration_id) > 1]:
        raise SpecError(f"{where}.row: missing; {file} has a configuration in several rows: allowed {listed(twice)}")
    cells = _cells(page, path)
    return [_reference(page, one, _cell_of(one, cells), name, file) for one in chosen]


def _read(path: Path) -> _Page:
    file = name_of(path)
    try:
        data = json.loads(decoded(read_bytes(path, WANTED, MAX_BYTES), file))
    except (ValueError, RecursionError) as error:
        raise SpecError(f"{file}: is no JSON ({error}); allowed {WANTED}") from error
    if not isinstance(data, Mapping):
        raise SpecError(f"{file}: got {show(data)}; allowed {WANTED}")
    try:
        return _Page.model_validate(data)
    except ValidationError as error:
        raise_problems(explain(error, _Page, file, "the report"))
        raise AssertionError("a validation error has problems") from error


def _cells(page: _Page, path: Path) -> Sequence[Cell]:
    """What the rows asked for; nothing where the report does not hold its grid, or holds one that is none any more."""
    try:
        return grid_from_text(page.grid_text.encode(), path).cells() if page.grid_text else ()
    except SpecError:
        return ()  # of an older harness: a row is known as far as its axes tell


def _cell_of(row: _Row, cells: Sequence[Cell]) -> Cell | None:
    """A cell of the row; where the grid was edited for publication (a path, say), of the place that its axes name."""
    own = [cell for cell in cells if cell.configuration_id == row.configuration_id]
    alike = own or [cell for cell in cells if all(_value(cell, axis) == value for axis, value in row.axes.items())]
    return alike[0] if len({cell.configuration_id for cell in alike}) == 1 else None


def _value(cell: Cell, axis: str) -> Any:
    return cell.checkpoint.name if axis == "checkpoint" else getattr(cell, axis, cell.recipe.get(axis))


def _reference(page: _Page, row: _Row, cell: Cell | None, name: str, file: str) -> Reference:
    runs = [score for score in row.scores if score.status in GOOD]
    sources = {one.name: one.source for one in page.checkpoints}
    metrics = dict(_metrics(runs))
    versions = next((one.packages for one in page.environments if one.environment_id == row.environment_id), [])
    named = str(row.axes.get("checkpoint", "unstated"))
    setup: dict[str, Any] = {"configuration_id": row.configuration_id, "content_id": row.content_id}
    recipe: dict[str, Any] = {}
    if cell is not None:
        recipe = {**{each: default_of(each) for each in _SILENT}, **cell.recipe}
        setup |= {"config": dict(cell.checkpoint.config), "engine": cell.engine}
        setup |= {option: getattr(cell, option) for option in OPTIONS}
    return Reference(
        id=name,
        row=row.label,
        kind="sample",
        task=page.task,
        checkpoint=cell.checkpoint.source if cell is not None else sources.get(named, named),
        split="validation",
        statistic="sample" if len(runs) > 1 else "single",
        n=len(runs),
        metrics=metrics,
        recipe=recipe,
        setup=setup,
        precision=cell.precision if cell is not None else row.axes.get("precision"),  # type: ignore[arg-type]
        devices=cell.devices if cell is not None else row.axes.get("devices"),
        versions={package: version for package, version in versions if package in SUBJECT},
        source=file,
    )


def _metrics(runs: Sequence[_Score]) -> Iterator[tuple[str, Published]]:
    """Fractions of the metrics that every run has, of those that a reference may have."""
    for metric in METRICS:
        values = [round(value / 100, MAX_DECIMALS) for one in runs if (value := one.scores.get(metric)) is not None]
        if values and len(values) == len(runs):
            many = {"values": values} if len(values) > 1 else {"value": values[0]}
            yield metric, Published(**many, decimals=MAX_DECIMALS)
