"""Quality: whether a configuration reproduces a published value (statistics.md, sections 1.2, 1.3 and 2)."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from harness.checks.scores.hypothesis import Answer, Family
from harness.checks.scores.judgement import Judgement, SeedScore
from harness.checks.scores.pairing import is_control, recipe_key
from harness.checks.scores.policy import Policy
from harness.checks.scores.recipe import RecipeDifferences, other_data, recipe_differences, same_checkpoint
from harness.checks.scores.seeds_needed import median_seconds, outlook
from harness.checks.scores.stability import all_runs, too_many
from harness.checks.scores.target import METRICS, Target, contradicting, margin_of, read_target, spread_alarm
from harness.record.attempts import LOST
from harness.record.configuration import GOOD, Configuration
from harness.references import Reference, comparable
from harness.references.model import Metric
from harness.stats.decision import Decision, Rule, withheld
from harness.stats.descriptive import f1_standard_error
from harness.stats.order_statistic import Below, count_below
from harness.stats.sequential import smoke_floor
from harness.stats.variance import LEAST, Pool, Sd, gained, sample


class SharedSpread:
    """The spreads of the configurations that are judged together, by recipe, metric and look; each worked out once."""

    def __init__(self, configurations: Sequence[Configuration]) -> None:
        self._members: dict[str, list[Configuration]] = {}
        self._places: dict[tuple[str, str, str | None], tuple[str, int]] = {}
        for one in configurations:
            if not is_control(one):
                key = recipe_key(one)
                members = self._members.setdefault(key, [])
                self._places[one.configuration_id, one.environment_id, one.content_id] = key, len(members)
                members.append(one)
        self._pools: dict[tuple[str, Metric, int | None], Pool] = {}

    def sd(self, one: Configuration, metric: Metric, first: int | None) -> Sd | None:
        """The sd to judge the first runs of a configuration with, and in it where it comes from."""
        place = self._places.get((one.configuration_id, one.environment_id, one.content_id))
        if place is None:  # a control: its luck is that of the runs it repeats
            return Pool([points(one.ended[:first], metric)]).sd(0)
        key, number = place
        pool = self._pools.get((key, metric, first))
        if pool is None:
            pool = Pool([points(other.ended[:first], metric) for other in self._members[key]])
            self._pools[key, metric, first] = pool
        return pool.sd(number)


@dataclass(frozen=True)
class QualityQuestion:
    """Whether a configuration reproduces one reference's value of one metric."""

    configuration: Configuration
    reference: Reference
    target: Target
    policy: Policy
    spread: SharedSpread
    differences: RecipeDifferences
    family: Family = "scores"
    lasting: bool = True

    @property
    def runs(self) -> int:
        """Runs that ended, scored or not."""
        return len(self.configuration.ended)

    @property
    def gates(self) -> bool:
        """Accuracy gates; F1, which correlates with it, is reported."""
        return self.target.metric == "accuracy"

    @cached_property
    def margin(self) -> tuple[float, str]:
        """Points, before rounding widens them, and where they come from."""
        return margin_of(self.reference, self.target, self.policy.margin)

    def ask(self, first: int | None, alpha: float) -> Answer:
        """Gate part 2: the rule of section 2 on the ok runs; no PASS where too many collapsed."""
        runs, metric = self.configuration.ended[:first], self.target.metric
        scores = list(points(runs, metric).values())
        lost = sum(run.status in LOST for run in (*runs, *self.configuration.every[len(self.configuration.scores) :]))
        blank = self._blank(runs, lost)
        if not scores:
            return Answer(replace(blank, why=f"none of {len(runs)} runs has a score to judge"), None, 0.0, first)
        sd = self.spread.sd(self.configuration, metric, first)
        ours = sample(scores, sd)
        # History that brought no degrees of freedom earns no smaller sample.
        n_min = None if gained(sd, ours.n) > 0 else LEAST
        rule = Rule(self.margin[0], alpha, self.policy.direction, n_min)
        decision = self.target.decide(ours, rule)
        too = too_many(lost, lost + len(scores), self.policy.p0, alpha)
        if too:
            decision = withheld(decision, f"{decision.why}; PASS withheld: {too}")
        label = f" ({decision.label})" if decision.label else ""
        told = f"{metric} {ours.mean:.2f} over {ours.n} runs against {self.target.text}{label}: {decision.why}"
        if self.differences.blocking:
            differs = "; ".join(self.differences.blocking)
            decision = replace(decision, outcome="INCONCLUSIVE", barred=True, why=f"recipes differ: {differs}")
            told = f"recipes differ ({differs}); {told}"
        judgement = replace(
            blank, outcome=decision.outcome, why=told, decision=decision, mean=ours.mean, margin_from=self._margin_words
        )
        return Answer(judgement, decision.p_block, decision.p_limit, first)

    def finish(self, judgement: Judgement, first: int | None) -> Judgement:
        """Add outlook and evidence."""
        runs, decision = self.configuration.ended[:first], judgement.decision
        evidence = [*self._sd_words(decision), all_runs(runs, self.target.metric)]
        alarm = spread_alarm(self.reference, self.target)
        evidence += [alarm] if alarm else []
        if decision is None:
            return replace(judgement, evidence=(*evidence, *contradicting(self.reference, self.target.metric)))
        scores = list(points(runs, self.target.metric).values())
        if self.target.place is not None:
            evidence.append(_cross_check(scores, self.target, self.target.place))
        if decision.barred and decision.n < LEAST and judgement.mean is not None and decision.sd is not None:
            floor = smoke_floor(self.target.value, decision.sd.value, self.margin[0])
            if judgement.mean < floor:
                evidence.append(f"below {floor:.2f}: too low for luck, though {decision.n} runs are no verdict")
        if decision.outcome == "PASS" and self.target.statistic == "single":
            evidence.append(_meaning(decision))
        evidence += [*self._sampling_error(runs), *self.differences.notes]
        evidence += contradicting(self.reference, self.target.metric)
        if self.differences.blocking:
            found = "More runs bring no verdict while recipes differ: run the reference's, or declare them harmless."
            return replace(judgement, outlook=found, evidence=tuple(evidence))
        sd = self.spread.sd(self.configuration, self.target.metric, first)
        ahead = outlook(
            decision,
            self.target.design(gained(sd, decision.n)),
            Rule(decision.delta, decision.alpha, decision.direction, None if gained(sd, decision.n) > 0 else LEAST),
            against="a single run" if self.target.statistic == "single" else self.target.text,
            looks=self.policy.looks,
            run_seconds=median_seconds(self.configuration.entries),
        )
        return replace(
            judgement,
            detectable=ahead.detectable,
            more_seeds=ahead.more_seeds,
            outlook=ahead.text,
            evidence=tuple(evidence),
        )

    def _sampling_error(self, runs: Sequence[SeedScore]) -> list[str]:
        """What other examples would do to a run's F1; no part of the verdict, whose runs share their examples."""
        counts, both = self.configuration.counts, [run for run in runs if run.status in GOOD and run.f1 is not None]
        if self.target.metric != "f1" or counts is None or not both:
            return []
        errors = [f1_standard_error(run.accuracy or 0.0, run.f1 or 0.0, counts[0]) for run in both]
        error = math.fsum(errors) / len(errors)
        return [f"on other examples a run's F1 has a standard error of {error:.2f} points; here all share {counts[0]}"]

    @property
    def _margin_words(self) -> str:
        half = self.target.half_ulp
        return self.margin[1] + (f", and {half:g} for the rounding of the published value" if half else "")

    def _blank(self, runs: Sequence[SeedScore], lost: int) -> Judgement:
        return replace(
            _about(self.configuration, self.reference, self.target.metric),
            target=self.target.value,
            collapsed=lost,
            judged=len(runs) + len(self.configuration.lost),
            recipe_differences=self.differences.blocking,
            harmless=self.differences.harmless,
        )

    def _sd_words(self, decision: Decision | None) -> list[str]:
        sd = decision.sd if decision is not None else None
        if sd is None:
            return ["no sd: a single run says nothing of it"]
        source = {
            "own": "of these runs",
            "pooled": f"pooled over {sd.cells} configurations of the recipe",
            "moderated": f"of these runs, moderated by {sd.cells} other configurations of the recipe",
        }[sd.source]
        return [
            f"sd {sd.value:.2f} points, {sd.df:g} degrees of freedom, {source}" + (f"; {sd.note}" if sd.note else "")
        ]


def questions(
    configurations: Sequence[Configuration], references: Sequence[Reference], policy: Policy
) -> tuple[list[QualityQuestion], list[Judgement]]:
    """Hold each configuration against each fitting reference; what cannot be compared is judged at once.

    Fitting are the references of its task and checkpoint. A configuration that none of them fits is held against all
    of them: the difference is then the reason why there is no verdict, instead of silence.
    """
    spread = SharedSpread(configurations)
    reasons = {id(reference): comparable(reference) for reference in references}
    asked: list[QualityQuestion] = []
    refused: list[Judgement] = []
    for one in configurations:
        if not one.ended:
            continue
        for reference in _fitting(one, references, policy):
            reason = reasons[id(reference)]
            data = other_data(one, reference)
            if reason is None and data is not None and "task" not in policy.harmless:
                reason = data
            differences = recipe_differences(one, reference, policy.harmless)
            targets = [target for metric in METRICS if (target := read_target(reference, metric)) is not None]
            if reason is None and not any(target.metric == "accuracy" for target in targets):
                refused.append(_refused(one, reference, differences, "no accuracy is published; F1 is reported only"))
            if reason is not None:
                refused.append(_refused(one, reference, differences, f"not to be compared: {reason}"))
                continue
            asked += [QualityQuestion(one, reference, target, policy, spread, differences) for target in targets]
    return asked, refused


def points(runs: Sequence[SeedScore], metric: str) -> dict[int, float]:
    """Points by seed of the runs whose scores are judged."""
    return {run.seed: 100 * value for run in runs if run.status in GOOD and (value := getattr(run, metric)) is not None}


def _fitting(one: Configuration, references: Sequence[Reference], policy: Policy) -> Sequence[Reference]:
    fitting = [
        reference
        for reference in references
        if ("checkpoint" in policy.harmless or same_checkpoint(one, reference))
        and ("task" in policy.harmless or other_data(one, reference) is None)
    ]
    return fitting or references


def _about(one: Configuration, reference: Reference, metric: str) -> Judgement:
    return Judgement(
        check="quality",
        outcome="INCONCLUSIVE",
        configuration=one.label,
        configuration_id=one.configuration_id,
        environment_id=one.environment_id,
        against=reference.id,
        metric=metric,
        why="",
        seeds=one.every,
        cell_ids=one.cell_ids,
    )


def _refused(one: Configuration, reference: Reference, differences: RecipeDifferences, why: str) -> Judgement:
    return replace(
        _about(one, reference, "accuracy"),
        why=why,
        outlook="No number of seeds gives a verdict against this reference.",
        recipe_differences=differences.blocking,
        harmless=differences.harmless,
        evidence=tuple(text for metric in METRICS for text in contradicting(reference, metric)),
    )


def _meaning(decision: Decision) -> str:
    """What a PASS against a single run states, and no more (section 2)."""
    draw = ", and the number is an ordinary draw of this pipeline"
    said = f"against a single run a PASS says: the mean is within {decision.delta:.2f} points of the number"
    return said + (draw if decision.p_diff is not None and decision.p_diff >= decision.alpha else "")


def _cross_check(scores: Sequence[float], target: Target, place: tuple[int, int]) -> str:
    apart = target.half_ulp + 1e-9  # what rounding hides is a tie
    smaller = sum(score < target.value - apart for score in scores)
    ties = sum(abs(score - target.value) <= apart for score in scores)
    found = _below(smaller, ties, len(scores), *place)
    limit = "" if found.can_reject() else f"; {found.n} runs cannot reject, the least p is {found.least_p:.2f}"
    return f"{found.below:g} of {found.n} runs lie below the reference (free of any law: p = {found.p:.3f}{limit})"


@functools.lru_cache(maxsize=4096)
def _below(smaller: int, ties: int, n: int, j: int, k: int) -> Below:
    return count_below([-1.0] * smaller + [0.0] * ties + [1.0] * (n - smaller - ties), 0.0, j, k)
