"""What a command came to, read from outside: exit code, last line, JUnit, step summary; and whether that is right."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Judged = Literal["right", "GREEN", "0", "other code", "no reason", "green file", "not made"]


@dataclass(frozen=True)
class Outcome:
    """One command's process. `text` is all that it handed out: both streams, Markdown, JUnit and the step summary."""

    code: int
    last: str = ""
    text: str = ""
    junit: dict[str, int] | None = None
    summary: str | None = None
    seconds: float = 0.0
    lines: tuple[str, ...] = field(default=())

    def facts(self) -> dict[str, Any]:
        """For the JSON: all but the whole text."""
        return {name: value for name, value in asdict(self).items() if name != "text"}


def junit_counts(path: Path) -> dict[str, int] | None:
    """Tests, failures, errors and skipped of a JUnit file; None where there is none that can be read."""
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError):
        return None
    found = {"tests": len(list(root.iter("testcase")))}
    return found | {
        f"{name}{'' if name == 'skipped' else 's'}": len(list(root.iter(name)))
        for name in ("failure", "error", "skipped")
    }


def says(text: str, words: str) -> str | None:
    """The line that has the pattern, also where the line was wrapped; None where none has."""
    if not words:
        return ""
    for line in text.splitlines():
        if re.search(words, line):
            return line.strip()
    found = re.search(words, " ".join(text.split()))
    return None if found is None else found[0]


def judge(outcome: Outcome, words: str, codes: Sequence[int] | None) -> Judged:
    """Whether a command did what the list asks: `codes` what it must end with, None where it must only say it."""
    said = says(outcome.text, words) is not None
    if outcome.code == 0:
        if not said or not words:
            return "GREEN"
        return "right" if codes is None else "0"
    if codes is not None and outcome.code not in codes:
        return "other code"
    if not said:
        return "no reason"
    counts = outcome.junit
    if counts is not None and not counts["failures"] + counts["errors"] + counts["skipped"]:
        return "green file"
    return "right"
