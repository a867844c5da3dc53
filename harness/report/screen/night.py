"""A night on one screen: what is red in each grid, how much was measured, and the exit code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from harness.checks.verdict import Verdict
from harness.report.format.escape import clean
from harness.report.phrases.say import say
from harness.report.screen.verdicts import screen_text
from harness.report.verdicts.sections import Section
from harness.report.verdicts.words import LIMIT, counts_text, head_lines, ordered, subject, told, word

MOST_RED: Final = 6
"""Red verdicts of a section that are told one by one."""
MOST_CHARACTERS: Final = 240
"""Of what is told of one."""


def night_text(sections: Sequence[Section], code: int, seconds: str) -> str:
    """The summary of all sections; `seconds` is the night's time in words."""
    if len(sections) == 1 and sections[0].head.kind == "check":
        return screen_text(sections[0], seconds)
    lines = [line for one in sections for line in _section(one)]
    every = [verdict for one in sections for verdict in one.verdicts]
    errors = sum(bool(one.error) for one in sections)
    stopped = f", {errors} part{'' if errors == 1 else 's'} stopped" if errors else ""
    return "\n".join(
        [
            *lines,
            *([""] if lines[-1:] != [""] else []),
            f"{counts_text(every).rstrip('.')}{stopped}, in {seconds}: exit {code}",
        ]
    )


def _section(one: Section) -> Iterator[str]:
    head = one.head
    if head.kind == "check":
        yield from screen_text(one).split("\n")
        yield ""
        return
    kind = f"{one.name}, {head.kind}" if head.grid else one.name
    if one.why:
        yield f"{kind}: exit {one.code}: {_short(one.why)}"
    if not one.verdicts:
        return
    yield f"{kind}: {counts_text(one.verdicts, head.noun)}"
    for text in head_lines(head):
        yield f"  {text}"
    if head.kind == "compare":
        yield from _speeds(one.verdicts)
        return
    red = [verdict for verdict in ordered(one.deciding) if verdict.is_red(head.inconclusive)]
    for verdict in red[:MOST_RED]:
        yield f"  {word(verdict)} {verdict.check}: {clean(subject(verdict), LIMIT)}"
        yield f"    {_short(' '.join(told(verdict)))}"
    if len(red) > MOST_RED:
        yield f"  and {len(red) - MOST_RED} more"


def _speeds(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Each with its ratio or its estimate, whatever it came to: speed is red only where it FAILs, and told always."""
    for verdict in ordered(verdicts)[:MOST_RED]:
        estimate = next((note for note in verdict.notes if note.code == "speed.estimate"), verdict.reason)
        yield f"  {word(verdict)} speed: {clean(subject(verdict), LIMIT)}"
        yield f"    {_short(say(verdict.reason))}"
        if estimate is not verdict.reason:
            yield f"    {_short(say(estimate))}"
    if len(verdicts) > MOST_RED:
        yield f"  and {len(verdicts) - MOST_RED} more"


def _short(text: str) -> str:
    one_line = clean(" ".join(text.split()), LIMIT)
    return one_line if len(one_line) <= MOST_CHARACTERS else f"{one_line[: MOST_CHARACTERS - 1]}…"
