"""The columns of `harness.frame`, one row a run: THE table. `python -m harness.report.export.columns > docs/frame.md`.

The function's docstring and the page are written from here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from harness.protocol import PACKAGES
from harness.record.entry import Entry
from harness.record.model import Record
from harness.record.parts.fingerprint import Fingerprint
from harness.record.parts.observed import Observed, Weights
from harness.report.format.labels import plain
from harness.task import METRICS

Kind = Literal["text", "integer", "number", "flag", "time"]


@dataclass(frozen=True)
class Row:
    """One run: its entry, its record (None where it cannot be read), and what its configuration says of it.

    `status` is that of the run as it is counted: ok, suspect, collapsed, nonfinite, or how else it ended; `kind` is its
    cell's.
    """

    grid: str
    run: str
    configuration: str
    status: str
    entry: Entry
    record: Record | None
    kind: str = "scored"


@dataclass(frozen=True)
class Column:
    """A column: what pandas makes of its values, their unit, what they say, and where they come from."""

    name: str
    kind: Kind
    meaning: str
    of: Callable[[Row], Any]
    unit: str = ""


def _asked(name: str) -> Callable[[Row], Any]:
    return lambda row: getattr(row.record.asked, name) if row.record else None


def _observed(of: Callable[[Observed], Any]) -> Callable[[Row], Any]:
    return lambda row: of(row.record.observed) if row.record and row.record.observed else None


def _weights(of: Callable[[Weights], Any]) -> Callable[[Row], Any]:
    return _observed(lambda seen: of(seen.weights) if seen.weights else None)


def _print(of: Callable[[Fingerprint], Any]) -> Callable[[Row], Any]:
    return _observed(lambda seen: of(seen.fingerprint) if seen.fingerprint else None)


def _provenance(name: str) -> Callable[[Row], Any]:
    return lambda row: getattr(row.record.provenance, name) if row.record else None


def _seconds(phase: str) -> Callable[[Row], Any]:
    return lambda row: row.entry.seconds.get(phase)


def _version(package: str) -> Callable[[Row], Any]:
    return _observed(lambda seen: seen.packages.get(package))


def _validation(row: Row) -> int | None:
    data = row.record.observed.data if row.record and row.record.observed else None
    return data.validation.examples if data else None


def _session(row: Row) -> str | None:
    timing = row.record.measured.timing if row.record and row.record.measured else None
    return timing.session if timing else None


_PHASES: Final[Mapping[str, str]] = {
    "load": "loading checkpoint and data",
    "tokenize": "tokenizing",
    "setup": "making optimizer and loaders, within `Trainer.train`",
    "train": "training, evaluation and setup excluded",
    "data_wait": "waiting for batches, part of training",
    "evaluate": "evaluating during training",
    "predict": "predicting after training",
    "total": "all of the run",
}

COLUMNS: Final[tuple[Column, ...]] = (
    Column("grid", "text", "the grid's name", lambda row: row.grid),
    Column("run", "text", "the run's id, as `harness diff` takes it", lambda row: row.run),
    Column("configuration", "text", "what its configuration is called", lambda row: row.configuration),
    Column("kind", "text", "scored: trained to the end for a score; timing: one process that timed some steps",
           lambda row: row.kind),
    Column("status", "text", "ok, suspect, collapsed, nonfinite, or how else it ended", lambda row: row.status),
    Column("error", "text", "what went wrong, its type first", lambda row: row.entry.error),
    Column("task", "text", "the task", _asked("task")),
    Column("checkpoint", "text", "the checkpoint, by the grid's name for it", lambda row: row.entry.checkpoint),
    Column("seed", "integer", "the seed", lambda row: row.entry.seed),
    Column("precision", "text", "the precision that was asked for", lambda row: row.entry.precision),
    Column("devices", "integer", "the devices, each with a rank", lambda row: row.entry.devices),
    Column("engine", "text", "trainer, loop or accelerate", _asked("engine")),
    Column("environment", "text", "the environment, by the grid's label", _asked("environment")),
    Column("cell_id", "text", "hash of what was asked for", lambda row: row.entry.cell_id),
    Column("configuration_id", "text", "the same without the seed", lambda row: row.entry.configuration_id),
    Column("environment_id", "text", "hash of packages, Python, accelerator and driver",
           lambda row: row.entry.environment_id),
    Column("content_id", "text", "hash of checkpoint and data", lambda row: row.entry.content_id),
    Column("attempt", "integer", "which attempt at its cell in its environment", lambda row: row.entry.attempt),
    Column("measurement", "integer", "which measurement of its configuration",
           lambda row: row.entry.measurement),
    Column("started", "time", "when it began", lambda row: row.entry.started, "UTC"),
    Column("finished", "time", "when it ended", lambda row: row.record.finished if row.record else None, "UTC"),
    Column("loss", "number", "loss on the validation split after training", lambda row: row.entry.metrics.get("loss"),
           "nats"),
    Column("validation_examples", "integer", "examples of the validation split", _validation),
    Column("optimizer_steps", "integer", "optimizer steps", lambda row: row.entry.steps),
    *(Column(f"{name}_seconds", "number", text, _seconds(name), "seconds") for name, text in _PHASES.items()),
    Column("samples_per_second", "number", "rate of training, over all ranks; of a timing cell the median over steps",
           lambda row: row.entry.samples_per_second, "samples a second"),
    Column("timing_session", "text", "of a timing cell the session of its processes", _session),
    Column("python", "text", "version of Python", _observed(lambda seen: seen.python)),
    *(Column(f"{name}_version", "text", f"version of {name}", _version(name)) for name in PACKAGES),
    Column("cpu", "text", "the processor", _observed(lambda seen: seen.machine.get("cpu"))),
    Column("accelerators", "text", "the accelerators, none on a CPU",
           _observed(lambda seen: ", ".join(map(str, seen.machine.get("accelerators") or [])) or None)),
    Column("threads", "integer", "threads of a rank", _observed(lambda seen: seen.threads)),
    Column("parameters", "integer", "parameters of the model", _weights(lambda one: one.parameters)),
    Column("observed_precision", "text", "the precision that carried the weight products",
           _print(lambda one: one.precision.name if one.precision else None)),
    Column("checkpoint_sha256", "text", "hash of the checkpoint's files", _weights(lambda one: one.checkpoint_sha256)),
    Column("train_sha256", "text", "hash of the training split",
           _observed(lambda seen: seen.data.train.sha256 if seen.data else None)),
    Column("validation_sha256", "text", "hash of the validation split",
           _observed(lambda seen: seen.data.validation.sha256 if seen.data else None)),
    Column("init_sha256", "text", "fingerprint: weights before training", _print(lambda one: one.init_sha256)),
    Column("data_order_sha256", "text", "fingerprint: example ids of each step",
           _print(lambda one: one.data_order_sha256)),
    Column("loss_sha256", "text", "fingerprint: losses of the first steps", _print(lambda one: one.loss_sha256)),
    Column("trajectory_sha256", "text", "fingerprint: loss, gradient norm and learning rate of every step",
           _print(lambda one: one.trajectory_sha256)),
    Column("final_sha256", "text", "fingerprint: weights after training", _print(lambda one: one.final_sha256)),
    Column("harness_version", "text", "version of the harness that ran it", _provenance("harness")),
    Column("git_sha", "text", "commit of the harness's folder", _provenance("git_sha")),
    Column("git_dirty", "flag", "whether that had changes that were not committed", _provenance("git_dirty")),
    Column("folder", "text", "the folder of its record and series, in the grid's results", lambda row: row.entry.path),
)  # fmt: skip

SCORE: Final = "_fraction"
AXIS: Final = "axis_"
MEMORY: Final = ("peak_memory_", "_mib")
FURTHER: Final[Mapping[str, tuple[str, str, str]]] = {
    f"METRIC{SCORE}": (
        "number",
        "fraction",
        f"a score on the validation split after training: {', '.join(METRICS)}, with the suffix of a further split",
    ),
    f"{AXIS}NAME": ("text", "", "a further axis of the grid, `learning_rate` say: a number where all values are"),
    f"{MEMORY[0]}KIND{MEMORY[1]}": ("number", "MiB", "most memory in use: of the device, or of the process"),
}
"""Columns that a grid has by its metrics, axes and devices: pattern -> (kind, unit, meaning)."""


def further(rows: Iterable[Row]) -> Iterator[Column]:
    """The columns that these rows have beside `COLUMNS`: scores first, then axes, then memory."""
    every = list(rows)
    measured = [row.record.measured for row in every if row.record and row.record.measured]
    own = {column.name for column in COLUMNS}
    scores = dict.fromkeys(name for row in every for name in row.entry.metrics if name != "loss")
    axes = dict.fromkeys(axis for row in every for axis in row.entry.axes if axis not in own)
    kinds = dict.fromkeys(kind for one in measured for kind in one.peak_memory_mib)
    for name in scores:
        yield Column(f"{name}{SCORE}", "number", "", _score(name), "fraction")
    for axis in axes:
        values = [row.entry.axes.get(axis) for row in every]
        yield Column(f"{AXIS}{axis}", _kind_of([value for value in values if value is not None]), "", _axis(axis))
    for kind in kinds:
        yield Column(kind.join(MEMORY), "number", "", _memory(kind), "MiB")


def _score(name: str) -> Callable[[Row], Any]:
    return lambda row: row.entry.metrics.get(name)


def _axis(axis: str) -> Callable[[Row], Any]:
    return lambda row: row.entry.axes.get(axis)


def _memory(kind: str) -> Callable[[Row], Any]:
    return lambda row: row.record.measured.peak_memory_mib.get(kind) if row.record and row.record.measured else None


def _kind_of(values: list[Any]) -> Kind:
    if all(isinstance(value, bool) for value in values):
        return "flag"
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        return "text"
    return "integer" if all(isinstance(value, int) for value in values) else "number"


def value_of(column: Column, row: Row) -> Any:
    """A column's value of a run; None where it has none. Text where the column is text."""
    value = column.of(row)
    return plain(value) if column.kind == "text" and value is not None else value


def described() -> Iterator[tuple[str, str, str, str]]:
    """(name, kind, unit, meaning) of every column."""
    for one in COLUMNS:
        yield one.name, one.kind, one.unit, one.meaning
    for name, (kind, unit, meaning) in FURTHER.items():
        yield name, kind, unit, meaning


def columns_text() -> str:
    """The columns for a docstring, a line each."""
    return "\n".join(
        f"{name} ({', '.join(filter(None, [kind, unit]))}): {said}" for name, kind, unit, said in described()
    )


def page() -> str:
    """The page for people, as Markdown."""
    rows = [f"| `{name}` | {kind} | {unit} | {meaning} |" for name, kind, unit, meaning in described()]
    return "\n".join(
        [
            "# Results as a DataFrame",
            "",
            "```python",
            "import harness",
            "",
            'runs = harness.frame("quickstart")  # a grid; or a folder of results: harness.frame("results/quickstart")',
            'scored = runs[(runs.kind == "scored") & (runs.status == "ok")]  # no timings, and none that collapsed',
            'scored.groupby("configuration").accuracy_fraction.agg(["count", "mean", "std"])',
            "```",
            "",
            "One row a run: of each cell the attempt that counts, and one that collapsed before it where it was tried",
            "again; where none counts, the last attempt. They are those of the environments that `harness run` last",
            'meant; `environment="all"` gives those of every one. A folder has also the runs of what its grid asked',
            "for before it was edited, a grid those of today alone. A value that is not known is missing.",
            "It needs pandas: `pip install pandas`.",
            "",
            "A grid with `[throughput]` has rows of two kinds. Those of a `timing`, one a process, have configurations",
            "of their own, the status `ok` where they went well, and no score.",
            "",
            "| column | kind | unit | what it says |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            "This page is written by `python -m harness.report.export.columns`.",
        ]
    )


if __name__ == "__main__":
    print(page())
