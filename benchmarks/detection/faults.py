"""The list: what is planted, what should find it and may rightly call it; and variants with nothing wrong."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

LIST: Final = Path(__file__).with_name("faults.toml")
COMMANDS: Final = ("verify", "diff")


@dataclass(frozen=True)
class Fault:
    """One fault: `find` are the commands that should find it, `names` by command what it may rightly be called.

    `on` is what both runs are asked for beyond the base, `kinds` the pairs that `verify` is confined to; none: all.
    """

    name: str
    area: str
    what: str
    find: tuple[str, ...]
    names: Mapping[str, tuple[str, ...]]
    on: Mapping[str, Any] = field(default_factory=dict)
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Clean:
    """Nothing wrong: `diff` comes to one of `states`; to "different" by one of `names`, which was asked for (`on`)."""

    name: str
    what: str
    states: tuple[str, ...]
    names: tuple[str, ...] = ()
    on: Mapping[str, Any] = field(default_factory=dict)


def read_list(path: Path = LIST) -> tuple[list[Fault], list[Clean]]:
    """Faults and clean variants, in their order."""
    rows = tomllib.loads(path.read_text(encoding="utf-8"))
    faults = [
        Fault(
            row["name"],
            row["area"],
            row["what"],
            tuple(row["find"]),
            {command: tuple(names) for command, names in row["names"].items()},
            row.get("on", {}),
            tuple(row.get("kinds", ())),
        )
        for row in rows["fault"]
    ]
    clean = [
        Clean(row["name"], row["what"], tuple(row["states"]), tuple(row.get("names", ())), row.get("on", {}))
        for row in rows["clean"]
    ]
    return faults, clean
