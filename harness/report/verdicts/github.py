"""Judgements as GitHub workflow commands: lines that become annotations of the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.checks.scores.judgement import Judgement
from harness.report.format.escape import clean
from harness.report.verdicts import words

MOST: Final = 10
"""GitHub shows so many annotations of a type for one step, and drops the rest without a word."""

LIMIT: Final = 1000


def workflow_commands(judgements: Sequence[Judgement], *, inconclusive: words.Inconclusive = "fail") -> str:
    """Return `::error` for what is red and `::warning` for other INCONCLUSIVE and waived FAILs; empty for none.

    The worst come first, at most 10 of each type; a `::notice` counts those left out.
    """
    lines: list[str] = []
    every = words.ordered(judgements)
    red = [j for j in every if words.is_red(j, inconclusive)]
    doubtful = [j for j in every if j not in red and (j.outcome == "INCONCLUSIVE" or words.waived(j))]
    left = []
    for command, group in (("error", red), ("warning", doubtful)):
        lines += [workflow_command(command, f"{words.word(j)} {j.check}", _message(j)) for j in group[:MOST]]
        if len(group) > MOST:
            left.append(f"{len(group) - MOST:,} more {command}{'s' * (len(group) > MOST + 1)}")
    if left:
        said = f"{' and '.join(left)} left out: GitHub shows {MOST} of each type. The log has them all."
        lines.append(workflow_command("notice", "harness check", said))
    return "".join(f"{line}\n" for line in lines)


def workflow_command(name: str, title: str, message: str) -> str:
    """`::error title=TITLE::MESSAGE`, so escaped that neither can end the command nor begin another."""
    return f"::{name} title={_property(title)}::{_data(message)}"


def _message(judgement: Judgement) -> str:
    parts = [words.sentence(judgement), words.reason(judgement), words.outlook(judgement)]
    parts += [f"waived: {judgement.waiver}"] if words.waived(judgement) else []
    said = " ".join(words.full_stop(clean(part, LIMIT)) for part in parts if part)
    return f"{clean(words.subject(judgement), LIMIT)}\n{said}"


def _data(text: str) -> str:
    """As the runner reads a command's value: % first, for it begins every escape."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
