"""Which configurations are of one recipe, and which differ in exactly one thing."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal

from packaging.version import InvalidVersion, Version

from harness.checks.scores.recipe import global_batch
from harness.grid.arguments import default_of
from harness.grid.cell import AXES, ENGINES, Cell
from harness.grid.labels import SPEAKING
from harness.grid.matrix import identity
from harness.record.configuration import Configuration, Key
from harness.text import canonical_json

Dimension = Literal["precision", "devices", "engine", "accepts_loss_kwargs", "environment"]

_PRECISIONS: Final = ("fp32", "tf32", "bf16", "fp16")
_LIKE: Final = SPEAKING - {"checkpoint"} | {
    "devices",
    "accepts_loss_kwargs",
    "evaluation_draws",
    "eval_strategy",
    "repeat",
    "resume_at",
}
"""Axes that leave weights and order alike, beside those of logging: both sides are paired by seed."""
_BATCH: Final = "per_device_train_batch_size"


@dataclass(frozen=True)
class Pair:
    """Two configurations that differ in one dimension only; `base` is the plain one."""

    base: Configuration
    twin: Configuration
    dimension: Dimension

    def name(self, one: Configuration) -> str:
        """What one of the two is called, where the dimension is all that matters: "bf16", "2 devices"."""
        if own := one.namer.own(self.dimension, getattr(one.asked, self.dimension)):
            return own
        if self.dimension == "devices":
            return f"{one.asked.devices} device{'s' if one.asked.devices > 1 else ''}"
        if self.dimension == "accepts_loss_kwargs":
            value = one.asked.accepts_loss_kwargs
            return f"accepts_loss_kwargs = {value if isinstance(value, str) else str(value).lower()}"
        if self.dimension == "environment":
            other = self.base if one is self.twin else self.twin
            changed = [f"{n} {v}" for n, v in sorted(one.versions.items()) if other.versions.get(n) != v]
            return ", ".join(changed[:3]) or f"environment {one.environment_id[:8]}"
        return str(getattr(one.asked, self.dimension))


@dataclass(frozen=True)
class AxisPair:
    """Two configurations in one place of the matrix but for one axis: A, the first, and B.

    `place` are the other axes that vary over the grid, with the values that both have.
    """

    axis: str
    a: Configuration
    b: Configuration
    value_a: Any
    value_b: Any
    place: Mapping[str, Any]

    def name(self, value: Any) -> str:
        """What a side is called where the axis is all that matters: "bf16", "learning_rate=2e-05"."""
        return self.a.namer.part(self.axis, value)

    @property
    def by_seed(self) -> bool:
        """Whether runs are paired by seed: it follows from the axis, never from the data (docs/statistics.md)."""
        return self.axis in _LIKE or self.axis.startswith("logging_")

    @property
    def measured(self) -> bool:
        """Whether runs of both ended, in one environment unless that is the axis."""
        return bool(self.a.ended and self.b.ended) and (
            self.axis == "environment" or self.a.environment_id == self.b.environment_id
        )

    @property
    def expected(self) -> bool:
        """Whether it will be measured if it is not."""
        return all(one.ended or one.waits for one in (self.a, self.b))


def axis_pairs(configurations: Sequence[Configuration], axis: str, against: Any = None) -> list[AxisPair]:
    """Pair what stands in one place of the matrix but for an axis: all pairs, the earlier first; or `against` one.

    By what was asked for: measured or not. Of a configuration in several environments the newest.
    """
    current = [one for one in configurations if one.current]
    names = dict.fromkeys([name for one in current for name in one.axes])
    places: dict[tuple[Any, ...], dict[Any, Configuration]] = {}
    for one in current:
        place = tuple(identity(_at(one, name)) for name in names if name != axis)
        places.setdefault(place, {}).setdefault(identity(_at(one, axis)), one)
    varying = [name for name in names if name != axis and len({identity(_at(one, name)) for one in current}) > 1]
    found = []
    for values in places.values():
        every = list(values.values())
        pairs = list(itertools.combinations(every, 2))
        if against is not None:
            first = values.get(identity(against))
            pairs = [(first, one) for one in every if first is not None and one is not first]
        found += [
            AxisPair(axis, a, b, _at(a, axis), _at(b, axis), {name: _at(a, name) for name in varying}) for a, b in pairs
        ]
    return found


def _at(one: Configuration, axis: str) -> Any:
    """A configuration's value on an axis; where the matrix does not say it, what was asked for."""
    if axis in one.axes:
        return one.axes[axis]
    if axis in AXES:
        return one.asked.checkpoint.name if axis == "checkpoint" else getattr(one.asked, axis)
    return one.asked.recipe.get(axis, default_of(axis))


def recipe_key(one: Configuration) -> str:
    """What configurations share that may be pooled for their spread: data, checkpoint, and recipe by global batch."""
    asked = one.asked
    shared = {name: getattr(asked, name) for name in _SHARED}
    shared["checkpoint"] = asked.checkpoint.model_dump(exclude={"name"})
    shared["recipe"] = {name: value for name, value in asked.recipe.items() if name != _BATCH}
    return canonical_json([one.content_id, global_batch(one), shared])


def is_control(one: Configuration) -> bool:
    """Say whether a configuration only repeats another, with its seeds: its luck is not its own."""
    return one.asked.repeat > 1 or one.asked.resume_at > 0


def find_pairs(configurations: Sequence[Configuration], named: Collection[str] = ()) -> list[Pair]:
    """Pair each configuration with the plain one of those that differ from it in one dimension only.

    Plain: fp32, 1 device, the Trainer, the loss scaled as the model says, the older versions. Repeats and resumed runs
    are controls, and paired with none. What a grid compares itself, the `named` axes, is not paired here.
    """
    measured = [one for one in configurations if one.ended and not is_control(one)]
    keys = {id(one): recipe_key(one) for one in measured}
    found = []
    for dimension, rank in _RANKS.items():
        if dimension in named:
            continue
        groups: dict[tuple[Any, ...], list[Configuration]] = {}
        for one in measured:
            others = tuple(_value(one, name) for name in _RANKS if name != dimension)
            groups.setdefault((keys[id(one)], *others), []).append(one)
        for group in groups.values():
            by_value: dict[Any, Configuration] = {}
            for one in sorted(group, key=rank):
                by_value.setdefault(_value(one, dimension), one)
            base, *twins = by_value.values()
            found += [Pair(base, twin, dimension) for twin in twins]
    place = {id(one): number for number, one in enumerate(configurations)}
    return sorted(found, key=lambda pair: (place[id(pair.base)], place[id(pair.twin)]))


def count_pairs(configurations: Sequence[Configuration], named: Collection[str] = ()) -> int:
    """How many pairs these will make once all are measured, by what was asked for alone; `named` as in `find_pairs`."""
    found: dict[tuple[Any, ...], set[Any]] = {}
    for one in configurations:
        if is_control(one):
            continue
        asked = replace(one, content_id=None, environment_id=one.asked.environment, arguments={})
        key, values = recipe_key(asked), {name: _value(asked, name) for name in _RANKS}
        for dimension, value in values.items():
            if dimension in named:
                continue
            others = tuple(other for name, other in values.items() if name != dimension)
            found.setdefault((dimension, key, *others), set()).add(value)
    return sum(len(group) - 1 for group in found.values())


def find_repeats(configurations: Sequence[Configuration]) -> Mapping[Key, Configuration]:
    """Find for each configuration one that repeats it seed by seed, by its key."""
    first: dict[str, Configuration] = {}
    again: dict[str, Configuration] = {}
    for one in configurations:
        if one.entries and not one.asked.resume_at:
            (first if one.asked.repeat == 1 else again).setdefault(_without_repeat(one), one)
    return {one.key: again[key] for key, one in first.items() if key in again}


def _without_repeat(one: Configuration) -> str:
    dimensions = [_value(one, name) for name in _RANKS]
    return canonical_json([recipe_key(one), dimensions])


def _value(one: Configuration, dimension: Dimension) -> Any:
    return one.environment_id if dimension == "environment" else getattr(one.asked, dimension)


def _precision(one: Configuration) -> Any:
    name = one.asked.precision
    return (_PRECISIONS.index(name) if name in _PRECISIONS else len(_PRECISIONS), name)


def _environment(one: Configuration) -> Any:
    packages = ("transformers", "torch", "accelerate", "datasets", "tokenizers")
    versions = tuple(_version(one.versions.get(name, "")) for name in packages)
    return (versions, min(entry.started for entry in one.entries), one.environment_id)


@functools.lru_cache(maxsize=1024)
def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        return Version("0")


_RANKS: Final[Mapping[Dimension, Callable[[Configuration], Any]]] = {
    "precision": _precision,
    "devices": lambda one: one.asked.devices,
    "engine": lambda one: ENGINES.index(one.asked.engine) if one.asked.engine in ENGINES else len(ENGINES),
    "accepts_loss_kwargs": lambda one: one.asked.accepts_loss_kwargs is False,
    "environment": _environment,
}

_SHARED: Final = tuple(
    option.name for option in fields(Cell) if option.name not in (*_RANKS, "seed", "repeat", "resume_at", "axes")
)
"""Options of a cell that twins share: all but what a pair may differ in, and what makes a control."""
