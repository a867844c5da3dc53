"""Findings in words: what was found, and what such a difference usually means, by its code (`Finding.cause`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from harness.checks.verdict import Finding
from harness.report.verdicts.phrases import say

CAUSES: Final[Mapping[str, str]] = {}


def cause_text(code: str) -> str:
    """The cause in words; the code itself where it has none (a newer harness wrote the file)."""
    return CAUSES.get(code, code)


def finding_text(finding: Finding) -> str:
    """The finding's fact, its item before it unless the fact names it (`phrases_verify`)."""
    text = say(finding.fact)
    return text if "item" in finding.fact.values else f"{finding.item}: {text}"
