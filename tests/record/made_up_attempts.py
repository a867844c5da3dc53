"""A grid, and attempts at its cells drawn at random: their entries, records and store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from harness.grid.grid import grid_from_text
from harness.record.attempts import SCORED, STATUSES, Entry
from harness.record.model import Record, asked_of

TEXT = b"""
name = "truth"
task = "embedded/paraphrase"
[recipe]
max_steps = 4
[matrix]
checkpoint = ["embedded/tiny-bert"]
precision = ["fp32", "bf16"]
seed = [1, 2, 3]
[quality]
"""
GRID = grid_from_text(TEXT, Path("truth.toml"))
ENVIRONMENTS = ("e0e0", "e1e1")
CONTENTS = ("c0", "c1")


@dataclass(frozen=True)
class Attempt:
    """What is drawn of an attempt; its number and its start come from its place in the history."""

    cell: int
    environment: str
    content: str | None
    status: str
    measurement: int


ATTEMPTS = st.builds(
    Attempt,
    cell=st.integers(0, len(GRID.cells()) - 1),
    environment=st.sampled_from(ENVIRONMENTS),
    content=st.sampled_from([*CONTENTS, "c0", None]),
    status=st.sampled_from([*STATUSES, "ok", "nonfinite"]),
    measurement=st.sampled_from([1, 1, 1, 2, 2, 3]),
)


def history_of(drawn: Sequence[Attempt]) -> list[Entry]:
    """Attempts one after the other, numbered within (cell, environment) as the store does."""
    numbers: Counter[tuple[int, str]] = Counter()
    entries: list[Entry] = []
    for place, one in enumerate(drawn):
        numbers[one.cell, one.environment] += 1
        cell, number = GRID.cells()[one.cell], numbers[one.cell, one.environment]
        scores = {"ok": {"accuracy": 0.8, "f1": 0.82}, "collapsed": {"accuracy": 0.5, "f1": 0.0}}
        entries.append(
            Entry(
                cell_id=cell.cell_id, configuration_id=cell.configuration_id, environment_id=one.environment,
                content_id=one.content, attempt=number, status=one.status,
                path=f"cells/{cell.cell_id}/{one.environment}/{number:03d}",
                started=f"2026-11-22T10:{place // 60:02d}:{place % 60:02d}.000Z",
                checkpoint=cell.checkpoint.name, seed=cell.seed, precision=cell.precision, devices=1, axes=cell.axes,
                metrics=scores.get(one.status, {}), seconds={"total": 10.0}, samples_per_second=None, steps=4,
                error=None if one.status in SCORED else f"{one.status}: at {place}", measurement=one.measurement,
            )
        )  # fmt: skip
    return entries


class MadeUp:
    """A record behind every entry, with what the entry says and no observations."""

    def record(self, entry: Entry) -> Record:
        cell = next(cell for cell in GRID.cells() if cell.cell_id == entry.cell_id)
        names = ("cell_id", "configuration_id", "environment_id", "content_id", "attempt", "status", "started")
        return Record.model_validate(
            {
                **{name: getattr(entry, name) for name in names},
                "grid": "truth", "finished": entry.started, "asked": asked_of(cell),
                "measured": {"metrics": dict(entry.metrics)}, "provenance": {"harness": "0.1.0"},
            }
        )  # fmt: skip

    def series(self, entry: Entry, names: Collection[str] | None = None) -> Mapping[str, Any]:
        return {}


class MadeUpStore(MadeUp):
    """A store of these entries in which no run has said whose they are."""

    folder = Path("no/such/store")

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries

    def entries(self) -> Sequence[Entry]:
        return self._entries
