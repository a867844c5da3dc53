"""The gate: a grid's results judged on scores, the family's word on each FAIL, and waivers."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from harness.checks.scores.compared import compared
from harness.checks.scores.comparison import expected
from harness.checks.scores.hypothesis import Answer, Family, Question, corrected, judged_after
from harness.checks.scores.pairing import find_pairs, find_repeats
from harness.checks.scores.parity import Answers, ParityQuestion, Predictions, Weights
from harness.checks.scores.planned import unmeasured_hypotheses
from harness.checks.scores.policy import Policy as Policy
from harness.checks.scores.policy import policy_of
from harness.checks.scores.quality import questions
from harness.checks.scores.stability import StabilityQuestion, unmeasured
from harness.checks.scores.target import written_references
from harness.checks.verdict import Verdict
from harness.checks.waived import waived
from harness.fact import Fact
from harness.grid.grid import Grid
from harness.record.configuration import Configuration as Configuration
from harness.record.results import Results
from harness.references import Reference
from harness.stats.decision import Decision
from harness.stats.sequential import next_look, nominal_alpha

FAMILIES: Final[tuple[Family, ...]] = ("scores", "collapses")


def judge_grid(grid: Grid, results: Results, today: datetime.date) -> list[Verdict]:
    """Judge results: quality against the grid's references, stability, parity of twins.

    Raises
    ------
    SpecError
        For a reference that the registry does not know.
    """
    return judge_all(
        results.configurations,
        written_references(grid),
        policy_of(grid),
        results.predicted,
        truths=results.truth,
        weights=results.weights,
        today=today,
    )


def judge_all(
    configurations: Sequence[Configuration],
    references: Sequence[Reference],
    policy: Policy,
    answers: Answers | None = None,
    *,
    truths: Answers | None = None,
    weights: Weights | None = None,
    today: datetime.date | None = None,
) -> list[Verdict]:
    """Judge everything: errors and skips, stability, quality against each fitting reference, parity, comparisons.

    `answers` gives predicted classes, `truths` the true ones, `weights` the hash of the trained ones, and all are asked
    only for pairs. `today` decides which waivers still hold. A metric that the policy does not gate on is reported
    only; pairs are judged in the task's first metric, and in others where they gate. What is planned and not measured
    counts in its family. The order of `configurations` is that of the verdicts and has no other effect.

    Raises
    ------
    ValueError
        Where the policy has waivers and `today` is not given.
    """
    if policy.waivers and today is None:
        raise ValueError("today: None (allowed: a date, where the policy has waivers)")
    found = [verdict for one in configurations if (verdict := unmeasured(one, policy.looks)) is not None]
    quality, refused = questions(configurations, references, policy)
    predictions, reruns = Predictions(answers, weights), find_repeats(configurations)
    asked: list[Question] = [StabilityQuestion(one, policy) for one in configurations if one.ended or one.lost]
    asked += quality
    asked += [
        ParityQuestion(pair, policy, predictions, reruns.get(pair.base.key), metric)
        for pair in find_pairs(configurations, policy.named)
        for metric in policy.judged(pair.base.task)
    ]
    asked += expected(compared(configurations, policy, answers, truths))
    found += [*settled(asked, policy, unmeasured_hypotheses(configurations, references, policy)), *refused]
    place = {
        (one.configuration_id, one.environment_id): number for number, one in reversed([*enumerate(configurations)])
    }
    found.sort(key=lambda each: place[each.subject.configuration_id, each.subject.environment_id])
    if today is None or not policy.waivers:
        return found
    labels = {one.configuration_id: one.plain_label for one in configurations}
    return [waived(one, policy.waivers, today, labels.get(one.subject.configuration_id)) for one in found]


@dataclass(eq=False)
class _Case:
    """A question with its latest answer, whose verdict is that of its family."""

    question: Question
    answer: Answer | None = None


def settled(asked: Sequence[Question], policy: Policy, absent: Mapping[Family, int] = {}) -> list[Verdict]:
    """Answer all questions, look by look, and let a FAIL stand where Holm over its family does.

    Scores (quality and parity) and collapses are two families, each with half of alpha; a comparison of scores counts
    by the chance that it has to fail (`stats.decision.largest_p`). At each look Holm over all questions of a family,
    those already decided with the p that decided them, at alpha / L of L looks: whatever look a comparison stops at, a
    false FAIL anywhere has at most probability alpha. A single comparison takes the calibrated level. Without looks:
    all runs, at alpha. What no run was made for, `absent` by family, and what has not come to a look, has p = 1.
    """
    cases = [_Case(question) for question in asked]
    looks = policy.looks
    if looks is None:
        for case in cases:
            case.answer = case.question.ask(None, policy.alpha)
        _apply_holm(cases, cases, policy.alpha, absent)
        return [_finished(case, None) for case in cases]
    compared = sum(case.question.gates and case.question.lasting for case in cases) + absent.get("scores", 0)
    level = nominal_alpha(looks, max(1, compared), policy.alpha)
    for look in looks:
        due = [case for case in cases if not (case.answer and case.answer.final) and case.question.runs >= look]
        for case in due:
            case.answer = case.question.ask(look, level)
        _apply_holm(cases, due, level, absent)
        for case in due:
            assert case.answer is not None
            outcome = case.answer.verdict.outcome
            final = outcome == "FAIL" or (outcome == "PASS" and case.question.lasting)
            case.answer = replace(case.answer, final=final)
    for case in cases:
        if case.answer is None:
            answer = case.question.ask(None, level)
            early = Fact.of("look.early", runs=case.question.runs, first=looks[0])
            case.answer = replace(answer, verdict=_undecided(answer.verdict, early, barred=True))
    return [_finished(case, looks) for case in cases]


def decided(verdicts: Iterable[Verdict]) -> frozenset[str]:
    """The configurations of which nothing that gates is left open: no further seed is due for them."""
    every: dict[str, bool] = {}
    for one in verdicts:
        if one.gates:
            name, settled = one.subject.configuration_id, one.outcome in ("PASS", "FAIL")
            every[name] = every.get(name, True) and settled
    return frozenset(name for name, settled in every.items() if settled)


def _apply_holm(cases: Sequence[_Case], due: Sequence[_Case], level: float, absent: Mapping[Family, int]) -> None:
    """Judge the cases due: a FAIL stands where its p, after Holm over its family, is below the level."""
    asked = set(due)
    for family in FAMILIES:
        members = [case for case in cases if case.question.family == family and case.question.gates]
        more = absent.get(family, 0)
        p = [case.answer.p if case.answer else None for case in members]
        limits = [case.answer.p_limit if case.answer else 1.0 for case in members]
        after = corrected([*p, *[None] * more], [*limits, *[1.0] * more])
        for case, found in zip(members, after, strict=False):
            answer = case.answer
            if answer is None or case not in asked or found.p is None:
                continue
            verdict = answer.verdict
            if verdict.outcome == "FAIL" and found.p >= level:
                verdict = _undecided(verdict, Fact.of("holm.blocked", p=found.p, family=found.family))
            case.answer = replace(answer, verdict=replace(verdict, adjusted_p=found.p, family=found.family))


def _undecided(verdict: Verdict, after: Fact, *, barred: bool = False) -> Verdict:
    """The verdict without its PASS or FAIL; `barred` where no number could have changed that."""
    numbers = verdict.numbers
    if isinstance(numbers, Decision):
        numbers = replace(numbers, outcome="INCONCLUSIVE", barred=barred or numbers.barred)
    return replace(verdict, outcome="INCONCLUSIVE", reason=judged_after(verdict.reason, after), numbers=numbers)


def _finished(case: _Case, looks: tuple[int, ...] | None) -> Verdict:
    answer, runs = case.answer, case.question.runs
    assert answer is not None
    verdict = case.question.finish(answer.verdict, answer.first)
    if answer.first is None or looks is None or runs <= answer.first:
        return verdict
    look, later = answer.first, runs - answer.first
    following = next_look(runs, looks)
    if answer.final:
        note = Fact.of("look.decided", look=look, later=later)
    elif following is None:
        note = Fact.of("look.last", look=look, later=later)
    else:
        note = Fact.of("look.waiting", look=look, later=later, following=following)
    return replace(verdict, notes=(*verdict.notes, note))
