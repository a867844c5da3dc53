"""What differs between two tables of plain values (what was asked, where it ran), by dotted field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from harness.fact import Fact

HARDWARE: Final = ("cpu", "architecture", "accelerators")
"""Facts of a machine that make another one: its kernels may round differently."""


def changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[Fact, ...]:
    """Each field that differs, in a's order and then b's; what a table has not is None, an empty table no field."""
    old, new = dict(flat(a)), dict(flat(b))
    values = {name: (old.get(name), new.get(name)) for name in dict.fromkeys([*old, *new])}
    # 1, 1.0 and True are equal in Python and not in a recipe.
    return tuple(
        Fact.of("changed", field=name, a=x, b=y)
        for name, (x, y) in values.items()
        if x != y or isinstance(x, bool) != isinstance(y, bool)
    )


def same_hardware(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two machines, by their facts, are alike in what kernels depend on."""
    return all(a.get(name) == b.get(name) for name in HARDWARE)


def flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each value by its dotted path; an empty table has none."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
