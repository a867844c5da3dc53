"""What `diff` found: the answer in the first line, both sides in numbers, and on request every difference by layer."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tabulate import tabulate

from harness.checks.verdict import Fact, Finding, Verdict, worst_first
from harness.checks.verify.diff.paired import largest_first, state_of
from harness.grid.cell import SEPARATOR
from harness.report.format.escape import clean
from harness.report.format.metrics import metric_word
from harness.report.format.numbers import NONE, bounds, points, signed
from harness.report.format.width import fits
from harness.report.phrases.causes import cause_text
from harness.report.phrases.diff import WHY, apart_text, bare, is_score, ratio_text, value_text
from harness.report.phrases.recipe import many
from harness.report.phrases.say import say
from harness.report.phrases.verify import FEW
from harness.text import listed

LIMIT: Final = 600
WIDTH: Final = 100
"""Columns that every line keeps to."""
MOST_LINES: Final = 3
"""Lines of a reason, and of one of several pairs."""
MOST_ANSWER: Final = 4
ROOM: Final = 20
"""Lines, unless every difference is asked for."""
MARGIN: Final = " " * 11

CONTEXT: Final[Mapping[str, str]] = {
    "asked": "Asked for otherwise:",
    "environment": "Environment:",
    "harmless": "Cannot touch training:",
}
DONE: Final[Mapping[str, str]] = {
    "exact": "What was done, exactly:",
    "trajectory": "The trajectory, step by step:",
    "outcome": "The outcome:",
}

_SAME: Final = frozenset({"diff.identical", "diff.same"})

Section = tuple[str, list[str]]
"""A heading and the lines under it; a heading without any says it all."""


def diff_text(answer: Fact, verdicts: Sequence[Verdict], sides: tuple[str, str], every: bool = False) -> str:
    """The answer; the sides, the known issue and the table; with `every` all differences, layer by layer."""
    ordered = largest_first(verdicts)
    first, names = ordered[0], _names(ordered)
    several = len(ordered) > 1
    top = [*_answer(answer), *(_known(first) if first.outcome == "FAIL" and not several else ())]
    top += [_cut(f"{letter}  {clean(side, LIMIT)}") for letter, side in zip("AB", sides, strict=True)]
    others = [one for one in ordered[1:] if one.reason.code not in _SAME]
    told = [_pair(one, names[id(one)]) for one in others]
    table = ["", *_table(first, several), *_means(answer)] if first.notes else []
    more = [] if every else list(_more(first))[-max(1, ROOM - len(top) - len(table)) :]
    room = max(1, ROOM - len(top) - len(table) - len(more))
    shown = [*told]
    while not every and shown and sum(map(len, shown)) + (len(shown) < len(told)) > room:
        shown.pop()
    lines = [line for pair in shown for line in pair]
    lines += [f"{many(len(told) - len(shown), 'more pair')}, told by --all"] if len(shown) < len(told) else []
    lines = [*top, *lines, *table, *more]
    for one in ordered if every else ():
        lines += [*(["", _cut(names[id(one)])] if several else []), *_layers(one)]
    return "\n".join(lines)


def accepted_text(
    answer: Fact, verdicts: Sequence[Verdict], sides: tuple[str, str], places: Sequence[Fact], every: bool = False
) -> str:
    """The same where a side is an accepted file: a line of scores a configuration, then recipes and environments.

    `places` are the changes of environment; with `every` each configuration's own answer and where its runs part.
    """
    ordered = worst_first(verdicts)
    named = _names(ordered) if len(ordered) > 1 else {id(ordered[0]): clean(ordered[0].subject.name, LIMIT)}
    top = [*_answer(answer)]
    top += [_cut(f"{letter}  {clean(side, LIMIT)}") for letter, side in zip("AB", sides, strict=True)]
    changed: dict[tuple[str, ...], list[str]] = {}
    for one in ordered:
        changed.setdefault(tuple(map(say, one.recipe_differences)), []).append(one.subject.name)
    names = {one.subject.name: named[id(one)] for one in ordered}
    told = [("Recipe", labels, found) for found, labels in changed.items() if found]
    told += [("Environment", one.values["configurations"], tuple(map(say, one.values["changes"]))) for one in places]
    more = []
    for name, labels, found in told:
        whose = f" of {listed([names[label] for label in labels], FEW)}" if len(labels) < len(ordered) else ""
        line = textwrap.wrap(f"{name}{whose}: {clean('; '.join(found), LIMIT)}", fits(WIDTH), subsequent_indent=MARGIN)
        more += line if every or len(line) <= MOST_LINES else [*line[: MOST_LINES - 1], f"{MARGIN}…, told by --all"]
    rows = [*_scores(ordered, named)]
    room = max(3, ROOM - len(top) - 1 - min(len(more), 2 * MOST_LINES))
    if len(rows) > room and not every:
        rows = [*rows[: room - 1], f"{len(rows) - room + 1} more configurations, told by --all"]
    lines = [*top, "", *rows, *(more if every else more[: max(1, ROOM - len(top) - 1 - len(rows))])]
    for one in ordered if every else ():
        lines += ["", _cut(clean(one.subject.name, LIMIT))]
        for text in (say(one.reason), *(say(finding.fact) for finding in one.findings)):
            lines += textwrap.wrap(clean(text, LIMIT), fits(WIDTH), initial_indent="  ", subsequent_indent="    ")
    return "\n".join(lines)


def _scores(verdicts: Sequence[Verdict], names: Mapping[int, str]) -> Iterator[str]:
    """A row a configuration: its state, the task's metric A -> B, the difference with its interval, and that of the
    next metric.

    `lost` are the runs that collapsed, or lost their loss, A -> B.
    """
    cells = []
    metrics: dict[str, None] = {}
    for one in verdicts:
        found = {fact.values["item"]: fact.values for fact in one.notes}
        lost = [side.collapsed for side in (one.against, one.subject) if side is not None]
        metrics.update(dict.fromkeys(found))
        scores = list(found.values())
        row = [state_of(one), str(scores[0]["seeds"]) if scores else NONE]
        row[1] += f" ({' -> '.join(map(str, lost))})" if any(lost) else ""
        first, second = (*scores, None, None)[:2]
        row += [NONE] * 3 if first is None else [
            f"{points(first['a'])} -> {points(first['b'])}", signed(first["difference"]), bounds(first["interval"]),
        ]  # fmt: skip
        row.append(NONE if second is None else signed(second["difference"]))
        cells.append([*row, names[id(one)]])
    seeds = "seeds (lost)" if any("(" in row[1] for row in cells) else "seeds"
    words = (
        ["first metric", "next"]
        if len(metrics) > 2
        else [*map(metric_word, metrics), *("score", "next")[len(metrics) :]]
    )
    heads = ["", seeds, words[0], "points", "90 % interval", f"of {words[1]}", ""]
    made = tabulate(cells, headers=heads, tablefmt="plain", disable_numparse=True)
    yield from (_cut(line.rstrip()) for line in made.splitlines())


def _names(verdicts: Sequence[Verdict]) -> dict[int, str]:
    """What tells each of several pairs from the others, by the identity of its verdict; of one pair nothing."""
    every = {id(one): clean(one.subject.name, LIMIT).split(SEPARATOR) for one in verdicts}
    shared = set.intersection(*map(set, every.values()))
    return {key: SEPARATOR.join(part for part in parts if part not in shared) for key, parts in every.items()}


def _answer(fact: Fact) -> Iterator[str]:
    """`DIFFERENT  from step 0 on: ... Why: ...`: in one line, or the reason on a line of its own."""
    line = _state(fact)
    effect, why, cause = line.partition(WHY)
    parts = [line] if len(line) <= fits(WIDTH) or not why else [f"{effect}.", f"{MARGIN}{WHY[2:]}{cause}"]
    for part in parts:
        yield from textwrap.wrap(
            part, fits(WIDTH), subsequent_indent=MARGIN, break_on_hyphens=False, max_lines=MOST_ANSWER, placeholder=" …"
        )


def _state(fact: Fact) -> str:
    """A reason with its state, with which it begins, as a heading; what is no state is an error."""
    text = clean(say(fact), 2 * LIMIT)
    state, _, rest = text.partition(" ") if fact.code.startswith("diff.") else ("error", "", text)
    return f"{state.rstrip(':').upper():<{len(MARGIN)}}{rest}"


def _pair(one: Verdict, name: str) -> list[str]:
    """One of several pairs: its state, since which step and why, and what was done otherwise; in a few lines."""
    state, values = _state(one.reason), one.reason.values
    head, rest = state[: len(MARGIN)], state[len(MARGIN) :]
    if "causes" not in values:
        text = f"{head}{rest}{f': {name}' if name and one.reason.code.startswith('diff.') else ''}"
    else:
        step = "" if values["first_step"] is None else f" from step {values['first_step']} on"
        why = say(values["causes"][0]) if values["causes"] else "nothing that was recorded says why"
        also = _done(one, 1 + len(values["causes"]))
        why += f"; also different: {listed(also, FEW)}" if also else ""
        text = f"{head}{f'{name}{step}'.strip()}: {clean(why, LIMIT)}"
    return textwrap.wrap(text, fits(WIDTH), subsequent_indent=MARGIN, max_lines=MOST_LINES, placeholder=" …")


def _done(verdict: Verdict, named: int) -> list[str]:
    """What was done otherwise, exactly, beside the findings that the reason has `named`."""
    others = (one for one in verdict.findings[named:] if one.outcome == "FAIL")
    return [one.item for one in others if one.fact.values.get("layer") == "exact"]


def _cut(line: str) -> str:
    return line if len(line) <= fits(WIDTH) else f"{line[: fits(WIDTH) - 1]}…"


def _known(first: Verdict) -> Iterator[str]:
    """What a known issue is about, or what such a difference usually means where nothing recorded explains it."""
    finding, causes = next(iter(first.failures), None), first.reason.values.get("causes")
    if finding is None or finding.cause is None or (causes and finding.upstream is None):
        return
    text = f"{finding.upstream or 'usually'}: {cause_text(finding.cause)}"
    yield from textwrap.wrap(text, fits(WIDTH), initial_indent=MARGIN, subsequent_indent=MARGIN)


def _table(verdict: Verdict, several: bool) -> Iterator[str]:
    """Each series at the first step that differs and at the last, then the scores, A -> B with their ratio.

    Of `several` pairs this is the first; what stands below are the means of all pairs' scores.
    """
    steps = sorted({fact.values["step"] for fact in verdict.notes if fact.values["step"] is not None})
    heads = [f"step {step}" for step in steps[:-1]] + [f"last step ({step})" for step in steps[-1:]]
    rows: dict[str, list[str]] = {}
    for fact in verdict.notes:
        values = fact.values
        if several and values["step"] is None:
            continue
        row = rows.setdefault(bare(values["item"]), [""] * (len(steps) + 1))
        at = max(len(steps) - 1, 0) if values["step"] is None else steps.index(values["step"])
        item, a, b = values["item"], values["a"], values["b"]
        apart = "same" if a == b else apart_text(a, b) if is_score(item) else ratio_text(values["ratio"])
        row[at] = f"{value_text(item, a)} -> {value_text(item, b)}  {apart}"
        if values["steps"] is not None:
            row[-1] = f"{values['differing']} of {values['steps']} steps"
    cells = [[clean(item), *row] for item, row in rows.items()]
    made = tabulate(
        cells, headers=["the first" if several else "", *heads, "differ"], tablefmt="plain", disable_numparse=True
    )
    yield from (_cut(line.rstrip()) for line in made.splitlines())


def _means(answer: Fact) -> Iterator[str]:
    """The mean scores of several pairs, A -> B, and of how many of them."""
    scores = answer.values.get("scores", {})
    counts = {found["n"] for found in scores.values()}
    pairs = answer.values.get("pairs", 0)
    of = "all pairs" if counts <= {pairs} else f"{min(counts)} of {pairs} pairs (the others collapsed or lack a score)"
    texts = [
        f"{bare(name)} {value_text(name, found['a'])} -> {value_text(name, found['b'])}"
        for name, found in scores.items()
    ]
    if texts:
        yield _cut(f"{of}: {', '.join(texts)}")


def _more(verdict: Verdict) -> Iterator[str]:
    """What else was done otherwise, what could not be compared, and how many differences there are in all."""
    named = 1 + len(verdict.reason.values.get("causes") or ()) if verdict.outcome == "FAIL" else 0
    done = _done(verdict, named)
    unseen = [say(fact) for fact in verdict.not_available]
    rest = len(verdict.findings) - named
    texts = [f"Also different: {listed(done, FEW)}"] if done else []
    texts += [f"Not recorded in both: {listed(unseen, FEW)}"] if unseen else []
    texts += [f"{many(rest, 'more difference')}, told by --all"] if rest > 0 else []
    yield from (_cut(clean(text, LIMIT)) for text in texts)


def _layers(verdict: Verdict) -> Iterator[str]:
    for name, found in difference_sections(verdict):
        yield ""
        yield from textwrap.wrap(name, fits(WIDTH))
        for line in found:
            yield from textwrap.wrap(line, fits(WIDTH), initial_indent="  ", subsequent_indent="    ")


def difference_sections(verdict: Verdict) -> list[Section]:
    """The tolerance, and every difference by layer; what only follows, and what is not available."""
    found = [(finding, _difference(finding)) for finding in verdict.findings]
    shown = [(finding, fact) for finding, fact in found if fact is not None]
    sections = [] if verdict.margin_from is None else [_named("Tolerance", [say(verdict.margin_from)])]
    for layer, name in {**CONTEXT, **DONE}.items():
        sections.append((name, [_line(one) for one, fact in shown if fact.values["layer"] == layer]))
    follow = [finding for finding in verdict.findings if finding.fact.code == "consequence"]
    sections.append(("Follows from it:", [_line(finding) for finding in follow]))
    sections.append(_named("Not available", [say(fact) for fact in verdict.not_available]))
    return [(name, lines) for name, lines in sections if lines or not name.endswith(":")]


def _difference(finding: Finding) -> Fact | None:
    """The difference that a finding tells of; None where it tells of something else."""
    fact = finding.fact.values.get("difference") if finding.fact.code == "idle" else finding.fact
    return fact if isinstance(fact, Fact) and fact.code == "difference" else None


def _named(name: str, items: Sequence[str]) -> Section:
    """`Not available: a, b`: a heading that says it all, or that is left out."""
    return clean(f"{name}: {', '.join(items)}", LIMIT), []


def _line(one: Finding) -> str:
    """What lies beyond the tolerance's promise is a note."""
    return clean(f"{'(note) ' if one.outcome == 'INCONCLUSIVE' else ''}{say(one.fact)}", LIMIT)
