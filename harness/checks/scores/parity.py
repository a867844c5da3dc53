"""Parity: whether two configurations that differ in one thing score alike, seed by seed (statistics.md, section 3)."""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.checks.scores.churn import Predictions, churn_evidence
from harness.checks.scores.hypothesis import Answer, Family
from harness.checks.scores.judgement import Judgement, SeedScore
from harness.checks.scores.pairing import Pair
from harness.checks.scores.policy import Policy
from harness.checks.scores.seeds_needed import median_seconds, outlook
from harness.checks.scores.stability import too_many
from harness.record.attempts import LOST
from harness.record.configuration import GOOD, Configuration
from harness.stats.decision import Rule, decide, withheld
from harness.stats.paired import Permutation, paired, sign_flip
from harness.stats.power import Design
from harness.stats.stability import compare_rates
from harness.stats.variance import LEAST

PAIRED: Design = Design("paired", rho=0.5)
"""Planned with the sd of the differences itself: a correlation of one half makes their factor sqrt(1/n)."""

FLIPPED: int = 12
"""Pairs whose signs are flipped one by one; with more the test can reject, and costs more than it tells."""


@dataclass(frozen=True)
class ParityQuestion:
    """Whether a pair scores alike in accuracy, paired by seed."""

    pair: Pair
    policy: Policy
    predictions: Predictions
    rerun: Configuration | None = None

    family: Family = "scores"
    gates: bool = True
    lasting: bool = True

    @property
    def runs(self) -> int:
        """Seeds at which both runs ended."""
        return len(self._couples)

    def ask(self, first: int | None, alpha: float) -> Answer:
        """Paired t and TOST on the seeds where both runs are ok; no PASS where too many of either arm collapsed."""
        couples = self._couples[:first]
        good = _good(couples)
        lost = [sum(couple[arm].status in LOST for couple in couples) for arm in (0, 1)]
        blank = replace(self._blank, collapsed=lost[1], judged=len(couples))
        names = [self.pair.name(self.pair.twin), self.pair.name(self.pair.base)]
        if not good:
            why = f"no seed at which both {names[0]} and {names[1]} have an ok run"
            return Answer(replace(blank, why=why), None, 0.0, first)
        a, b = ([100 * run.accuracy for run in arm if run.accuracy is not None] for arm in zip(*good, strict=True))
        same = a == b and self.predictions.identical(self.pair.base, self.pair.twin, [run.seed for run, _ in good])
        rule = Rule(self.policy.parity_margin, alpha, self.policy.direction, LEAST)
        decision = decide(paired(a, b, identical=same), rule)
        for arm in (0, 1):
            too = too_many(lost[arm], lost[arm] + len(good), self.policy.p0, alpha)
            if too:
                decision = withheld(decision, f"{decision.why}; PASS withheld: {names[1 - arm]}: {too}")
        means = [math.fsum(arm) / len(arm) for arm in (b, a)]
        told = f"accuracy of {names[0]} {means[0]:.2f}, of {names[1]} {means[1]:.2f} over {len(good)} seeds"
        judgement = replace(
            blank, outcome=decision.outcome, why=f"{told}: {decision.why}", decision=decision, mean=means[0],
            target=means[1],
        )  # fmt: skip
        return Answer(judgement, decision.p_block, decision.p_limit, first)

    def finish(self, judgement: Judgement, first: int | None) -> Judgement:
        """Add outlook and evidence."""
        couples, decision = self._couples[:first], judgement.decision
        if decision is None:
            return replace(judgement, evidence=tuple(self._left_out(couples)))
        good = _good(couples)
        seconds = [median_seconds(one.entries) for one in (self.pair.base, self.pair.twin)]
        ahead = outlook(
            decision,
            PAIRED,
            Rule(decision.delta, decision.alpha, decision.direction, LEAST),
            against=self.pair.name(self.pair.base),
            looks=self.policy.looks,
            run_seconds=sum(s for s in seconds if s is not None) if any(seconds) else None,
            where=" in both",
        )
        evidence = [
            *_differences(good),
            *self._left_out(couples),
            *churn_evidence(self.pair, [run.seed for run, _ in good], self.predictions, self.rerun),
        ]
        if decision.ci90 == (0.0, 0.0):
            evidence.append("identical answers: see the fidelity of the runs, whether what should differ did differ")
        return replace(
            judgement,
            detectable=ahead.detectable,
            more_seeds=ahead.more_seeds,
            outlook=ahead.text,
            evidence=tuple(evidence),
        )

    @functools.cached_property
    def _couples(self) -> tuple[tuple[SeedScore, SeedScore], ...]:
        """(base, twin) by seed, in the base's planned order."""
        theirs: Mapping[int, SeedScore] = {run.seed: run for run in self.pair.twin.ended}
        return tuple((run, theirs[run.seed]) for run in self.pair.base.ended if run.seed in theirs)

    @functools.cached_property
    def _blank(self) -> Judgement:
        base, twin = self.pair.base, self.pair.twin
        return Judgement(
            check="parity",
            outcome="INCONCLUSIVE",
            configuration=twin.label,
            configuration_id=twin.configuration_id,
            environment_id=twin.environment_id,
            against=base.label,
            metric="accuracy",
            why="",
            seeds=twin.every,
            others=base.every,
            margin_from=f"{self.policy.parity_margin:g} points between configurations",
            cell_ids=(*twin.cell_ids, *base.cell_ids),
        )

    def _left_out(self, couples: Sequence[tuple[SeedScore, SeedScore]]) -> list[str]:
        """Name what is not in the comparison: collapses, and seeds that one side has not."""
        told = []
        lost = [sum(couple[arm].status in LOST for couple in couples) for arm in (0, 1)]
        if any(lost):
            rates = compare_rates(lost[0], len(couples), lost[1], len(couples))
            limit = "" if rates.can_reject() else ", which so few runs cannot reject"
            names = [self.pair.name(one) for one in (self.pair.base, self.pair.twin)]
            told.append(
                f"collapsed and left out: {lost[0]} of {len(couples)} with {names[0]}, {lost[1]} with {names[1]} "
                f"(Fisher p = {rates.p:.3f}{limit})"
            )
        paired_seeds = {run.seed for run, _ in self._couples}
        for one in (self.pair.base, self.pair.twin):
            alone = [str(run.seed) for run in one.ended if run.seed not in paired_seeds]
            if alone:
                shown = ", ".join(alone[:10]) + (" ..." if len(alone) > 10 else "")
                told.append(f"without a partner, left out: seed {shown} of {self.pair.name(one)}")
        return told


def _good(couples: Sequence[tuple[SeedScore, SeedScore]]) -> list[tuple[SeedScore, SeedScore]]:
    return [couple for couple in couples if all(run.status in GOOD for run in couple)]


def _differences(good: Sequence[tuple[SeedScore, SeedScore]]) -> list[str]:
    """Correlation of the arms, the sign-flip test, and the difference in F1."""
    a, b = ([100 * run.accuracy for run in arm if run.accuracy is not None] for arm in zip(*good, strict=True))
    told = []
    if len(a) > 2 and min(a) < max(a) and min(b) < max(b):
        told.append(f"scores of the same seed correlate by {statistics.correlation(a, b):.2f}")
    d = [y - x for x, y in zip(a, b, strict=True)]
    if len(d) <= FLIPPED:
        found = _sign_flip(tuple(sorted(d)))
        limit = "" if found.can_reject() else f"; {len(d)} pairs cannot reject, the least p is {found.least_p:.3f}"
        told.append(f"sign-flip p = {found.p:.3f}{limit}")
    f1 = [100 * (y.f1 - x.f1) for x, y in good if x.f1 is not None and y.f1 is not None]
    if f1:
        told.append(f"F1 differs by {math.fsum(f1) / len(f1):+.2f} points on average (reported only)")
    return told


@functools.lru_cache(maxsize=4096)
def _sign_flip(differences: tuple[float, ...]) -> Permutation:
    return sign_flip(differences)
