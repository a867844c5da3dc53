"""Judgements as JUnit XML, for every CI that shows test results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from harness.checks.scores.judgement import Judgement
from harness.report.format.escape import clean
from harness.report.format.junit_xml import Case, junit_xml
from harness.report.verdicts import words
from harness.report.verdicts.text import facts

LIMIT: Final = 2000


def to_junit(
    judgements: Sequence[Judgement], *, inconclusive: words.Inconclusive = "fail", name: str = "harness check"
) -> str:
    """Return one test case a judgement, in the order given; red there is red in the exit code.

    The class name is the check, the name `CONFIGURATION against REFERENCE`. FAIL is a failure, or skipped where it is
    waived; ERROR an error; SKIP skipped; INCONCLUSIVE a failure or skipped, by the policy. Properties hold the numbers.
    """
    taken: set[tuple[str, str]] = set()
    return junit_xml(_text(name), [_case(judgement, inconclusive, taken) for judgement in judgements])


def _case(j: Judgement, inconclusive: words.Inconclusive, taken: set[tuple[str, str]]) -> Case:
    parts = [words.sentence(j), words.reason(j), words.outlook(j), f"waived: {j.waiver}" if words.waived(j) else ""]
    return Case(
        classname=j.check,
        name=_name(j, taken),
        properties=[(key, _text(value)) for key, value in _properties(j)],
        result=_result(j, inconclusive),
        message=" ".join(words.full_stop(_text(part)) for part in parts if part),
        kind=j.outcome,
        text="\n".join(_text(line) for line in [words.subject(j), *facts(j)]),
    )


def _result(j: Judgement, inconclusive: words.Inconclusive) -> Literal["failure", "error", "skipped"] | None:
    if j.outcome == "PASS":
        return None
    if not words.is_red(j, inconclusive):
        return "skipped"
    return "error" if j.outcome == "ERROR" else "failure"


def _name(j: Judgement, taken: set[tuple[str, str]]) -> str:
    """A name of its own, and the same from day to day: CI systems follow a test by it."""
    against = f" against {j.against}" if j.against else ""
    metric = "" if j.metric == "accuracy" else f" ({words.metric_name(j)})"
    name = _text(f"{j.configuration}{against}{metric}")
    candidates = [name, _text(f"{name} in {j.environment_id[:8]}")]
    free = next((one for one in candidates if (j.check, one) not in taken), None)
    number = 2
    while free is None:
        again = f"{candidates[-1]} #{number}"
        free, number = (again if (j.check, again) not in taken else None), number + 1
    taken.add((j.check, free))
    return free


def _properties(j: Judgement) -> list[tuple[str, str]]:
    d = j.decision
    values: list[tuple[str, object]] = [
        ("outcome", j.outcome),
        ("metric", j.metric),
        ("configuration_id", j.configuration_id),
        ("environment_id", j.environment_id),
        ("collapsed", j.collapsed),
        ("judged", j.judged),
        ("mean", j.mean),
        ("target", j.target),
    ]
    if d is not None:
        values += [("n", d.n), ("difference", d.difference), ("df", d.df), ("alpha", d.alpha), ("margin", d.delta)]
        values += [("sd", d.sd.value), ("sd_source", d.sd.source)] if d.sd else []
        for name, interval in (("ci90", d.ci90), ("ci95", d.ci95)):
            values += [(f"{name}_low", interval[0]), (f"{name}_high", interval[1])] if interval else []
        values += [("p_diff", d.p_diff), ("p_tost", d.p_tost), ("direction", d.direction)]
    values += [
        ("margin_from", j.margin_from or None),
        ("adjusted_p", j.adjusted_p),
        ("detectable", j.detectable),
        ("more_seeds", j.more_seeds),
    ]
    return [(key, f"{v:.6g}" if isinstance(v, float) else str(v)) for key, v in values if v is not None]


def _text(text: object) -> str:
    """Without what XML 1.0 cannot hold (controls, surrogates, U+FFFE): one line."""
    return clean(text, LIMIT).replace("\xa0", " ")
