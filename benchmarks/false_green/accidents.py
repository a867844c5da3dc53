"""The list: what was written down of each accident before it was tried."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LIST: Final = Path(__file__).with_name("accidents.toml")
COMMANDS: Final = ("run", "check", "verify", "compare", "report", "accept", "bench")


@dataclass(frozen=True)
class Accident:
    """One accident: `red` names the commands that must not end with 0 and what they may end with instead.

    `told` those that may end with 0 and must say it; `words` is the pattern that the output of both must have.
    """

    name: str
    what: str
    kind: str
    red: dict[str, tuple[int, ...]]
    told: tuple[str, ...]
    words: str
    real: bool

    @property
    def commands(self) -> list[str]:
        """The commands concerned, in the order of the report's columns."""
        return [name for name in COMMANDS if name in self.red or name in self.told]


def read_list(path: Path = LIST) -> list[Accident]:
    """The accidents in their order."""
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["accident"]
    return [
        Accident(
            row["name"],
            row["what"],
            row["kind"],
            {command: tuple(codes) for command, codes in row.get("red", {}).items()},
            tuple(row.get("told", ())),
            row["words"],
            row.get("real", False),
        )
        for row in rows
    ]
