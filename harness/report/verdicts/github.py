"""Verdicts as GitHub workflow commands: lines that become annotations of the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.checks.verdict import Verdict
from harness.report.format.escape import clean
from harness.report.verdicts.words import Head, ordered, subject, told, word

MOST: Final = 10
"""GitHub shows so many annotations of a type for one step, and drops the rest without a word."""

LIMIT: Final = 1000


def workflow_commands(head: Head, verdicts: Sequence[Verdict]) -> str:
    """Return `::error` for what is red and `::warning` for other INCONCLUSIVE and FAIL; empty for none.

    The worst come first, at most 10 of each type; a `::notice` counts those left out.
    """
    lines: list[str] = []
    every = ordered(verdicts)
    red = [one for one in every if one.is_red(head.inconclusive)]
    doubtful = [one for one in every if one not in red and (one.outcome == "INCONCLUSIVE" or one.outcome == "FAIL")]
    left = []
    for command, group in (("error", red), ("warning", doubtful)):
        lines += [workflow_command(command, f"{word(one)} {one.check}", _message(one)) for one in group[:MOST]]
        if len(group) > MOST:
            left.append(f"{len(group) - MOST:,} more {command}{'s' if len(group) > MOST + 1 else ''}")
    if left:
        said = f"{' and '.join(left)} left out: GitHub shows {MOST} of each type. The log has them all."
        lines.append(workflow_command("notice", head.title, said))
    return "".join(f"{line}\n" for line in lines)


def workflow_command(name: str, title: str, message: str) -> str:
    """`::error title=TITLE::MESSAGE`, so escaped that neither can end the command nor begin another."""
    return f"::{name} title={_property(title)}::{_data(message)}"


def _message(verdict: Verdict) -> str:
    return f"{clean(subject(verdict), LIMIT)}\n{' '.join(told(verdict))}"


def _data(text: str) -> str:
    """As the runner reads a command's value: % first, for it begins every escape."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
