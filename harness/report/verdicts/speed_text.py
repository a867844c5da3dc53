"""Comparisons of speed for a terminal or a log: a table, then the reason and the way out of whatever is no PASS."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from harness.checks.speed.compare import Comparison
from harness.checks.verdict import ORDER
from harness.report.format.escape import clean
from harness.report.format.labels import listed
from harness.report.format.numbers import NONE
from harness.report.verdicts.verify_report import shared_label
from harness.report.verdicts.words import Inconclusive, chance, full_stop, signed

WIDTH: Final = 120
LIMIT: Final = 900
"""Longest text of one fact, in characters; the JSON has all of it."""

NAMED: Final = 4
"""So many configurations are named where one advice is for several."""

HEADS: Final = ("verdict", "configuration", "compared", "ratio", "90 % interval", "change", "MDE")
HOW: Final = (
    "Ratio: B's samples a second over A's, geometric mean over pairs of processes (or B's newest session over A's "
    "sessions). PASS: the interval lies above 1 − margin. FAIL: it lies below 1 and the ratio below 1 − margin, after "
    "Holm's correction; or the device's peak memory grew by more than 1 %. MDE: the slow-down found with 80 % power; a "
    "margin below it decides only where the whole interval lies beyond the margin. Processes on a machine that was not "
    "quiet are left out whatever their speed."
)


def speed_text(comparisons: Sequence[Comparison], a: str, b: str, margin: float) -> str:
    """Return the table, the reasons and the counts; `a` and `b` are the sides' names, `margin` a fraction."""
    every = ordered(comparisons)
    parts = [f"A: {clean(a)}", f"B: {clean(b)}", f"margin {100 * margin:g} %, one-sided: only slower can fail", ""]
    compared = [one for one in every if one.speed is not None]
    if compared:
        parts += [_table([[one.verdict, clean(subject(one)), *figures(one)] for one in compared]), ""]
    for one in every:
        told = facts(one, advice=False)
        if told:
            parts += [_wrapped(f"{one.verdict:<13} {clean(subject(one))}", "", "    ")]
            parts += [_wrapped(line, "    ", "      ") for line in told] + [""]
    todo = to_do(every)
    if todo:
        parts += ["To do:", *(_wrapped(clean(line, LIMIT), "  - ", "    ") for line in todo), ""]
    if compared:
        parts += [_wrapped(HOW, "", ""), ""]
    return "\n".join([*parts, counts_text(every)])


def ordered(comparisons: Iterable[Comparison]) -> list[Comparison]:
    """The worst first."""
    return sorted(comparisons, key=lambda one: ORDER.index(one.verdict))


def subject(one: Comparison) -> str:
    """`minilm: bf16 against fp32`; the label alone where both sides call it so, or one side has none."""
    if not one.a or not one.b or one.a == one.b:
        return one.b or one.a
    return shared_label(f"{one.b} / {one.a}")


def figures(one: Comparison) -> list[str]:
    """What was compared, ratio, interval, change and MDE, as they are shown; dashes for what is not known."""
    s = one.speed
    noun = "session" if one.design == "sessions" else "pair"
    compared = f"{one.pairs} {noun}{'' if one.pairs == 1 else 's'}"
    if s is None:
        return [compared if one.pairs else NONE, NONE, NONE, NONE, NONE]
    interval = f"{s.ci90[0]:.3f} to {s.ci90[1]:.3f}" if s.ci90 else NONE
    mde = NONE if s.detectable is None else f"{100 * s.detectable:.1f} %"
    return [compared, f"{s.ratio:.3f}", interval, f"{signed(100 * (s.ratio - 1), 1)} %", mde]


def to_do(comparisons: Iterable[Comparison]) -> list[str]:
    """Each way out once, with the configurations that it is for: `minilm · fp32: close other programs ...`."""
    found: dict[str, list[str]] = {}
    for one in comparisons:
        if one.advice and one.verdict != "PASS":
            found.setdefault(one.advice, []).append(subject(one))
    return [f"{listed([clean(name) for name in names], NAMED)}: {advice}" for advice, names in found.items()]


def facts(one: Comparison, *, advice: bool = True) -> list[str]:
    """The reason, the way out and the notes, a sentence each; of a PASS only its notes."""
    passed = one.verdict == "PASS"
    lines = [] if passed and not one.confirmed else [one.why]
    if one.adjusted_p is not None and not passed:
        p = chance(one.adjusted_p)
        lines.append(f"after Holm's correction p {'' if p.startswith('<') else '= '}{p}")
    lines += [f"To do: {one.advice}"] if advice and one.advice and not passed else []
    return [full_stop(clean(line, LIMIT)) for line in (*lines, *one.notes)]


def counts_text(comparisons: Sequence[Comparison]) -> str:
    """`3 configurations: 1 FAIL, 2 PASS`."""
    counts = Counter(one.verdict for one in comparisons)
    total = f"{len(comparisons)} configuration{'' if len(comparisons) == 1 else 's'}"
    return f"{total}: {', '.join(f'{counts[word]} {word}' for word in ORDER if counts[word])}"


def is_red(one: Comparison, inconclusive: Inconclusive) -> bool:
    """Whether it alone keeps the exit code from 0."""
    return one.verdict in ("FAIL", "ERROR") or (one.verdict == "INCONCLUSIVE" and inconclusive == "fail")


def _table(rows: Sequence[Sequence[str]]) -> str:
    rest = [max(len(row[place]) for row in (HEADS, *rows)) for place in range(2, len(HEADS))]
    verdict = max(len(row[0]) for row in (HEADS, *rows))
    room = max(24, WIDTH - verdict - sum(rest) - 2 * (len(HEADS) - 1))
    lines = []
    for number, row in enumerate((HEADS, *rows)):
        names = textwrap.wrap(row[1], room, break_on_hyphens=False) or [""]
        name_width = min(room, max(len(each[1]) for each in (HEADS, *rows)))
        cells = [row[0].ljust(verdict), names[0].ljust(name_width)]
        cells += [text.rjust(width) for text, width in zip(row[2:], rest, strict=True)]
        lines.append("  ".join(cells).rstrip())
        lines += [f"{'':{verdict}}  {name}" for name in names[1:]]
        if number == 0:
            lines.append("  ".join("-" * width for width in (verdict, name_width, *rest)))
    return "\n".join(lines)


def _wrapped(text: str, first: str, later: str) -> str:
    return "\n".join(
        textwrap.wrap(
            text, WIDTH, initial_indent=first, subsequent_indent=later, break_on_hyphens=False, break_long_words=False
        )
    )
