"""Verdicts as JUnit XML, for every CI that shows test results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from harness.checks.verdict import Finding, Verdict
from harness.report.format.escape import clean
from harness.report.format.junit_xml import Case
from harness.report.phrases.say import say
from harness.report.verdicts.text import facts
from harness.report.verdicts.words import Head, family, frozen_name, metric_name, subject, told
from harness.stats.decision import Decision
from harness.stats.throughput import Speed

LIMIT: Final = 2000


def cases(head: Head, verdicts: Sequence[Verdict]) -> list[Case]:
    """Return one test case a verdict, in the order given.

    The class name is `GRID.CHECK`, the name `CONFIGURATION against REFERENCE`: neither has a hash, a threshold or a
    label in it, for CI systems follow a test by them. FAIL is a failure, or skipped where it is waived; ERROR an error;
    SKIP skipped; INCONCLUSIVE a failure or skipped, by the policy. Properties hold the numbers and the ids.
    """
    taken: set[tuple[str, str]] = set()
    return [_case(verdict, head, taken) for verdict in verdicts]


def _case(v: Verdict, head: Head, taken: set[tuple[str, str]]) -> Case:
    parts = told(v)
    behind = facts(v) if family(v) == "scores" else parts
    return Case(
        classname=_text(f"{head.grid}.{v.check}" if head.grid else v.check),
        name=_name(v, taken),
        properties=[(key, _value(value)) for key, value in _properties(v) if value not in (None, "")],
        result=_result(v, head),
        message=" ".join(_text(part) for part in parts),
        kind=v.outcome,
        text="\n".join(_text(line) for line in [subject(v), *behind]),
    )


def _result(v: Verdict, head: Head) -> Literal["failure", "error", "skipped"] | None:
    if v.outcome == "PASS":
        return None
    if not v.is_red(head.inconclusive):
        return "skipped"
    return "error" if v.outcome == "ERROR" else "failure"


def _name(v: Verdict, taken: set[tuple[str, str]]) -> str:
    """A name of its own, and the same from day to day: CI systems follow a test by it."""
    name = frozen_name(v)
    if family(v) == "scores":
        # What was declared is a threshold, and the plan is no other side.
        other = v.against.label if v.against and v.check != "stability" else ""
        against = f" against {other}" if other else ""
        name = f"{v.subject.label}{against}{'' if v.item == 'accuracy' else f' ({metric_name(v)})'}"
    elif v.check == "invariants":
        name = f"{name} ({v.item})"
    candidates = [_text(name)]
    if family(v) == "scores":
        candidates.append(_text(f"{candidates[0]} in {v.subject.environment_id[:8]}"))
    free = next((one for one in candidates if (v.check, one) not in taken), None)
    number = 2
    while free is None:
        again = f"{candidates[-1]} #{number}"
        free, number = (again if (v.check, again) not in taken else None), number + 1
    taken.add((v.check, free))
    return free


def _properties(v: Verdict) -> Iterator[tuple[str, object]]:
    side, against = v.subject, v.against
    yield from [("outcome", v.outcome), ("metric", v.item), ("id", v.id)]
    yield from [("configuration_id", side.configuration_id), ("environment_id", side.environment_id)]
    if family(v) == "scores":
        yield from [("collapsed", side.collapsed), ("judged", side.ended)]
        yield from [("mean", side.mean), ("target", against.mean if against else None)]
    elif against:
        yield from [("a", against.label), ("b", side.label), ("a_configuration_id", against.configuration_id)]
    if isinstance(v.numbers, Decision):
        yield from _of_scores(v.numbers)
    elif isinstance(v.numbers, Speed):
        yield from _of_speed(v.numbers)
    yield from [("margin_from", say(v.margin_from) if v.margin_from else None), ("adjusted_p", v.adjusted_p)]
    yield from [("detectable", v.detectable), ("more_seeds", v.more_seeds)]
    if v.waiver is not None:
        yield from ((f"waiver_{name}", v.waiver.values.get(name)) for name in ("issue", "expires", "bound"))
    for finding in v.findings:
        yield from _of_finding(finding, values=family(v) == "speed")


def _of_finding(finding: Finding, *, values: bool) -> Iterator[tuple[str, object]]:
    """`gradient_norm_step` and `_ratio` of what failed; `device_memory_a`: the numbers in what was found."""
    item = finding.item.replace(" ", "_")
    if finding.outcome == "FAIL":
        yield from [(f"{item}_step", finding.step), (f"{item}_ratio", finding.ratio)]
    numbers = (pair for pair in finding.fact.values.items() if values and isinstance(pair[1], float | int))
    yield from ((f"{item}_{name}", value) for name, value in numbers)


def _of_scores(d: Decision) -> Iterator[tuple[str, object]]:
    yield from [("n", d.n), ("difference", d.difference), ("df", d.df), ("alpha", d.alpha), ("margin", d.delta)]
    yield from [("sd", d.sd.value), ("sd_source", d.sd.source)] if d.sd else []
    for name, interval in (("ci90", d.ci90), ("ci95", d.ci95)):
        yield from [(f"{name}_low", interval[0]), (f"{name}_high", interval[1])] if interval else []
    yield from [("p_diff", d.p_diff), ("p_tost", d.p_tost), ("direction", d.direction)]


def _of_speed(s: Speed) -> Iterator[tuple[str, object]]:
    yield from [("n", s.n), ("ratio", s.ratio), ("margin", s.margin), ("detectable", s.detectable)]
    yield from [("ci90_low", s.ci90[0]), ("ci90_high", s.ci90[1])] if s.ci90 else []
    yield from [("sd", s.sd), ("p_slower", s.p_slower)]


def _value(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else _text(value)


def _text(text: object) -> str:
    """Without what XML 1.0 cannot hold (controls, surrogates, U+FFFE): one line."""
    return clean(text, LIMIT).replace("\xa0", " ")
