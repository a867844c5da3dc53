"""Which configurations are of one recipe, and which differ in exactly one thing."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal

from packaging.version import InvalidVersion, Version

from harness.checks.scores.recipe import global_batch
from harness.grid.cell import ENGINES, Cell
from harness.record.configuration import Configuration, Key
from harness.text import canonical_json

Dimension = Literal["precision", "devices", "engine", "accepts_loss_kwargs", "environment"]

_PRECISIONS: Final = ("fp32", "tf32", "bf16", "fp16")
_BATCH: Final = "per_device_train_batch_size"


@dataclass(frozen=True)
class Pair:
    """Two configurations that differ in one dimension only; `base` is the plain one."""

    base: Configuration
    twin: Configuration
    dimension: Dimension

    def name(self, one: Configuration) -> str:
        """What one of the two is called, where the dimension is all that matters: "bf16", "2 devices"."""
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


def find_pairs(configurations: Sequence[Configuration]) -> list[Pair]:
    """Pair each configuration with the plain one of those that differ from it in one dimension only.

    Plain: fp32, 1 device, the Trainer, the loss scaled as the model says, the older versions. Repeats and resumed runs
    are controls, and paired with none.
    """
    measured = [one for one in configurations if one.ended and not is_control(one)]
    keys = {id(one): recipe_key(one) for one in measured}
    found = []
    for dimension, rank in _RANKS.items():
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


def count_pairs(configurations: Sequence[Configuration]) -> int:
    """How many pairs these will make once all are measured, by what was asked for alone."""
    found: dict[tuple[Any, ...], set[Any]] = {}
    for one in configurations:
        if is_control(one):
            continue
        asked = replace(one, content_id=None, environment_id=one.asked.environment, arguments={})
        key, values = recipe_key(asked), {name: _value(asked, name) for name in _RANKS}
        for dimension, value in values.items():
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
