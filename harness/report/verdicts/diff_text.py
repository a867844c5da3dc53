"""Two runs side by side as plain lines: what was asked otherwise, where they ran, what differs first, what follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from harness.checks.verdict import Finding, Verdict
from harness.report.format.escape import clean
from harness.report.verdicts.causes import cause_text
from harness.report.verdicts.phrases import say

CONTEXT: Final[Mapping[str, str]] = {"asked": "Asked for otherwise", "environment": "Environment"}
DONE: Final[Mapping[str, str]] = {
    "exact": "What was done, exactly",
    "trajectory": "The trajectory, step by step",
    "outcome": "The outcome",
}


def diff_text(verdict: Verdict, folders: Sequence[str] = ()) -> str:
    """Render a `diff`; `folders` say where the two runs lie, A's first."""
    names = [side.label for side in (verdict.against, verdict.subject) if side is not None]
    places = [f" ({folder})" for folder in folders] or [""] * len(names)
    lines = [f"{letter}: {clean(name + place)}" for letter, name, place in zip("AB", names, places, strict=True)]
    if verdict.margin_from is not None:
        lines.append(f"tolerance: {say(verdict.margin_from)}")
    found = [finding for finding in verdict.findings if finding.fact.code == "difference"]
    for layer, heading in CONTEXT.items():
        lines += _section(heading, _of(found, layer))
    first = next((finding for layer in DONE for finding in _of(found, layer)), None)
    if first is not None:
        lines += ["", f"First difference: {clean(say(first.fact), 600)}"]
        lines += [f"  usually means: {clean(cause_text(first.cause), 600)}"] if first.cause else []
    for layer, heading in DONE.items():
        lines += _section(heading, [finding for finding in _of(found, layer) if finding is not first])
    follow = [finding.item for finding in verdict.findings if finding.fact.code == "consequence"]
    for heading, names in (
        ("Follows from it", list(dict.fromkeys(follow))),
        ("Not available", [say(fact) for fact in verdict.not_available]),
    ):
        lines += ["", f"{heading}: {clean(', '.join(names), 600)}"] if names else []
    reason = say(verdict.reason)
    return "\n".join([*lines, "", f"{reason[:1].upper()}{reason[1:]}."])


def _of(found: Sequence[Finding], layer: str) -> list[Finding]:
    return [finding for finding in found if finding.fact.values["layer"] == layer]


def _section(heading: str, found: Sequence[Finding]) -> list[str]:
    return ["", f"{heading}:", *(f"  {_mark(one)}{clean(say(one.fact), 600)}" for one in found)] if found else []


def _mark(finding: Finding) -> str:
    return "(warning) " if finding.outcome == "INCONCLUSIVE" else ""
