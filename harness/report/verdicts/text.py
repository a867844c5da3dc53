"""Verdicts for a terminal or a log: tables to compute every verdict again with, and what lies behind, in words."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, Final, Generic, TypeVar

from tabulate import SEPARATING_LINE, tabulate

from harness.checks.verdict import Verdict
from harness.checks.verify.problems import Problem
from harness.report.format.escape import clean, full_stop
from harness.report.format.labels import listed
from harness.report.format.metrics import metric_word
from harness.report.format.numbers import NONE, points, signed
from harness.report.format.width import fits, unbroken
from harness.report.phrases.problems import problem_title, problem_word, told_problems
from harness.report.phrases.recipe import many
from harness.report.phrases.say import say
from harness.report.verdicts.comparisons import comparisons_lines
from harness.report.verdicts.diff import difference_sections
from harness.report.verdicts.figures import (
    by_seed,
    difference,
    remainder,
    score_figures,
    score_of,
    score_text,
    shown_metric,
    speed_figures,
)
from harness.report.verdicts.words import (
    HOW,
    LIMIT,
    Cause,
    Head,
    apart,
    check_name,
    counts_text,
    decision_of,
    evidence,
    family,
    found,
    grouped,
    head_lines,
    identity,
    metric_name,
    ordered,
    outlook,
    provenance,
    reason,
    sd_note,
    sentence,
    subject,
    told,
    what,
    word,
)

WIDTH: Final = 120
"""Columns that every line keeps to, but for numbers and names that have no place to break."""

LEAST_NAME: Final = 24
NAMED: Final = 4
"""So many configurations are named where one thing to do is for several."""

HERE: Final = frozenset({"past.none", "past.again", "past.runs"})
"""What of a verdict's past is of use where the runs lie, and nowhere else."""

KEPT: Final = "\xa0"
"""A space at which no line breaks; printed as an ordinary one."""

SCORE_HEADS: Final = (
    "verdict\ncheck\nmetric\nkept by",
    "configuration\nagainst",
    "runs\ncollapsed",
    "mean\ntarget\ndifference",
    "sd\ndf\nsource",
    "interval\nof level\nse",
    "p_diff\np_tost\nHolm\nalpha",
    "margin\ndetectable\nmore seeds",
)
SPEED_HEADS: Final = ("verdict", "configuration", "compared", "ratio", "90 % interval", "change", "MDE")


N = TypeVar("N", bound=Hashable)


class Notes(Generic[N]):
    """Notes numbered as they come, each once; `mark` is how a number stands behind a text."""

    def __init__(self, mark: str = " [{}]") -> None:
        self._mark = mark
        self.numbers: dict[N, int] = {}

    def __call__(self, text: str, note: N | None) -> str:
        """The text, with its note's number where it has a note."""
        return text + self._mark.format(self.numbers.setdefault(note, len(self.numbers) + 1)) if note else text


def verdicts_text(head: Head, verdicts: Sequence[Verdict]) -> str:
    """Return tables, then what is behind whatever is not a plain PASS, then the counts; lines of 120 columns."""
    every = ordered(verdicts)
    causes = Notes[Cause]()
    told = {"FAIL"} if any(one.state for one in head.problems) else set[str]()  # stands above, with its problem
    blocks = [
        "\n".join(head_lines(head)),  # with the user's own paths in them: no line breaks there
        _lines(comparisons_lines(head.comparisons)),
        "\n".join(_problems(head.problems)),
        *_tables(every),
        "\n".join(_without_scores(every)),
        *_behind([one for one in every if one.outcome not in told], causes),
        _lines(f"[{number}] {clean(': '.join(cause), LIMIT)}" for cause, number in causes.numbers.items()),
        _lines(_passes(every)),
        _listed("To do:", to_do(every)),
    ]
    return "\n".join([*(f"{block}\n" for block in blocks if block), counts_text(every, head.noun)])


def facts(verdict: Verdict, *, runs: bool = True) -> list[str]:
    """What is behind a verdict on scores, a fact a line: none for a PASS that has nothing to add to its row.

    `runs` False, for a page, leaves out the scores by seed, where a table shows them, and what helps here alone.
    """
    v, d = verdict, decision_of(verdict)
    failed, why, label = v.outcome != "PASS", reason(v), provenance(v)
    lines = [sentence(v), why] if failed and d else []
    lines += ["" if label in why and failed else label, remainder(v)]
    lines = [full_stop(clean(line, LIMIT)) for line in [identity(v), *lines] if line]
    if failed:
        lines += _runs(v) if runs else []
        lines += [full_stop(clean(text, LIMIT)) for text in [outlook(v)] if text]
    lines += [full_stop(clean(say(fact), LIMIT)) for fact in v.past if fact.code not in HERE]
    lines += [
        clean(say(fact), LIMIT) for fact in v.past if runs and fact.code in HERE
    ]  # a command, paths: no full stop
    return [*lines, *about(v), *(f"Evidence: {clean(text, LIMIT)}" for text in evidence(v))]


def about(verdict: Verdict) -> list[str]:
    """Its waiver, and what the two sides do not share."""
    lines = [] if verdict.waiver is None else [f"Waived: {clean(say(verdict.waiver), LIMIT)}"]
    for name, several in (("Recipe differs", verdict.recipe_differences), ("Declared harmless", verdict.harmless)):
        lines += [f"{name}: {clean(say(fact), LIMIT)}" for fact in several]
    return lines


def to_do(verdicts: Sequence[Verdict]) -> list[str]:
    """Each way out of an undecided speed once, with the configurations that it is for."""
    ways: dict[str, list[str]] = {}
    for one in verdicts:
        if family(one) == "speed" and one.todo and one.outcome != "PASS":
            ways.setdefault(outlook(one), []).append(clean(subject(one)))
    return [f"{listed(names, NAMED)}: {clean(way, LIMIT)}" for way, names in ways.items()]


def alike(verdicts: Sequence[Verdict]) -> list[list[Verdict]]:
    """Failed verdicts on single runs that differ in the run and its digits alone, together; errors and skips, too.

    So are pairs that are equal in the same words.
    """
    groups: dict[object, list[Verdict]] = {}
    for number, one in enumerate(verdicts):
        same = tuple((each.item, each.ratio and round(each.ratio, 3), each.upstream) for each in one.failures)
        key: object = (one.check, one.outcome, one.waived, same) if same and one.against is None else number
        if one.check == "diff" and one.outcome == "PASS":
            key = ("diff", say(one.reason))
        if one.outcome in ("ERROR", "SKIP") and family(one) == "runs" and one.findings:
            key = tuple(say(each.fact) for each in one.findings)
        groups.setdefault(key, []).append(one)
    return list(groups.values())


def others(group: Sequence[Verdict]) -> str:
    """What tells the other runs of a group from its first."""
    first = subject(group[0])
    return ", ".join(dict.fromkeys(apart(subject(other), first) or "repeat=1" for other in group[1:]))


def unseen(verdicts: Sequence[Verdict]) -> list[str]:
    """What could not be seen, each once."""
    return sorted({say(fact) for verdict in verdicts for fact in verdict.not_available})


def behind(verdict: Verdict, causes: Notes[Cause], *, runs: bool = True) -> list[str]:
    """What is behind a verdict, a line each; `causes` numbers what a finding usually means, `runs` as in `facts`."""
    if family(verdict) == "scores":
        return facts(verdict, runs=runs)
    if family(verdict) == "speed":
        return told(verdict, todo=False)
    if verdict.check == "diff":
        sections = difference_sections(verdict)
        said = [say(fact) for fact in (verdict.reason, *verdict.notes)]
        return [*said, *(f"{name} {line}".rstrip() for name, lines in sections for line in lines or [""])]
    if verdict.outcome == "PASS":
        return []
    lines = [causes(clean(text, LIMIT), cause) for text, cause in found(verdict)]
    return [*lines, *about(verdict), *(clean(say(fact), LIMIT) for fact in verdict.notes)]


def _tables(every: Sequence[Verdict]) -> Iterator[str]:
    """The table of scores with its notes, the table of speeds, and how to read each."""
    scores = [verdict for verdict in every if decision_of(verdict)]
    if scores:
        notes = Notes[str]()
        rows = [_score_row(verdict, notes) for verdict in scores]
        yield _table(SCORE_HEADS, rows, "l" * len(SCORE_HEADS), ruled=True)
        yield _lines((f"[{number}] {clean(note, LIMIT)}" for note, number in notes.numbers.items()), "", "    ")
        yield _wrapped(HOW["scores"], "", "")
    speeds = [verdict for verdict in every if family(verdict) == "speed" and verdict.numbers]
    if speeds:
        rows = [[word(verdict), clean(subject(verdict)), *speed_figures(verdict)] for verdict in speeds]
        yield _table(SPEED_HEADS, rows, "llrrrrr")
        yield _wrapped(HOW["speed"], "", "")


def _without_scores(every: Sequence[Verdict]) -> Iterator[str]:
    for name, check, why, subjects in grouped(every):
        yield _wrapped(f"{name:<13} {check}: {clean(why, LIMIT)}", "", " " * 14)
        yield _wrapped("; ".join(clean(one, LIMIT) for one in subjects), " " * 14, " " * 16)


def _behind(every: Sequence[Verdict], causes: Notes[Cause]) -> Iterator[str]:
    """A block for each verdict that has more to say than its row; passes of runs are counted elsewhere."""
    for group in alike(every):
        one = group[0]
        lines = behind(one, causes)
        if lines:
            rest = many(len(group) - 1, "more run")
            more = [f"and {rest} alike: {clean(others(group), LIMIT)}"] if len(group) > 1 else []
            head = f"{word(one)} {check_name(one)}: {clean(what(one), LIMIT)}"
            yield "\n".join(
                [_wrapped(head, "", "    "), *(_wrapped(line, "    ", "      ") for line in [*more, *lines])]
            )


def _problems(problems: Sequence[Problem]) -> Iterator[str]:
    """Each cause once, what was found and the way around it below; of a row of environments step by step."""
    steps = dict.fromkeys((one.a, one.b) for one in problems)
    for one, details in told_problems(problems):
        step = f"{one.a} -> {one.b}: " if len(steps) > 1 else ""
        yield _wrapped(f"{problem_word(one):<9} {step}{clean(problem_title(one), LIMIT)}", "", " " * 10)
        yield from (_wrapped(clean(line, LIMIT), " " * 10, " " * 12) for line in details)


def _passes(every: Sequence[Verdict]) -> Iterator[str]:
    runs = [verdict for verdict in every if family(verdict) == "runs"]
    passed = Counter(check_name(verdict) for verdict in runs if verdict.outcome == "PASS")
    if passed:
        yield f"{'PASS':<13} " + ", ".join(f"{check} ({number})" for check, number in passed.items())
    if names := unseen(runs):
        yield f"not available: {clean(', '.join(names), LIMIT)}"


def _runs(v: Verdict) -> list[str]:
    """Every run's score in one paragraph, paired where two configurations are compared."""
    name, items = clean(metric_name(v)), []
    if v.against and v.against.runs:
        head = f"By seed, {name}, this − the other"
        for seed, mine, other in by_seed(v):
            less = signed(difference(mine, other, v.item))
            items.append(f"{seed}: {score_text(mine, v.item)} − {score_text(other, v.item)}")
            items[-1] += "" if less == NONE else f" = {less}"
    else:
        beside = next((m for one in v.subject.runs for m in one.scores if m != shown_metric(one, v.item)), "")
        head = f"By seed, {name} ({metric_word(beside)})" if beside else f"By seed, {name}"
        for score in v.subject.runs:
            value = score_of(score, beside)
            items.append(f"{score.seed}: {score_text(score, v.item)}{'' if value is None else f' ({points(value)})'}")
    return [f"{head}: {'; '.join(item.replace(' ', KEPT) for item in items)}"] if items else []


def _score_row(v: Verdict, note: Notes[str]) -> list[str]:
    row, d = score_figures(v), decision_of(v)
    assert d is not None
    lower = ["only lower"] if d.direction == "lower" else []
    kept = row["kept"].split(", ") if row["kept"] else []
    return [
        "\n".join([word(v), v.check, clean(metric_name(v)), *kept, *lower]),
        f"{clean(v.subject.name)}\nagainst {clean(v.against.name if v.against else '')}",
        f"{row['n']}\n{row['collapsed']}",
        f"{row['mean']}\n{row['target']}\n{row['difference']}",
        f"{row['sd']}\n{row['df']}\n{note(row['source'], sd_note(v))}",
        f"{row['interval']}\n{row['level']}\n{row['se']}",
        f"{row['p_diff']}\n{row['p_tost']}\n{row['holm']}\n{row['alpha']}",
        f"{note(row['margin'], say(v.margin_from) if v.margin_from else '')}\n{row['detectable']}\n{row['more']}",
    ]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], align: str, *, ruled: bool = False) -> str:
    """Laid out by `tabulate`; the second column, of names, takes the room that the others leave."""
    cells = [[text.split("\n") for text in row] for row in (heads, *rows)]
    others = sum(max(len(line) for row in cells for line in row[place]) for place in range(len(heads)) if place != 1)
    room = max(LEAST_NAME, fits(WIDTH) - others - 2 * (len(heads) - 1))
    lines: list[Any] = [heads, SEPARATING_LINE]
    for row in rows:
        lines += [SEPARATING_LINE] if ruled and len(lines) > 2 else []
        names = (textwrap.fill(name, room, break_on_hyphens=False) for name in row[1].split("\n"))
        lines.append([row[0], "\n".join(names), *row[2:]])
    if others + LEAST_NAME + 2 * (len(heads) - 1) > fits(WIDTH):
        return "\n".join(_told_in_lines(cells[0], row) for row in cells[1:])
    sides = [{"l": "left", "r": "right"}[side] for side in align]
    # The heads are a row: as headers they would be padded beyond the width.
    text = tabulate(lines, tablefmt="simple", disable_numparse=True, colalign=sides)
    return "\n".join(line.rstrip() for line in text.split("\n"))


def _told_in_lines(heads: Sequence[Sequence[str]], row: Sequence[Sequence[str]]) -> str:
    """A row where there is no room for a table: what its first column says, its names, then each figure by its head."""
    figures = [
        f"{head} {figure}"
        for names, column in zip(heads[2:], row[2:], strict=True)
        for head, figure in zip(names, column, strict=False)
        if figure
    ]
    told = "; ".join(figure.replace(" ", KEPT) for figure in figures)
    return "\n".join([_wrapped(" ".join([*row[0], *row[1]]), "", "    "), _wrapped(told, "    ", "    ")])


def _listed(title: str, items: Sequence[str]) -> str:
    return f"{title}\n{_lines(items, '  - ', '    ')}" if items else ""


def _lines(items: Iterable[str], first: str = "", later: str = "  ") -> str:
    return "\n".join(_wrapped(item, first, later) for item in items)


def _wrapped(text: str, first: str, later: str) -> str:
    room, kept = fits(WIDTH), unbroken(text, KEPT)
    lines = textwrap.wrap(
        kept, room, initial_indent=first, subsequent_indent=later, break_on_hyphens=False,
        break_long_words=not any("/" in word and len(word) > room - len(later) for word in kept.split(" ")),
    )  # fmt: skip
    return "\n".join(lines).replace(KEPT, " ")
