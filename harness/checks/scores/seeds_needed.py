"""What more runs would bring: the smallest difference these find, and how many more give a verdict."""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from harness.fact import Fact
from harness.record.attempts import Entry
from harness.stats.decision import Decision, Rule
from harness.stats.power import Design, detectable, limit_of_detection, more_seeds, planning_sd
from harness.stats.sequential import next_look
from harness.stats.t import quantile
from harness.stats.variance import LEAST

GRAIN: Final = 0.05
"""Points to which the sd is rounded up that seeds are planned with."""

MOST_DF: Final = 200.0
"""Beyond so many degrees of freedom a smallest detectable difference no longer depends on them."""


@dataclass(frozen=True)
class Outlook:
    """`detectable` in points, `more_seeds` and `todo` as in `Verdict`."""

    detectable: float | None
    more_seeds: int | None
    todo: tuple[Fact, ...]


@dataclass(frozen=True)
class _AsMeasured(Design):
    """A design whose standard error is 1, with the degrees of freedom that an estimate had."""

    measured: float = 1.0

    def df(self, n: int) -> float:
        """Those of the estimate."""
        return self.measured

    def se_diff(self, n: int) -> float:
        """One."""
        return 1.0


def outlook(
    decision: Decision,
    design: Design,
    *,
    n_min: int | None = None,
    against: Fact | str,
    looks: tuple[int, ...] | None = None,
    run_seconds: float | None = None,
    both: bool = False,
) -> Outlook:
    """Say what the runs of a decision can find, and where it is undecided how many more would decide it.

    `design` says what is compared, `n_min` how many runs at least (as in `Rule`). Planned with the upper 80 % bound of
    the sd, rounded up to 0.05 points, and for a true difference of 0. `against` is the other side; `run_seconds` is
    what a run takes; `both` says that seeds are added on both sides.
    """
    rule = Rule(decision.delta, decision.alpha, decision.direction, n_min)
    found = detectable_here(decision)
    todo = [Fact.of("seeds.detectable", points=found)] if found is not None else []
    if decision.outcome != "INCONCLUSIVE":
        return Outlook(found, None, tuple(todo))
    following = next_look(decision.n, looks) if looks else None
    if decision.sd is None or not decision.sd.value:
        # Nothing to plan with: the least number of runs is all that can be said.
        least = following or (n_min or LEAST)
        more = max(0, least - decision.n) or None
        if more:
            todo.append(Fact.of("seeds.least", more=more, both=both))
        elif decision.sd is not None:
            todo.append(Fact.of("seeds.equal"))
        return Outlook(found, more, tuple(todo))
    if decision.p_tost is not None and decision.p_tost < decision.alpha and not decision.barred:
        todo.append(Fact.of("seeds.collapses"))
        return Outlook(found, None, tuple(todo))
    sd = GRAIN * math.ceil(planning_sd(decision.sd) / GRAIN - 1e-9)
    more = _more(design, decision.n, sd, rule)
    if more is None:
        todo.append(Fact.of("seeds.none", margin=rule.delta, against=against, sd=sd))
    else:
        seconds = more * run_seconds if run_seconds else None
        todo.append(Fact.of("seeds.more", more=more, sd=sd, both=both, seconds=seconds))
    if following is not None:
        todo.append(Fact.of("seeds.next_look", look=following))
    elif looks:
        todo.append(Fact.of("seeds.no_look"))
    floor = limit_of_detection(design, decision.sd.value, alpha=_two_sided(decision))
    if floor:
        todo.append(Fact.of("seeds.floor", points=floor, against=against))
    return Outlook(found, more, tuple(todo))


def detectable_here(decision: Decision) -> float | None:
    """Return the true difference, in points, that the difference test finds with 80 % power with these runs.

    The standard error is read off the 95 % interval, so that it holds for every kind of reference.
    """
    if decision.ci95 is None or decision.df is None or decision.ci95[1] <= decision.ci95[0]:
        return None
    se = (decision.ci95[1] - decision.ci95[0]) / 2 / quantile(0.975, decision.df)
    return se * _unit_detectable(min(MOST_DF, round(decision.df, 1)), _two_sided(decision))


def median_seconds(entries: Sequence[Entry]) -> float | None:
    """Return what a run takes in all, the median; None where no entry says."""
    known = [entry.seconds["total"] for entry in entries if math.isfinite(entry.seconds.get("total", math.nan))]
    return statistics.median(known) if known else None


@functools.lru_cache(maxsize=4096)
def _unit_detectable(df: float, alpha: float) -> float:
    return detectable(_AsMeasured("paired", measured=df), 2, 1.0, alpha=alpha)


@functools.lru_cache(maxsize=16384)
def _more(design: Design, n: int, sd: float, rule: Rule) -> int | None:
    return more_seeds(design, n, sd, rule)


def _two_sided(decision: Decision) -> float:
    """The level of a two-sided test that is as strict on its lower side."""
    return min(0.5, 2 * decision.alpha) if decision.direction == "lower" else decision.alpha
