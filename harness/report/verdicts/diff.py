"""What `diff` found, by layer: causes before consequences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from harness.checks.verdict import Finding, Verdict
from harness.report.format.escape import clean
from harness.report.verdicts.causes import cause_text
from harness.report.verdicts.phrases import say

LIMIT: Final = 600

CONTEXT: Final[Mapping[str, str]] = {"asked": "asked for otherwise", "environment": "environment"}
DONE: Final[Mapping[str, str]] = {
    "exact": "what was done, exactly",
    "trajectory": "the trajectory, step by step",
    "outcome": "the outcome",
}


def difference_lines(verdict: Verdict) -> list[str]:
    """The reason, what was asked otherwise, where it ran, the first difference, the others, and what follows."""
    found = [finding for finding in verdict.findings if finding.fact.code == "difference"]
    lines = [say(verdict.reason), *(_line(name, one) for layer, name in CONTEXT.items() for one in _of(found, layer))]
    done = [(name, one) for layer, name in DONE.items() for one in _of(found, layer)]
    for number, (name, one) in enumerate(done):
        lines.append(_line("first difference" if number == 0 else name, one))
        if number == 0 and one.cause:
            lines.append(f"usually means: {cause_text(one.cause)}")
    follow = dict.fromkeys(finding.item for finding in verdict.findings if finding.fact.code == "consequence")
    lines += [f"follows from it: {', '.join(follow)}"] if follow else []
    return [clean(line, LIMIT) for line in lines]


def _of(found: list[Finding], layer: str) -> list[Finding]:
    return [finding for finding in found if finding.fact.values.get("layer") == layer]


def _line(name: str, one: Finding) -> str:
    """What lies beyond the tolerance's promise is a warning."""
    return f"{name}: {'(warning) ' if one.outcome == 'INCONCLUSIVE' else ''}{say(one.fact)}"
