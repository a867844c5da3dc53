"""One configuration on both sides of a comparison: scores paired by seed, collapses, departures, what is missing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from harness.baselines.model import Baseline, Configuration, EnvironmentFacts, LeftOut
from harness.baselines.words import environment_changes
from harness.checks.scores.departures import Pairs, departures, identical, unknown
from harness.checks.scores.judgement import Judgement, SeedScore
from harness.stats.decision import Decision, Estimate, Rule, decide, undecided, withheld
from harness.stats.margin import PARITY
from harness.stats.paired import independent, paired
from harness.stats.power import MOST, Design, detectable, more_seeds, planning_sd
from harness.stats.stability import compare_rates
from harness.stats.variance import sample
from harness.text import listed

GATE: Final = "accuracy"
POINTS: Final = 100.0
SHOWN: Final = 3
ENVIRONMENT: Final = "environment: "
"""How the evidence of another environment begins."""

NOWHERE: Final = EnvironmentFacts(python="unknown", packages={}, machine={})


@dataclass(frozen=True)
class Side:
    """One of the two results: `name` is what the user called it."""

    name: str
    results: Baseline

    def facts(self, configuration: Configuration) -> EnvironmentFacts:
        """Where a configuration was run."""
        return self.results.environments.get(configuration.environment_id, NOWHERE)


@dataclass(frozen=True)
class Pair:
    """One configuration on both sides."""

    a: Side
    b: Side
    old: Configuration
    new: Configuration

    @property
    def absent(self) -> Mapping[int | None, LeftOut]:
        """What B left out, by seed."""
        return self.b.results.absent(self.new.configuration_id)

    @cached_property
    def pairs(self) -> Pairs:
        """A's and B's run of every seed that both have."""
        old, new = self.old.runs, self.new.runs
        return {seed: (old[seed], new[seed]) for seed in old if seed in new}

    @cached_property
    def by_seed(self) -> bool:
        """Whether seeds are paired: by what was planned, so with the runs that were left out."""
        plans = [
            {*side.runs, *(seed for seed in where.results.absent(side.configuration_id) if seed is not None)}
            for side, where in ((self.old, self.a), (self.new, self.b))
        ]
        return 2 * len(plans[0] & plans[1]) >= min(map(len, plans))

    @cached_property
    def identical(self) -> bool:
        """Whether every run that both have is known to be equal bit for bit."""
        return bool(self.pairs) and all(identical(*pair) for pair in self.pairs.values())

    def changes(self) -> list[str]:
        """What is another environment, in words."""
        return environment_changes(self.a.facts(self.old), self.b.facts(self.new))

    def scores(self, metric: str = GATE) -> tuple[list[float], list[float]]:
        """Points of ok runs, A's and B's: the same seeds in both where they are paired."""
        if self.by_seed:
            kept = [pair for pair in self.pairs.values() if all(run.status == "ok" for run in pair)]
            sides = [[getattr(pair[side], metric) for pair in kept] for side in (0, 1)]
        else:
            sides = [
                [getattr(run, metric) for run in side.runs.values() if run.status == "ok"]
                for side in (self.old, self.new)
            ]
        if any(score is None for side in sides for score in side):
            return [], []
        return [POINTS * score for score in sides[0]], [POINTS * score for score in sides[1]]

    def estimate(self, metric: str = GATE) -> Estimate | None:
        """B - A in points; None where a side has no ok run."""
        before, after = self.scores(metric)
        if not before or not after:
            return None
        if self.by_seed:
            return paired(before, after, identical=self.identical)
        return independent(sample(before), sample(after))

    def judgement(self, rule: Rule) -> Judgement:
        """The judgement before Holm, and before missing seeds count."""
        before, after = self.scores()
        draft = Judgement(
            check="baseline",
            outcome="INCONCLUSIVE",
            configuration=self.new.label,
            configuration_id=self.new.configuration_id,
            environment_id=self.new.environment_id,
            against=self.a.name,
            metric=GATE,
            why="",
            mean=math.fsum(after) / len(after) if after else None,
            target=math.fsum(before) / len(before) if before else None,
            seeds=seed_scores(self.b, self.new),
            others=seed_scores(self.a, self.old),
            margin_from=f"{rule.delta:g} points, the margin of this comparison",
            collapsed=self.new.collapsed,
            judged=self.new.counted,
            evidence=tuple(self._evidence()),
        )
        contents = self.old.content_id, self.new.content_id
        if None not in contents and contents[0] != contents[1]:
            why = f"another checkpoint or other data ({contents[0]} -> {contents[1]}): scores cannot be compared"
            return replace(draft, why=why)
        decision = self._decision(self.estimate(), rule)
        return replace(draft, decision=decision, outcome=decision.outcome, why=decision.why)

    def _decision(self, estimate: Estimate | None, rule: Rule) -> Decision:
        if estimate is None:
            said = "no seed has an ok run on both sides" if self.by_seed else "one side has no ok run"
            said += f"; {self._collapsed_text}" if self.old.collapsed + self.new.collapsed else ""
            decision = undecided(rule, said)
        else:
            decision = decide(estimate, rule)
        if self.identical:
            seeds, n = len(self.old.seeds), len(self.pairs)
            which = "the only seed" if n == seeds == 1 else f"all {n} seeds" if n == seeds else f"{n} of {seeds} seeds"
            why = f"equal bit for bit at {which}"
            return replace(decision, outcome="PASS", why=why, p_diff=1.0, p_tost=0.0, barred=False)
        k1, n1, k2, n2 = self._collapses
        # The baseline's runs are what a declared rate is to a configuration (statistics.md, section 1.2).
        return withheld(decision, self._collapsed_text) if k2 > max(1, k1 * n2 // n1) else decision

    @property
    def _collapses(self) -> tuple[int, int, int, int]:
        """Collapsed runs and runs: A's, then B's."""
        return self.old.collapsed, self.old.counted, self.new.collapsed, self.new.counted

    @property
    def _collapsed_text(self) -> str:
        k1, n1, k2, n2 = self._collapses
        return f"{k2} of {n2} runs collapsed, {k1} of {n1} before"

    @property
    def collapse_p(self) -> float | None:
        """The one-sided p that B collapses no more often than A; None where none collapsed, or all runs are equal."""
        k1, _, k2, _ = self._collapses
        return None if self.identical or not k1 + k2 else compare_rates(*self._collapses).p_more

    def after_holm(self, draft: Judgement, scores: float | None, collapses: float | None, alpha: float) -> Judgement:
        """The draft where its FAIL, by its scores or by collapses, stands after Holm over all configurations."""
        decision = draft.decision
        assert decision is not None
        if collapses is not None and collapses < alpha:
            why = f"{self._collapsed_text} (p = {self.collapse_p:.4f})"
            decision = replace(decision, outcome="FAIL", why=why)
        elif decision.outcome == "FAIL" and (scores is None or scores >= alpha):
            said = f"{decision.why}; p = {scores:.4f} after Holm" if scores is not None else decision.why
            decision = replace(decision, outcome="INCONCLUSIVE", why=said)
        p = min((p for p in (scores, collapses) if p is not None), default=None)
        return replace(draft, outcome=decision.outcome, why=decision.why, decision=decision, adjusted_p=p)

    def with_outlook(self, draft: Judgement, rule: Rule) -> Judgement:
        """With the smallest difference that these runs would show, and the seeds still needed for a verdict."""
        estimate = self.estimate() if draft.decision is not None else None
        if estimate is None or estimate.sd is None or not estimate.sd.value or estimate.n < 2:
            return draft
        # The sd is that of differences: paired by rho = 1/2, whose factor is 1.
        design = Design("paired", rho=0.5) if self.by_seed else Design("arms")
        found = replace(draft, detectable=detectable(design, estimate.n, estimate.sd.value, alpha=rule.alpha))
        if draft.outcome != "INCONCLUSIVE":
            return found
        more = more_seeds(design, estimate.n, planning_sd(estimate.sd), rule)
        said = (
            f"{more} more seed{'' if more == 1 else 's'} on each side give an 80 % chance of a verdict"
            if more is not None
            else f"not even {MOST} seeds give an 80 % chance of a verdict"
        )
        return replace(found, more_seeds=more, outlook=f"{said} if the true difference is 0")

    def with_missing(self, judgement: Judgement) -> Judgement:
        """An ERROR where B lacks a score of A's; a FAIL stays one."""
        lost = [self.absent[seed] for seed in self.old.runs if seed in self.absent]
        if not lost:
            return judgement
        why = f"{len(lost)} of {len(self.old.seeds)} seeds without a score ({reasons(lost)})"
        if judgement.outcome == "FAIL" or all(one.status == "skipped" for one in lost):
            return replace(judgement, evidence=(*judgement.evidence, why))
        return replace(judgement, outcome="ERROR", why=f"{why}; the others: {judgement.outcome}, {judgement.why}")

    def _evidence(self) -> Iterator[str]:
        old, new = self.old.runs, self.new.runs
        for seed, (x, y) in self.pairs.items():
            if x.status != y.status:
                yield f"seed {seed}: {x.status} -> {y.status}"
        found = departures(self.pairs)
        yield from (one.text for one in found)
        if unseen := unknown(self.pairs):
            yield f"fingerprints: not available at seeds {listed(unseen)}"
        changes = self.changes()
        if changes:
            yield f"{ENVIRONMENT}{'; '.join(changes)}"
        elif found and self.old.environment_id == self.new.environment_id:
            yield "same environment and machine: `harness verify --only repeat` tells whether runs repeat here"
        estimate = self.estimate("f1")
        if estimate is not None:
            ci90 = decide(estimate, Rule(PARITY)).ci90
            interval = f", 90 % CI [{ci90[0]:+.2f}, {ci90[1]:+.2f}]" if ci90 and not self.identical else ""
            yield f"F1: difference {estimate.difference:+.2f} points{interval}; reported, not judged"
        if not self.by_seed:
            yield "other seeds on each side: Welch's test, not paired"
        for name, side in (("A", self.old), ("B", self.new)):
            if side.lost:
                yield f"tried again after a collapse, which counts: seeds {listed(list(side.lost))} of {name}"
        if unplanned := [seed for seed in old if seed not in new and seed not in self.absent]:
            yield f"not run again: seeds {listed(unplanned)}"
        if extra := [seed for seed in new if seed not in old]:
            yield f"not in the baseline: seeds {listed(extra)}"


def seed_scores(side: Side, configuration: Configuration) -> tuple[SeedScore, ...]:
    """A side's runs of a configuration, then the seeds that it left out."""
    absent = side.results.absent(configuration.configuration_id)
    runs: list[SeedScore] = [
        SeedScore(seed, run.status, run.accuracy, run.f1) for seed, run in configuration.runs.items()
    ]
    return (*runs, *(SeedScore(seed, one.status) for seed, one in absent.items() if seed is not None))


def reasons(left_out: Iterable[LeftOut]) -> str:
    """Why runs are not there: the first few, the rest counted."""
    said = [
        f"{f'seed {one.seed}: ' if one.seed is not None else ''}{one.status}, {one.why}"
        if one.status != "missing"
        else f"seed {one.seed}: {one.why}"
        for one in left_out
    ]
    more = len(said) - SHOWN
    return "; ".join(said[:SHOWN]) + (f"; and {more} more" if more > 0 else "")
