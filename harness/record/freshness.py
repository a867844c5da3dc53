"""Freshness: how many of the runs behind an answer are new, and how old the others are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.record.attempts import Entry


@dataclass(frozen=True)
class Freshness:
    """Of the cells that count, how many the last run measured and how many it found measured.

    `oldest` and `youngest` are the starts of their runs as records have them, "" where there is none; `run` is when
    the last run began, None where no run has said so. `missing` are the cells that should count and have no run.
    """

    measured: int
    reused: int
    oldest: str
    youngest: str
    run: str | None
    missing: int = 0

    @property
    def cells(self) -> int:
        """How many cells count."""
        return self.measured + self.reused


def freshness(counting: Iterable[Entry], run: str | None, missing: int = 0) -> Freshness:
    """Date the attempts that count by the last run's beginning; `missing` cells have none."""
    starts = sorted(entry.started for entry in counting)
    measured = sum(run is not None and start >= run for start in starts)
    oldest, youngest = (starts[0], starts[-1]) if starts else ("", "")
    return Freshness(measured, len(starts) - measured, oldest, youngest, run, missing)
