"""Judgements as Markdown: sections of a report, and the summary of a GitHub step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.checks.scores.judgement import Judgement
from harness.report.format.escape import fenced, image, inline
from harness.report.format.numbers import points
from harness.report.format.table import table
from harness.report.verdicts import words
from harness.report.verdicts.forest import forest_caption
from harness.report.verdicts.text import LIMIT, facts, score_text

STEP_LIMIT: Final = 1024 * 1024
"""Bytes that GitHub takes as a step's summary (GITHUB_STEP_SUMMARY); of a longer one it shows nothing at all."""

LEAST_LIMIT: Final = 1000
HEADING: Final = 2


def judgement_markdown(judgements: Sequence[Judgement], *, forest_file: str | None = None, level: int = HEADING) -> str:
    """Return sections with headings from `level` on; `forest_file` names the forest plot beside the report."""
    every = words.ordered(judgements)
    parts = [f"{'#' * level} Verdicts", words.full_stop(words.counts_text(every))]
    numbered = {id(j): number for number, j in enumerate((j for j in every if words.compared(j)), start=1)}
    compared = [j for j in every if words.compared(j)]
    if compared:
        parts.append(_verdicts(compared, numbered))
    if forest_file is not None:
        alt, text = forest_caption(every)
        parts += [image(alt, forest_file), text]
    rest = [
        f"- {said}, {check}: {inline(why, LIMIT)} {inline('; '.join(subjects), LIMIT)}"
        for said, check, why, subjects in words.grouped(every)
    ]
    if rest:
        parts += ["Without a comparison of scores:", "\n".join(rest)]
    behind = [section for j in every for section in judgement_section(j, level + 1)]
    if behind:
        parts += [f"{'#' * level} Behind the verdicts", *behind]
    if compared:
        notes: dict[str, int] = {}
        parts += [f"{'#' * level} To compute them again", _numbers(compared, numbered, notes)]
        if notes:
            parts.append("\n".join(f"- \\[{number}] {inline(note, LIMIT)}" for note, number in notes.items()))
        parts.append(words.HOW)
    return "\n\n".join(parts) + "\n"


def judgement_section(judgement: Judgement, level: int) -> list[str]:
    """One judgement under its own heading: its facts, and every run of what is not a PASS; nothing without facts."""
    lines = facts(judgement, runs=False)
    seeds = _runs(judgement) if judgement.outcome != "PASS" else ""
    if not lines and not seeds:
        return []
    metric = f", {inline(words.metric_name(judgement))}" if words.compared(judgement) else ""
    head = f"{words.word(judgement)}, {judgement.check}: {inline(words.subject(judgement), LIMIT)}{metric}"
    listed = "\n".join(f"- {inline(line, LIMIT)}" for line in lines)
    return [f"{'#' * level} {head}", *filter(None, [listed, seeds])]


def step_summary(
    judgements: Sequence[Judgement], *, title: str = "harness check", command: str = "", limit: int = STEP_LIMIT
) -> str:
    """Return what goes to GITHUB_STEP_SUMMARY, within `limit` bytes.

    Raises
    ------
    ValueError
        Where the limit is below 1,000 bytes.
    """
    made = [fenced(command, "sh")] if command else []
    text = "\n\n".join([f"# {inline(title)}", *made, judgement_markdown(judgements)])
    return shortened(text, limit, "a step's summary on GitHub")


def shortened(text: str, limit: int, where: str) -> str:
    """Markdown within `limit` bytes: whole lines from the start, and a sentence that says how much was cut.

    Raises
    ------
    ValueError
        Where the limit is below 1,000 bytes.
    """
    if limit < LEAST_LIMIT:
        raise ValueError(f"limit: {limit} bytes (allowed: at least {LEAST_LIMIT:,})")
    size = len(text.encode())
    if size <= limit:
        return text
    lines = text.rstrip("\n").split("\n")
    room, kept = limit - 300, 0  # the sentence below and a closing fence are shorter than that
    while kept < len(lines) and room >= (length := len(lines[kept].encode()) + 1):
        room -= length
        kept += 1
    shown = "\n".join(lines[:kept])
    fence = "\n```" if sum(line.startswith("```") for line in lines[:kept]) % 2 else ""
    left = size - len(shown.encode())
    said = (
        f"Cut here: {len(lines) - kept:,} of {len(lines):,} lines ({left:,} of {size:,} bytes) are left out, because "
        f"{where} holds {limit:,} bytes. The JSON has everything."
    )
    return f"{shown}{fence}\n\n{said}\n"


def _verdicts(judgements: Sequence[Judgement], numbered: dict[int, int]) -> str:
    rows = []
    for j in judgements:
        d = j.decision
        assert d is not None  # `compared` has seen to it
        places = words.digits(d)
        rows.append([
            str(numbered[id(j)]),
            f"**{words.word(j)}**" if j.outcome == "FAIL" else words.word(j),
            f"{j.check}, {inline(words.metric_name(j))}",
            inline(j.configuration),
            inline(j.against),
            words.signed(d.difference, places),
            words.span(d.ci90, places),
            words.margin(d.delta),
            words.more(j),
        ])  # fmt: skip
    heads = ["", "Verdict", "Check", "Configuration", "Against", "Difference", "90 % interval", "Margin", "More seeds"]
    return table(heads, rows, "rllllrcrr")


def _numbers(judgements: Sequence[Judgement], numbered: dict[int, int], notes: dict[str, int]) -> str:
    rows = []
    for j in judgements:
        row = words.figures(j)

        def noted(text: str, note: str) -> str:
            return f"{text} \\[{notes.setdefault(note, len(notes) + 1)}]" if note else text

        assert j.decision is not None
        sd = j.decision.sd
        rows.append([
            str(numbered[id(j)]), row["n"], row["collapsed"], row["mean"], row["target"], row["sd"], row["df"],
            noted(row["source"], sd.note if sd else ""), row["se"], row["ci95"], row["p_diff"], row["p_tost"],
            row["holm"], row["alpha"], noted(row["margin"], j.margin_from), row["detectable"],
        ])  # fmt: skip
    heads = ["", "Runs", "Collapsed", "Mean", "Target", "sd", "df", "sd from", "se", "95 % interval"]
    heads += ["p_diff", "p_tost", "p, Holm", "alpha", "Margin", "Detectable"]
    return table(heads, rows, "rrrrrrrlrcrrrrrr")


def _runs(j: Judgement) -> str:
    name = "F1" if j.metric == "f1" else words.metric_name(j).capitalize()
    if j.others:
        heads = ["Seed", f"{inline(name)} here", "There", "Difference"]
        rows = [
            [str(seed), inline(score_text(a, j.metric)), inline(score_text(b, j.metric)),
             words.signed(words.apart(a, b, j.metric))]
            for seed, a, b in words.by_seed(j)
        ]  # fmt: skip
        return table(heads, rows, "rrrr")
    if not j.seeds:
        return ""
    rows = [
        [str(s.seed), inline(s.status), *(points(None if v is None else 100 * v) for v in (s.accuracy, s.f1))]
        for s in j.seeds
    ]
    return table(["Seed", "Status", "Accuracy", "F1"], rows, "rlrr")
