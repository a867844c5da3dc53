"""What `diff` found, by layer: causes before consequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from harness.checks.verdict import Finding, Verdict
from harness.report.format.escape import clean
from harness.report.phrases.causes import cause_text
from harness.report.phrases.say import say

LIMIT: Final = 600

CONTEXT: Final[Mapping[str, str]] = {"asked": "Asked for otherwise:", "environment": "Environment:"}
DONE: Final[Mapping[str, str]] = {
    "exact": "What was done, exactly:",
    "trajectory": "The trajectory, step by step:",
    "outcome": "The outcome:",
}

Section = tuple[str, list[str]]
"""A heading and the lines under it; a heading without any says it all."""


def difference_sections(verdict: Verdict) -> list[Section]:
    """The tolerance, what was asked otherwise, where it ran, the first difference, the others, and what follows."""
    found = [finding for finding in verdict.findings if finding.fact.code == "difference"]
    first = next((one for layer in DONE for one in _of(found, layer)), None)
    sections = [] if verdict.margin_from is None else [_named("tolerance", [say(verdict.margin_from)])]
    sections += [(name, [_line(one) for one in _of(found, layer)]) for layer, name in CONTEXT.items()]
    if first is not None:
        cause = [f"usually means: {clean(cause_text(first.cause), LIMIT)}"] if first.cause else []
        sections.append((f"First difference: {_line(first)}", cause))
    for layer, name in DONE.items():
        sections.append((name, [_line(one) for one in _of(found, layer) if one is not first]))
    follow = dict.fromkeys(finding.item for finding in verdict.findings if finding.fact.code == "consequence")
    sections.append(_named("Follows from it", list(follow)))
    sections.append(_named("Not available", [say(fact) for fact in verdict.not_available]))
    return [(name, lines) for name, lines in sections if lines or not name.endswith(":")]


def _named(name: str, items: Sequence[str]) -> Section:
    """`Not available: a, b`: a heading that says it all, or that is left out."""
    return clean(f"{name}: {', '.join(items)}", LIMIT), []


def _of(found: Sequence[Finding], layer: str) -> list[Finding]:
    return [finding for finding in found if finding.fact.values.get("layer") == layer]


def _line(one: Finding) -> str:
    """What lies beyond the tolerance's promise is a warning."""
    return clean(f"{'(warning) ' if one.outcome == 'INCONCLUSIVE' else ''}{say(one.fact)}", LIMIT)
