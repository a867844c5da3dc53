"""Stability: whether a configuration collapses, or loses its loss, more often than it may; and cells without a run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from harness.checks.scores.hypothesis import Answer, Family, collapses, side
from harness.checks.scores.policy import Policy
from harness.checks.verdict import Outcome, Side, Verdict
from harness.fact import Fact
from harness.grid.looks import due
from harness.record.attempts import LOST
from harness.record.configuration import Configuration, SeedScore
from harness.stats.stability import stability

LEAST: Final = 3
"""Fewer runs without a collapse say nothing of stability: 0 of 2 happens at any rate."""


@dataclass(frozen=True)
class StabilityQuestion:
    """Whether a configuration collapses more often than declared: gate part 1."""

    configuration: Configuration
    policy: Policy

    family: Family = "collapses"
    gates: bool = True
    lasting: bool = False

    @property
    def runs(self) -> int:
        """Runs that ended."""
        return len(self.configuration.ended)

    def ask(self, first: int | None, alpha: float) -> Answer:
        """Count collapses among the first runs, and the attempts that were tried again after one: exact binomial."""
        runs = self._counted(first)
        s = stability(sum(run.status in LOST for run in runs), len(runs), self.policy.p0, alpha)
        outcome: Outcome = s.outcome
        reason = collapses(s, p=s.p, alpha=alpha)
        if outcome == "PASS" and s.n < LEAST:
            outcome, reason = "INCONCLUSIVE", Fact.of("collapses.few", collapses=collapses(s), least=LEAST)
        verdict = Verdict(
            "stability", outcome, side(self.configuration, collapsed=s.k, ended=s.n), reason,
            against=Side(f"declared {100 * s.p0:g} %"), item="collapses",
            todo=(Fact.of("collapses.would_fail", least=s.least_k, n=s.n, alpha=alpha),),
        )  # fmt: skip
        # Where not even all runs together would fail, this is no hypothesis of the family.
        return Answer(verdict, first, s.p, 1.0) if s.least_k is not None else Answer(verdict, first)

    def finish(self, verdict: Verdict, first: int | None) -> Verdict:
        """Name the kinds of collapse, and what was tried again."""
        runs, retried = self._counted(first), self.configuration.lost
        kinds = Counter(run.status for run in runs if run.status in LOST)
        notes = [Fact.of("collapses.kind", kind=kind, count=kinds[kind], runs=len(runs)) for kind in sorted(kinds)]
        if retried:
            notes.append(Fact.of("collapses.retried", seeds=tuple(entry.seed for entry in retried)))
        if kinds:
            notes.append(every_run(runs, self.configuration.task.scored[0]))
        return replace(verdict, notes=tuple(notes))

    def _counted(self, first: int | None) -> tuple[SeedScore, ...]:
        one = self.configuration
        return (*one.ended[:first], *one.every[len(one.scores) :])


def unmeasured(configuration: Configuration, looks: tuple[int, ...] | None = None) -> Verdict | None:
    """Return the verdict on cells that ended in an error or have no run; None where every due cell has one.

    SKIP where the configuration cannot run here. With planned looks the cells beyond the first look are not due:
    whoever runs them stops as soon as there is a verdict.
    """
    if configuration.skipped is not None:
        return _cells(configuration, "SKIP", Fact.of("cells.skipped", why=configuration.skipped))
    seeds = due(configuration.planned, looks or (), configuration.entry_of)
    absent = [(seed, configuration.unfinished[seed]) for seed in seeds if seed in configuration.unfinished]
    # What a later environment has taken over from is judged on what there is.
    if not configuration.current or not (absent or configuration.errored):
        return None
    cells = (*((score.seed, score.status) for score in configuration.errored), *absent)
    last = [entry for seed, _ in absent if (entry := configuration.histories[seed].standing) is not None]
    lost = [entry for entry in last if not entry.readable]
    unreadable = tuple(entry.message for entry in lost)
    reason = Fact.of("cells.absent", cells=cells, planned=len(configuration.planned), unreadable=unreadable)
    found = _cells(configuration, "ERROR", reason)
    tried = (*configuration.entries, *last)
    errors = dict.fromkeys(entry.error for entry in tried if entry.error and entry.readable)
    notes = tuple(Fact.of("cells.error", error=text) for text in errors)
    # What crashed, or is not to be believed, has been run: that no cell has a score is then no reason to say that
    # nothing was.
    run = tuple(entry.cell_id for entry in tried if entry.status != "skipped")
    return replace(found, notes=notes, subject=replace(found.subject, cell_ids=run))


def _cells(configuration: Configuration, outcome: Outcome, reason: Fact) -> Verdict:
    return Verdict("stability", outcome, side(configuration), reason, against=Side("the plan"), item="cells")


def too_many(lost: int, n: int, p0: float, alpha: float) -> Fact | None:
    """Return why no PASS is given on the scores of the others (gate part 2); None where so few may collapse."""
    found = stability(lost, n, p0, alpha)
    return collapses(found) if found.withhold else None


def every_run(runs: Sequence[SeedScore], metric: str) -> Fact:
    """Mean and median over all runs with a score, collapsed ones among them."""
    values = sorted(100 * v for run in runs if (v := run.score(metric)) is not None)
    n, middle = len(values), len(values) // 2
    if not values:
        return Fact.of("runs.every", n=0)
    median = values[middle] if n % 2 else (values[middle - 1] + values[middle]) / 2
    return Fact.of("runs.every", n=n, mean=math.fsum(values) / n, median=median)
