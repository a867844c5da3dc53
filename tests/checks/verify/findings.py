"""What the findings of a verdict say, in short."""

from __future__ import annotations

from harness.checks.verdict import Fact, Finding, Verdict


def failed(verdict: Verdict) -> list[str]:
    return [finding.item for finding in verdict.failures]


def several(finding: Finding) -> list[Fact]:
    """The facts of a finding that has several."""
    assert finding.fact.code == "several"
    return list(finding.fact.values["facts"])


def found(verdict: Verdict, item: str) -> Finding:
    (finding,) = [one for one in verdict.findings if one.item == item]
    return finding
