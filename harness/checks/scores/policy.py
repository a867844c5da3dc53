"""A policy: how large a difference counts, how sure to be, what is declared harmless and which failures are waived."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

from harness.grid.grid import Grid
from harness.grid.tables import Compare, Quality
from harness.grid.waivers import Waiver
from harness.stats.decision import Direction
from harness.stats.margin import PARITY
from harness.stats.sequential import WHOLE
from harness.stats.stability import STABLE
from harness.task import Task


@dataclass(frozen=True)
class Policy:
    """What the gate goes by.

    Attributes
    ----------
    margin
        Points that count as equal to a reference; None: from the reference's spread ("auto").
    parity_margin
        Points that count as equal between two configurations.
    alpha
        The level of the family's FAILs, and of each PASS.
    direction
        "both", or "lower": only losses fail.
    looks
        The planned looks, as rising numbers of runs; None: one look at whatever there is.
    p0
        The rate of collapses that the recipe is allowed.
    gate
        The metrics that gate, all in one family; every other is reported only. None, and of a task that has none of
        them: the task's first.
    compare
        The comparisons that the grid names.
    harmless
        Fields in which run and reference may differ (`grid.names.DECLARABLE`).
    """

    margin: float | None = None
    parity_margin: float = PARITY
    alpha: float = WHOLE
    direction: Direction = "both"
    looks: tuple[int, ...] | None = None
    p0: float = STABLE
    gate: frozenset[str] | None = None
    compare: tuple[Compare, ...] = ()
    harmless: frozenset[str] = field(default_factory=frozenset)
    waivers: tuple[Waiver, ...] = ()

    def __post_init__(self) -> None:
        for name, value in (("margin", self.margin), ("parity_margin", self.parity_margin)):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name}: {value} (allowed: above 0 points)")
        if not 0 < self.alpha < 0.5:
            raise ValueError(f"alpha: {self.alpha} (allowed: between 0 and 0.5)")
        if self.direction not in ("both", "lower"):
            raise ValueError(f"direction: {self.direction!r} (allowed: both, lower)")
        if not 0 <= self.p0 < 1:
            raise ValueError(f"p0: {self.p0} (allowed: 0 to below 1)")
        if self.looks is not None and (
            not self.looks or self.looks[0] < 2 or any(b <= a for a, b in itertools.pairwise(self.looks))
        ):
            raise ValueError(f"looks: {self.looks} (allowed: rising numbers of runs from 2)")
        if self.gate is not None:
            if not self.gate:
                raise ValueError("gate: empty (allowed: accuracy, f1)")
            object.__setattr__(self, "gate", frozenset(self.gate))
        object.__setattr__(self, "harmless", frozenset(self.harmless))

    def gate_of(self, task: Task) -> tuple[str, ...]:
        """The metrics of a task whose FAIL is red, in its order; the others are judged and reported."""
        return tuple(metric for metric in task.scored if metric in (self.gate or ())) or task.scored[:1]

    def judged(self, task: Task) -> tuple[str, ...]:
        """The metrics that configurations are held against each other in: the first, and what gates beside it."""
        gate = self.gate_of(task)
        return tuple(metric for metric in task.scored if metric == task.scored[0] or metric in gate)

    @property
    def named(self) -> frozenset[str]:
        """The axes that the grid compares itself: the harness makes no parity of them."""
        return frozenset(one.axis for one in self.compare)


def policy_of(grid: Grid) -> Policy:
    """What the gate goes by: the grid's [quality], its planned looks and its waivers."""
    asked = grid.quality or Quality()
    return Policy(
        margin=None if asked.margin == "auto" else asked.margin,
        parity_margin=asked.parity_margin,
        direction=asked.direction,
        looks=grid.seed_plan.looks if grid.seed_plan else None,
        p0=asked.collapse_rate,
        gate=None if asked.gate is None else frozenset(asked.gate),
        compare=tuple(grid.compare),
        harmless=frozenset(asked.harmless),
        waivers=tuple(grid.waiver),
    )
