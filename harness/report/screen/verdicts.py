"""`check` on one screen: what, how much, since when, why, and what to do next; the evidence is `harness why ID`'s."""

from __future__ import annotations

import itertools
import shlex
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from harness.checks.verdict import Fact, Verdict
from harness.report.format.escape import clean
from harness.report.format.numbers import digits, points, signed, trimmed
from harness.report.format.width import fits
from harness.report.phrases.head import freshness_text
from harness.report.phrases.past import again_options
from harness.report.phrases.recipe import many
from harness.report.phrases.say import say
from harness.report.verdicts.comparisons import comparisons_lines
from harness.report.verdicts.sections import Section
from harness.report.verdicts.words import (
    LIMIT,
    Head,
    decision_of,
    metric_name,
    ordered,
    place_text,
    subject,
    waiver_lines,
    word,
)
from harness.text import listed, told_apart

WIDTH: Final = 80
LINES: Final = 25
"""What a terminal shows at once."""
GREEN_LINES: Final = 15
_KEPT: Final = "\xa0"
"""A space at which no line breaks; printed as an ordinary one."""
MARGIN: Final = 6
"""Columns before what is behind a line."""
_FIRST: Final = frozenset({"run.under_way", "device.health"})
"""What says that all below is not the last word, or that the machine is sick: never cut off."""
_TOLD_ELSEWHERE: Final = frozenset({"past.again", "past.runs"})
MOST_RED: Final = 3
"""Red configurations that are told one by one."""
MOST_REASONS: Final = 2
MOST_WHY: Final = 6
"""Lines of why nothing was judged, where nothing else says it."""
MOST_ROWS: Final = 6
"""Of a green night."""


def screen_text(section: Section, took: str = "") -> str:
    """The answer first, then each red configuration, what passed, notes, counts with the exit code, next commands.

    At most 25 lines of 80 columns, and 15 where nothing is red; what does not fit is counted. `took` is the time that
    it took, in words.
    """
    head, every = section.head, ordered(section.verdicts)
    red = [one for one in ordered(section.deciding) if one.is_red(head.inconclusive)]
    top = [*_title(section, every, red), *_rests_on(head)]
    foot = [_counts(every, section.code, took), *_next(head, red, every)]
    room = (LINES if red or section.code else GREEN_LINES) - len(top) - len(foot) - 2
    rest = [*_passed(every, red)]
    rest += [] if red else _rows(every, room - len(rest) - bool(head.facts))
    body = _red(red, every, max(room - min(len(rest), 4) - 1, MARGIN))
    body += rest[: max(room - len(body) - bool(head.facts), 1)]
    body += _notes(head, room - len(body), "" if red else section.why)
    return "\n".join([*top, *(["", *body] if body else []), "", *foot])


def _title(section: Section, every: Sequence[Verdict], red: Sequence[Verdict]) -> Iterator[str]:
    name, total = clean(section.name), len(every)
    if not red and section.why:
        yield from _wrapped(f"exit {section.code}  {name}: {clean(section.why, LIMIT)}", "", MOST_WHY)
    elif not red:
        warned = any(one.warning is not None for one in every)
        counts = Counter(one.outcome for one in every)
        verb = "passes" if total == 1 else "pass"
        # Excused by the policy, and still not known: DESIGN section 5.
        undecided = sum(one.outcome == "INCONCLUSIVE" and one.gates for one in every)
        excused = f"INCONCLUSIVE  {name}: {undecided} undecided (--inconclusive pass), "
        first = excused if undecided else f"PASS  {name}: "
        passed = f"{first}{counts['PASS']} of {many(total, 'verdict')} {verb}"
        yield from _wrapped(f"{passed}{', with a warning' * warned}", "")
    else:
        yield from _wrapped(f"{word(red[0])}  {name}: {answer(red[0])} ({len(red)} of {many(total, 'verdict')})", "", 3)
        yield from _wrapped(figures, " " * MARGIN) if (figures := numbers(red[0])) else ()


def answer(verdict: Verdict) -> str:
    """`mini · bf16 is 8.15 points below what was accepted`: a verdict in half a sentence."""
    decision, label = decision_of(verdict), clean(verdict.subject.name, LIMIT)
    if decision is None or verdict.outcome == "ERROR":
        return f"{label}: {clean(say(verdict.reason), LIMIT)}"
    place = clean(place_text(verdict, decision), LIMIT)
    if verdict.outcome in ("PASS", "FAIL"):
        return f"{label} is {place[:1].lower()}{place[1:]}"
    return f"{label}: undecided, {place[:1].lower()}{place[1:]}"


def numbers(verdict: Verdict) -> str:
    """`accuracy 79.10, accepted 87.25, margin 1.5: -8.15 [-10.50, -5.80], 5 runs`; empty without a difference."""
    d = decision_of(verdict)
    target = verdict.against.mean if verdict.against else None
    if d is None:
        known = verdict.is_of_other_content and target is not None
        return f"{metric_name(verdict)} {points(verdict.subject.mean)}, accepted {points(target)}" if known else ""
    names = {"baseline": "accepted", "quality": "published"}
    other = "" if target is None else f", {names.get(verdict.check, 'against')} {points(target)}"
    places = digits(d)
    interval = "" if d.ci_pass is None else f" [{signed(d.ci_pass[0], places)}, {signed(d.ci_pass[1], places)}]"
    head = f"{metric_name(verdict)} {points(verdict.subject.mean)}{other}, margin {trimmed(d.delta)}"
    return f"{head}: {signed(d.difference, places)}{interval}, {many(d.n, 'run')}"


def _rests_on(head: Head) -> Iterator[str]:
    """What is left out, how much was measured now, and where."""
    if head.part is not None:
        yield from _wrapped(clean(say(head.part), LIMIT), " " * MARGIN, 2)
    for fact in [one for one in head.facts if one.code in _FIRST][:2]:
        yield from _wrapped(clean(say(fact), LIMIT), " " * MARGIN, 2)
    where = clean("; ".join(say(fact) for fact in head.where[:2]), LIMIT)
    where += f"; {len(head.where) - 2} more environments" if len(head.where) > 2 else ""
    if head.freshness is not None:
        yield from _wrapped(f"{freshness_text(head.freshness)}{f'; on {where}' if where else ''}", " " * MARGIN, 3)


def _red(red: Sequence[Verdict], every: Sequence[Verdict], room: int) -> list[str]:
    """A block a configuration, the first whatever it takes; what does not fit is counted."""
    groups: dict[str, list[Verdict]] = {}
    for one in red:
        groups.setdefault(one.subject.configuration_id or one.subject.label, []).append(one)
    lines: list[str] = []
    shown: list[Verdict] = []
    for number, group in enumerate(groups.values()):
        block = [*_block(group, every)]
        if number and (number >= MOST_RED or len(lines) + len(block) >= room):
            break
        lines += block[:room]
        shown += group
    known = {id(one) for one in shown}
    if left := [one for one in red if id(one) not in known]:
        lines += _wrapped(f"and {len(left)} more: {_by_check(left)} (all: -v)", "", 1)
    return lines


def _block(group: Sequence[Verdict], every: Sequence[Verdict]) -> Iterator[str]:
    """Each verdict of a configuration with when it was last well; then, once, what changed since."""
    for one in group[:MOST_RED]:
        d, against = decision_of(one), one.against
        name = f"{word(one)}  {short_id(one, every)} {one.check}"
        name += "" if one.item in ("accuracy", "cells", "collapses") else f" {metric_name(one)}"
        whom = one.subject.name if one.check in ("baseline", "stability") else subject(one)
        text = f"{name}  {clean(whom, LIMIT)}"
        if d and against is not None and against.mean is not None:
            accepted = " accepted" if one.check == "baseline" else ""
            text += f"  {points(one.subject.mean)} against {points(against.mean)}{accepted}"
        yield from _wrapped(text, "", 2)
        if d is None or one.outcome == "ERROR" or one.is_beyond_testing:
            yield from _wrapped(clean(say(one.reason), LIMIT), " " * MARGIN, 3)
        for note in one.notes[:1] if one.outcome == "ERROR" else ():
            yield from _wrapped(clean(say(note), LIMIT), " " * MARGIN, 2)
        for fact in one.past[:1]:
            yield from _wrapped(clean(say(fact), LIMIT), " " * MARGIN, 2) if fact.code not in _TOLD_ELSEWHERE else ()
    if len(group) > MOST_RED:
        yield f"      and {len(group) - MOST_RED} more of it: {_by_check(group[MOST_RED:])}"
    for said in dict.fromkeys(say(fact) for one in group for fact in one.past[1:] if fact.code not in _TOLD_ELSEWHERE):
        yield from _wrapped(clean(said, LIMIT), " " * MARGIN, 2)


def _passed(every: Sequence[Verdict], red: Sequence[Verdict]) -> Iterator[str]:
    """`PASS  4: quality 1, stability 2, parity 1`: what is not red, with why it is no plain PASS."""
    groups: dict[str, list[Verdict]] = {}
    known = {id(one) for one in red}
    for one in every:
        if id(one) not in known:
            groups.setdefault(word(one), []).append(one)
    for name, group in groups.items():
        yield from _wrapped(f"{name}  {len(group)}: {_by_check(group)}", "", 1)
        reasons = dict.fromkeys(say(fact) for one in group if (fact := _why(one)) is not None)
        for text in [*reasons][:MOST_REASONS]:
            yield from _wrapped(clean(text, LIMIT), " " * MARGIN, 2)
        if len(reasons) > MOST_REASONS:
            yield f"{' ' * MARGIN}and {len(reasons) - MOST_REASONS} more reasons: -v"


def _why(verdict: Verdict) -> Fact | None:
    """Why something that is not red is no plain PASS."""
    return verdict.warning if verdict.outcome == "PASS" else verdict.waiver or verdict.reason


def _by_check(verdicts: Sequence[Verdict]) -> str:
    return ", ".join(f"{check} {number}" for check, number in Counter(one.check for one in verdicts).items())


def _rows(every: Sequence[Verdict], room: int) -> list[str]:
    """Of a green night each difference that gates where there is room for all, else of each check the one that is
    nearest to its margin; a row is shown whole.
    """
    held = [one for one in every if one.gates and decision_of(one)]
    rows = [_row(one, "") for one in held]
    if len(held) > MOST_ROWS or sum(map(len, rows)) > room:
        checks: dict[str, list[Verdict]] = {}
        for one in held:
            checks.setdefault(one.check, []).append(one)
        rows = [
            _row(max(group, key=_share), f", nearest to its margin of {len(group)}" if len(group) > 1 else "")
            for group in checks.values()
        ]
    shown: list[str] = []
    for row in rows:
        if len(shown) + len(row) <= room:
            shown += row
    return shown


def _row(one: Verdict, which: str) -> list[str]:
    return _wrapped(f"{one.check}{which}: {clean(subject(one), LIMIT)}: {numbers(one)}", " " * MARGIN, 3)


def _share(verdict: Verdict) -> float:
    d = decision_of(verdict)
    return abs(d.difference) / d.delta if d is not None and d.delta else 0.0


def _notes(head: Head, room: int, told: str) -> list[str]:
    """Waivers, comparisons, and what holds for all verdicts, as far as there is room; not what the title has `told`."""
    facts = [text for one in head.facts if one.code not in _FIRST and (text := say(one)) != told]
    texts = [*waiver_lines(head.waivers), *comparisons_lines(head.comparisons), *facts]
    lines: list[str] = []
    for number, text in enumerate(texts):
        note = [*_wrapped(clean(text, LIMIT), "", 2)]
        left = len(texts) - number
        if len(lines) + len(note) + (left > 1) > room:
            return [*lines, f"and {left} more {'note' if left == 1 else 'notes'}: -v"] if room > len(lines) else lines
        lines += note
    return lines


def _counts(every: Sequence[Verdict], code: int, took: str) -> str:
    """`1 failed, 4 passed, 1 waived in 41 min    exit 1`."""
    names = {"FAIL": "failed", "ERROR": "errored", "INCONCLUSIVE": "undecided", "SKIP": "skipped", "PASS": "passed"}
    counts = Counter("waived" if one.waived else names[one.outcome] for one in every)
    text = ", ".join(f"{number} {name}" for name, number in counts.items()) or "no verdict"
    text += f" in {took}" if took else ""
    return f"{text}{f'exit {code}':>{max(fits(WIDTH) - len(text), 8)}}"


def _next(head: Head, red: Sequence[Verdict], every: Sequence[Verdict]) -> Iterator[str]:
    """The next commands, each to be pasted: one that is too long goes on behind a backslash."""
    if not head.file:
        return
    where = "" if head.results in ("", "results") else f" --results {shlex.quote(head.results)}"
    grid = shlex.quote(head.file)
    if not red:
        if any(fact.code == "judged.nothing" for fact in head.facts):
            yield from _command("accept", f"harness accept {grid}{where} --note ...")
        return
    # What was edited is behind whatever else is red; running it again brings nothing else.
    edited = next((each for each in red if each.reason.code == "baseline.missing_other"), None)
    one = edited or red[0]
    yield from _command("look", f"harness why {short_id(one, every)}{where}")
    again = next((fact for fact in one.past if fact.code == "past.again"), None)
    if again is not None and edited is None:
        yield from _command("again", f"harness run {grid}{where} {again_options(**again.values)}".rstrip())
    accepted = (each for each in red if each.check == "baseline")
    held = next((each for each in accepted if each.outcome == "FAIL" or each.is_of_other_content), None)
    whose = _given(head.command, "--environment")
    if edited is not None:
        yield from _command("accept", f"harness accept {grid}{where}{whose} --note ...")
        yield "  or      put back in the grid what was accepted"
    elif held is not None:
        yield from _command("accept", f"harness accept {grid}{where}{whose} --only {short_id(held, every)} --note ...")
        if held.is_of_other_content:
            yield f"  or      put back the {listed(held.reason.values.get('what') or ['content'])} that was accepted"


def _given(command: str, option: str) -> str:
    """An option as a command was given it, for the next one; empty where it was not."""
    words = shlex.split(command)
    values = [value for name, value in itertools.pairwise(words) if name == option]
    values += [word.partition("=")[2] for word in words if word.startswith(f"{option}=")]
    return f" {option} {shlex.quote(values[-1])}" if values else ""


def short_id(verdict: Verdict, every: Sequence[Verdict]) -> str:
    """The beginning of its id that is no other's, of 4 digits at least."""
    return verdict.id[: told_apart(one.id for one in every)]


def _command(name: str, command: str) -> Iterator[str]:
    text = clean(command, LIMIT).replace(" -s ", f" -s{_KEPT}")
    lines = textwrap.wrap(
        text, fits(WIDTH) - 12, break_long_words=False, break_on_hyphens=False, subsequent_indent="  "
    )
    for number, line in enumerate(lines):
        more = " \\" if number < len(lines) - 1 else ""
        yield f"  {name if number == 0 else '':<6}  {line}{more}".replace(_KEPT, " ")


def _wrapped(text: str, indent: str, most: int = 2) -> list[str]:
    later = indent if indent else " " * MARGIN
    return textwrap.wrap(
        text, fits(WIDTH), initial_indent=indent, subsequent_indent=later, break_on_hyphens=False, max_lines=most,
        placeholder=" …",
    )  # fmt: skip
