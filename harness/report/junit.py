"""Judgements as JUnit XML, for every CI that shows test results."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Final

from harness.checks.judgement import Judgement
from harness.report import judgement_words as words
from harness.report.escape import clean
from harness.report.judgement_text import facts

LIMIT: Final = 2000

_COUNTED: Final = {"failure": "failures", "error": "errors", "skipped": "skipped"}


def to_junit(
    judgements: Sequence[Judgement], *, inconclusive: words.Inconclusive = "fail", name: str = "harness check"
) -> str:
    """Return one test case a judgement, in the order given; red there is red in the exit code.

    The class name is the check, the name `CONFIGURATION against REFERENCE`. FAIL is a failure, or skipped where it is
    waived; ERROR an error; SKIP skipped; INCONCLUSIVE a failure or skipped, by the policy. Properties hold the numbers.
    """
    root = ET.Element("testsuites")
    suite = ET.SubElement(root, "testsuite", name=_text(name))
    counts = dict.fromkeys(_COUNTED.values(), 0)
    taken: set[tuple[str, str]] = set()
    for judgement in judgements:
        result = _case(suite, judgement, inconclusive, taken)
        if result is not None:
            counts[_COUNTED[result]] += 1
    for element in (suite, root):
        element.set("tests", str(len(judgements)))
        for counted, number in counts.items():
            if element is suite or counted != "skipped":  # the schemas know no skipped of all suites
                element.set(counted, str(number))
    ET.indent(root, " ")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _case(suite: ET.Element, j: Judgement, inconclusive: words.Inconclusive, taken: set[tuple[str, str]]) -> str | None:
    case = ET.SubElement(suite, "testcase", classname=j.check, name=_name(j, taken))
    properties = ET.SubElement(case, "properties")
    for key, value in _properties(j):
        ET.SubElement(properties, "property", name=key, value=_text(value))
    result = _result(j, inconclusive)
    if result is None:
        return None
    parts = [words.sentence(j), words.reason(j), words.outlook(j), f"waived: {j.waiver}" if words.waived(j) else ""]
    message = " ".join(words.full_stop(_text(part)) for part in parts if part)
    element = ET.SubElement(case, result, message=message)
    if result != "skipped":  # text alone in the schemas, and its message says it
        element.set("type", j.outcome)
        element.text = "\n".join(_text(line) for line in [words.subject(j), *facts(j)])
    return result


def _result(j: Judgement, inconclusive: words.Inconclusive) -> str | None:
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
