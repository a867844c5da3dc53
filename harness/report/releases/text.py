"""A history of releases on a terminal: the answer, each change, what could not be probed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from harness.checks.verdict import Verdict
from harness.report.format.escape import clean
from harness.report.phrases.diff import ratio_text
from harness.report.phrases.say import say
from harness.report.verdicts.sections import Section
from harness.report.verdicts.words import LIMIT

MOST: Final = 6
"""Fields of one step that are told; the page has all."""


def bisect_text(section: Section) -> str:
    """The answer first, then a block a step."""
    lines = [clean(say(fact), LIMIT) for fact in section.head.facts]
    for one in section.verdicts:
        if one.findings and _was_asked(section, one):
            lines += ["", f"{_short(one.against.label if one.against else '')} -> {one.item}", *_fields(one)]
    errors = [one for one in section.verdicts if one.outcome == "ERROR"]
    lines += ["", *(clean(say(one.reason), LIMIT) for one in errors)] if errors else []
    return "\n".join(lines)


def _was_asked(section: Section, one: Verdict) -> bool:
    return one.item in {change["b"] for change in section.head.facts[0].values["changes"]}


def _fields(one: Verdict) -> Iterator[str]:
    for finding in one.findings[:MOST]:
        ratio = f" ({ratio_text(finding.ratio)})" if finding.ratio is not None and finding.step is not None else ""
        step = f", first at step {finding.step}" if finding.step is not None else ""
        yield f"  {clean(say(finding.fact), LIMIT)}{ratio}{step}"
    if len(one.findings) > MOST:
        yield f"  and {len(one.findings) - MOST} more fields"


def _short(label: str) -> str:
    return label.rpartition(" ")[2]
