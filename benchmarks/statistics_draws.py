"""Made-up runs for the statistics study: scores of MRPC's 408 examples, sizes, and the rule applied to many draws."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from harness.stats.decision import Decision, Estimate, Rule, decide
from harness.stats.variance import Sample, Sd, moderated, own, sample

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

SEED = 20261122
EXAMPLES = 408
ONE = 100 / EXAMPLES
"""Points of one example."""

TRUTH = 100 * 350 / EXAMPLES
"""The accuracy that every clean run has on average: the course's own."""

MAJORITY = 100 * 279 / EXAMPLES
"""What a collapsed run scores."""

HISTORY = (4, 5)
"""Cells and runs of history: 16 degrees of freedom."""


@dataclass(frozen=True)
class Size:
    """How many draws: of arithmetic on arrays, of one decision each, of slower tests, of whole gates."""

    arrays: int = 40_000
    decisions: int = 5_000
    slow: int = 1_500
    gates: int = 80

    def scaled(self, factor: float) -> Size:
        """Fewer draws of everything, at least 20."""
        return Size(*(max(20, round(getattr(self, field.name) * factor)) for field in fields(self)))


def generator(*chapter: int) -> np.random.Generator:
    """A random stream of its own for each part, so that no part's figures depend on another's draws."""
    return np.random.default_rng([SEED, *chapter])


def scores(rng: np.random.Generator, shape: tuple[int, ...], sd: float, shift: float = 0.0) -> Array:
    """Accuracies in points, whole numbers of examples out of 408."""
    return rounded(TRUTH + shift + sd * rng.standard_normal(shape))


def rounded(points: Array) -> Array:
    """The nearest score that 408 examples can have."""
    return np.rint(points / ONE) * ONE


def spread(values: Array) -> Array:
    """The sd (ddof 1) along the last axis."""
    result: Array = values.std(axis=-1, ddof=1)
    return result


def history_of(rng: np.random.Generator, draws: int, sd: float) -> list[list[list[float]]]:
    """Cells of the same recipe for each draw, to learn the spread from."""
    cells: list[list[list[float]]] = scores(rng, (draws, *HISTORY), sd).tolist()
    return cells


def ours(values: Sequence[float], history: Sequence[Sequence[float]] | None = None, guard: bool = True) -> Sample:
    """Our runs with their own sd, or with that steadied by history; `guard` as the harness does it."""
    if history is None:
        return sample(values)
    if guard:
        return sample(values, moderated(own(values) if len(values) > 1 else None, learned(history)))
    return sample(values, unguarded(own(values), learned(history)))


def learned(history: Sequence[Sequence[float]]) -> Sd:
    """The sd that cells of one recipe have in common, of `HISTORY`'s numbers of runs and cells."""
    cells = np.asarray(history)
    return Sd(
        math.sqrt(float(cells.var(axis=1, ddof=1).mean())), cells.shape[0] * (cells.shape[1] - 1), "pooled", len(cells)
    )


def unguarded(mine: Sd, history: Sd) -> Sd:
    """`variance.moderated` without its guard against an own sd larger than history: what the guard is measured by."""
    df = history.df + mine.df
    value = math.sqrt((history.df * history.value**2 + mine.df * mine.value**2) / df)
    return Sd(value, df, "moderated", history.cells)


@dataclass(frozen=True)
class Verdicts:
    """What the rule said of each draw."""

    decisions: tuple[Decision, ...]

    @property
    def fails(self) -> list[bool]:
        """Which draws fail."""
        return [decision.outcome == "FAIL" for decision in self.decisions]

    @property
    def passes(self) -> list[bool]:
        """Which draws pass."""
        return [decision.outcome == "PASS" for decision in self.decisions]

    @property
    def significant(self) -> list[bool]:
        """Where the difference test alone says "different"."""
        return [decision.p_diff is not None and decision.p_diff < decision.alpha for decision in self.decisions]


def verdicts(
    runs: Array,
    against: Callable[[Sample, int], Estimate],
    rule: Rule,
    history: Sequence[Sequence[Sequence[float]]] | None = None,
    guard: bool = True,
) -> Verdicts:
    """Apply the rule to each draw of `runs`; `against` makes the estimate of a sample and the number of its draw."""
    return Verdicts(
        tuple(
            decide(against(ours(values, None if history is None else history[draw], guard), draw), rule)
            for draw, values in enumerate(runs.tolist())
        )
    )


def believed(value: float, df: float) -> Sd:
    """What history might say of the spread: an sd of several cells."""
    return Sd(value, df, "pooled", 4)
