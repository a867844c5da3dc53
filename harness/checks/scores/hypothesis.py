"""A question that the gate asks of scores, its answer at a look, and the facts and sides that answers are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from harness.checks.verdict import Side, Verdict
from harness.fact import Fact
from harness.record.configuration import Configuration
from harness.stats.decision import Decision
from harness.stats.family import PART, apply_holm
from harness.stats.stability import Stability

Family = Literal["scores", "collapses"]
"""What is corrected together: each family has its part of alpha (`stats.family.PART`)."""


@dataclass(frozen=True)
class Answer:
    """What the first `first` runs say (None: all of them).

    `p` is the one that a FAIL would rest on; None where it does not fail, whatever the others say. Above `p_limit` it
    could not have failed: 0 where no number could have made it FAIL. `final` once a look has decided it.
    """

    verdict: Verdict
    first: int | None
    p: float | None = None
    p_limit: float = 0.0
    final: bool = False


@dataclass(frozen=True)
class Corrected:
    """A p after Holm over `family` hypotheses that could have failed at it; None where it is none of them."""

    p: float | None = None
    family: int = 0


def corrected(p: Sequence[float | None], limits: Sequence[float] | None = None) -> list[Corrected]:
    """Each p after Holm over its family, which has its part of alpha; `limits` as in `stats.family.apply_holm`."""
    most = [float(value is not None) for value in p] if limits is None else limits
    adjusted = zip(p, apply_holm(p, limits, PART), strict=True)
    return [
        Corrected() if own is None else Corrected(after, sum(limit > 0 and limit >= own for limit in most))
        for own, after in adjusted
    ]


class Question(Protocol):
    """One check of one configuration; the gate knows of it no more than this."""

    @property
    def runs(self) -> int:
        """How many runs ended that planned looks count."""

    @property
    def family(self) -> Family:
        """The family that its p belongs to."""

    @property
    def gates(self) -> bool:
        """Whether its FAIL can block; otherwise it is reported only."""

    @property
    def lasting(self) -> bool:
        """Whether a PASS at a planned look stands, whatever later runs say."""

    def ask(self, first: int | None, alpha: float) -> Answer:
        """Judge the first runs at a level."""

    def finish(self, verdict: Verdict, first: int | None) -> Verdict:
        """Add what does not decide: what more runs would bring, and notes."""


def limit(decision: Decision | None, waits: bool) -> float:
    """What a comparison counts as in its family; with too few runs, while it `waits` for planned ones, as one of p 1.

    So that a half-run grid alarms no more often than a whole one.
    """
    if waits and (decision is None or decision.n < decision.n_min):
        return 1.0
    return 0.0 if decision is None else decision.p_limit


def because(decision: Decision) -> Fact | None:
    """What a decision rests on where that is no difference; None where its numbers say it all."""
    if decision.n < decision.n_min:
        return Fact.of("runs.few", n=decision.n, least=decision.n_min)
    if decision.identical:
        return Fact.of("runs.identical")
    if decision.barred:
        if decision.sd is None:
            return Fact.of("spread.unknown")
        return Fact.of("runs.equal_beyond" if decision.is_beyond else "runs.equal")
    return None


def judged(
    scores: Fact | None = None,
    because: Fact | None = None,
    withheld: Fact | None = None,
    differs: Sequence[Fact] = (),
    after: Fact | None = None,
) -> Fact:
    """The reason of a verdict: on what scores it was judged, and what kept it from a PASS or FAIL."""
    return Fact.of("judged", scores=scores, because=because, withheld=withheld, after=after, differs=tuple(differs))


def judged_after(reason: Fact, after: Fact) -> Fact:
    """The reason of a verdict that the family or the plan changed afterwards."""
    if reason.code != "judged":
        return judged(reason, after=after)
    return judged(**{**reason.values, "after": after})


def collapses(found: Stability, *, p: float | None = None, alpha: float | None = None) -> Fact:
    """How many runs collapsed, beside how many may; with `p` the level that it is held against."""
    low, high = found.rate.low, found.rate.high
    return Fact.of("collapses", k=found.k, n=found.n, low=low, high=high, p0=found.p0, p=p, alpha=alpha)


def side(one: Configuration, **values: Any) -> Side:
    """A configuration as a side of a verdict; `values` are a side's `mean`, `collapsed` and `ended`."""
    return Side(
        label=one.label,
        configuration_id=one.configuration_id,
        environment_id=one.environment_id,
        content_id=one.content_id,
        cell_ids=one.cell_ids,
        runs=one.every,
        **values,
    )
