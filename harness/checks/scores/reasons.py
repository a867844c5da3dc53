"""Facts that several checks of scores state: why a decision is what it is, and the sides that it is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.checks.verdict import Side
from harness.fact import Fact
from harness.grid.waivers import Waiver
from harness.record.configuration import Configuration
from harness.stats.decision import Decision
from harness.stats.stability import Stability


def because(decision: Decision) -> Fact | None:
    """What a decision rests on where that is no difference; None where its numbers say it all."""
    if decision.n < decision.n_min:
        return Fact.of("runs.few", n=decision.n, least=decision.n_min)
    if decision.identical:
        return Fact.of("runs.identical")
    if decision.barred:
        return Fact.of("spread.unknown") if decision.sd is None else Fact.of("runs.equal")
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
    v = reason.values
    return judged(v["scores"], v["because"], v["withheld"], v["differs"], after)


def collapses(found: Stability, *, p: float | None = None) -> Fact:
    """How many runs collapsed, beside how many may."""
    return Fact.of("collapses", k=found.k, n=found.n, low=found.rate.low, high=found.rate.high, p0=found.p0, p=p)


def waiver_fact(waiver: Waiver, *, expired: bool = False) -> Fact:
    """Who lets it pass, until when, and why."""
    return Fact.of(
        "waiver.expired" if expired else "waiver",
        author=waiver.author,
        expires=waiver.expires.isoformat(),
        reason=waiver.reason,
    )


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
