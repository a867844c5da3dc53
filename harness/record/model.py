"""A record: what one attempt at one cell left behind. Written once, never rewritten.

Three parts that are never mixed: `asked` (the cell), `observed` (what the run really was) and `measured`
(what came out of it). Per-step arrays live beside it in `series.npz`; a record is at most 16 KB of JSON.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, get_type_hints

from pydantic import AfterValidator, ConfigDict, Field, ValidationError, create_model

from harness.errors import StoreError
from harness.grid.cell import ABSENT, LATER, Cell, Checkpoint, Options, label_of
from harness.protocol import SERIES as SERIES
from harness.protocol import Status as Status
from harness.record.attempts import OUTCOMES
from harness.record.entry import RECORD as RECORD
from harness.record.entry import Entry, Stamp, instant
from harness.record.parts.built import BuiltFrom
from harness.record.parts.measured import Measured
from harness.record.parts.observed import Observed
from harness.record.parts.older import any_task
from harness.record.parts.part import Part
from harness.task import Task, task_of
from harness.text import check_encodable
from harness.validation import first_problem

SCHEMA: Final = 4
MAX_BYTES: Final = 16 * 1024
NAMES_KEPT: Final = 8
"""Names of weights left in a list that is too long; the rest is counted."""


def _option(option: dataclasses.Field[Any], kind: Any) -> Any:
    """One of a cell's options as a record has it: what came later is left out where it is as it always was."""
    if option.name in ("recipe_defaults", "revision"):
        return kind, None
    if option.name in LATER or option.name in (*ABSENT, "random"):
        default = option.default
        return kind, Field(default, exclude_if=lambda value: value == default)
    return kind, {} if option.name == "config" else ...


def _as_asked(of: type, **kinds: Any) -> dict[str, Any]:
    """The fields of a record's form of a dataclass; `recipe` and `axes` last."""
    hints = {**get_type_hints(of), **kinds}
    options = sorted(dataclasses.fields(of), key=lambda option: option.name in ("recipe", "axes"))
    return {option.name: _option(option, hints[option.name]) for option in options}


if TYPE_CHECKING:

    class _Dumped:
        model_fields: ClassVar[Mapping[str, Any]]

        def model_dump(self, **options: Any) -> dict[str, Any]: ...

        def model_dump_json(self, **options: Any) -> str: ...

    class AskedCheckpoint(Checkpoint, _Dumped):
        """The checkpoint as a record has it."""

    class Asked(Options, _Dumped):
        """A cell as a record has it."""

        checkpoint: AskedCheckpoint
else:
    # Made of a cell's own fields: there is one list of its options, in `harness.grid.cell`.
    AskedCheckpoint = create_model(
        "AskedCheckpoint",
        __base__=Part,
        __module__=__name__,
        __doc__="The checkpoint as asked for; `name` is the grid's word for it.",
        **_as_asked(Checkpoint),
    )
    Asked = create_model(
        "Asked",
        __base__=Part,
        __module__=__name__,
        __doc__="The cell: see `harness.grid.cell.Cell`. `axes` is its place in the matrix.",
        **_as_asked(Options, checkpoint=AskedCheckpoint),
    )


class Failure(Part):
    """Why an attempt is not ok, for people: `message` is one line, `details` the tail of the traceback or log."""

    type: str
    message: str
    details: str = ""


class Provenance(Part):
    """Which harness wrote the record: version, git commit and whether the tree was clean, the command."""

    harness: str
    git_sha: str | None = None
    git_dirty: bool | None = None
    command: str | None = None


Instant = Annotated[str, AfterValidator(instant)]
"""A time in UTC, ISO 8601."""


class NewerRecord(StoreError):
    """A record that a newer harness wrote: to run its cell again would be wrong, not merely wasteful."""


class Record(Part):
    """One attempt at one cell. `attempt` counts from 1 within (cell, environment).

    `measurement` counts a configuration's measurements from 1: a first attempt at each cell with its retries is one.
    `built` is what its environment was built of, where the harness built it.
    """

    schema_: Annotated[int, Field(alias="schema")] = SCHEMA
    grid: str
    cell_id: str
    configuration_id: str
    environment_id: str
    content_id: str | None = None
    attempt: int
    measurement: Annotated[int, Field(ge=1)] = 1
    status: Status
    started: Instant
    finished: Instant
    asked: Asked
    observed: Observed | None = None
    measured: Measured | None = None
    failure: Failure | None = None
    built: Annotated[BuiltFrom | None, Field(exclude_if=lambda value: value is None)] = None
    series: dict[str, list[int]] = {}
    series_sha256: str | None = None
    provenance: Provenance

    model_config = ConfigDict(populate_by_name=True)

    @property
    def final(self) -> bool:
        """Whether this attempt settles its cell."""
        return self.status in OUTCOMES

    @property
    def task(self) -> Task:
        """The task that it was asked for."""
        return task_of(self.asked.task, self.asked.task_table, self.asked.subject)

    @property
    def label(self) -> str:
        """The cell's short name for people."""
        return label_of(self.asked)

    def to_json(self) -> str:
        """Serialise; what is there for people is shortened until the record fits 16 KB (`harness.record.model`)."""
        return self._text

    @cached_property
    def _text(self) -> str:
        """Worked out once: what is held against the form of a record is then what is written."""
        return fitted(self.model_dump_json(by_alias=True, indent=1) + "\n", MAX_BYTES)

    def entry(self, path: str, stamp: Stamp | None = None) -> Entry:
        """Summarise for the index; `path` is the attempt's folder relative to the grid's results."""
        measured = self.measured or Measured()
        timing = measured.timing
        return Entry(
            cell_id=self.cell_id,
            configuration_id=self.configuration_id,
            environment_id=self.environment_id,
            content_id=self.content_id,
            attempt=self.attempt,
            measurement=self.measurement,
            status=self.status,
            path=path,
            started=self.started,
            checkpoint=self.asked.checkpoint.name,
            seed=self.asked.seed,
            precision=self.asked.precision,
            devices=self.asked.devices,
            axes=self.asked.axes,
            metrics=measured.metrics,
            seconds=measured.seconds,
            samples_per_second=timing.median_samples_per_second if timing else measured.train_samples_per_second,
            steps=self.observed.optimizer_steps if self.observed else None,
            error=f"{self.failure.type}: {self.failure.message}" if self.failure else None,
            health=tuple(self.observed.device_health) if self.observed else (),
            stamp=stamp,
        )


def asked_of(cell: Cell) -> Asked:
    """The record's form of a cell."""
    plain = cell.asked()
    if cell.subject is not None:
        plain["subject"] = dict(cell.subject)  # with what is read of it, which is not asked for
    plain["checkpoint"] = {"name": cell.checkpoint.name, **plain["checkpoint"]}
    return Asked(**plain, axes=dict(cell.axes))


def read_record(path: Path) -> Record:
    """Read one `record.json` of any schema this version knows.

    Raises
    ------
    StoreError
        Naming the file and field where it is not a record; a `NewerRecord` where a newer harness wrote it.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path}: not a readable record ({error})") from error
    return record_of(content, str(path))


def record_of(content: bytes, where: str) -> Record:
    """Read the bytes of a `record.json`; raises like `read_record`."""
    try:
        text = content.decode("utf-8")
        data = json.loads(text)
        check_encodable(data, text)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{where}: not a readable record ({error})") from error
    return parse_record(data, where)


def parse_record(data: Any, where: str) -> Record:
    """Validate a decoded record, migrating older schemas one version at a time; raises like `read_record`."""
    schema = data.get("schema") if isinstance(data, dict) else None
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise StoreError(f"{where}: schema: {schema!r} is not a record's schema (allowed: 1 to {SCHEMA})")
    if schema > SCHEMA:
        raise NewerRecord(f"{where}: schema: {schema} was written by a newer harness (allowed: 1 to {SCHEMA})")
    for version in range(schema, SCHEMA):
        data = MIGRATIONS[version](data)
    try:
        return Record.model_validate(data)
    except ValidationError as error:
        raise StoreError(f"{where}: {first_problem(error)}") from error


MIGRATIONS: Final[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    1: lambda record: {**record, "schema": 2},  # `measurement` came: absent, it is the first
    2: lambda record: {**record, "schema": 3},  # what the model received and the first update came: absent, unknown
    3: any_task,
}
"""`MIGRATIONS[n]` turns a record of schema n into one of schema n + 1."""


def record_schema() -> str:
    """The JSON Schema of records, as `harness schema` prints it."""
    return json.dumps(Record.model_json_schema(by_alias=True), indent=2) + "\n"


def fitted(text: str, limit: int) -> str:
    """Return a record's JSON within `limit` bytes: without white space, then shortened until it fits.

    Cut, in this order and only as far as needed: the front of a failure's details, the lists of weights' names,
    the earliest epochs. A record whose other parts are too long by themselves stays too long: it is better kept.
    """
    if len(text.encode()) <= limit:
        return text
    data = json.loads(text)
    text = _compact(data)
    for shorten in _STEPS:
        over = len(text.encode()) - limit
        if over <= 0:
            break
        shorten(data, over)
        text = _compact(data)
    return text


def _details(data: dict[str, Any], over: int) -> None:
    failure = data.get("failure")
    if failure:
        details = failure["details"]
        room = _size(details) - over - _size("… ")
        start = len(details)
        while start > 0 and (room := room - _size(details[start - 1])) >= 0:
            start -= 1
        failure["details"] = f"… {details[start:]}" if start < len(details) else ""


def _weights(data: dict[str, Any], over: int) -> None:
    weights = (data.get("observed") or {}).get("weights") or {}
    for key in ("unused", "newly_initialised"):
        names = weights.get(key) or []
        if len(names) > NAMES_KEPT + 1:
            weights[key] = [*names[:NAMES_KEPT], f"… and {len(names) - NAMES_KEPT} more"]


def _epochs(data: dict[str, Any], over: int) -> None:
    epochs = (data.get("measured") or {}).get("epochs") or []
    while over > 0 and len(epochs) > 1:
        over -= _size(epochs.pop(0)) + 1  # and its comma


_STEPS: Final[tuple[Callable[[dict[str, Any], int], None], ...]] = (_details, _weights, _epochs)


def _compact(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False) + "\n"


def _size(value: Any) -> int:
    """Bytes that a value adds to the text, without the quotes of a string: escapes and UTF-8 make it longer."""
    return len(_compact(value).encode()) - (3 if isinstance(value, str) else 1)
