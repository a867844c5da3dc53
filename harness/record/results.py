"""What a store's entries come to: which attempt counts, which runs are collapsed or lost, what a configuration is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SeedScore:
    """One run's place in a configuration: scores are fractions, None where the run has none.

    `status` is the run's: ok, suspect, collapsed, nonfinite, or the error that it ended with.
    """

    seed: int
    status: str
    accuracy: float | None = None
    f1: float | None = None
