"""The answer that a report begins with: its title, and the sentence below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.checks.scores.compared import Comparison
from harness.checks.verdict import Verdict
from harness.grid.cell import SEPARATOR
from harness.report.format.escape import clean, full_stop, inline
from harness.report.format.metrics import metric_word
from harness.report.format.numbers import bounds, digits, interval, level_text, points, signed, trimmed
from harness.report.phrases.comparison import SIGNS, word_text
from harness.report.phrases.recipe import many
from harness.report.run.model import ReportModel
from harness.report.screen.verdicts import answer as in_short
from harness.report.verdicts.comparisons import compared_values
from harness.report.verdicts.words import (
    ARROW,
    ONE_RESULT,
    apart,
    counts_text,
    decision_of,
    family,
    identity,
    ordered,
    subject,
    word,
)
from harness.stats.decision import Decision

LIMIT: Final = 300


def answer(model: ReportModel, verdicts: Sequence[Verdict]) -> tuple[str, str]:
    """(title, sentence), both Markdown: of the one question there is, else of the counts; no sentence without any."""
    found, said = _found(model, verdicts)
    return inline(": ".join(filter(None, [found, model.about])) if found else model.title, LIMIT), said


def headline(model: ReportModel, verdicts: Sequence[Verdict]) -> str:
    """The answer in a line for a terminal; blank where nothing was asked."""
    return clean(_found(model, verdicts)[0], LIMIT)


def _found(model: ReportModel, verdicts: Sequence[Verdict]) -> tuple[str, str]:
    """What is found, and the sentence on it, which is Markdown; blank where nothing was asked."""
    asked = {(one.configuration_a, one.configuration_b): one for one in reversed(model.comparisons)}
    judged = [v for v in ordered(verdicts) if family(v) == "scores" and v.check != "stability"]
    judged.sort(key=lambda v: not v.gates)
    questions = {(v.check, v.subject.label, v.against.label if v.against else ""): v for v in reversed(judged)}
    others = [v for v in questions.values() if v.check != "comparison" or not asked]
    # What fails beside the questions is the answer, whatever they come to.
    beside = [v for v in verdicts if v.is_red("pass") and v not in judged]
    if len(asked) == 1 and not others and not beside:
        (one,) = asked.values()
        expected = [f" Expected {one.expect}: {word(v)}." for v in judged if one.expect is not None]
        found, said = _compared(one), _comparison_sentence(one) + "".join(expected[:1])
    elif len(others) == 1 and not asked and not beside and (d := decision_of(others[0])):
        found, said = _judged(others[0], d), _verdict_sentence(others[0], d)
    elif verdicts or asked:
        counted, red = counts_text(verdicts), [v for v in ordered(verdicts) if v.is_red("pass")]
        words = [_words([*asked.values()])] if asked else []
        found = _first(red, len(verdicts)) if red else counted.rstrip(".") if verdicts else words[0]
        if any(fact.code == "judged.nothing" for fact in (model.head.facts if model.head else ())):
            found = f"Scores are held against nothing; {found}"
        told = [*words, *([counted] if red else [])] if verdicts else []
        said = " ".join(map(full_stop, told))
    else:
        return "", ""
    return found, said


def _judged(v: Verdict, d: Decision) -> str:
    """`bf16 reaches the accuracy of fp32 within ±1.5 points`."""
    against = v.against.name if v.against else ""
    b, a = v.subject.name, against
    if v.check not in ONE_RESULT:
        b, a = apart(v.subject.name, against) or v.subject.name, apart(against, v.subject.name) or against
    metric = metric_word(v.item)
    target = f" ({points(v.against.mean)})" if v.against and v.against.mean is not None and v.check == "quality" else ""
    margin = f"{trimmed(d.delta)} points"
    if identity(v):
        return f"{b} answers exactly as {a}"
    if v.outcome == "PASS" and d.direction == "lower":
        return f"{b} is at most {margin} below {a}{target} in {metric}"
    verb = "reproduces" if v.check == "quality" else "reaches"
    reached = f"{b} {verb} the {metric} of {a}{target} within ±{margin}"
    if v.outcome == "PASS":
        return reached
    if v.outcome == "FAIL":
        size = f"{abs(d.difference):.{digits(d)}f} points {'below' if d.difference < 0 else 'above'}"
        return f"{b} is {size} {a}{target} in {metric}"
    return f"{v.outcome}: whether {reached}"


def _compared(one: Comparison) -> str:
    """`cased is worse than uncased by 1.20 points of accuracy`."""
    a, b = compared_values(one)
    metric = metric_word(one.metric)
    if one.word in ("better", "worse") and one.difference is not None:
        return f"{b} is {one.word} than {a} by {abs(one.difference):.2f} points of {metric}"
    if one.word == "equivalent":
        return f"{b} reaches the {metric} of {a} within ±{trimmed(one.margin)} points"
    if one.word == "identical":
        return f"{b} answers exactly as {a}"
    return f"Undecided between {a} and {b} in {metric}"


def _verdict_sentence(v: Verdict, d: Decision) -> str:
    means = ARROW.join(points(mean) for mean in (v.against.mean if v.against else None, v.subject.mean))
    paired = ", paired" if v.check == "parity" else ""
    known = f"{level_text(d)} interval {interval(d)}" if d.ci_pass else "no interval"
    differs = f"{signed(d.difference, digits(d))} points ({known}; {many(d.n, 'run')}{paired})"
    whom = f"{v.against.name if v.against else ''}{ARROW}{v.subject.name}" if v.check in ONE_RESULT else subject(v)
    return f"**{word(v)}**: {inline(whom, LIMIT)}: {differs}, margin {trimmed(d.delta)}; {means}."


def _comparison_sentence(one: Comparison) -> str:
    a, b = compared_values(one)
    known = f"{100 * (1 - 2 * one.alpha):.3g} % interval {bounds(one.here)}" if one.here else "no interval"
    anew = f", {100 * (1 - one.alpha):.3g} % on new examples {bounds(one.anew)}" if one.anew else ""
    runs = f"{one.n_a}{ARROW}{one.n_b} runs{', paired' if one.paired else ''}"
    means = ARROW.join(points(mean) for mean in (one.mean_a, one.mean_b))
    whom = SEPARATOR.join(filter(None, [one.where, f"{a}{ARROW}{b}"]))
    said = f"**{SIGNS[one.word]} {word_text(one.word, one.within).capitalize()}**: {inline(whom, LIMIT)}: "
    return f"{said}{signed(one.difference)} points ({known}{anew}; {runs}), margin {trimmed(one.margin)}; {means}."


def _first(red: Sequence[Verdict], total: int) -> str:
    """`FAIL: bf16 is 8.15 points below fp32 in accuracy (1 of 8 judgements)`."""
    d = decision_of(red[0]) if red[0].outcome != "ERROR" else None
    found = _judged(red[0], d) if d else in_short(red[0])
    return f"{red[0].outcome}: {found} ({len(red)} of {many(total, 'judgement')})"


def _words(asked: Sequence[Comparison]) -> str:
    """`3 comparisons: 1 better, 2 undecided`."""
    words = [one.word for one in asked]
    told = ", ".join(f"{words.count(each)} {each}" for each in dict.fromkeys(words))
    return f"{many(len(words), 'comparison')}: {told}"
