"""What is red as one text to paste into an issue: what, against what, since when, the numbers, how to see it again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.checks.verdict import Verdict
from harness.report.format.escape import code, fenced, full_stop, inline
from harness.report.format.table import table
from harness.report.verdicts.figures import score_figures
from harness.report.verdicts.markdown import NUMBERS, shortened, verdict_section
from harness.report.verdicts.words import (
    HOW,
    LIMIT,
    Head,
    counts_text,
    decision_of,
    ordered,
    sentence,
    subject,
    word,
)

BODY_LIMIT: Final = 65_000
"""Bytes: an issue's body on GitHub holds 65,536 characters."""


def issue_text(head: Head, verdicts: Sequence[Verdict], *, limit: int = BODY_LIMIT) -> str:
    """Return Markdown of at most `limit` bytes, its heading fit for a title; empty where nothing is red.

    `head.command` is what shows it again.

    Raises
    ------
    ValueError
        Where the limit is below 1,000 bytes.
    """
    red = [verdict for verdict in ordered(verdicts) if verdict.is_red(head.inconclusive)]
    if not red:
        return ""
    others = f", and {len(red) - 1} more" if len(red) > 1 else ""
    parts = [f"## {_title(red[0])}{others}", full_stop(counts_text(verdicts, head.noun))]
    parts += ["To see it again:", fenced(head.command, "sh")]
    parts += [part for verdict in red for part in _part(verdict)]
    parts += [HOW["scores"]] if any(decision_of(verdict) for verdict in red) else []
    return shortened("\n\n".join(parts) + "\n", limit, "an issue on GitHub")


def _part(verdict: Verdict) -> list[str]:
    heading, *rest = verdict_section(verdict, 3) or [f"### {_title(verdict)}"]
    numbers = score_figures(verdict)
    why = [] if numbers else [inline(full_stop(sentence(verdict)), LIMIT)]
    side = verdict.subject
    whom = f"Configuration {code(side.configuration_id)}, environment {code(side.environment_id)}."
    rows = [[name, numbers[key]] for key, name in NUMBERS.items() if numbers[key]] if numbers else []
    return [heading, whom, *why, *rest, *([table(["Number", "Value"], rows, "lr")] if rows else [])]


def _title(verdict: Verdict) -> str:
    return inline(f"{word(verdict)}, {verdict.check}: {subject(verdict)}", LIMIT)
