"""Judgements for a terminal or a log: a table to compute every verdict again with, and what lies behind, in words."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import zip_longest
from typing import Final

from harness.checks.scores.judgement import Judgement, SeedScore
from harness.report.format.escape import clean
from harness.report.format.numbers import NONE, points
from harness.report.verdicts import words

WIDTH: Final = 120
"""Columns that every line keeps to, but for numbers and names that have no place to break."""

LEAST_NAME: Final = 24
_NAMES: Final = 1
"""The column of names: it takes the room that the numbers leave."""

LIMIT: Final = 600
"""Longest text of one fact, in characters; the JSON has all of it."""

KEPT: Final = "\xa0"
"""A space at which no line breaks; printed as an ordinary one."""

_HEADS: Final = (
    "verdict\ncheck\nmetric",
    "configuration\nagainst",
    "runs\ncollapsed",
    "mean\ntarget\ndifference",
    "sd\ndf\nsource",
    "90 % interval\n95 % interval\nse",
    "p_diff\np_tost\nHolm\nalpha",
    "margin\ndetectable\nmore seeds",
)


def judgement_text(judgements: Sequence[Judgement]) -> str:
    """Return the table, then the facts behind whatever is not a plain PASS, then the counts; lines of 120 columns."""
    every = words.ordered(judgements)
    compared = [judgement for judgement in every if words.compared(judgement)]
    parts = []
    if compared:
        notes: dict[str, int] = {}
        parts.append(_table(compared, notes))
        parts += [""] * bool(notes)
        parts += [_wrapped(f"[{number}] {clean(note, LIMIT)}", "", "    ") for note, number in notes.items()]
        parts += ["", _wrapped(words.HOW, "", "")]
    rest = words.grouped(every)
    parts += [""] * bool(parts and rest)
    for said, check, why, subjects in rest:
        parts.append(_wrapped(f"{said:<13} {check}: {clean(why, LIMIT)}", "", " " * 14))
        parts.append(_wrapped("; ".join(clean(one, LIMIT) for one in subjects), " " * 14, " " * 16))
    for judgement in every:
        lines = facts(judgement)
        if lines:
            head = f"{words.word(judgement)} {judgement.check}: {clean(words.subject(judgement), LIMIT)}"
            head += f", {clean(words.metric_name(judgement))}" * words.compared(judgement)
            parts += ["", _wrapped(head, "", "    "), *(_wrapped(line, "    ", "      ") for line in lines)]
    return "\n".join([*parts, *[""] * bool(parts), words.counts_text(judgements)])


def facts(judgement: Judgement, *, runs: bool = True) -> list[str]:
    """What is behind a judgement, a fact a line: none for a PASS that has nothing to add to its row.

    `runs` False leaves out the scores by seed, where a table shows them.
    """
    j = judgement
    lines: list[str] = []
    failed = j.outcome != "PASS"
    if failed and words.compared(j):
        lines += [words.sentence(j), words.reason(j)]
    label = j.decision.label if j.decision else ""
    lines += ["" if label in words.reason(j) and failed else label, words.remainder(j), words.level_text(j)]
    lines = [words.full_stop(clean(line, LIMIT)) for line in lines if line]
    if failed:
        lines += _runs(j) if runs else []
        lines += [words.full_stop(clean(text, LIMIT)) for text in [words.outlook(j)] if text]
    lines += [f"Waived: {clean(j.waiver, LIMIT)}"] if j.waiver is not None else []
    lines += [f"Recipe differs: {clean(text, LIMIT)}" for text in j.recipe_differences]
    lines += [f"Declared harmless: {clean(text, LIMIT)}" for text in j.harmless]
    return lines + [f"Evidence: {clean(text, LIMIT)}" for text in j.evidence]


def score_text(score: SeedScore | None, metric: str) -> str:
    """`82.35`, `collapsed 68.38`, `oom`; a dash for a seed that was not run."""
    if score is None:
        return NONE
    value = words.score_of(score, metric)
    parts = [clean(score.status, 80)] * (score.status != "ok") + [points(value)] * (value is not None)
    return " ".join(parts) or "no score"


def _runs(j: Judgement) -> list[str]:
    """Every run's score in one paragraph, paired where two configurations are compared."""
    name = clean(words.metric_name(j))
    items = []
    if j.others:
        head = f"By seed, {name}, this − the other"
        for seed, mine, other in words.by_seed(j):
            less = words.signed(words.apart(mine, other, j.metric))
            items.append(
                f"{seed}: {score_text(mine, j.metric)} − {score_text(other, j.metric)}" + f" = {less}" * (less != NONE)
            )
    else:
        beside = "accuracy" if j.metric == "f1" else "f1"
        head = f"By seed, {name} ({'accuracy' if j.metric == 'f1' else 'F1'})"
        for score in j.seeds:
            value = words.score_of(score, beside)
            bracket = f" ({points(value)})" * (value is not None)
            items.append(f"{score.seed}: {score_text(score, j.metric)}{bracket}")
    return [f"{head}: {'; '.join(item.replace(' ', KEPT) for item in items)}"] if items else []


def _table(judgements: Sequence[Judgement], notes: dict[str, int]) -> str:
    cells = [[head.split("\n") for head in _HEADS], *(_row(judgement, notes) for judgement in judgements)]
    widths = [max(len(line) for row in cells for line in row[place]) for place in range(len(_HEADS))]
    widths[_NAMES] = max(LEAST_NAME, WIDTH - sum(widths) + widths[_NAMES] - 2 * (len(widths) - 1))
    for row, judgement in zip(cells[1:], judgements, strict=True):
        names = [clean(judgement.configuration), f"against {clean(judgement.against)}"]
        row[_NAMES] = [line for name in names for line in _broken(name, widths[_NAMES])]
    widths[_NAMES] = max(len(line) for row in cells for line in row[_NAMES])
    rows = [_laid_out(row, widths) for row in cells]
    return "\n".join([rows[0], "  ".join("-" * width for width in widths), "\n\n".join(rows[1:])])


def _laid_out(row: Sequence[Sequence[str]], widths: Sequence[int]) -> str:
    lines = zip_longest(*row, fillvalue="")
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _row(j: Judgement, notes: dict[str, int]) -> list[list[str]]:
    row, d = words.figures(j), j.decision
    lower = ["only lower"] * (d is not None and d.direction == "lower")

    def noted(text: str, note: str) -> str:
        return f"{text} [{notes.setdefault(note, len(notes) + 1)}]" if note else text

    return [
        [words.word(j), j.check, clean(words.metric_name(j)), *lower],
        [],
        [row["n"], row["collapsed"]],
        [row["mean"], row["target"], row["difference"]],
        [row["sd"], row["df"], noted(row["source"], d.sd.note if d and d.sd else "")],
        [row["ci90"], row["ci95"], row["se"]],
        [row["p_diff"], row["p_tost"], row["holm"], row["alpha"]],
        [noted(row["margin"], j.margin_from), row["detectable"], row["more"]],
    ]


def _broken(name: str, width: int) -> list[str]:
    return textwrap.wrap(name, width, break_on_hyphens=False)


def _wrapped(text: str, first: str, later: str) -> str:
    lines = textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=later, break_on_hyphens=False)
    return "\n".join(lines).replace(KEPT, " ")
