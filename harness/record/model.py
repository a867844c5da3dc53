"""A record: what one attempt at one cell left behind. Written once, never rewritten.

Three parts that are never mixed: `asked` (the cell), `observed` (what the run really was) and `measured`
(what came out of it). Per-step arrays live beside it in `series.npz`; a record is at most 16 KB of JSON.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, get_args, get_type_hints

from pydantic import ConfigDict, Field, ValidationError, create_model

from harness.errors import StoreError
from harness.grid.cell import LATER, Cell, Checkpoint, Options, cell_label, configuration_label
from harness.protocol import SERIES as SERIES
from harness.protocol import Status as Status
from harness.record.base import Number, Part
from harness.record.entry import Entry
from harness.record.fingerprint import Fingerprint as Fingerprint
from harness.record.fit import fitted
from harness.record.timing import Timing

SCHEMA: Final = 2
RECORD: Final = "record.json"
MAX_BYTES: Final = 16 * 1024

STATUSES: Final[tuple[str, ...]] = get_args(Status)
OUTCOMES: Final = frozenset({"ok", "collapsed", "nonfinite"})
"""Statuses that settle a cell: the run says something of its recipe."""
RETRIED: Final = frozenset({"failed", "oom", "timeout"})
"""Statuses of attempts that ended and say nothing of the recipe: each new run tries the cell again."""
FINAL: Final = OUTCOMES | RETRIED
SCORED: Final = frozenset({"ok", "collapsed"})
"""Statuses whose metrics may be reported as scores."""
ERRORED: Final = RETRIED | {"killed", "interrupted"}


def _option(option: dataclasses.Field[Any], kind: Any) -> Any:
    """One of a cell's options as a record has it: what came later is left out where it is as it always was."""
    if option.name in ("recipe_defaults", "revision"):
        return kind, None
    if option.name in LATER or option.name in ("timing", "random"):
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


class Split(Part):
    """One split as it was used: number of examples, of positives, and a hash of its texts and labels."""

    examples: int
    positives: int
    sha256: str


class Data(Part):
    """The data set as loaded; `revision` where it came from a hub."""

    source: str
    revision: str | None = None
    train: Split
    validation: Split


class Weights(Part):
    """The checkpoint as loaded and the weights before and after training (sha256 over name, dtype, shape, bytes).

    `not_as_saved` names tensors that are neither newly initialised nor what the checkpoint's file has; None where
    some tensor's place in the file cannot be told.
    """

    checkpoint_sha256: str
    revision: str | None = None
    parameters: int
    newly_initialised: list[str]
    unused: list[str]
    not_as_saved: list[str] | None = None
    init_sha256: str
    final_sha256: str | None = None


class Observed(Part):
    """What the run really was: software, machine, model; arguments as requested (translated) and as resolved."""

    python: str
    packages: dict[str, str]
    machine: dict[str, Any]
    threads: int
    determinism: dict[str, Any]
    host: Literal["fork", "spawn"]
    data: Data | None = None
    weights: Weights | None = None
    model: dict[str, Any] = {}
    optimizer: dict[str, Any] = {}
    collator: str | None = None
    requested: dict[str, Any] = {}
    arguments: dict[str, Any] = {}
    optimizer_steps: int | None = None
    fingerprint: Fingerprint | None = None
    device_busy: list[str] = []


class Confusion(Part):
    """Counts on the validation split, label 1 positive."""

    tp: int
    fp: int
    fn: int
    tn: int


class EpochScore(Part):
    """Evaluation at the end of one epoch; accuracy and F1 as fractions."""

    epoch: Number
    step: int
    accuracy: Number | None = None
    f1: Number | None = None
    loss: Number | None = None


class Measured(Part):
    """What came out: scores as fractions, times in seconds, rates per second, memory in MiB.

    `seconds` has the phases load, tokenize, setup (optimizer and loaders, within `Trainer.train`), train (evaluation
    and setup excluded), evaluate, predict, data_wait (part
    of train) and total. `train_samples_per_second` = `train_samples` / `seconds["train"]`.
    """

    metrics: dict[str, Number] = {}
    confusion: Confusion | None = None
    epochs: list[EpochScore] = []
    train_loss: Number | None = None
    seconds: dict[str, Number] = {}
    train_samples: int | None = None
    train_samples_per_second: Number | None = None
    peak_memory_mib: dict[str, Number] = {}
    throttle_reasons: list[str] = []
    timing: Timing | None = None


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


class Record(Part):
    """One attempt at one cell. `attempt` counts from 1 within (cell, environment).

    `measurement` counts a configuration's measurements from 1: a first attempt at each cell with its retries is one.
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
    started: str
    finished: str
    asked: Asked
    observed: Observed | None = None
    measured: Measured | None = None
    failure: Failure | None = None
    series: dict[str, list[int]] = {}
    series_sha256: str | None = None
    provenance: Provenance

    model_config = ConfigDict(populate_by_name=True)

    @property
    def final(self) -> bool:
        """Whether this attempt settles its cell."""
        return self.status in OUTCOMES

    @property
    def label(self) -> str:
        """The cell's short name for people."""
        asked = self.asked
        if asked.timing:
            return f"{configuration_label(asked.checkpoint.name, asked.axes)} · timing {asked.repeat}"
        return cell_label(asked.checkpoint.name, asked.seed, asked.axes)

    def to_json(self) -> str:
        """Serialise; what is there for people is shortened until the record fits 16 KB (`harness.record.fit`)."""
        return fitted(self.model_dump_json(by_alias=True, indent=1) + "\n", MAX_BYTES)

    def entry(self, path: str) -> Entry:
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
        )


def asked_of(cell: Cell) -> Asked:
    """The record's form of a cell."""
    plain = cell.asked()
    plain["checkpoint"] = {"name": cell.checkpoint.name, **plain["checkpoint"]}
    return Asked(**plain, axes=dict(cell.axes))


def read_record(path: Path) -> Record:
    """Read one `record.json` of any schema this version knows.

    Raises
    ------
    StoreError
        Naming the file and field where it is not a record, or was written by a newer harness.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{path}: not a readable record ({error})") from error
    return parse_record(data, str(path))


def parse_record(data: Any, where: str) -> Record:
    """Validate a decoded record, migrating older schemas one version at a time."""
    schema = data.get("schema") if isinstance(data, dict) else None
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise StoreError(f"{where}: schema: {schema!r} is not a record's schema (allowed: 1 to {SCHEMA})")
    if schema > SCHEMA:
        raise StoreError(f"{where}: schema: {schema} was written by a newer harness (allowed: 1 to {SCHEMA})")
    for version in range(schema, SCHEMA):
        data = MIGRATIONS[version](data)
    try:
        return Record.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise StoreError(f"{where}: {field}: {first['msg']} (got {first.get('input')!r:.80})") from error


MIGRATIONS: Final[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    1: lambda record: {**record, "schema": 2},  # `measurement` came: absent, it is the first
}
"""`MIGRATIONS[n]` turns a record of schema n into one of schema n + 1."""


def record_schema() -> str:
    """The JSON Schema of records, as `harness schema` prints it."""
    return json.dumps(Record.model_json_schema(by_alias=True), indent=2) + "\n"
