"""A comparison with `expect`, as a question of the gate (docs/statistics.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.checks.scores.compared import ARMS, Compared, Measured
from harness.checks.scores.hypothesis import Answer, Family, because, judged, limit, side
from harness.checks.scores.pairing import AxisPair
from harness.checks.scores.parity import PAIRED
from harness.checks.scores.seeds_needed import median_seconds, outlook
from harness.checks.scores.stability import too_many
from harness.checks.verdict import Verdict
from harness.fact import Fact
from harness.references.model import Metric
from harness.stats.axis import Said
from harness.stats.decision import Decision, Rule, decide, withheld
from harness.stats.variance import LEAST


@dataclass(frozen=True, eq=False)
class ComparisonQuestion:
    """Whether a pair is as the grid expects: the rule of three words on these examples, or the word for "better"."""

    compared: Compared
    number: int
    metric: Metric

    family: Family = "scores"
    lasting: bool = True

    @property
    def pair(self) -> AxisPair:
        """The two sides."""
        return self.compared.pairs[self.number]

    @property
    def gates(self) -> bool:
        """As the policy has it."""
        return self.metric in self.compared.policy.gate_of(self.compared.task)

    @property
    def runs(self) -> int:
        """Runs that ended on the smaller side; seeds at which both did, where they are paired."""
        a, b = ({run.seed for run in one.ended} for one in (self.pair.a, self.pair.b))
        return len(a & b) if self.pair.by_seed else min(len(a), len(b))

    def ask(self, first: int | None, alpha: float) -> Answer:
        """Judge what is expected; no PASS where too many of either side collapsed."""
        measured, policy = self.compared.measured(self.metric, first)[self.number], self.compared.policy
        expect, waits = self.compared.asked.expect, self.pair.a.waits or self.pair.b.waits
        found, arms = measured.difference, measured.arms
        if found is None or arms is None:
            return Answer(self._verdict(measured, Fact.of("compare.no_runs")), first, p_limit=limit(None, waits))
        direction: Literal["both", "lower"] = "lower" if expect == "not worse" else "both"
        decision = decide(found.estimate, Rule(self.compared.margin, alpha, direction, LEAST))
        why, too = because(decision), None
        names = self.pair.name(self.pair.value_a), self.pair.name(self.pair.value_b)
        other = measured.reason is not None and measured.reason.code == "compare.other_data"
        if other:
            why, decision = measured.reason, replace(decision, outcome="INCONCLUSIVE", barred=True)
        elif expect == "better":
            decision, why = self._by_word(decision, why, first, alpha)
        for name, lost, good in zip(names, measured.lost, found.n, strict=True):
            if decision.outcome == "PASS" and (many := too_many(lost, lost + good, policy.p0, alpha)):
                decision, too = withheld(decision), Fact.of("withheld.side", side=name, collapses=many)
        scores = Fact.of(
            "scores.arms", metric=self.metric, b=names[1], b_mean=arms[1].sample.mean, b_runs=found.n[1], a=names[0],
            a_mean=arms[0].sample.mean, a_runs=found.n[0],
        )  # fmt: skip
        verdict = self._verdict(measured, judged(scores, why, too), decision)
        if expect == "better":
            return Answer(verdict, first)  # the word has a family of its own
        return Answer(verdict, first, decision.p_block, limit(decision, waits))

    def finish(self, verdict: Verdict, first: int | None) -> Verdict:
        """Add what more runs would bring, and what is left out."""
        decision = verdict.numbers
        notes = tuple(self._left_out())
        if not isinstance(decision, Decision):
            return replace(verdict, notes=notes)
        if self.compared.asked.expect == "better":
            open_to = verdict.outcome == "INCONCLUSIVE"
            todo = self.compared.todo(self.number, self.metric, first, decision.alpha) if open_to else ()
            return replace(verdict, todo=todo, notes=notes)
        seconds = [median_seconds(one.entries) for one in (self.pair.a, self.pair.b)]
        ahead = outlook(
            decision,
            PAIRED if self.pair.by_seed else ARMS,
            n_min=LEAST,
            against=self.pair.name(self.pair.value_a),
            looks=self.compared.policy.looks,
            run_seconds=sum(s for s in seconds if s is not None) if any(seconds) else None,
            both=True,
        )
        return replace(verdict, detectable=ahead.detectable, more_seeds=ahead.more_seeds, todo=ahead.todo, notes=notes)

    def _left_out(self) -> Iterator[Fact]:
        """Seeds that only one side has, where runs are paired."""
        if self.pair.by_seed:
            sides = ((self.pair.a, self.pair.value_a), (self.pair.b, self.pair.value_b))
            both = {run.seed for run in self.pair.a.ended} & {run.seed for run in self.pair.b.ended}
            for one, value in sides:
                if alone := tuple(run.seed for run in one.ended if run.seed not in both):
                    yield Fact.of("pairs.left_out", side=self.pair.name(value), seeds=alone)

    def _by_word(
        self, decision: Decision, why: Fact | None, first: int | None, alpha: float
    ) -> tuple[Decision, Fact | None]:
        """PASS where the word is better, FAIL where it is worse, equivalent or identical, with 5 runs or more."""
        said = self.compared.said(self.metric, first, alpha)[self.number] or Said("undecided")
        reason = Fact.of("compare.word", word=said.word, within=said.within)
        if decision.barred:
            return decision, why
        outcome: Literal["PASS", "FAIL", "INCONCLUSIVE"] = "FAIL"
        if said.word in ("better", "undecided"):
            outcome = "PASS" if said.word == "better" else "INCONCLUSIVE"
        return replace(decision, outcome=outcome), reason

    def _verdict(self, measured: Measured, reason: Fact, decision: Decision | None = None) -> Verdict:
        means = [None, None] if measured.arms is None else [arm.sample.mean for arm in measured.arms]
        a, b = (
            side(one, mean=mean, collapsed=lost, ended=len(runs))
            for one, mean, lost, runs in zip(
                (self.pair.a, self.pair.b), means, measured.lost, measured.runs, strict=True
            )
        )
        return Verdict(
            check="comparison",
            outcome=decision.outcome if decision else "INCONCLUSIVE",
            subject=b,
            reason=reason,
            against=a,
            item=self.metric,
            gates=self.gates,
            numbers=decision,
            margin_from=Fact.of("margin.compare", points=self.compared.margin, expect=self.compared.asked.expect),
        )


def expected(every: Sequence[Compared]) -> list[ComparisonQuestion]:
    """The questions of those comparisons of which the grid says what it expects."""
    return [
        ComparisonQuestion(one, number, metric)
        for one in every
        if one.asked.expect is not None
        for number in range(len(one.pairs))
        for metric in one.policy.judged(one.task)
    ]
