"""The tables of a grid, each a model: what may stand in them, and what is said where something else does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.grid.arguments import argument_problem
from harness.grid.cell import Engine, OrFalse, Precision, Selection
from harness.grid.matrix import identity
from harness.text import dotted, is_plain_text, listed, show, suggestion
from harness.validation import only

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?")
_VARIABLE: Final = re.compile(r"\$HARNESS_[A-Z0-9_]{1,50}")
_FUNCTION: Final = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)
UNCOMPARED: Final = ("task", "seed")
"""What no comparison is over: tasks have scores of their own, and seeds are the runs of a configuration."""
_RESERVED: Final = {"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)}


def _names_a_folder(value: str) -> bool:
    return bool(_NAME.fullmatch(value)) and value.split(".")[0].lower() not in _RESERVED


Name = Annotated[
    str,
    only("1 to 64 letters, digits, '.', '_', '-', fit to name a folder", _names_a_folder, pattern=f"^{_NAME.pattern}$"),
]
Text = Annotated[str, only("1 to 300 printable characters", is_plain_text, minLength=1, maxLength=300)]
Variable = Annotated[
    str,
    only(
        "an environment variable $HARNESS_..., like $HARNESS_MRPC",
        _VARIABLE.fullmatch,
        pattern=f"^{_VARIABLE.pattern}$",
    ),
]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Fraction = Annotated[
    Finite,
    only("a fraction from -1 to 1 (85.78 points are 0.8578)", lambda value: -1 <= value <= 1, minimum=-1, maximum=1),
]


_SCORE: Final = re.compile(r"[A-Za-z_]\w{0,63}")
Score = Annotated[str, only("the name of a metric of the task", _SCORE.fullmatch, pattern=f"^{_SCORE.pattern}$")]


class Table(BaseModel):
    """A table with the keys that it declares and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=False)


class Require(Table):
    """What the machine must have; unmet it is exit 4, never a SKIP."""

    accelerator: Literal["cpu", "cuda"] | None = None
    devices: Annotated[int, Field(ge=1, le=1024)] | None = None
    memory_gib: Annotated[Finite, Field(gt=0, le=1e6)] | None = None


EXAMPLE: Final = """[[reference]]
id = "our-run"
metric = "accuracy"
value = 0.8578                       # a fraction; `values` of every run with statistic = "sample"
statistic = "mean"                   # single, mean, median, best or sample
n = 5                                # runs; not with single and sample
sd = 0.0062                          # only with mean
split = "validation"
source = "https://example.org/page"
checkpoint = "google-bert/bert-base-uncased"
precision = "fp32"
devices = 1
recipe = { num_train_epochs = 3, learning_rate = 5e-5, global_batch_size = 8 }"""
"""A reference that is written out, whole."""


class Reference(Table):
    """A published value: an `id` alone looks it up in the registry, `from` reads the JSON of a published report, and
    otherwise it is written out with its source.

    `row` is the label of the one row of a report that is meant; without it each configuration is held against the row
    that asks for the same. `selection` says of which model of a run it is: "last", or "best epoch" by the validation
    split. Unsaid, it is what the recipe's `load_best_model_at_end` means. What is not stated of it is no difference.
    """

    id: Name | None = None
    report: Text | None = Field(default=None, alias="from")
    row: Text | None = None
    metric: Score | None = None
    task: Text | None = None
    value: Fraction | None = None
    values: Annotated[list[Fraction], Field(min_length=2)] | None = None
    statistic: Literal["single", "mean", "median", "best", "sample"] | None = None
    n: Annotated[int, Field(ge=1)] | None = None
    sd: Annotated[Finite, Field(ge=0, le=1)] | None = None
    split: Text | None = None
    source: Text | None = None
    checkpoint: Text | None = None
    config: dict[str, Any] | None = None
    precision: Precision | None = None
    devices: Annotated[int, Field(ge=1)] | None = None
    engine: Engine | None = None
    dropout: OrFalse | None = None
    subset: Annotated[int, Field(ge=0)] | None = None
    selection: Selection | None = None
    recipe: dict[str, Any] = Field(default_factory=dict)

    @property
    def name(self) -> str:
        """What verdicts call it: its id; of a report without one its file's name."""
        return self.id or Path(self.report or "").stem

    @property
    def written(self) -> bool:
        """Whether it is written out, rather than looked up or read."""
        return self.report is None and bool(self.model_fields_set - {"id"})

    @model_validator(mode="after")
    def _whole(self) -> Reference:
        if self.report is not None:
            if more := sorted(self.model_fields_set - {"id", "report", "row"}):
                raise ValueError(f".{more[0]}: allowed without `from`, whose report says it; beside it id, row")
            if not _NAME.fullmatch(self.name):
                raise ValueError(f".id: missing; required where the file's name, {show(self.name)}, is none")
            return self
        if self.row is not None:
            raise ValueError(f".row: got {show(self.row)}; allowed with `from`")
        if not self.written and self.id is not None:
            return self
        if self.split not in (None, "validation"):
            if self.split == "test":
                raise ValueError(
                    '.split: got "test"; a reference on the test split cannot be compared with validation runs; '
                    "allowed validation"
                )
            raise ValueError(f".split: got {show(self.split)}; allowed validation")
        missing = [key for key in ("id", "metric", "source", "split", "statistic") if getattr(self, key) is None]
        missing += [] if self.value is not None or self.values is not None else ["value"]
        counted = self.statistic in ("mean", "median", "best")
        missing += ["n"] if counted and self.n is None else []
        if missing:
            raise ValueError(
                f"written out without {', '.join(missing)}; allowed an id alone, `from`, or all of it, as in\n{EXAMPLE}"
            )
        if (self.statistic == "sample") != (self.values is not None) or (self.value is None) == (self.values is None):
            raise ValueError(
                f'.statistic: got {show(self.statistic)}; allowed `values` (2 or more) with "sample", one `value` '
                "with any other"
            )
        if counted and (self.n or 0) < 2:
            raise ValueError(f".n: got {show(self.n)}; allowed 2 or more runs for statistic {show(self.statistic)}")
        if self.sd is not None and self.statistic != "mean":
            raise ValueError(f'.sd: got {self.sd}; allowed with statistic "mean" only')
        return self


class Quality(Table):
    """Whether configurations are judged, and how: margins in points (hundredths), `harmless` differences of recipe.

    `margin` against references; "auto" takes it from the reference's spread. `parity_margin` between two
    configurations. `direction = "lower"` fails losses only. `collapse_rate` is the fraction of runs that may collapse.
    `gate` names the metrics whose FAIL is red. `references = "none"` gates on less, by intent: without it a grid that
    compares its scores with nothing judges nothing.
    `harmless` names what run and reference may do differently: a `TrainingArguments` field, or another of the words
    that `harness check` uses for a difference.
    """

    margin: Literal["auto"] | Annotated[Finite, Field(gt=0, le=100)] = "auto"
    parity_margin: Annotated[Finite, Field(gt=0, le=100)] = 1.5
    direction: Literal["both", "lower"] = "both"
    collapse_rate: Annotated[Finite, Field(ge=0, lt=1)] = 0.02
    harmless: list[Text] = Field(default_factory=list)
    gate: Annotated[list[Score], Field(min_length=1)] | None = None
    references: Literal["none"] | None = None


class Compare(Table):
    """A comparison of configurations that differ in one axis only: of all pairs of values, or each `against` one.

    `margin` is the largest difference that counts as equal, in points; without it that of `quality.parity_margin`.
    It informs; with `expect` it is a check: that the later value (B) is "better" or "not worse" than the one before it
    (A), or "equivalent" to it.
    """

    axis: Text
    against: Any = None
    margin: Annotated[Finite, Field(gt=0, le=100)] | None = None
    expect: Literal["better", "not worse", "equivalent"] | None = None


def compare_problems(compares: Sequence[Compare], used: Mapping[str, Sequence[Any]], where: str) -> Iterator[str]:
    """What is wrong with comparisons, a line each; `used` are the values of each axis, with those of `include`."""
    seen: set[Any] = set()
    allowed = [name for name in used if name not in UNCOMPARED and len(used[name]) > 1]
    for number, one in enumerate(compares):
        place = f"{where}[{number}]"
        if one.axis in UNCOMPARED:
            why = (
                "runs of one configuration differ in it"
                if one.axis == "seed"
                else "scores of different tasks are never compared"
            )
            yield f"{place}.axis: got {show(one.axis)}; {why}; allowed {listed(allowed) or 'an axis of two values'}"
        elif one.axis not in used:
            names = listed(allowed) or "an axis of two values"
            close = suggestion(one.axis, allowed)
            yield f"{place}.axis: got {show(one.axis)}; not an axis of this matrix; allowed {names}{close}"
        elif (one.axis, identity(one.against)) in seen:
            yield f"{place}.axis: got {show(one.axis)} again; allowed once an axis and `against`"
        elif len(used[one.axis]) < 2:
            yield f"{place}.axis: got {show(one.axis)}, of one value; allowed an axis of two values or more"
        elif one.against is not None and identity(one.against) not in map(identity, used[one.axis]):
            texts = [value for value in used[one.axis] if isinstance(value, str)]
            close = suggestion(one.against, texts) if isinstance(one.against, str) else ""
            yield f"{place}.against: got {show(one.against)}; allowed {listed(map(show, used[one.axis]))}{close}"
        seen.add((one.axis, identity(one.against)))


class Throughput(Table):
    """How speed is measured: steps left out, steps counted, independent processes of each configuration.

    `margin` is the largest slow-down that counts as equal, in percent. With `only`, cells are timed and not trained
    to their end. `where` times only the configurations that have these values of axes. With `against` each of them is
    timed with that engine too, by turns, and may be slower than it by the margin: what the Trainer costs over the
    plain loop needs no earlier session, and no other machine.
    """

    warmup_steps: Annotated[int, Field(ge=1, le=10**6)] = 20
    measured_steps: Annotated[int, Field(ge=1, le=10**6)] = 100
    processes: Annotated[int, Field(ge=1, le=1000)] = 5
    margin: Annotated[Finite, Field(gt=0, lt=100)] = 5.0
    only: bool = False
    where: dict[str, Any] = Field(default_factory=dict)
    against: Literal["loop", "accelerate"] | None = None


class Verify(Table):
    """That `bench` verifies before it runs: steps of a short run, and which pairs of runs (all of them where empty)."""

    steps: Annotated[int, Field(ge=2, le=20)] = 8
    only: list[Name] = Field(default_factory=list)


class Subject(Table):
    """Training code that is not the harness's own: a function that makes a Trainer, or a script that calls its `train`.

    `trainer` is "package.module:function". `arguments` are a script's own flags; "{checkpoint}" in a value stands for
    the checkpoint's folder, and where no value has it the script gets `--model_name_or_path`. `metrics` are the names
    that scores are known by in the Trainer's own evaluation, without `eval_`; all of them where empty.
    """

    trainer: (
        Annotated[str, only("package.module:function", _FUNCTION.fullmatch, pattern=f"^{_FUNCTION.pattern}$")] | None
    ) = None
    script: Text | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    metrics: list[Name] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_of_two(self) -> Subject:
        if (self.trainer is None) == (self.script is None):
            raise ValueError("got " + ("neither" if self.trainer is None else "both") + "; allowed trainer or script")
        if self.arguments and self.script is None:
            raise ValueError(f".arguments: got {show(self.arguments)}; allowed with script")
        if "loss" in self.metrics:
            raise ValueError('.metrics: got "loss"; allowed names of which more is better (the loss is kept as it is)')
        for name, value in self.arguments.items():
            if problem := argument_problem(name, value):
                raise ValueError(f".arguments.{dotted(name)}: got {show(value)}; {problem}")
        return self

    def asked(self) -> dict[str, Any]:
        """What a cell has of it."""
        kind = {"trainer": self.trainer} if self.script is None else {"script": self.script}
        flags = {"arguments": dict(self.arguments)} if self.script is not None else {}
        return {**kind, **flags, **({"metrics": list(self.metrics)} if self.metrics else {})}


class History(Table):
    """The file, relative to the grid, to which `bench` appends a line a night.

    With `gate` the sessions in it, at most 30 on the same hardware, are what `check` and `bench` hold the speed of the
    newest against: below what they let expect is INCONCLUSIVE, and not in the exit code; the second time in a row it
    is a FAIL.
    """

    file: Text = "history.jsonl"
    gate: bool = False


class CheckpointSpec(Table):
    """A checkpoint under a name of its own: where from, and what of its configuration and recipe differs.

    With `random` its weights are drawn anew, from the cell's seed: a model of any size for measuring speed.
    """

    source: Text = Field(alias="from")
    revision: Text | None = None
    config: dict[str, Any] = Field(default_factory=dict)
    random: bool = False
    recipe: dict[str, Any] = Field(default_factory=dict)


class Execution(Table):
    """How cells are run: threads a rank, limits in minutes, cells at a time."""

    threads: Annotated[int, Field(ge=1, le=4096)] = 1
    timeout_minutes: Annotated[Finite, Field(gt=0, le=10**6)] = 240
    first_step_timeout_minutes: Annotated[Finite, Field(gt=0, le=10**6)] = 10
    slots: Literal["auto"] | Annotated[int, Field(ge=1, le=4096)] = "auto"
