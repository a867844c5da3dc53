"""A verdict in words and figures, as every renderer says it. Points = 100 x fraction."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from harness.checks.scores.compared import Comparison
from harness.checks.verdict import Check, Fact, Finding, Inconclusive, Verdict, worst_first
from harness.checks.verify.problems import Problem
from harness.grid.cell import SEPARATOR
from harness.record.freshness import Freshness
from harness.report.format.escape import clean, full_stop
from harness.report.format.metrics import metric_word
from harness.report.format.numbers import chance, digits, interval, level_text, trimmed
from harness.report.phrases.causes import cause_text, finding_text
from harness.report.phrases.head import freshness_text
from harness.report.phrases.say import say
from harness.report.phrases.scores import USUAL
from harness.report.phrases.waivers import ledger_text
from harness.stats.decision import Decision

Kind = Literal["check", "verify", "compare", "diff", "bench", "selftest", "bisect", "ab"]
Family = Literal["scores", "speed", "runs"]
"""How a verdict is shown: by its difference of scores, by its ratio of speeds, or by what was found in runs."""

Cause = tuple[str, str]
"""A known issue or "usually", and what such a difference means."""

LIMIT: Final = 900
"""Longest text of one fact, in characters; the JSON has all of it."""

HOW: Final[Mapping[Family, str]] = {
    "scores": "Scores are points (100 × fraction), over the runs that did not collapse. PASS: p_tost is below alpha, "
    "which is to say that the interval of level 1 − 2 alpha (90 % at alpha 0.05) lies inside the margin. FAIL: no "
    "PASS, p_diff below alpha before and after Holm's correction (a dash: it is not corrected), and the difference "
    "beyond the margin. Otherwise INCONCLUSIVE. Where “kept by” names something, that decides whatever the numbers: "
    "runs that are equal bit for bit PASS, more collapses than were accepted FAIL, missing runs are an ERROR; too few "
    "runs, no spread, collapses, another recipe, other data, a planned look or chosen seeds leave it INCONCLUSIVE. "
    "Stability, which has no row: FAIL where p, before and after Holm, is below alpha (0.05 unless said); INCONCLUSIVE "
    "where it is before Holm alone, over fewer than 3 runs, where more than one run and more than the declared share "
    "collapsed, before a planned look and over chosen seeds; else PASS. Scores "
    "and collapses are two families for Holm, each with half of alpha; a hypothesis counts in it where it could have "
    "failed at that p. An interval is the difference ± t × se with the df shown, of level "
    "1 − 2 alpha: the first se goes with it and p_tost, the second with p_diff; “pivot” in its place: p_diff follows "
    "from the law of a median or a best of k runs. Detectable: the true difference that so many runs find with 80 % "
    "power.",
    "speed": "Ratio: B's samples a second over A's, geometric mean over pairs of processes (or B's newest session over "
    "A's sessions). PASS: the interval lies above 1 − margin. FAIL: it lies below 1 and the ratio below 1 − margin, "
    "after Holm's correction; or the device's peak memory grew by more than 1 %. MDE: the slow-down found with 80 % "
    "power; a margin below it decides only where the whole interval lies beyond the margin. Processes on a machine "
    "that was not quiet are left out whatever their speed.",
}
"""How to read a family's table."""

_ORDER: Final[tuple[Check, ...]] = (
    "quality", "baseline", "parity", "comparison", "stability", "speed", "diff", "reproducibility", "invariants",
    "fidelity", "selftest", "bisect",
)  # fmt: skip
_SCORES: Final = frozenset({"quality", "baseline", "parity", "comparison", "stability"})
_NOUNS: Final[Mapping[Kind, str]] = {
    "check": "judgement", "verify": "check", "compare": "configuration", "diff": "comparison",
    "bench": "judgement", "selftest": "trial", "bisect": "release", "ab": "check",
}  # fmt: skip
_PLAIN: Final = "speed.interval"
"""The reason of a speed that passes by its interval alone, which its row shows."""

_IDENTICAL: Final = {"runs.identical": "the same answer to every example", "runs.identical_at": "equal bit for bit"}
_VOID: Final = frozenset({"waiver.expired", "waiver.exceeded", "waiver.partly"})
"""Notes on a FAIL that a waiver is about and does not cover."""
ARROW: Final = " -> "
"""Between A, the first side, and B."""
ONE_RESULT: Final = frozenset({"quality", "baseline", "stability"})
"""Checks whose other side is a published, accepted or declared value, and no configuration beside it."""


@dataclass(frozen=True)
class Head:
    """What stands above all verdicts of one command.

    Attributes
    ----------
    kind, title, command
        Which command judged, its name ("harness check", the suite of JUnit) and how it was called.
    a, b
        The names of the two sides, where there are two.
    inconclusive
        Whether an INCONCLUSIVE is red.
    facts
        What holds for all verdicts: a margin, a tolerance, another environment.
    waivers
        What became of each waiver that could fit.
    part
        What a selection leaves out; None where all of the grid is judged.
    freshness, where
        How many of the runs behind it are new, and how old the others are (None where that is not asked); on which
        machines they were made and with which versions, a fact an environment.
    grid, file, results
        Where it is about one: the grid's name, its file as the user called it, the folder of its results.
    comparisons
        What the comparisons that the grid names come to.
    problems
        What the failed checks of a verification come to.
    """

    kind: Kind
    title: str
    command: str = ""
    a: str = ""
    b: str = ""
    inconclusive: Inconclusive = "fail"
    facts: tuple[Fact, ...] = ()
    waivers: tuple[Fact, ...] = ()
    part: Fact | None = None
    freshness: Freshness | None = None
    grid: str = ""
    comparisons: tuple[Comparison, ...] = ()
    problems: tuple[Problem, ...] = ()
    where: tuple[Fact, ...] = ()
    file: str = ""
    results: str = ""

    @property
    def noun(self) -> str:
        """What its verdicts are counted as."""
        return _NOUNS[self.kind]


def family(verdict: Verdict) -> Family:
    """How a verdict is shown."""
    return "scores" if verdict.check in _SCORES else "speed" if verdict.check == "speed" else "runs"


def ordered(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The worst outcome first, a waived FAIL after what is red; of one outcome by check, pairs before single runs."""
    return worst_first(sorted(verdicts, key=lambda one: _ORDER.index(one.check)))


def word(verdict: Verdict) -> str:
    """`PASS`; a FAIL that is not red says why, and a PASS with a warning says so."""
    if verdict.warning is not None and verdict.outcome == "PASS":
        return "PASS (WARN)"
    if verdict.outcome == "FAIL" and not verdict.gates:
        return "FAIL (not new)" if family(verdict) == "runs" else "FAIL (no gate)"
    return "FAIL (waived)" if verdict.waived else verdict.outcome


def counts_text(verdicts: Sequence[Verdict], noun: str = "judgement") -> str:
    """`8 judgements: 2 FAIL, 1 INCONCLUSIVE, 5 PASS`."""
    counts = Counter(word(verdict) for verdict in ordered(verdicts))
    if not counts:
        return f"No {noun}."
    total = f"{len(verdicts):,} {noun}{'' if len(verdicts) == 1 else 's'}"
    return f"{total}: {', '.join(f'{number:,} {name}' for name, number in counts.items())}"


def head_lines(head: Head) -> list[str]:
    """What is left out, how old the runs are, waivers, the sides and what holds for all verdicts, a line each."""
    sides = [f"{letter}: {clean(name, LIMIT)}" for letter, name in (("A", head.a), ("B", head.b)) if name]
    part = [say(head.part)] if head.part is not None else []
    ages = [freshness_text(head.freshness)] if head.freshness is not None else []
    above = [clean(text, LIMIT) for text in (*part, *ages, *waiver_lines(head.waivers))]
    said = [clean(say(f), LIMIT) for f in head.facts]
    return [*said, *sides] if head.kind == "diff" else [*above, *sides, *said]


def waiver_lines(uses: Sequence[Fact]) -> list[str]:
    """The ledger of waivers, then a line for each that someone should look at; nothing without waivers."""
    ledger = ledger_text(uses)
    return [ledger, *(say(fact) for fact in uses if fact.values["use"] != "used")] if ledger else []


def decision_of(verdict: Verdict) -> Decision | None:
    """The decision on a difference of scores, where there is one."""
    return verdict.numbers if isinstance(verdict.numbers, Decision) else None


def grouped(verdicts: Iterable[Verdict]) -> list[tuple[str, Check, str, list[str]]]:
    """(verdict, check, reason, subjects) of what should compare scores and could not: one reason, one entry."""
    groups: dict[tuple[str, Check, str], list[str]] = {}
    for one in verdicts:
        if family(one) == "scores" and decision_of(one) is None:
            alpha = one.reason.values.get("alpha") or USUAL
            p = f" p {chance(one.adjusted_p, alpha)} after Holm." if one.adjusted_p is not None else ""
            groups.setdefault((word(one), one.check, full_stop(say(one.reason)) + p), []).append(subject(one))
    return [(*key, subjects) for key, subjects in groups.items()]


def subject(verdict: Verdict) -> str:
    """`minilm · fp16 against REFERENCE`; of two results the first, A, comes first: `minilm: fp32 -> fp16`.

    What two sides share is said once.
    """
    return _sides(verdict, [side.name for side in (verdict.subject, verdict.against) if side], ARROW)


def frozen_name(verdict: Verdict) -> str:
    """The same as the grid spells values, and as it is for ever: `minilm: fp16 against fp32`."""
    return _sides(verdict, [side.label for side in (verdict.subject, verdict.against) if side], " against ")


def _sides(verdict: Verdict, sides: list[str], between: str) -> str:
    sides = [side for side in sides if side]
    if len(sides) < 2:
        return "".join(sides)
    if verdict.check in ONE_RESULT:
        return " against ".join(sides)
    if sides[0] == sides[1]:
        return sides[0]
    if between == ARROW or family(verdict) == "runs":
        sides.reverse()
    shared = [part for part in sides[0].split(SEPARATOR) if part in sides[1].split(SEPARATOR)]
    own = [apart(side, SEPARATOR.join(shared)) or "the same" for side in sides]
    # `batch=8`, or the version that names an environment: `transformers==5.0.0`.
    of = re.match(r"[^=]+==?", own[0])
    if between == ARROW and of and all(SEPARATOR not in one and one.startswith(of[0]) for one in own):
        own = [f"{of[0].rstrip('=')} {own[0].removeprefix(of[0])}", own[1].removeprefix(of[0])]
    return ": ".join(filter(None, [SEPARATOR.join(shared), between.join(own)]))


def apart(label: str, other: str) -> str:
    """What of `label` is its own; empty where the other has all of it."""
    known = other.split(SEPARATOR)
    return SEPARATOR.join(part for part in label.split(SEPARATOR) if part not in known)


def metric_name(verdict: Verdict) -> str:
    """`accuracy`, `F1`, as it stands within a sentence."""
    return metric_word(verdict.item)


def check_name(verdict: Verdict) -> str:
    """`quality`, `invariants: accumulation`."""
    return f"{verdict.check}: {verdict.item}" if family(verdict) == "runs" and verdict.item else verdict.check


def what(verdict: Verdict) -> str:
    """`minilm · fp16 against REFERENCE, accuracy`: whom it is about, and what was compared."""
    return f"{subject(verdict)}, {metric_name(verdict)}" if decision_of(verdict) else subject(verdict)


def sentence(verdict: Verdict) -> str:
    """`0.74 points below the reference, 90 % interval -1.90 to +0.40, margin 2.5 (2.4 sd of the 25 published runs)`.

    The reason alone where there is no difference of scores to show.
    """
    d = decision_of(verdict)
    if d is None:
        return say(verdict.reason)
    known = f"{level_text(d)} interval {interval(d)}" if d.ci_pass else "no interval"
    found = "no difference at any seed" if d.identical else f"{place_text(verdict, d)}, {known}"
    source = f" ({say(verdict.margin_from)})" if verdict.margin_from else ""
    return f"{found}, margin {trimmed(d.delta)}{source}"


def reason(verdict: Verdict) -> str:
    """What the reason says beyond the sentence."""
    return "" if decision_of(verdict) is None else say(verdict.reason)


def identity(verdict: Verdict) -> str:
    """`equal bit for bit at all 5 seeds`, or in all answers: what makes a PASS whatever its numbers; else empty."""
    because = _identical(verdict)
    return say(because) if because is not None else ""


def identity_in_short(verdict: Verdict) -> str:
    """`equal bit for bit`: the same without at which seeds."""
    because = _identical(verdict)
    return _IDENTICAL[because.code] if because is not None else ""


def _identical(verdict: Verdict) -> Fact | None:
    because = verdict.reason.values.get("because")
    if verdict.outcome != "PASS" or decision_of(verdict) is None or not isinstance(because, Fact):
        return None
    return because if because.code in _IDENTICAL else None


def outlook(verdict: Verdict) -> str:
    """`4 more seeds give an 80 % chance of a verdict`; empty where there is a verdict."""
    if verdict.todo:
        return "; ".join(say(fact) for fact in verdict.todo)
    if verdict.outcome != "INCONCLUSIVE" or verdict.more_seeds is None or family(verdict) != "scores":
        return ""
    one = verdict.more_seeds == 1
    return f"{verdict.more_seeds} more seed{'' if one else 's'} give{'s' if one else ''} an 80 % chance of a verdict"


def told(verdict: Verdict, *, todo: bool = True) -> list[str]:
    """Why the outcome is what it is, what to do about it and the waiver, a sentence each; of a speed its notes too."""
    parts = [say(verdict.reason), holm(verdict)]
    if family(verdict) == "scores":
        parts = [sentence(verdict), reason(verdict)]
    elif family(verdict) == "runs":
        parts = [": ".join(filter(None, [text, *(cause or ())])) for text, cause in found(verdict)]
    elif verdict.outcome == "PASS" and verdict.reason.code == _PLAIN:
        parts = []
    if todo and (ahead := outlook(verdict)) and verdict.outcome != "PASS":
        parts.append(f"To do: {ahead}" if family(verdict) == "speed" else ahead)
    parts += [say(note) for note in verdict.notes] if family(verdict) == "speed" else []
    # Of a speed they are among the notes above.
    parts += [say(note) for note in verdict.notes if note.code in _VOID and family(verdict) != "speed"]
    parts += [f"waived: {say(verdict.waiver)}"] if verdict.waived and verdict.waiver else []
    return [full_stop(clean(part, LIMIT)) for part in parts if part]


def found(verdict: Verdict) -> list[tuple[str, Cause | None]]:
    """(what was found, its cause) of each finding that made the outcome; the reason alone where no finding did."""
    made = [finding for finding in verdict.findings if finding.outcome == verdict.outcome != "PASS"]
    return [(finding_text(finding), _cause(finding)) for finding in made] or [(say(verdict.reason), None)]


def evidence(verdict: Verdict) -> list[str]:
    """What was seen beside the scores: where two results part and what that usually means, then the notes."""
    causes = [(finding_text(finding), _cause(finding)) for finding in verdict.findings]
    parted = [f"{text}; {cause[0]} means: {cause[1]}" if cause else text for text, cause in causes]
    return [*parted, *(say(note) for note in verdict.notes)]


def holm(verdict: Verdict) -> str:
    """`after Holm's correction p = 0.0002`; empty where it is no part of a family."""
    if verdict.adjusted_p is None:
        return ""
    p = chance(verdict.adjusted_p)
    return f"after Holm's correction p {'' if p.startswith('<') else '= '}{p}"


def provenance(verdict: Verdict) -> str:
    """As what a target of unknown provenance was taken; empty where it is known."""
    d = decision_of(verdict)
    return say(Fact.of("provenance.unknown", best_of=d.best_of)) if d and d.best_of else ""


def sd_note(verdict: Verdict) -> str:
    """What the reader of the sd must know."""
    d = decision_of(verdict)
    return say(d.sd.note) if d and d.sd and d.sd.note else ""


def place_text(verdict: Verdict, d: Decision) -> str:
    """`0.74 points below the reference`."""
    against = verdict.against.name if verdict.against else ""
    other = "the reference" if verdict.check == "quality" else apart(against, verdict.subject.name) or "the other"
    places = digits(d)
    if not math.isfinite(d.difference):
        return "No difference that is a number"
    size = f"{abs(d.difference):.{places}f}"
    if float(size) == 0:
        return f"No difference from {other} to {places} decimals" if d.difference else f"Equal to {other}"
    return f"{size} points {'below' if d.difference < 0 else 'above'} {other}"


def _cause(finding: Finding) -> Cause | None:
    text = cause_text(finding.cause) if finding.cause else ""
    return (finding.upstream or "usually", text) if finding.upstream or text else None
