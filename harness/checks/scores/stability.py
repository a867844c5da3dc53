"""Stability: whether a configuration collapses, or loses its loss, more often than it may; and cells without a run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from harness.checks.scores.hypothesis import Answer, Family
from harness.checks.scores.judgement import Judgement, SeedScore
from harness.checks.scores.policy import Policy
from harness.grid.looks import due
from harness.record.attempts import LOST
from harness.record.configuration import Configuration
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
        one = self.configuration
        runs = (*one.ended[:first], *one.every[len(one.scores) :])
        lost = sum(run.status in LOST for run in runs)
        s = stability(lost, len(runs), self.policy.p0, alpha)
        outcome, why = s.outcome, f"{s.why}: p = {s.p:.4f}"
        if outcome == "PASS" and s.n < LEAST:
            outcome, why = "INCONCLUSIVE", f"{s.why}: fewer than {LEAST} runs"
        needed = f"{s.least_k} of {s.n} collapses would fail" if s.least_k else f"not even {s.n} of {s.n} would fail"
        judgement = Judgement(
            check="stability",
            outcome=outcome,
            configuration=one.label,
            configuration_id=one.configuration_id,
            environment_id=one.environment_id,
            against=f"declared {100 * s.p0:g} %",
            metric="collapses",
            why=why,
            seeds=one.every,
            outlook=f"{needed} at the {alpha:.4g} level.",
            collapsed=s.k,
            judged=s.n,
            cell_ids=one.cell_ids,
        )
        # Where not even all runs together would fail, this is no hypothesis of the family.
        return Answer(judgement, s.p, 1.0, first) if s.least_k is not None else Answer(judgement, None, 0.0, first)

    def finish(self, judgement: Judgement, first: int | None) -> Judgement:
        """Name the kinds of collapse, and what was tried again."""
        one = self.configuration
        runs = (*one.ended[:first], *one.every[len(one.scores) :])
        kinds = Counter(run.status for run in runs if run.status in LOST)
        evidence = [f"{kind}: {count} of {len(runs)}" for kind, count in sorted(kinds.items())]
        if one.lost:
            seeds = ", ".join(str(entry.seed) for entry in one.lost)
            evidence.append(f"tried again after a collapse, which counts: seed {seeds}")
        if kinds:
            evidence.append(all_runs(runs, "accuracy"))
        return replace(judgement, evidence=tuple(evidence))


def unmeasured(configuration: Configuration, looks: tuple[int, ...] | None = None) -> Judgement | None:
    """Return the judgement on cells that ended in an error or have no run; None where every due cell has one.

    SKIP where the configuration cannot run here. With planned looks the cells beyond the first look are not due:
    whoever runs them stops as soon as there is a verdict.
    """
    if configuration.skipped is not None:
        return _cells(configuration, "SKIP", f"not run: {configuration.skipped}")
    seeds = due(configuration.planned, looks or (), configuration.entry_of)
    absent = {seed: configuration.unfinished[seed] for seed in seeds if seed in configuration.unfinished}
    # What a later environment has taken over from is judged on what there is.
    if not configuration.current or not (absent or configuration.errored):
        return None
    told = [f"seed {score.seed} {score.status}" for score in configuration.errored]
    told += [f"seed {seed} {why}" for seed, why in absent.items()]
    shown = ", ".join(told[:10]) + (f" and {len(told) - 10} more" if len(told) > 10 else "")
    return _cells(configuration, "ERROR", f"{len(told)} of {len(configuration.planned)} cells have no score: {shown}")


def _cells(configuration: Configuration, outcome: str, why: str) -> Judgement:
    assert outcome in ("SKIP", "ERROR")
    first_errors = [entry.error for entry in configuration.entries if entry.error]
    return Judgement(
        check="stability",
        outcome="SKIP" if outcome == "SKIP" else "ERROR",
        configuration=configuration.label,
        configuration_id=configuration.configuration_id,
        environment_id=configuration.environment_id,
        against="the plan",
        metric="cells",
        why=why,
        seeds=configuration.every,
        evidence=tuple(dict.fromkeys(first_errors)) if outcome == "ERROR" else (),
        cell_ids=configuration.cell_ids,
    )


def too_many(lost: int, n: int, p0: float, alpha: float) -> str | None:
    """Return why no PASS is given on the scores of the others (gate part 2); None where so few may collapse."""
    found = stability(lost, n, p0, alpha)
    return found.why if found.withhold else None


def all_runs(runs: Sequence[SeedScore], metric: str) -> str:
    """Say mean and median over all runs with a score, collapsed ones among them."""
    values = sorted(100 * v for run in runs if (v := getattr(run, metric)) is not None)
    if not values:
        return "no run has a score"
    middle = len(values) // 2
    median = values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2
    return f"all {len(values)} runs with a score: mean {math.fsum(values) / len(values):.2f}, median {median:.2f}"
