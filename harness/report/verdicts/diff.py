"""What `diff` found: where the runs part and why, what both come to in numbers, then every difference by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from harness.checks.verdict import Fact, Finding, Verdict
from harness.report.format.escape import clean
from harness.report.phrases.causes import cause_text
from harness.report.phrases.say import say

LIMIT: Final = 600

CONTEXT: Final[Mapping[str, str]] = {
    "asked": "Asked for otherwise:",
    "environment": "Environment:",
    "harmless": "Cannot touch training:",
}
DONE: Final[Mapping[str, str]] = {
    "exact": "What was done, exactly:",
    "trajectory": "The trajectory, step by step:",
    "outcome": "The outcome:",
}

Section = tuple[str, list[str]]
"""A heading and the lines under it; a heading without any says it all."""


def difference_sections(verdict: Verdict) -> list[Section]:
    """The first difference with what explains it, both sides in numbers, the tolerance, and all else by layer."""
    found = [(finding, _difference(finding)) for finding in verdict.findings]
    shown = [(finding, fact) for finding, fact in found if fact is not None]
    first = next((one for one, fact in shown if one.outcome == "FAIL" and fact.values["layer"] in DONE), None)
    cause = verdict.reason.values.get("cause")
    sections = [] if first is None else [(f"First difference: {_line(first)}", _explained(first, cause))]
    sections += [("In numbers, A -> B:", [clean(say(fact), LIMIT) for fact in verdict.notes])]
    sections += [] if verdict.margin_from is None else [_named("Tolerance", [say(verdict.margin_from)])]
    for layer, name in {**CONTEXT, **DONE}.items():
        sections.append(
            (name, [_line(one) for one, fact in shown if fact.values["layer"] == layer and one is not first])
        )
    follow = [finding for finding in verdict.findings if finding.fact.code == "consequence"]
    sections.append(("Follows from it:", [_line(finding) for finding in follow]))
    sections.append(_named("Not available", [say(fact) for fact in verdict.not_available]))
    return [(name, lines) for name, lines in sections if lines or not name.endswith(":")]


def _explained(first: Finding, cause: object) -> list[str]:
    """What explains the first difference, and what such a one usually means or is known as."""
    lines = [f"explained by: {say(cause)}"] if isinstance(cause, Fact) and cause != first.fact else []
    if first.cause and not (lines and first.cause == "asked"):
        means = f"known as {first.upstream}" if first.upstream else "usually means"
        lines.append(f"{means}: {cause_text(first.cause)}")
    return [clean(line, LIMIT) for line in lines]


def _difference(finding: Finding) -> Fact | None:
    """The difference that a finding tells of; None where it tells of something else."""
    fact = finding.fact.values.get("difference") if finding.fact.code == "idle" else finding.fact
    return fact if isinstance(fact, Fact) and fact.code == "difference" else None


def _named(name: str, items: Sequence[str]) -> Section:
    """`Not available: a, b`: a heading that says it all, or that is left out."""
    return clean(f"{name}: {', '.join(items)}", LIMIT), []


def _line(one: Finding) -> str:
    """What lies beyond the tolerance's promise is a note."""
    return clean(f"{'(note) ' if one.outcome == 'INCONCLUSIVE' else ''}{say(one.fact)}", LIMIT)
