"""Many cells, one answer (statistics.md, section 5): Holm for FAIL, intersection-union for PASS, BH for triage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.stats.decision import Decision, Outcome


@dataclass(frozen=True)
class Family:
    """The verdict over all cells, the cells' own after Holm, and their adjusted p (None: could not block)."""

    outcome: Outcome
    decisions: tuple[Decision, ...]
    adjusted: tuple[float | None, ...]


def holm(p: Sequence[float]) -> tuple[float, ...]:
    """Holm's adjusted p values, in the order given: running maximum of p_(i) (K - i + 1), at most 1.

    Raises
    ------
    ValueError
        For a p outside 0 to 1.
    """
    order = _ascending(p)
    adjusted, highest = [0.0] * len(p), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, p[index] * (len(p) - rank)))
        adjusted[index] = highest
    return tuple(adjusted)


def benjamini_hochberg(p: Sequence[float]) -> tuple[float, ...]:
    """Benjamini and Hochberg's adjusted p values, in the order given: for a triage list, never for a gate.

    Raises
    ------
    ValueError
        For a p outside 0 to 1.
    """
    order = _ascending(p)
    adjusted, lowest = [0.0] * len(p), 1.0
    for rank, index in reversed(list(enumerate(order))):
        lowest = min(lowest, p[index] * len(p) / (rank + 1))
        adjusted[index] = lowest
    return tuple(adjusted)


def judge(decisions: Sequence[Decision], alpha: float = 0.05) -> Family:
    """One verdict over all cells that could block.

    A cell's FAIL stands if its p (`Decision.p_block`), adjusted by Holm over the family, is below `alpha`: .05, or
    `looks.Look.alpha` of a family that has planned looks. Else it is INCONCLUSIVE. FAIL if one stands; PASS if all
    cells pass, each at its own level (intersection-union: no correction); else INCONCLUSIVE, also without any cell.
    Cells that no number could have decided (`barred`) are no part of the family.
    """
    members = {index: d.p_block for index, d in enumerate(decisions) if not d.barred and d.p_block is not None}
    by_index = dict(zip(members, holm(list(members.values())), strict=True))
    adjusted = tuple(by_index.get(index) for index in range(len(decisions)))
    after = tuple(_after(d, p, len(members), alpha) for d, p in zip(decisions, adjusted, strict=True))
    return Family(job([d.outcome for d in after]), after, adjusted)


def job(outcomes: Sequence[Outcome]) -> Outcome:
    """FAIL if any cell fails, PASS if all pass, else INCONCLUSIVE; without any cell INCONCLUSIVE."""
    if "FAIL" in outcomes:
        return "FAIL"
    return "PASS" if outcomes and all(outcome == "PASS" for outcome in outcomes) else "INCONCLUSIVE"


def _after(decision: Decision, p: float | None, size: int, alpha: float) -> Decision:
    if decision.outcome != "FAIL" or (p is not None and p < alpha):
        return decision
    said = "no p of its own" if p is None else f"p = {p:.4f} after Holm over {size}"
    return replace(decision, outcome="INCONCLUSIVE", why=f"{decision.why}; {said}")


def _ascending(p: Sequence[float]) -> list[int]:
    for value in p:
        if math.isnan(value) or not 0 <= value <= 1:
            raise ValueError(f"p: {value} (allowed: 0 to 1)")
    return sorted(range(len(p)), key=lambda index: p[index])
