"""What is red as one text to paste into an issue: what, against what, since when, the numbers, how to see it again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.checks.scores.judgement import Judgement
from harness.report.format.escape import clean, code, fenced, inline
from harness.report.format.table import table
from harness.report.verdicts import words
from harness.report.verdicts.markdown import judgement_section, shortened
from harness.report.verdicts.text import LIMIT

BODY_LIMIT: Final = 65_000
"""Bytes: an issue's body on GitHub holds 65,536 characters."""

_NAMES: Final = {
    "n": "runs",
    "mean": "mean",
    "target": "target",
    "difference": "difference",
    "sd": "sd",
    "df": "df",
    "source": "sd from",
    "ci90": "90 % interval",
    "ci95": "95 % interval",
    "p_diff": "p_diff",
    "p_tost": "p_tost",
    "holm": "p after Holm",
    "alpha": "alpha",
    "margin": "margin",
    "detectable": "detectable",
    "more": "more seeds",
}


def issue_text(
    judgements: Sequence[Judgement],
    *,
    command: str,
    since: str | None = None,
    inconclusive: words.Inconclusive = "fail",
    limit: int = BODY_LIMIT,
) -> str:
    """Return Markdown of at most `limit` bytes, its heading fit for a title; empty where nothing is red.

    `command` is what shows it again; `since` names the baseline (a date, a version, a commit) that was still well.

    Raises
    ------
    ValueError
        Where the limit is below 1,000 bytes.
    """
    red = [judgement for judgement in words.ordered(judgements) if words.is_red(judgement, inconclusive)]
    if not red:
        return ""
    others = f", and {len(red) - 1} more" if len(red) > 1 else ""
    parts = [f"## {_title(red[0])}{others}", words.full_stop(words.counts_text(judgements))]
    if since:
        parts.append(f"Since the baseline {code(since, LIMIT)}.")
    parts += ["To see it again:", fenced(command, "sh")]
    for judgement in red:
        section = judgement_section(judgement, 3) or [f"### {_title(judgement)}", inline(judgement.why, LIMIT)]
        parts += [*section[:1], _whom(judgement)]
        parts += [] if words.compared(judgement) else [inline(words.full_stop(clean(judgement.why, LIMIT)), LIMIT)]
        parts += section[1:] if judgement_section(judgement, 3) else []
        parts += [_numbers(judgement)] if words.compared(judgement) else []
    if any(words.compared(judgement) for judgement in red):
        parts.append(words.HOW)
    return shortened("\n\n".join(parts) + "\n", limit, "an issue on GitHub")


def _title(judgement: Judgement) -> str:
    said = f"{words.word(judgement)}, {judgement.check}: {words.subject(judgement)}"
    return inline(said, LIMIT)


def _whom(j: Judgement) -> str:
    return f"Configuration {code(j.configuration_id)}, environment {code(j.environment_id)}."


def _numbers(judgement: Judgement) -> str:
    row = words.figures(judgement)
    return table(["Number", "Value"], [[name, row[key]] for key, name in _NAMES.items()], "lr")
