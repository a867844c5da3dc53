"""Comparisons of speed for a CI: JUnit XML, and the annotations of GitHub."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from typing import Final

from harness.checks.speed import Comparison
from harness.report.annotations import MOST, workflow_command
from harness.report.escape import clean
from harness.report.judgement_words import Inconclusive
from harness.report.speed_text import LIMIT, facts, is_red, ordered, subject

CLASS: Final = "speed"
_COUNTED: Final = {"failure": "failures", "error": "errors", "skipped": "skipped"}


def speed_junit(
    comparisons: Sequence[Comparison], *, inconclusive: Inconclusive = "fail", name: str = "harness compare"
) -> str:
    """Return one test case a configuration, in the order given; red there is red in the exit code.

    FAIL is a failure, ERROR an error, SKIP skipped, INCONCLUSIVE a failure or skipped by the policy.
    """
    root = ET.Element("testsuites")
    suite = ET.SubElement(root, "testsuite", name=clean(name))
    counts = dict.fromkeys(_COUNTED.values(), 0)
    taken: dict[str, int] = {}
    for one in comparisons:
        label = clean(subject(one))
        taken[label] = taken.get(label, 0) + 1
        numbered = f"{label} #{taken[label]}" if taken[label] > 1 else label
        case = ET.SubElement(suite, "testcase", classname=CLASS, name=numbered)
        properties = ET.SubElement(case, "properties")
        for key, value in _properties(one):
            ET.SubElement(properties, "property", name=key, value=value)
        result = _result(one, inconclusive)
        if result is not None:
            counts[_COUNTED[result]] += 1
            told = facts(one)
            element = ET.SubElement(case, result, message=" ".join(told))
            if result != "skipped":  # text alone in the schemas, and its message says it
                element.set("type", one.verdict)
                element.text = "\n".join([label, *told])
    for element in (suite, root):
        element.set("tests", str(len(comparisons)))
        for counted, number in counts.items():
            if element is suite or counted != "skipped":  # the schemas know no skipped of all suites
                element.set(counted, str(number))
    ET.indent(root, " ")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def speed_commands(comparisons: Iterable[Comparison], *, inconclusive: Inconclusive = "fail") -> str:
    """Return `::error` for what is red and `::warning` for other INCONCLUSIVE, at most 10 of each; empty for none."""
    every = ordered(comparisons)
    red = [one for one in every if is_red(one, inconclusive)]
    doubtful = [one for one in every if one.verdict == "INCONCLUSIVE" and one not in red]
    lines, left = [], 0
    for command, group in (("error", red), ("warning", doubtful)):
        for one in group[:MOST]:
            message = f"{clean(subject(one))}\n{' '.join(facts(one))}"
            lines.append(workflow_command(command, f"{one.verdict} {CLASS}", message))
        left += len(group[MOST:])
    if left:
        said = f"{left:,} more left out: GitHub shows {MOST} of each type. The log has them all."
        lines.append(workflow_command("notice", "harness compare", said))
    return "".join(f"{line}\n" for line in lines)


def _result(one: Comparison, inconclusive: Inconclusive) -> str | None:
    if one.verdict == "PASS":
        return None
    if not is_red(one, inconclusive):
        return "skipped"
    return "error" if one.verdict == "ERROR" else "failure"


def _properties(one: Comparison) -> list[tuple[str, str]]:
    values: list[tuple[str, object]] = [
        ("outcome", one.verdict), ("design", one.design), ("a", one.a or None), ("b", one.b or None),
        ("configuration_ids", " ".join(one.configuration_ids) or None), ("noisy", one.noisy),
        ("confirmed", one.confirmed or None),
    ]  # fmt: skip
    s = one.speed
    if s is not None:
        values += [("n", s.n), ("ratio", s.ratio), ("margin", s.margin), ("detectable", s.detectable), ("sd", s.sd)]
        values += [("ci90_low", s.ci90[0]), ("ci90_high", s.ci90[1])] if s.ci90 else []
        values += [("p_slower", s.p_slower), ("adjusted_p", one.adjusted_p)]
    for name, memory in (("memory_mib", one.memory), ("process_mib", one.process_memory)):
        values += [(f"{name}_a", memory.a), (f"{name}_b", memory.b)] if memory else []
    return [(key, f"{v:.6g}" if isinstance(v, float) else clean(v, LIMIT)) for key, v in values if v is not None]
