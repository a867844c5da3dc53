"""The settings of a report's runs: what was asked for, what that resolved to, and whose it is where they differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from harness.grid.labels import Namer, place_of
from harness.record.model import Record
from harness.report.format.labels import listed, plain
from harness.report.run.model import Setting

ALWAYS: Final = (
    "num_train_epochs",
    "max_steps",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "learning_rate",
    "lr_scheduler_type",
    "warmup_steps",
    "warmup_ratio",
    "weight_decay",
    "max_grad_norm",
    "optim",
)
"""Resolved arguments that a report shows even where the grid leaves them alone: they decide the result."""

LENGTHS: Final = ("num_train_epochs", "max_steps")
"""How long a run is: the second decides where it is more than 0."""

MOST_NAMED: Final = 3
"""Axis values, or configurations, that are named beside a value."""

Values = Mapping[str, list[Record]]
"""A value as people write it -> the records that have it."""


def settings(records: Iterable[Record], namer: Namer) -> tuple[Setting, ...]:
    """What the grid asked for, and what that and the main defaults resolved to."""
    asked: dict[str, dict[str, list[Record]]] = {}
    resolved: dict[str, dict[str, list[Record]]] = {}
    records = list(records)
    worked_around = any(record.asked.accepts_loss_kwargs != "model" for record in records)
    later = ("accepts_loss_kwargs",) if worked_around else ()
    for record in records:
        for name, value in _asked(record, later):
            asked.setdefault(name, {}).setdefault(plain(value), []).append(record)
        for name, text in _resolved(record):
            resolved.setdefault(name, {}).setdefault(text, []).append(record)
    names = [*sorted(asked), *(name for name in ALWAYS if name in resolved and name not in asked)]
    return tuple(_setting(name, asked.get(name, {}), resolved.get(name, {}), namer) for name in names)


def _asked(record: Record, later: Iterable[str]) -> Iterator[tuple[str, Any]]:
    yield from record.asked.recipe.items()
    for name in ("threads", "head_seeding", "engine", "recipe_defaults", *later):
        value = getattr(record.asked, name)
        if value is not None:
            yield name, value


def _resolved(record: Record) -> Iterator[tuple[str, str]]:
    arguments = record.observed.arguments if record.observed else {}
    epochs, steps = LENGTHS
    for name, value in arguments.items():
        if (name not in ALWAYS and name not in record.asked.recipe) or (record.asked.timing and name in LENGTHS):
            continue  # a timing ends with its last measured step, whatever it was told
        if name != epochs or not (arguments.get(steps) or 0) > 0:
            # Since transformers 5 warmup_steps is a number with a point, which may also be a share of all steps.
            whole = name.endswith("_steps") and isinstance(value, float) and value.is_integer()
            yield name, plain(int(value) if whole else value)
        elif text := _epochs(record):
            yield name, text


def _epochs(record: Record) -> str | None:
    """The epochs that `max_steps` came to; None where that is not known."""
    data = record.observed.data if record.observed else None
    rows = record.measured.train_samples if record.measured else None
    if data is None or not rows or not data.train.examples:
        return None
    return f"{rows / data.train.examples:.3g}, by {LENGTHS[1]}"


def _setting(name: str, asked: Values, resolved: Values, namer: Namer) -> Setting:
    def whose(found: Values) -> tuple[str, ...]:
        return _whose(found, namer) if len(found) > 1 and name not in namer.axes else ()

    return Setting(name, tuple(sorted(asked)), tuple(sorted(resolved)), whose(asked), whose(resolved))


def _whose(found: Values, namer: Namer) -> tuple[str, ...]:
    """Of each value, in their order: the values of the axis that it goes by, else the configurations that have it."""
    ways = [*(partial(_part, namer, axis) for axis in namer.axes), partial(_label, namer)]
    return next(filter(None, (_told(found, way) for way in ways)), ())


def _part(namer: Namer, axis: str, record: Record) -> str:
    place = place_of(record.asked)
    return namer.part(axis, place[axis]) if axis in place else f"no {axis}"


def _label(namer: Namer, record: Record) -> str:
    return namer.label(place_of(record.asked))


def _told(found: Values, name: Callable[[Record], str]) -> tuple[str, ...]:
    """What each value's records are called; nothing where two values share a name."""
    named = {value: dict.fromkeys(map(name, found[value])) for value in sorted(found)}
    if len({one for names in named.values() for one in names}) < sum(map(len, named.values())):
        return ()
    return tuple(listed([*names], MOST_NAMED) for names in named.values())
