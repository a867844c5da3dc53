"""Quality: whether a configuration reproduces a published value (docs/statistics.md)."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from harness.checks.scores.hypothesis import Answer, Family, because, judged, limit, side
from harness.checks.scores.pairing import is_control, recipe_key
from harness.checks.scores.policy import Policy
from harness.checks.scores.recipe import RecipeDifferences, differs, other_data, recipe_differences, same_checkpoint
from harness.checks.scores.seeds_needed import median_seconds, outlook
from harness.checks.scores.stability import every_run, too_many
from harness.checks.scores.target import Target, contradicting, margin_of, read_target, spread_alarm
from harness.checks.verdict import Side, Verdict
from harness.fact import Fact
from harness.record.attempts import LOST
from harness.record.configuration import GOOD, Configuration, SeedScore
from harness.references import Reference, comparable
from harness.references.model import Metric
from harness.stats.decision import Decision, Rule, withheld
from harness.stats.descriptive import f1_standard_error
from harness.stats.order_statistic import Below, count_below
from harness.stats.sequential import smoke_floor
from harness.stats.variance import LEAST, Pool, Sample, Sd, gained, sample


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
        """By default the task's first metric gates, and the others, which correlate with it, are reported."""
        return self.target.metric in self.policy.gate_of(self.configuration.task)

    @cached_property
    def margin(self) -> tuple[float, Fact]:
        """Points, before rounding widens them, and where they come from."""
        return margin_of(self.reference, self.target, self.policy.margin)

    def ask(self, first: int | None, alpha: float) -> Answer:
        """Gate part 2: the rule of three words on the ok runs; no PASS where too many collapsed."""
        one, metric, blocking = self.configuration, self.target.metric, self.differences.blocking
        runs = one.ended[:first]
        scores = list(points(runs, metric).values())
        lost = sum(run.status in LOST for run in (*runs, *one.every[len(one.scores) :]))
        blank = self._blank(side(one, collapsed=lost, ended=len(runs) + len(one.lost)), len(runs))
        if not scores:
            return Answer(blank, first, p_limit=limit(None, one.waits and not blocking))
        sd = self.spread.sd(one, metric, first)
        ours = sample(scores, sd)
        # History that brought no degrees of freedom earns no smaller sample.
        n_min = None if gained(sd, ours.n) > 0 else LEAST
        decision = self.target.decide(ours, Rule(self.margin[0], alpha, self.policy.direction, n_min))
        too = too_many(lost, lost + len(scores), self.policy.p0, alpha) if decision.outcome == "PASS" else None
        reason = judged(self._scores(ours, decision), because(decision), too, blocking)
        if too:
            decision = withheld(decision)
        if blocking:
            decision = replace(decision, outcome="INCONCLUSIVE", barred=True)
        verdict = replace(
            blank, outcome=decision.outcome, subject=replace(blank.subject, mean=ours.mean), reason=reason,
            numbers=decision, margin_from=self.margin[1],
        )  # fmt: skip
        return Answer(verdict, first, decision.p_block, limit(decision, one.waits and not blocking))

    def finish(self, verdict: Verdict, first: int | None) -> Verdict:
        """Add what more runs would bring, and notes."""
        decision = verdict.numbers
        if not isinstance(decision, Decision):
            return replace(verdict, notes=tuple(self._notes(None, first)))
        notes = tuple(self._notes(decision, first))
        if self.differences.blocking:
            return replace(verdict, todo=(Fact.of("recipe.more_runs"),), notes=notes)
        history = gained(self.spread.sd(self.configuration, self.target.metric, first), decision.n)
        ahead = outlook(
            decision,
            self.target.design(history),
            n_min=None if history > 0 else LEAST,
            against=Fact.of("run.single") if self.target.statistic == "single" else self.target.fact,
            looks=self.policy.looks,
            run_seconds=median_seconds(self.configuration.entries),
        )
        return replace(verdict, detectable=ahead.detectable, more_seeds=ahead.more_seeds, todo=ahead.todo, notes=notes)

    def _blank(self, subject: Side, runs: int) -> Verdict:
        return Verdict(
            check="quality",
            outcome="INCONCLUSIVE",
            subject=subject,
            reason=Fact.of("scores.none", runs=runs),
            against=Side(self.reference.id, mean=self.target.value),
            item=self.target.metric,
            recipe_differences=self.differences.blocking,
            harmless=self.differences.harmless,
            gates=self.gates,
        )

    def _scores(self, ours: Sample, decision: Decision) -> Fact:
        label = Fact.of("provenance.unknown", best_of=decision.best_of) if decision.best_of else None
        return Fact.of(
            "scores.reference",
            metric=self.target.metric,
            mean=ours.mean,
            runs=ours.n,
            target=self.target.fact,
            label=label,
        )

    def _notes(self, decision: Decision | None, first: int | None) -> Iterator[Fact]:
        """What does not decide: spread, all runs, a cross-check without any law, what is odd about the reference."""
        runs, target = self.configuration.ended[:first], self.target
        sd = decision.sd if decision is not None else None
        if sd is None:
            yield Fact.of("sd.none")
        else:
            yield Fact.of("sd", value=sd.value, df=sd.df, source=sd.source, cells=sd.cells, note=sd.note)
        yield every_run(runs, target.metric)
        alarm = spread_alarm(self.reference, target)
        if alarm:
            yield alarm
        if decision is not None:
            yield from self._cross_checks(decision, list(points(runs, target.metric).values()))
            yield from self._sampling_error(runs)
            yield from self._overlap(decision)
            yield from self.differences.notes
        yield from contradicting(self.reference, target.metric)

    def _cross_checks(self, decision: Decision, scores: Sequence[float]) -> Iterator[Fact]:
        if self.target.place is not None:
            yield _runs_below(scores, self.target, self.target.place)
        if decision.barred and decision.n < LEAST and decision.sd is not None:
            floor = smoke_floor(self.target.value, decision.sd.value, self.margin[0])
            if math.fsum(scores) / len(scores) < floor:
                yield Fact.of("runs.too_low", floor=floor, runs=decision.n)
        if decision.outcome == "PASS" and self.target.statistic == "single":
            # What a PASS against a single run states, and no more.
            ordinary = decision.p_diff is not None and decision.p_diff >= decision.alpha
            yield Fact.of("pass.single", margin=decision.delta, ordinary=ordinary)

    def _overlap(self, decision: Decision) -> Iterator[Fact]:
        """What makes scores too good: validation examples that are trained on."""
        data = self.configuration.data
        found = data.audit if data is not None else None
        if data is not None and found is not None and found.in_training and decision.difference > decision.delta:
            yield Fact.of("scores.overlap", number=found.in_training, examples=data.validation.examples)

    def _sampling_error(self, runs: Sequence[SeedScore]) -> Iterator[Fact]:
        """What other examples would do to a run's F1; no part of the verdict, whose runs share their examples."""
        counts = self.configuration.counts
        both = [
            pair
            for run in runs
            if run.status in GOOD and None not in (pair := (run.score("accuracy"), run.score("f1")))
        ]
        if self.target.metric == "f1" and counts is not None and both:
            errors = [f1_standard_error(accuracy or 0.0, f1 or 0.0, sum(counts)) for accuracy, f1 in both]
            yield Fact.of("f1.standard_error", points=math.fsum(errors) / len(errors), examples=sum(counts))


def questions(
    configurations: Sequence[Configuration], references: Sequence[Reference], policy: Policy, *, measured: bool = True
) -> tuple[list[QualityQuestion], list[Verdict]]:
    """Hold each configuration against each fitting reference; what cannot be compared is judged at once.

    Those of which a run ended, or with `measured` False those of which none has: the questions that they will raise.

    A configuration that no reference fits is refused by all of them: the difference is then the reason why there is
    no verdict, instead of silence.
    """
    spread = SharedSpread(configurations)
    reasons = {id(reference): comparable(reference) for reference in references}
    asked: list[QualityQuestion] = []
    refused: list[Verdict] = []
    for one in configurations:
        if bool(one.ended) != measured:
            continue
        fitting = _nearest(one, [each for each in references if unfit(one, each, policy) is None], policy)
        gate, scored = policy.gate_of(one.task), one.task.scored
        gated = any(read_target(each, metric) for each in fitting for metric in gate)
        for reference in fitting or references:
            reason: Fact | str | None = reasons[id(reference)] or unfit(one, reference, policy)
            differences = recipe_differences(one, reference, policy.harmless)
            targets = [target for metric in scored if (target := read_target(reference, metric)) is not None]
            if reason is None and not gated:
                if set(scored) == {"accuracy", "f1"}:
                    ungated = Fact.of("reference.ungated", gate=tuple(sorted(gate)))
                else:
                    rest = tuple(metric for metric in scored if metric not in gate)
                    ungated = Fact.of("reference.ungated_of", gate=gate, reported=rest)
                refused.append(_refused(one, reference, differences, ungated, *gate))
            if reason is not None:
                refused.append(_refused(one, reference, differences, Fact.of("reference.refused", why=reason)))
                continue
            asked += [QualityQuestion(one, reference, target, policy, spread, differences) for target in targets]
    return asked, refused


def unfit(one: Configuration, reference: Reference, policy: Policy) -> Fact | None:
    """Return why a reference is of another thing: of other data, or another checkpoint; None where it fits.

    A row of a report fits only what asks for the same: the others of its page are there for the rest.
    """
    data = None if "task" in policy.harmless else other_data(one, reference)
    other = "checkpoint" not in policy.harmless and not same_checkpoint(one, reference)
    if data or other:
        return data or differs("checkpoint", one.asked.checkpoint.source, reference.checkpoint).fact
    if reference.row is None:
        return None
    return next(iter(recipe_differences(one, reference, policy.harmless).blocking), None)


def _nearest(one: Configuration, fitting: Sequence[Reference], policy: Policy) -> list[Reference]:
    """Of the rows of one page that fit, by what is declared harmless, the one that differs in least."""
    pages: dict[str, list[tuple[int, int]]] = {}
    for number, each in enumerate(fitting):
        if each.row is not None:
            far = len(recipe_differences(one, each, policy.harmless).harmless)
            pages.setdefault(each.id, []).append((far, number))
    kept = {min(found)[1] for found in pages.values()}
    return [each for number, each in enumerate(fitting) if each.row is None or number in kept]


def never_compared(
    configurations: Sequence[Configuration], references: Sequence[Reference], policy: Policy
) -> Iterator[Fact]:
    """A fact for each reference that fits no configuration at all: it would disappear without a word."""
    fits = [any(unfit(one, reference, policy) is None for one in configurations) for reference in references]
    pages = {reference.id for reference, fit in zip(references, fits, strict=True) if fit and reference.row is not None}
    for reference, fit in zip(references, fits, strict=True):
        if fit or (reference.row is not None and reference.id in pages):
            continue
        pages |= {reference.id} if reference.row is not None else set()
        tasks = tuple(dict.fromkeys(one.asked.task for one in configurations if other_data(one, reference)))
        names = ((one.asked.checkpoint.name, one.asked.checkpoint.source) for one in configurations)
        known = tuple(dict.fromkeys(name for pair in names for name in pair))
        if tasks and "task" not in policy.harmless:
            yield Fact.of("reference.other_task", reference=reference.id, task=reference.task, here=tasks)
        else:
            theirs = reference.checkpoint
            yield Fact.of("reference.other_checkpoint", reference=reference.id, checkpoint=theirs, here=known)


def points(runs: Sequence[SeedScore], metric: str) -> dict[int, float]:
    """Points by seed of the runs whose scores are judged."""
    return {run.seed: 100 * value for run in runs if run.status in GOOD and (value := run.score(metric)) is not None}


def _refused(
    one: Configuration, reference: Reference, differences: RecipeDifferences, reason: Fact, *gate: str
) -> Verdict:
    return Verdict(
        check="quality",
        outcome="INCONCLUSIVE",
        subject=side(one),
        reason=reason,
        against=Side(reference.id),
        item=next((metric for metric in one.task.scored if metric in gate), one.task.scored[0]),
        notes=tuple(fact for metric in one.task.scored for fact in contradicting(reference, metric)),
        todo=(Fact.of("reference.no_seeds"),),
        recipe_differences=differences.blocking,
        harmless=differences.harmless,
    )


def _runs_below(scores: Sequence[float], target: Target, place: tuple[int, int]) -> Fact:
    apart = target.half_ulp + 1e-9  # what rounding hides is a tie
    smaller = sum(score < target.value - apart for score in scores)
    ties = sum(abs(score - target.value) <= apart for score in scores)
    found = _below(smaller, ties, len(scores), *place)
    least = None if found.can_reject() else found.least_p
    return Fact.of("runs.below", below=found.below, n=found.n, p=found.p, least_p=least)


@functools.lru_cache(maxsize=4096)
def _below(smaller: int, ties: int, n: int, j: int, k: int) -> Below:
    return count_below([-1.0] * smaller + [0.0] * ties + [1.0] * (n - smaller - ties), 0.0, j, k)
