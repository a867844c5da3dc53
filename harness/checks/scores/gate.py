"""The gate: every judgement on scores, the family's word on each FAIL, waivers, and the exit code."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from harness.checks.scores.churn import Answers as Answers
from harness.checks.scores.churn import Predictions
from harness.checks.scores.hypothesis import Answer, Family, Question
from harness.checks.scores.judgement import Judgement
from harness.checks.scores.pairing import find_pairs, find_repeats
from harness.checks.scores.parity import ParityQuestion
from harness.checks.scores.policy import Policy as Policy
from harness.checks.scores.quality import questions
from harness.checks.scores.stability import StabilityQuestion, unmeasured
from harness.record.configuration import Configuration as Configuration
from harness.references import Reference
from harness.stats.family import PART, apply_holm
from harness.stats.sequential import next_look, nominal_alpha

REPORTED: Final = frozenset({"f1"})
"""Metrics that are judged and shown, and that no gate goes by."""


def judge_all(
    configurations: Sequence[Configuration],
    references: Sequence[Reference],
    policy: Policy,
    answers: Answers | None = None,
    *,
    today: datetime.date | None = None,
) -> list[Judgement]:
    """Judge everything: errors and skips, stability, quality against each fitting reference, parity of twins.

    `answers` gives predicted classes, and is asked only for pairs. `today` decides which waivers still hold.
    A judgement of metric "f1" is reported only: `exit_code` does not heed it. The order of `configurations` is that
    of the judgements and has no other effect.

    Raises
    ------
    ValueError
        Where the policy has waivers and `today` is not given.
    """
    if policy.waivers and today is None:
        raise ValueError("today: None (allowed: a date, where the policy has waivers)")
    found = [judgement for one in configurations if (judgement := unmeasured(one, policy.looks)) is not None]
    quality, refused = questions(configurations, references, policy)
    predictions, reruns = Predictions(answers), find_repeats(configurations)
    asked: list[Question] = [StabilityQuestion(one, policy) for one in configurations if one.ended]
    asked += quality
    asked += [
        ParityQuestion(pair, policy, predictions, reruns.get(pair.base.key)) for pair in find_pairs(configurations)
    ]
    found += [*settled(asked, policy), *refused]
    place = {
        (one.configuration_id, one.environment_id): number for number, one in reversed([*enumerate(configurations)])
    }
    found.sort(key=lambda each: place[each.configuration_id, each.environment_id])
    labels = {one.configuration_id: one.plain_label for one in configurations}
    return [waived(each, policy, today, labels.get(each.configuration_id)) for each in found]


def exit_code(judgements: Iterable[Judgement], *, inconclusive: Literal["fail", "pass"] = "fail") -> int:
    """The exit code of DESIGN section 5.

    1 a FAIL that no waiver covers; 4 a cell errored or is missing; 5 nothing was measured, or nothing that gates; 3
    something INCONCLUSIVE, unless `inconclusive` is "pass"; else 0.
    """
    heeded = [each for each in judgements if each.metric not in REPORTED]
    outcomes = [each.outcome for each in heeded if each.waiver is None]
    if "FAIL" in outcomes:
        return 1
    if "ERROR" in outcomes and any(each.seeds for each in heeded):
        return 4
    # Not one run ended, well or badly: nothing was measured, rather than something missing.
    if all(each.outcome in ("SKIP", "ERROR") for each in heeded):
        return 5
    return 3 if "INCONCLUSIVE" in outcomes and inconclusive == "fail" else 0


FAMILIES: Final[tuple[Family, ...]] = ("scores", "collapses")


@dataclass(eq=False)
class _Case:
    """A question with its latest answer; `final` once a look has decided it."""

    question: Question
    answer: Answer | None = None
    judgement: Judgement | None = None
    final: bool = False


def settled(asked: Sequence[Question], policy: Policy) -> list[Judgement]:
    """Answer all questions, look by look, and let a FAIL stand where Holm over its family does.

    Scores (quality and parity) and collapses are two families, each with half of alpha; a comparison of scores counts
    by the chance that it has to fail (`stats.decision.largest_p`). At each look Holm over all questions of a family,
    those already decided with the p that decided them, at alpha / L of L looks: whatever look a comparison stops at, a
    false FAIL anywhere has at most probability alpha. A single comparison takes the calibrated level. Without looks:
    all runs, at alpha.
    """
    cases = [_Case(question) for question in asked]
    looks = policy.looks
    if looks is None:
        for case in cases:
            case.answer = case.question.ask(None, policy.alpha)
        _apply_holm(cases, cases, policy.alpha)
        return [_finished(case, None) for case in cases]
    compared = sum(case.question.gates and case.question.lasting for case in cases)
    level = nominal_alpha(looks, max(1, compared), policy.alpha)
    for look in looks:
        due = [case for case in cases if not case.final and case.question.runs >= look]
        for case in due:
            case.answer = case.question.ask(look, level)
        _apply_holm(cases, due, level)
        for case in due:
            outcome = case.judgement.outcome if case.judgement else None
            case.final = outcome == "FAIL" or (outcome == "PASS" and case.question.lasting)
    for case in cases:
        if case.answer is None:
            case.answer = case.question.ask(None, level)
            case.judgement = _too_early(case.answer.judgement, case.question.runs, looks)
    return [_finished(case, looks) for case in cases]


def waived(
    judgement: Judgement, policy: Policy, today: datetime.date | None, plain_label: str | None = None
) -> Judgement:
    """Cover a FAIL by the first waiver that holds; one that has expired is void, and said.

    `plain_label` is the configuration's label without environment and content, where these had to be added.
    """
    if judgement.outcome != "FAIL" or today is None:
        return judgement
    covering = [waiver for waiver in policy.waivers if waiver.covers(judgement, plain_label)]
    holding = next((waiver for waiver in covering if not waiver.void(today)), None)
    void = covering if holding is None else covering[: covering.index(holding)]
    evidence = (*judgement.evidence, *(waiver.void_text for waiver in void))
    return replace(judgement, waiver=holding.text if holding else None, evidence=evidence)


def _apply_holm(cases: Sequence[_Case], due: Sequence[_Case], level: float) -> None:
    """Judge the cases due: a FAIL stands where its p, after Holm over its family, is below the level."""
    for case in due:
        case.judgement = case.answer.judgement if case.answer else None
    asked = set(due)
    for family in FAMILIES:
        members = [case for case in cases if case.question.family == family and case.question.gates and case.answer]
        answers = [case.answer for case in members if case.answer is not None]
        limits = [answer.p_limit for answer in answers]
        adjusted = apply_holm([answer.p for answer in answers], limits, PART)
        for case, answer, p in zip(members, answers, adjusted, strict=True):
            if case in asked:
                size = sum(limit >= (answer.p or 0.0) for limit in limits)
                case.judgement = _after_holm(answer.judgement, p, size, level)


def _after_holm(judgement: Judgement, p: float | None, size: int, level: float) -> Judgement:
    """The judgement with its adjusted p; `size` counts the hypotheses that could have failed at its own."""
    if judgement.outcome == "FAIL" and (p is None or p >= level):
        said = f"{judgement.why}; p = {p:.4f} after Holm over {size}" if p is not None else judgement.why
        decision = replace(judgement.decision, outcome="INCONCLUSIVE") if judgement.decision else None
        judgement = replace(judgement, outcome="INCONCLUSIVE", why=said, decision=decision)
    return replace(judgement, adjusted_p=p)


def _too_early(judgement: Judgement, runs: int, looks: tuple[int, ...]) -> Judgement:
    """Decide nothing before the first planned look."""
    told = f"{judgement.why}; {runs} runs are before the first planned look at {looks[0]}"
    decision = replace(judgement.decision, outcome="INCONCLUSIVE", barred=True) if judgement.decision else None
    return replace(judgement, outcome="INCONCLUSIVE", why=told, decision=decision)


def _finished(case: _Case, looks: tuple[int, ...] | None) -> Judgement:
    assert case.answer is not None
    assert case.judgement is not None
    first = case.answer.first
    judgement = case.question.finish(case.judgement, first)
    if first is not None and looks is not None and case.question.runs > first:
        more = case.question.runs - first
        following = next_look(case.question.runs, looks)
        if case.final:
            told = f"decided at the planned look of {first} runs; {more} later ones do not change it"
        elif following is None:
            told = f"judged at the last planned look of {first} runs; {more} later ones are not counted"
        else:
            told = f"judged at the planned look of {first} runs; {more} wait for the look at {following}"
        judgement = replace(judgement, evidence=(*judgement.evidence, told))
    return judgement
