"""Comparisons of speed as Markdown: the summary of a GitHub step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.checks.speed.compare import Comparison
from harness.report.format.escape import fenced, inline
from harness.report.format.table import table
from harness.report.verdicts.markdown import STEP_LIMIT, shortened
from harness.report.verdicts.speed_text import HOW, LIMIT, counts_text, facts, figures, ordered, subject, to_do
from harness.report.verdicts.words import full_stop

TITLE: Final = "harness compare"


def speed_markdown(
    comparisons: Sequence[Comparison], a: str, b: str, margin: float, *, command: str = "", limit: int = STEP_LIMIT
) -> str:
    """Return a section for a step's summary, within `limit` bytes; `margin` is a fraction."""
    every = ordered(comparisons)
    parts = [f"# {inline(TITLE)}", *([fenced(command, "sh")] if command else [])]
    parts += [f"A: {inline(a)}. B: {inline(b)}. Margin {100 * margin:g} %.", full_stop(counts_text(every))]
    rows = [
        [f"**{one.verdict}**" if one.verdict == "FAIL" else one.verdict, inline(subject(one)), *figures(one)]
        for one in every
    ]
    heads = ["Verdict", "Configuration", "Compared", "Ratio", "90 % interval", "Change", "MDE"]
    parts.append(table(heads, rows, "lllrcrr"))
    for one in every:
        told = facts(one, advice=False)
        if told:
            parts += [f"## {one.verdict}: {inline(subject(one))}"]
            parts.append("\n".join(f"- {inline(line, LIMIT)}" for line in told))
    todo = to_do(every)
    if todo:
        parts += ["## To do", "\n".join(f"- {inline(line, LIMIT)}" for line in todo)]
    parts.append(HOW)
    return shortened("\n\n".join(parts) + "\n", limit, "a step's summary on GitHub")
