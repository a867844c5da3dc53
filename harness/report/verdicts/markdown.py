"""Verdicts as Markdown: sections of a report, and the summary of a GitHub step."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from harness.checks.verdict import Verdict
from harness.checks.verify.problems import Problem
from harness.report.format.escape import fenced, full_stop, image, inline
from harness.report.format.metrics import metric_head
from harness.report.format.numbers import NONE, level_text, levels_text, points, signed, trimmed
from harness.report.format.table import table
from harness.report.phrases.problems import problem_title, problem_word, told_problems
from harness.report.phrases.recipe import many
from harness.report.phrases.say import say
from harness.report.verdicts.comparisons import comparisons_markdown
from harness.report.verdicts.diff import CONTEXT
from harness.report.verdicts.figures import (
    by_seed,
    difference,
    held_against,
    judged_difference,
    measured,
    score_figures,
    score_text,
    speed_figures,
)
from harness.report.verdicts.forest import forest_caption
from harness.report.verdicts.text import Notes, alike, behind, others, to_do, unseen
from harness.report.verdicts.words import (
    HOW,
    LIMIT,
    ONE_RESULT,
    Cause,
    Head,
    check_name,
    counts_text,
    decision_of,
    family,
    grouped,
    head_lines,
    metric_name,
    ordered,
    sd_note,
    subject,
    what,
    word,
)

STEP_LIMIT: Final = 1024 * 1024
"""Bytes that GitHub takes as a step's summary (GITHUB_STEP_SUMMARY); of a longer one it shows nothing at all."""

LEAST_LIMIT: Final = 1000
DETAILS_END: Final = "</details>"
_PLACE: Final = tuple(f"- {CONTEXT[layer]}" for layer in ("environment", "harmless"))
_FOLDED: Final[Mapping[str, str]] = {"ab": "pair and check", "verify": "check"}

NUMBERS: Final[Mapping[str, str]] = {
    "n": "runs", "collapsed": "collapsed", "mean": "mean", "target": "target", "difference": "difference", "sd": "sd",
    "df": "df", "source": "sd from", "se": "se", "interval": "interval", "level": "of level", "p_diff": "p_diff",
    "p_tost": "p_tost", "holm": "p after Holm", "alpha": "alpha", "margin": "margin", "detectable": "detectable",
    "more": "more seeds", "kept": "kept by",
}  # fmt: skip
"""What `score_figures` has, in words."""


def verdicts_markdown(
    head: Head, verdicts: Sequence[Verdict], *, forest_file: str | None = None, level: int = 2, folded: bool = False
) -> str:
    """Return sections with headings from `level` on; `forest_file` names the forest plot beside the report.

    Where the problems have said it, all that stands behind them is `folded` for who reads it on a pull request.
    """
    every, mark = ordered(verdicts), "#" * level
    parts = [*comparisons_markdown(head.comparisons, level), *_problems(head.problems, mark), f"{mark} Verdicts"]
    lines = [full_stop(inline(line, LIMIT)) for line in head_lines(head)]
    of_runs = head.kind in ("ab", "verify")
    parts += ["\n".join(f"- {line}" for line in lines) if of_runs else " ".join(lines)] if lines else []
    parts += [" ".join(full_stop(text) for text in _counts(head, every))]
    behind = [*verdict_tables(every), *forest_image(every, forest_file), *verdict_details(every, level)]
    if folded and of_runs and behind:
        behind = [f"<details>\n<summary>Every {_FOLDED[head.kind]}</summary>", *behind, DETAILS_END]
    return "\n\n".join([*parts, *behind]) + "\n"


def _counts(head: Head, every: Sequence[Verdict]) -> list[str]:
    """What the verdicts are, counted; pairs of runs of two environments apart from what is checked in each."""
    pairs = [one for one in every if one.check == "diff"]
    if head.kind != "ab" or not pairs:
        return [counts_text(every, head.noun)]
    return [counts_text(pairs, "pair"), counts_text([one for one in every if one.check != "diff"], head.noun)]


def verdict_tables(verdicts: Sequence[Verdict]) -> list[str]:
    """Verdicts as tables, those of scores first; what came to none of them is a list."""
    every = ordered(verdicts)
    scores = [verdict for verdict in every if decision_of(verdict)]
    parts = [_scores(scores)] if scores else []
    if rest := "\n".join(_without_scores(every)):
        parts += ["Without a comparison of scores:", rest]
    return [*parts, *_speeds(every), *_runs(every)]


def forest_image(verdicts: Sequence[Verdict], file: str | None) -> list[str]:
    """The forest plot with its caption, where there is one."""
    if file is None:
        return []
    alt, text = forest_caption(verdicts)
    return [image(alt, file), text]


def verdict_details(verdicts: Sequence[Verdict], level: int = 2) -> list[str]:
    """What is behind the verdicts, what to do, and every number that they follow from."""
    every, mark, causes = ordered(verdicts), "#" * level, Notes[Cause]()
    scores = [verdict for verdict in every if decision_of(verdict)]
    parts: list[str] = []
    if sections := _place_once([part for group in alike(every) for part in _group(group, level + 1, causes)]):
        parts += [f"{mark} Behind the verdicts", *sections, *cause_lines(causes)]
    if items := to_do(every):
        parts += [f"{mark} To do", "\n".join(f"- {inline(item, LIMIT)}" for item in items)]
    if scores:
        notes = Notes[str](" \\[{}]")
        numbers = "\n".join(_numbers(verdict, notes) for verdict in scores)
        known = [(inline(note, LIMIT), number) for note, number in notes.numbers.items()]
        parts += [f"{mark} To compute them again", numbers, *_numbered(known), HOW["scores"]]
    parts += [HOW["speed"]] if any(family(verdict) == "speed" for verdict in every) else []
    return parts


def verdict_section(verdict: Verdict, level: int, causes: Notes[Cause] | None = None) -> list[str]:
    """One verdict under its own heading: what is behind it, and every run of what is no PASS; nothing without that."""
    lines = behind(verdict, causes or Notes[Cause](), runs=False)
    runs = _by_seed(verdict) if family(verdict) == "scores" and verdict.outcome != "PASS" else ""
    if not lines and not runs:
        return []
    heading = f"{'#' * level} {word(verdict)}, {check_name(verdict)}: {inline(what(verdict), LIMIT)}"
    return [heading, *filter(None, ["\n".join(f"- {inline(line, LIMIT)}" for line in lines), runs])]


def document(head: Head, verdicts: Sequence[Verdict], *, forest_file: str | None = None, folded: bool = False) -> str:
    """Return the verdicts under their title and the command that they were made with; `folded` as in the sections."""
    made = [fenced(head.command, "sh")] if head.command else []
    title = f"{head.a} -> {head.b}: {say(head.facts[0])}" if head.kind == "ab" and head.facts else head.title
    text = verdicts_markdown(head, verdicts, forest_file=forest_file, folded=folded)
    return "\n\n".join([f"# {inline(title, LIMIT)}", *made, text])


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
    fence += f"\n\n{DETAILS_END}" if lines[:kept].count("<details>") > lines[:kept].count(DETAILS_END) else ""
    left = size - len(shown.encode())
    said = (
        f"Cut here: {len(lines) - kept:,} of {len(lines):,} lines ({left:,} of {size:,} bytes) are left out, because "
        f"{where} holds {limit:,} bytes. The JSON has everything."
    )
    return f"{shown}{fence}\n\n{said}\n"


def cause_lines(causes: Notes[Cause]) -> list[str]:
    """What the findings usually mean, by number, a known issue as a link; none where there is none."""
    return _numbered([
        (": ".join(filter(None, [issue_link(name), inline(text, LIMIT)])), number)
        for (name, text), number in causes.numbers.items()
    ])  # fmt: skip


def issue_link(name: str) -> str:
    """OWNER/REPOSITORY#NUMBER as a link to GitHub; other words as they are."""
    found = re.fullmatch(r"([\w.-]+/[\w.-]+)#(\d+)", name, re.ASCII)
    return f"[{name}](https://github.com/{found[1]}/issues/{found[2]})" if found else inline(name)


def linked(text: str) -> str:
    """A sentence with the known issues that it names as links, and what it has in backticks as code."""
    pieces = re.split(r"`([\w .=-]+)`", text, flags=re.ASCII)
    return "".join(f"`{piece}`" if at % 2 else _with_links(piece) for at, piece in enumerate(pieces))


def _with_links(text: str) -> str:
    lead, tail = (" " if text[:1] == " " else ""), (" " if text[1:] and text[-1:] == " " else "")
    escaped = r"(?:[\w.-]|\\_)+/(?:[\w.-]|\\_)+\\#\d+"
    said = re.sub(escaped, lambda found: issue_link(found[0].replace("\\", "")), inline(text, LIMIT), flags=re.ASCII)
    return f"{lead}{said}{tail}"


def unseen_lines(verdicts: Sequence[Verdict]) -> list[str]:
    """What could not be seen, as a paragraph; none where all could."""
    names = ", ".join(unseen(verdicts))
    return [f"Not available here, and so neither passed nor failed: {inline(names, LIMIT)}."] if names else []


def runs_table(verdicts: Sequence[Verdict]) -> str:
    """Rows of verdict, check, run or runs, and what was found; what passed in the same words is one row."""
    found: dict[object, list[Verdict]] = {}
    for number, one in enumerate(verdicts):
        key = (one.check, one.item, say(one.reason)) if one.outcome == "PASS" else number
        found.setdefault(key, []).append(one)
    rows = [
        [
            word(one), inline(check_name(one)), inline(f"{subject(one)}{_and_more(same)}", LIMIT),
            inline(say(one.reason), LIMIT),
        ]
        for one, *same in found.values()
    ]  # fmt: skip
    return table(["Verdict", "Check", "Run or runs", "Found"], rows, "llll")


def _and_more(same: Sequence[Verdict]) -> str:
    return f"; and {len(same)} more" if same else ""


def _problems(problems: Sequence[Problem], mark: str) -> list[str]:
    lines, steps = [], {(one.a, one.b) for one in problems}
    for one, details in told_problems(problems):
        step = f" ({inline(one.a)} -> {inline(one.b)})" if one.a and len(steps) > 1 else ""
        lines.append(f"- **{problem_word(one)}**{step}: {linked(problem_title(one))}")
        lines += [f"  - {linked(line)}" for line in details]
    between = next((f" from {inline(a)} to {inline(b)}" for a, b in steps if a and len(steps) == 1), "")
    return [f"{mark} Problems{between}", "\n".join(lines)] if lines else []


def _scores(verdicts: Sequence[Verdict]) -> str:
    decisions = [d for v in verdicts if (d := decision_of(v))]
    levels = levels_text(decisions)
    rows = []
    for v, d in zip(verdicts, decisions, strict=True):
        name = "" if v.item == "accuracy" else f" of {metric_name(v)}"
        own = f"{level_text(d)}: " if " or " in levels and d.ci_pass else ""
        rows.append([
            inline(f"{word(v)}, {v.check}{name}"),
            inline(subject(v) if v.check not in ONE_RESULT else v.subject.name, LIMIT),
            inline(measured(v.subject, v.item)),
            inline(held_against(v), LIMIT),
            judged_difference(v, d, own),
            trimmed(d.delta),
        ])  # fmt: skip
    heads = ["Verdict", "Configuration", "Measured (runs)", "Against", f"Difference ({levels} interval)", "Margin"]
    return table(heads, rows, "llrlrr")


def _without_scores(every: Sequence[Verdict]) -> Iterator[str]:
    for name, check, why, subjects in grouped(every):
        yield f"- {name}, {check}: {inline(why, LIMIT)} {inline('; '.join(subjects), LIMIT)}"


def _speeds(every: Sequence[Verdict]) -> list[str]:
    rows = []
    for one in every:
        if family(one) == "speed":
            compared, ratio, known, change, mde = speed_figures(one)
            ratio = ratio if known == NONE else f"{ratio} ({known})"
            rows.append([word(one), inline(subject(one)), compared, ratio, change, mde])
    heads = ["Verdict", "Configuration", "Compared", "Ratio (90 % interval)", "Change", "MDE"]
    return [table(heads, rows, "lllrrr")] if rows else []


def _runs(every: Sequence[Verdict]) -> list[str]:
    runs = [verdict for verdict in every if family(verdict) == "runs"]
    return [*([runs_table(runs)] if runs else []), *unseen_lines(runs)]


def _place_once(sections: Sequence[str]) -> list[str]:
    """The sections, where what differs between the environments stands in the first that has it."""
    known: set[str] = set()
    found = []
    for section in sections:
        lines = [line for line in section.split("\n") if not (line.startswith(_PLACE) and line in known)]
        known.update(line for line in lines if line.startswith(_PLACE))
        found.append("\n".join(lines))
    return found


def _group(group: Sequence[Verdict], level: int, causes: Notes[Cause]) -> Iterator[str]:
    heading, *rest = verdict_section(group[0], level, causes) or [""]
    yield from [heading] if heading else []
    if heading and len(group) > 1:
        yield f"And {many(len(group) - 1, 'more run')} alike: {inline(others(group), LIMIT)}."
    yield from rest


def _numbered(notes: Sequence[tuple[str, int]]) -> list[str]:
    """The notes as a list; none where there is none."""
    return ["\n".join(f"- \\[{number}] {note}" for note, number in notes)] if notes else []


def _numbers(v: Verdict, note: Notes[str]) -> str:
    """Every number of one verdict, in a line."""
    row = score_figures(v)
    row["source"] = note(row["source"], sd_note(v))
    row["margin"] = note(row["margin"], say(v.margin_from) if v.margin_from else "")
    told = "; ".join(f"{name} {row[key]}" for key, name in NUMBERS.items() if row[key])
    return f"- {word(v)}, {v.check}, {inline(what(v), LIMIT)}: {told}"


def _by_seed(v: Verdict) -> str:
    if v.against and v.against.runs:
        name = metric_head(v.item)
        heads = ["Seed", f"{inline(name)}, A", "B", "B − A"]
        rows = [
            [str(seed), *(inline(score_text(one, v.item)) for one in (a, b)), signed(difference(b, a, v.item))]
            for seed, b, a in by_seed(v)
        ]
        return table(heads, rows, "rrrr")
    metrics = list(dict.fromkeys(metric for run in v.subject.runs for metric in run.scores))
    rows = [
        [str(run.seed), inline(run.status), *(points(_points(run.score(metric))) for metric in metrics)]
        for run in v.subject.runs
    ]
    heads = ["Seed", "Status", *(inline(metric_head(metric)) for metric in metrics)]
    return table(heads, rows, "rl" + "r" * len(metrics)) if rows else ""


def _points(score: float | None) -> float | None:
    return None if score is None else 100 * score
