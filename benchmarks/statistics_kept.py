"""What a study counted, as plain data beside its report, and back: a report is rendered again without a simulation."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import scipy

from benchmarks.statistics_comparisons import Case
from benchmarks.statistics_comparisons import Tally as Counted
from benchmarks.statistics_draws import SEED
from benchmarks.statistics_families import CLEAN, STRESS, TABLED, Families
from benchmarks.statistics_gate import Tally
from benchmarks.statistics_rows import Row

COMPARISONS = "comparisons-study"


@dataclass(frozen=True)
class Made:
    """When and by what it was simulated, and how long a core took, in seconds; `source` where that is not all of it."""

    command: str
    date: str
    seconds: float
    seed: int
    numpy: str
    scipy: str
    source: str = ""

    @classmethod
    def now(cls, command: str, start: float) -> Made:
        """Of a study that has come to its end; `start` in seconds of this process' CPU time."""
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        return cls(command, today, round(time.process_time() - start), SEED, np.__version__, scipy.__version__)

    def __str__(self) -> str:
        minutes = max(1, round(self.seconds / 60))
        return (
            f"Seed {self.seed}, numpy {self.numpy}, scipy {self.scipy}; simulated {self.date}, "
            f"{minutes} minute{'s' * (minutes > 1)} of one core{'; ' * bool(self.source)}{self.source}."
        )


def as_text(data: Any, depth: int = 3, indent: str = "") -> str:
    """JSON that opens so many levels, and has a line for each piece below them."""
    if not depth or not isinstance(data, dict | list) or not data:
        return json.dumps(data, ensure_ascii=False, default=lambda number: number.item())
    heads = [f"{json.dumps(key, ensure_ascii=False)}: " for key in data] if isinstance(data, dict) else [""] * len(data)
    values = data.values() if isinstance(data, dict) else data
    lines = [f"{indent} {head}{as_text(v, depth - 1, f'{indent} ')}" for head, v in zip(heads, values, strict=True)]
    first, last = "{}" if isinstance(data, dict) else "[]"
    return "\n".join([first, ",\n".join(lines), f"{indent}{last}"])


def rows_kept(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """A chapter."""
    return [asdict(row) for row in rows]


def families_kept(families: Families) -> dict[str, Any]:
    """How often everything happened: [times, of how many], and the seeds taken, [in all, of how many]."""
    return {
        "clean": [_tally_kept(tally) for tally in families.clean],
        "stress": [_tally_kept(tally) for tally in families.stress],
        "tabled": {name: _tally_kept(tally) for name, tally in families.tabled.items()},
    }


def families_again(data: dict[str, Any]) -> Families:
    """The families of these counts."""
    known = {variant.label: variant for variant in (*CLEAN, *STRESS, *TABLED.values())}

    def tally(kept: dict[str, Any]) -> Tally:
        found = {name: _flags_again(value) for name, value in kept.items() if name not in ("grid", "seeds")}
        taken, gates = kept["seeds"]
        return Tally(known[kept["grid"]], seeds=[taken / gates] * gates, **found)

    return Families(
        tuple(map(tally, data["clean"])),
        tuple(map(tally, data["stress"])),
        {name: tally(kept) for name, kept in data["tabled"].items()},
    )


def comparisons_kept(clean: Sequence[Counted], power: Sequence[Counted], made: Made) -> dict[str, Any]:
    """The study of comparisons over an axis."""
    return {
        "kind": COMPARISONS,
        "made": asdict(made),
        "clean": [asdict(tally) for tally in clean],
        "power": [asdict(tally) for tally in power],
    }


def comparisons_again(data: dict[str, Any]) -> tuple[list[Counted], list[Counted]]:
    """Its tallies: without a difference, and with one."""
    clean, power = (
        [Counted(**{**kept, "case": Case(**kept["case"])}) for kept in data[name]] for name in ("clean", "power")
    )
    return clean, power


def _tally_kept(tally: Tally) -> dict[str, Any]:
    rest = [field.name for field in fields(tally) if field.name not in ("variant", "seeds")]
    counts = {name: _flags_kept(getattr(tally, name)) for name in rest}
    return {"grid": tally.variant.label, "seeds": [round(sum(tally.seeds), 6), len(tally.seeds)], **counts}


def _flags_kept(flags: Any) -> Any:
    if isinstance(flags, dict):
        return {name: _flags_kept(value) for name, value in flags.items()}
    return [sum(flags), len(flags)]


def _flags_again(kept: Any) -> Any:
    if isinstance(kept, dict):
        return {name: _flags_again(value) for name, value in kept.items()}
    times, of = kept
    return [True] * times + [False] * (of - times)
