"""What configurations and data are called: the axes that vary over the whole grid, in the words of its `[label]`."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from harness.grid.cell import SEPARATOR, Options, which_run
from harness.grid.matrix import identity
from harness.grid.select import names_value, spelled
from harness.text import dotted, listed, show, suggestion

SPEAKING: Final = frozenset({"checkpoint", "task", "precision", "engine", "environment"})
"""Axes whose values speak for themselves."""
TASK: Final = "task"
_ABSENT: Final = object()

Labels = Mapping[tuple[str, Hashable], str]
"""(axis, identity of a value) -> what it is called; the data set as a value of the axis `task`."""


def place_of(asked: Options | Any) -> dict[str, Any]:
    """A configuration's place in the matrix, without its seed: the checkpoint by its name, missing basic axes added."""
    axes = {axis: value for axis, value in asked.axes.items() if axis != "seed"}
    basics = {"checkpoint": asked.checkpoint.name, "precision": asked.precision, "devices": asked.devices}
    lead = {} if "checkpoint" in axes else {"checkpoint": asked.checkpoint.name}
    return {**lead, **axes, **{axis: value for axis, value in basics.items() if axis not in axes}}


class Namer:
    """Gives each place its label: the values of the axes that vary over all the places it was made from."""

    def __init__(self, places: Iterable[Mapping[str, Any]] = (), labels: Labels | None = None) -> None:
        values: dict[str, dict[Any, Any]] = {}
        first: dict[str, int] = {}
        for count, axes in enumerate(places):
            for axis, value in axes.items():
                first.setdefault(axis, count)
                values.setdefault(axis, {}).setdefault(identity(value), value)
            for axis in values.keys() - axes.keys():
                values[axis].setdefault(_ABSENT, _ABSENT)
            for axis in axes:
                if first[axis] == count and count > 0:
                    values[axis].setdefault(_ABSENT, _ABSENT)
        self.axes: tuple[str, ...] = tuple(axis for axis in values if len(values[axis]) > 1)
        self._labels: Labels = labels or {}

    @classmethod
    def of(cls, places: Iterable[Mapping[str, Any]], table: Mapping[str, str]) -> Namer:
        """Of places whose grid is not at hand, but its `[label]`."""
        known, used = list(places), dict[str, list[Any]]()
        for place in known:
            for axis, value in place.items():
                used.setdefault(axis, []).append(value)
        return cls(known, read_labels(table, used, ""))

    def own(self, axis: str, value: Any) -> str | None:
        """What the grid calls a value; None where it has no word of its own for it."""
        return self._labels.get((axis, identity(value)))

    def value(self, axis: str, value: Any) -> str:
        """A value within its axis: `bf16`, `2e-05`, or what the grid calls it."""
        return self.own(axis, value) or spelled(value)

    def part(self, axis: str, value: Any) -> str:
        """A value among those of other axes: `bf16`, `learning_rate=2e-05`, or what the grid calls it."""
        return self.own(axis, value) or (spelled(value) if axis in SPEAKING else f"{axis}={spelled(value)}")

    def label(self, place: Mapping[str, Any]) -> str:
        """`minilm · bf16 · devices=2`; the checkpoint alone where nothing varies."""
        parts = [self.part(axis, place[axis]) for axis in self.axes if axis in place]
        return SEPARATOR.join(parts) or self.value("checkpoint", place.get("checkpoint", "all cells"))

    def every(self, checkpoint: str, axes: Mapping[str, Any], *run: str) -> str:
        """What is known by its axes alone, with each of them: `minilm · bf16 · batch=2 x 4`, then which `run` of it."""
        rest = (self.part(axis, value) for axis, value in axes.items() if axis not in ("checkpoint", "seed"))
        return SEPARATOR.join([self.value("checkpoint", checkpoint), *rest, *run])

    def run(self, asked: Options) -> str:
        """`minilm · bf16 · seed 42`."""
        return f"{self.label(place_of(asked))}{SEPARATOR}{which_run(asked)}"


def read_labels(table: Mapping[str, str], used: Mapping[str, Sequence[Any]], task: str) -> Labels:
    """The `[label]` of a grid, whose problems are none; `used` are the values of each axis."""
    return {found[0]: text for key, text in table.items() if (found := _meant(key, used, task))}


def label_problems(table: Mapping[str, str], used: Mapping[str, Sequence[Any]], task: str, where: str) -> Iterator[str]:
    """What is wrong with `[label]`, a line each: what names no value or several, and texts that tell nothing apart."""
    namer = Namer(labels=read_labels(table, used, task))
    for key, text in table.items():
        place, found = f"{where}.{dotted(key)}", _meant(key, used, task)
        if not found:
            known = [task, *(spelled(value) for axis, values in used.items() if axis != "seed" for value in values)]
            yield f"{place}: no value of an axis, nor the task; allowed {listed(known)}{suggestion(key, known)}"
            continue
        axis, own = found[0]
        others = [value for value in used.get(axis, ()) if identity(value) != own and namer.value(axis, value) == text]
        if len(found) > 1:
            ways = listed(show(f"{name}={key}") for name, _ in found)
            yield f"{place}: a value of {listed(name for name, _ in found)}; allowed {ways}"
        elif SEPARATOR in text:
            yield f"{place}: got {show(text)}; allowed a text without {show(SEPARATOR)}, which stands between labels"
        elif others:
            yield f"{place}: got {show(text)}, as {spelled(others[0])} is called; allowed a text of its own"


def _meant(key: str, used: Mapping[str, Sequence[Any]], task: str) -> list[tuple[str, Hashable]]:
    """(axis, identity) of every value that a key of `[label]` may mean: by itself, or as `AXIS=VALUE`."""
    found: list[tuple[str, Hashable]] = [(TASK, task)] if key in (task, f"{TASK}={task}") else []
    for axis, values in used.items():
        text = key.removeprefix(f"{axis}=")
        found += [(axis, identity(value)) for value in values if axis != "seed" and names_value(text, value)]
    return found
