"""One configuration as accepted and as it is: scores paired by seed, collapses, where runs part first, what is gone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from harness.checks.changes import changes, same_hardware
from harness.checks.scores.baseline.departure import Couple, departures, equal_bits, known_hashes, same_run
from harness.checks.scores.baseline.file import Baseline, Configuration, EnvironmentFacts, LeftOut
from harness.checks.scores.hypothesis import Corrected, because, judged
from harness.checks.verdict import Fact, Finding, Side, Verdict
from harness.record.configuration import SeedScore
from harness.stats.decision import Decision, Estimate, Outcome, Rule, decide
from harness.stats.margin import PARITY
from harness.stats.paired import independent, paired
from harness.stats.power import MOST, Design, detectable, more_seeds, planning_sd
from harness.stats.stability import compare_rates
from harness.stats.variance import sample


@dataclass(frozen=True)
class BaselineSide:
    """One of the two results: `name` is what a verdict calls it."""

    name: str
    results: Baseline

    def seeds(self, configuration: Configuration) -> set[int]:
        """What was planned of it and was due: the seeds with a run, and those left out."""
        absent = self.results.absent(configuration.configuration_id)
        return {*configuration.runs, *(seed for seed in absent if seed is not None)}

    def side(self, configuration: Configuration, label: str = "", mean: float | None = None) -> Side:
        """A configuration as a verdict's side: its runs, then the seeds that were left out."""
        absent = self.results.absent(configuration.configuration_id)
        runs = [SeedScore(seed, run.status, run.scores) for seed, run in configuration.runs.items()]
        none = dict.fromkeys(configuration.task.scored)
        return Side(
            label or configuration.label,
            configuration.configuration_id,
            configuration.environment_id,
            configuration.content_id,
            tuple(run.cell_id for run in configuration.runs.values() if run.cell_id is not None),
            runs=(*runs, *(SeedScore(seed, one.status, none) for seed, one in absent.items() if seed is not None)),
            mean=mean,
            collapsed=configuration.collapsed,
            ended=configuration.counted,
            shown="" if label else configuration.shown or "",
        )


_CONTENT: Final = frozenset({"training data", "validation data", "checkpoint weights", "tokenizer"})
"""Parts of a content without which its hash stands for all of it."""


@dataclass(frozen=True)
class BaselinePair:
    """One configuration on both sides, and the rule that its difference is judged by."""

    a: BaselineSide
    b: BaselineSide
    old: Configuration
    new: Configuration
    rule: Rule

    @cached_property
    def comparable(self) -> bool:
        """Whether both were run on the same checkpoint and data, as far as that is known.

        Files of other bytes may hold the same rows: line ends that git has changed, say.
        """
        contents = self.old.content_id, self.new.content_id
        same = None in contents or contents[0] == contents[1]
        return same or (self.old.content.keys() >= _CONTENT and self.old.content == self.new.content)

    @property
    def parts_changed(self) -> list[str]:
        """Which parts of the content are known to be others."""
        old, new = self.old.content, self.new.content
        return [name for name in old if name in new and old[name] != new[name]]

    @cached_property
    def shared(self) -> Mapping[int, Couple]:
        """A's and B's run of every seed that both have."""
        old, new = self.old.runs, self.new.runs
        return {seed: (old[seed], new[seed]) for seed in old if seed in new}

    @cached_property
    def couples(self) -> Mapping[int, Couple]:
        """Those of them that are two runs: a run is no comparison with itself."""
        return {seed: couple for seed, couple in self.shared.items() if not same_run(*couple)}

    @property
    def same_runs(self) -> bool:
        """Whether B has nothing but the very runs that A is made of."""
        return self.by_seed and bool(self.shared) and not self.couples

    @cached_property
    def by_seed(self) -> bool:
        """Whether seeds are paired: by what was planned, so with the runs that were left out."""
        old, new = self.a.seeds(self.old), self.b.seeds(self.new)
        return 2 * len(old & new) >= min(len(old), len(new))

    @cached_property
    def identical(self) -> bool:
        """Whether every run that both have is known to be equal bit for bit."""
        return bool(self.couples) and all(equal_bits(*couple) for couple in self.couples.values())

    def environment_changes(self) -> tuple[Fact, ...]:
        """What is another environment, another machine said at the end."""
        before, after = self.a.results.environments, self.b.results.environments
        return environment_changes(before[self.old.environment_id], after[self.new.environment_id])

    @property
    def item(self) -> str:
        """The metric that is judged: the task's first."""
        return self.new.task.scored[0]

    def scores(self, metric: str = "") -> tuple[list[float], list[float]]:
        """Points of ok runs, A's and B's, unsaid of the metric that is judged; the same seeds where they are paired."""
        same = self.shared.keys() - self.couples.keys()
        kept = [{s for s, run in one.runs.items() if run.status == "ok"} - same for one in (self.old, self.new)]
        if self.by_seed:
            kept = [kept[0] & kept[1]] * 2
        sides = [
            [run.scores.get(metric or self.item) for seed, run in one.runs.items() if seed in seeds]
            for one, seeds in zip((self.old, self.new), kept, strict=True)
        ]
        known = [[100 * value for value in side if value is not None] for side in sides]
        return (known[0], known[1]) if list(map(len, known)) == list(map(len, sides)) else ([], [])

    def estimate(self, metric: str = "") -> Estimate | None:
        """B - A in points; None where a side has no ok run."""
        before, after = self.scores(metric)
        if not before or not after:
            return None
        if self.by_seed:
            return paired(before, after, identical=self.identical)
        return independent(sample(before), sample(after))

    @cached_property
    def decision(self) -> Decision | None:
        """The decision before Holm and before collapses count; None where there are no scores to compare."""
        estimate = self.estimate() if self.comparable else None
        decision = decide(estimate, self.rule) if estimate else None
        if decision and self.identical:
            return replace(decision, outcome="PASS", p_diff=1.0, p_tost=0.0, barred=False)
        return decision

    @cached_property
    def collapse_p(self) -> float | None:
        """The one-sided p that B collapses no more often than A; None where none collapsed, or all runs are equal."""
        old, new = self.old, self.new
        if not self.comparable or self.identical or self.same_runs or not old.collapsed + new.collapsed:
            return None
        return compare_rates(old.collapsed, old.counted, new.collapsed, new.counted).p_more

    def verdict(self, scores: Corrected, collapses: Corrected) -> Verdict:
        """The verdict, a FAIL by scores or by collapses where it stands after Holm over all configurations.

        Where B lacks a score of A's it is an ERROR; a FAIL stays one.
        """
        if self.same_runs:
            # Without their scores: nobody is to read the same numbers twice.
            mine, theirs = (
                replace(side, runs=()) for side in (self.b.side(self.new), self.a.side(self.old, self.a.name))
            )
            return self._with_missing(Verdict("baseline", "SKIP", mine, Fact.of("runs.very_same"), theirs, self.item))
        alpha, (outcome, reason) = self.rule.alpha, self._draft
        if collapses.p is not None and collapses.p < alpha:
            outcome, reason = "FAIL", judged(because=self._risen)
        elif outcome == "FAIL" and (scores.p is None or scores.p >= alpha):
            outcome, reason = "INCONCLUSIVE", judged(after=Fact.of("holm.blocked", p=scores.p, family=scores.family))
        known = [one for one in (scores, collapses) if one.p is not None]
        blocking = min(known, key=lambda one: one.p or 0.0, default=Corrected())
        before, after = (math.fsum(side) / len(side) if side else None for side in self.scores())
        verdict = Verdict(
            "baseline",
            outcome,
            self.b.side(self.new, mean=after),
            reason,
            against=self.a.side(self.old, self.a.name, mean=before),
            item=self.item,
            numbers=self.decision and replace(self.decision, outcome=outcome),
            findings=tuple(self._departures()),
            notes=tuple(self._notes()),
            adjusted_p=blocking.p,
            family=blocking.family or None,
            margin_from=Fact.of("margin.baseline", points=self.rule.delta),
        )
        return self._with_missing(self._with_outlook(verdict))

    @cached_property
    def _draft(self) -> tuple[Outcome, Fact]:
        """The outcome before Holm, and why."""
        old, new, decision = self.old, self.new, self.decision
        if not self.comparable:
            changed = Fact.of("content.changed", before=old.content_id, after=new.content_id, what=self.parts_changed)
            return "INCONCLUSIVE", changed
        if self.identical:
            same = Fact.of("runs.identical_at", seeds=len(self.couples), planned=len(old.seeds))
            return "PASS", judged(because=same)
        if decision is None:
            collapses = self._before if old.collapsed + new.collapsed else None
            none = Fact.of("scores.no_seed") if self.by_seed else Fact.of("scores.no_side")
            return "INCONCLUSIVE", judged(scores=none, because=collapses)
        # The baseline's runs are what a declared rate is to a configuration (docs/statistics.md).
        if decision.outcome == "PASS" and new.collapsed > max(1, old.collapsed * new.counted // old.counted):
            return "INCONCLUSIVE", judged(withheld=self._before)
        return decision.outcome, judged(because=because(decision))

    @property
    def _before(self) -> Fact:
        old, new = self.old, self.new
        return Fact.of("collapses.before", k1=old.collapsed, n1=old.counted, k2=new.collapsed, n2=new.counted)

    @property
    def _risen(self) -> Fact:
        k1, n1, k2, n2 = self._before.values.values()
        return Fact.of("collapses.risen", k1=k1, n1=n1, k2=k2, n2=n2, p=self.collapse_p)

    def _with_outlook(self, verdict: Verdict) -> Verdict:
        """With the smallest difference that these runs would show, and the seeds still needed for a verdict."""
        decision, alpha = self.decision, self.rule.alpha
        if decision is None or decision.sd is None or not decision.sd.value or decision.n < 2:
            return verdict
        # The sd is that of differences: paired by rho = 1/2, whose factor is 1.
        design = Design("paired", rho=0.5) if self.by_seed else Design("arms")
        found = replace(verdict, detectable=detectable(design, decision.n, decision.sd.value, alpha=alpha))
        if verdict.outcome != "INCONCLUSIVE":
            return found
        more = more_seeds(design, decision.n, planning_sd(decision.sd), self.rule)
        return replace(found, more_seeds=more, todo=(Fact.of("seeds.each_side", more=more, most=MOST),))

    def _with_missing(self, verdict: Verdict) -> Verdict:
        absent = self.b.results.absent(self.new.configuration_id)
        lost = [absent[seed] for seed in self.old.runs if seed in absent]
        if not lost:
            return verdict
        missing = Fact.of("seeds.absent", count=len(lost), planned=len(self.old.seeds), runs=runs_absent(lost))
        if verdict.outcome == "FAIL" or all(one.status == "skipped" for one in lost):
            return replace(verdict, notes=(*verdict.notes, missing))
        why = Fact.of("baseline.missing_seeds", missing=missing, outcome=verdict.outcome, others=verdict.reason)
        return replace(verdict, outcome="ERROR", reason=why)

    def _departures(self) -> Iterator[Finding]:
        """Where runs part; of other content that is what explains it, whatever such a difference usually means."""
        for one in departures(self.couples):
            yield one if self.comparable else replace(one, cause=None)

    def _notes(self) -> Iterator[Fact]:
        old, new = self.old.runs, self.new.runs
        for seed, (x, y) in self.couples.items():
            if x.status != y.status:
                yield Fact.of("status.changed", seed=seed, before=x.status, after=y.status)
        if unseen := [seed for seed, couple in self.couples.items() if not known_hashes(*couple)]:
            yield Fact.of("fingerprints.unknown", seeds=tuple(unseen))
        same_place = self.old.environment_id == self.new.environment_id and not self.environment_changes()
        if same_place and self.comparable and departures(self.couples):
            yield Fact.of("environment.same")
        for metric in self.new.task.scored[1:]:
            if not self.identical and (estimate := self.estimate(metric)):
                low, high = decide(estimate, Rule(PARITY)).ci90 or (None, None)
                size = estimate.difference
                yield Fact.of("metric.difference", metric=metric, difference=size, low=low, high=high)
        if not self.by_seed:
            yield Fact.of("seeds.unpaired")
        for name, side in (("A", self.old), ("B", self.new)):
            if side.lost:
                yield Fact.of("collapses.retried", seeds=tuple(map(int, side.lost)), side=name)
        if same := tuple(self.shared.keys() - self.couples.keys()):
            yield Fact.of("seeds.very_same", seeds=tuple(sorted(same)))
        if unplanned := [seed for seed in old if seed not in new and seed not in self.b.seeds(self.new)]:
            yield Fact.of("seeds.not_again", seeds=tuple(unplanned))
        if extra := [seed for seed in new if seed not in old]:
            yield Fact.of("seeds.new", seeds=tuple(extra))


def environment_changes(a: EnvironmentFacts, b: EnvironmentFacts) -> tuple[Fact, ...]:
    """What changed from a to b: Python, package by package, the machine's facts; another machine said at the end."""
    found = changes({"Python": a.python}, {"Python": b.python})
    found += changes(a.packages, b.packages) + changes(a.machine, b.machine)
    return found if same_hardware(a.machine, b.machine) else (*found, Fact.of("environment.machine"))


def by_environment(found: Iterable[tuple[tuple[Fact, ...], str]]) -> Iterator[Fact]:
    """Each change of environment once, with the labels of the configurations that share it."""
    known: list[tuple[tuple[Fact, ...], list[str]]] = []
    for every, label in found:
        labels = next((labels for one, labels in known if one == every), None)
        if labels is None:
            known.append((every, labels := []))
        labels.append(label)
    for every, labels in known:
        if every:
            yield Fact.of("environment.changed", changes=every, configurations=tuple(labels))


def runs_absent(left_out: Iterable[LeftOut]) -> Fact:
    """Why runs are not there."""
    runs = (Fact.of("run.absent", seed=one.seed, status=one.status, why=one.why) for one in left_out)
    return Fact.of("runs.absent", runs=tuple(runs))
