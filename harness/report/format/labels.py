"""Naming configurations by the axes that vary."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Final

from harness.record.attempts import Entry

_SELF_EXPLAINING: Final = frozenset({"checkpoint", "precision", "engine", "environment"})
ABSENT: Final = object()


def place(entry: Entry) -> dict[str, Any]:
    """The entry's place in the matrix without its seed; checkpoint by its name, missing basic axes added."""
    axes = {axis: value for axis, value in entry.axes.items() if axis != "seed"}
    basics = {"checkpoint": entry.checkpoint, "precision": entry.precision, "devices": entry.devices}
    if "checkpoint" in axes:
        axes["checkpoint"] = entry.checkpoint
        return {**axes, **{axis: value for axis, value in basics.items() if axis not in axes}}
    return {"checkpoint": entry.checkpoint, **axes, **{a: v for a, v in basics.items() if a not in axes}}


class Namer:
    """Gives each place its label: the values of the axes that vary over all the places it was made from."""

    def __init__(self, places: Iterable[Mapping[str, Any]]) -> None:
        values: dict[str, dict[Hashable, Any]] = {}
        first: dict[str, int] = {}
        for count, axes in enumerate(places):
            for axis, value in axes.items():
                first.setdefault(axis, count)
                values.setdefault(axis, {}).setdefault(_key(value), value)
            for axis in values.keys() - axes.keys():
                values[axis].setdefault(_key(ABSENT), ABSENT)
            for axis in axes:
                if first[axis] == count and count > 0:
                    values[axis].setdefault(_key(ABSENT), ABSENT)
        self.axes: tuple[str, ...] = tuple(axis for axis in values if len(values[axis]) > 1)

    def label(self, axes: Mapping[str, Any]) -> str:
        """`minilm · bf16 · devices=2`; the checkpoint alone where nothing varies."""
        shown = [(axis, axes[axis]) for axis in self.axes if axis in axes]
        parts = [plain(v) if axis in _SELF_EXPLAINING else f"{axis}={plain(v)}" for axis, v in shown]
        return " · ".join(parts) or str(axes.get("checkpoint", "all cells"))


def plain(value: Any) -> str:
    """A value as people write it: text without quotes, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def listed(items: Sequence[object], most: int) -> str:
    """`a, b, c and 4 more`."""
    shown = ", ".join(str(item) for item in items[:most])
    return shown if len(items) <= most else f"{shown} and {len(items) - most:,} more"


def seeds_text(seeds: Iterable[int], most: int = 12) -> str:
    """`42, 1, 2` in ascending order, runs of three and more shortened: `1 to 5, 42`."""
    spans: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if spans and seed == spans[-1][1] + 1:
            spans[-1][1] = seed
        else:
            spans.append([seed, seed])
    parts = [
        part
        for low, high in spans
        for part in ([f"{low} to {high}"] if high - low > 1 else [str(x) for x in range(low, high + 1)])
    ]
    return listed(parts, most)


def _key(value: Any) -> Hashable:
    # 1, 1.0 and True are equal in Python and different in a grid.
    return ABSENT if value is ABSENT else json.dumps(value, sort_keys=True, default=str)
