"""Freshness: how many of the runs behind an answer are new, and how old the others are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.record.attempts import Entry


@dataclass(frozen=True)
class Freshness:
    """Of the cells that count, how many the last run measured and how many it found measured.

    `oldest` and `youngest` are the starts of their runs as records have them, "" where there is none; `run` is when
    the last run began, None where no run has said so.
    """

    measured: int
    reused: int
    oldest: str
    youngest: str
    run: str | None

    @property
    def cells(self) -> int:
        """How many cells count."""
        return self.measured + self.reused


def freshness(counting: Iterable[Entry], run: str | None) -> Freshness:
    """Date the attempts that count by the last run's beginning."""
    starts = sorted(entry.started for entry in counting)
    measured = sum(run is not None and start >= run for start in starts)
    return Freshness(measured, len(starts) - measured, starts[0] if starts else "", starts[-1] if starts else "", run)
