"""What a selftest found: a line a trial, for a terminal and as a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from harness.checks.verdict import Verdict
from harness.report.format.escape import clean, inline
from harness.report.format.table import table
from harness.report.format.width import listing
from harness.report.phrases.say import say
from harness.report.verdicts.sections import Section
from harness.report.verdicts.words import LIMIT

WIDTH: Final = 120
SAID: Final = 50
"""Columns of what a command said, on a terminal."""
HEADS: Final = ("", "planted", "command", "exit", "said")
HOW: Final = (
    "A small grid of a tiny BERT really ran twice here, and short runs that verify it. Each fault is planted in a copy "
    "of what these runs left, and judged by the code of the command. Found: it ends as it must, and names the fault."
)


def selftest_text(section: Section) -> str:
    """The answer, a line a trial, and in full whatever was missed or raised without a fault."""
    rows = [[_word(one), say(one.reason.values["fault"]), *_ends(one), _short(one)] for one in section.verdicts]
    wrong = [clean(say(one.reason), LIMIT) for one in section.verdicts if one.outcome not in ("PASS", "SKIP")]
    listed = ["", "Not as it must be:", *(f"  {line}" for line in wrong)] if wrong else []
    lines = listing(HEADS, rows)
    return "\n".join([*_answer(section), "", lines, *listed])


def selftest_markdown(section: Section) -> str:
    """The same as Markdown, with all that was said."""
    rows = [
        [_word(one), inline(say(one.reason.values["fault"])), *_ends(one), inline(_said(one))]
        for one in section.verdicts
    ]
    title, *more = _answer(section)
    return "\n\n".join(
        [f"# {section.head.title}: exit {section.code}", title, *map(inline, more), HOW, table(HEADS, rows, "lllrl")]
    ) + "\n"  # fmt: skip


def _answer(section: Section) -> Iterator[str]:
    yield from (clean(say(fact), LIMIT) for fact in (*section.head.facts, *section.head.where))


def _word(one: Verdict) -> str:
    if one.outcome == "SKIP":
        return "not measured"
    clean_trial = one.reason.values["clean"]
    if one.outcome == "PASS":
        return "quiet" if clean_trial else "found"
    return "FALSE ALARM" if clean_trial else "MISSED"


def _ends(one: Verdict) -> list[str]:
    return [str(one.reason.values["command"]), str(one.reason.values["ended"])]


def _said(one: Verdict) -> str:
    return clean(say(one.reason.values["said"]), LIMIT)


def _short(one: Verdict) -> str:
    said = _said(one)
    return said if len(said) <= SAID else f"{said[: SAID - 1]}…"
