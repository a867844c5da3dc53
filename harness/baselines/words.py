"""Two environments, or two things asked for, side by side in words: `transformers 5.22.0 -> 5.23.0`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from harness.baselines.model import EnvironmentFacts
from harness.text import show

HARDWARE: Final = ("cpu", "architecture", "accelerators")
"""Facts that make another machine: its kernels may round differently, and its speed says nothing of ours."""

OTHER_MACHINE: Final = "another machine: scores are compared, speed would not be"
_ABSENT: Final = object()


def environment_changes(a: EnvironmentFacts, b: EnvironmentFacts) -> list[str]:
    """What changed from a to b: Python, package by package, the machine's facts; another machine said at the end."""
    found = list(_changes({"Python": a.python}, {"Python": b.python}))
    found += _changes(a.packages, b.packages)
    machine = list(_changes(a.machine, b.machine))
    return [*found, *machine, *([OTHER_MACHINE] if other_machine(a, b) else [])]


def other_machine(a: EnvironmentFacts, b: EnvironmentFacts) -> bool:
    """Whether the hardware differs in what kernels depend on."""
    return any(a.machine.get(name) != b.machine.get(name) for name in HARDWARE)


def asked_changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """What was asked for otherwise, by dotted field: `recipe.max_steps 4 -> 8`."""
    return list(_changes(dict(_flat(a)), dict(_flat(b))))


def _changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys([*a, *b]):
        x, y = a.get(name, _ABSENT), b.get(name, _ABSENT)
        # 1, 1.0 and True are equal in Python and not in a recipe.
        if x == y and isinstance(x, bool) == isinstance(y, bool):
            continue
        yield f"{name} {_said(x)} -> {_said(y)}"


def _said(value: Any) -> str:
    if value is _ABSENT:
        return "(none)"
    return value if isinstance(value, str) and value else show(value)


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, item in value.items():
        if isinstance(item, dict) and item:
            yield from _flat(item, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", item
