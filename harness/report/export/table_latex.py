"""A report's results as a table for LaTeX: no package is needed, and what was left out stands below it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from harness.checks.verdict import COMPARED, Verdict
from harness.report.export.table import LEVEL, Line, compared_over, decimals, table_lines
from harness.report.format.labels import listed, seeds_text
from harness.report.format.latex import comment, key, tex, tex_box
from harness.report.format.metrics import metric_head, metric_word
from harness.report.format.numbers import bounds, digits, interval, level_text, levels_text, p_is, signed, trimmed
from harness.report.phrases.comparison import word_text
from harness.report.phrases.recipe import many
from harness.report.phrases.say import say
from harness.report.run.model import ReportModel
from harness.report.verdicts.comparisons import compared_values
from harness.report.verdicts.words import decision_of, identity, ordered, subject

MOST_ROWS: Final = 36
"""Rows of one float: more do not fit a page, and a float does not break."""
MOST_METRICS: Final = 2
"""Metrics side by side; more have a row each."""
LONGEST: Final = 20
"""Characters of a configuration that stand in one line."""
MOST_NOTES: Final = 20
MOST_LETTERS: Final = 600
UNKNOWN: Final = "--"


def table_latex(model: ReportModel, verdicts: Sequence[Verdict] = ()) -> str:
    r"""The table, to be read with `\input`; further floats where there are more rows than a page holds.

    Scores in points. Bold is only what is better than each of the others that it was compared with, by test. Below
    stand what was left out, and the `verdicts` that hold two results, or a result and a published one, together.
    """
    every = table_lines(model)
    known = {line.metric for line in every if line.every is not None}
    lines = [line for line in every if line.metric in known]
    head = [comment(f"Made by: {model.command}"), comment(f"By {model.generated_by}; no package is needed.")]
    if not lines:
        return "\n".join([*head, comment("No run has a score yet."), ""])
    metrics = list(dict.fromkeys(line.metric for line in lines))
    places = {metric: decimals([line for line in lines if line.metric == metric]) for metric in metrics}
    wide = len(metrics) <= MOST_METRICS
    rows = _wide(lines, metrics, places) if wide else _long(lines, places)
    spec, heads = _columns(metrics, wide)
    held = [one for one in ordered(verdicts) if one.check in COMPARED and decision_of(one)]
    judged = [one for one in held if one.check != "comparison"]  # these stand with their comparison
    floats = [rows[at : at + MOST_ROWS] for at in range(0, len(rows), MOST_ROWS)]
    parts, part = list(head), "-part" if model.head is not None and model.head.part is not None else ""
    for number, body in enumerate(floats):
        first, last = number == 0, number == len(floats) - 1
        caption = _caption(model, lines, metrics, judged) if first else f"{_title(metrics)} (continued)"
        parts += [
            r"\begin{table}[htbp]",
            r"\centering\small\setlength{\tabcolsep}{3.5pt}",
            rf"\caption{{{caption}}}",
            rf"\label{{tab:{key(model.grid)}{part}{'' if first else f'-{number + 1}'}}}",
            r"\par\medskip",
            rf"\begin{{tabular}}{{{spec}}}",
            r"\hline",
            rf"{heads} \\",
            r"\hline",
            *(rf"{row} \\" for row in body),
            r"\hline",
            r"\end{tabular}",
            *(_below([*_compared(model, held), *map(_judged, judged), *_notes(model, lines, places)]) if last else []),
            r"\end{table}",
        ]
    return "\n".join([*parts, ""])


def _columns(metrics: Sequence[str], wide: bool) -> tuple[str, str]:
    bounds = rf"{100 * LEVEL:.0f}\,\% interval"
    if not wide:
        return "llrrr", f"Configuration & Metric & $n$ & Mean $\\pm$ sd & {bounds}"
    heads = [f"{tex(metric_head(metric))} & {bounds}" for metric in metrics]
    return f"lr{'rr' * len(metrics)}", " & ".join(["Configuration", "$n$", *heads])


def _wide(lines: Sequence[Line], metrics: Sequence[str], places: dict[str, int]) -> list[str]:
    rows = []
    for _, group in itertools.groupby(lines, lambda line: id(line.row)):
        own = {line.metric: line for line in group}
        first = next(iter(own.values()))
        cells = [_score(own[metric], places[metric]) if metric in own else [UNKNOWN] * 2 for metric in metrics]
        rows.append(" & ".join([_label(first), _counted(own.values()), *itertools.chain(*cells)]))
    return rows


def _long(lines: Sequence[Line], places: dict[str, int]) -> list[str]:
    rows, before = [], None
    for line in lines:
        label = "" if line.row is before else _label(line)
        cells = [label, tex(metric_head(line.metric)), str(line.n), *_score(line, places[line.metric])]
        rows.append(" & ".join(cells))
        before = line.row
    return rows


def _counted(lines: Iterable[Line]) -> str:
    """Runs behind the means: of each metric where they differ."""
    return "/".join(dict.fromkeys(str(line.n) for line in lines))


def _label(line: Line) -> str:
    label = tex(line.row.label)
    short = len(line.row.label) <= LONGEST and "U+" not in label
    return label if short else tex_box(line.row.label, r"0.27\linewidth")


def _score(line: Line, places: int) -> list[str]:
    if line.mean is None:
        return [UNKNOWN, UNKNOWN]
    mean = half_up(line.mean, places)
    mean = rf"\mathbf{{{mean}}}" if line.best else mean
    cell = f"${mean}$" if line.sd is None else rf"${mean} \pm {line.sd:.{places}f}$"
    bounds = UNKNOWN if line.low is None else f"${line.low:.{places}f}$ to ${line.high:.{places}f}$"
    return [cell, bounds]


def half_up(value: float, places: int) -> str:
    """Rounded as readers round: 84.25 is 84.3, where a float's format says 84.2."""
    return str(Decimal(repr(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))


def _title(metrics: Sequence[str]) -> str:
    words = [tex(metric_word(metric)) for metric in metrics]
    named = " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
    return f"{named[:1].upper()}{named[1:]}"


def _caption(model: ReportModel, lines: Sequence[Line], metrics: Sequence[str], judged: Sequence[Verdict]) -> str:
    sizes = {line.row.examples for line in lines}
    size = next(iter(sizes)) if len(sizes) == 1 else None
    examples = f"the {size:,} validation examples" if size else "the validation split"
    usual = _common_seeds(lines)
    over = _seeds(usual) + (", others below" if any(tuple(line.seeds) != usual for line in lines) else "")
    over += ", without runs that collapsed" if any(line.lost and line.n for line in lines) else ""
    what = (
        rf"mean $\pm$ standard deviation ($n - 1$) over {over}, and Student's {100 * LEVEL:.0f}\,\% interval of that "
        "mean over seeds"
    )
    if not any(line.n for line in lines):
        what = f"every run collapsed ({over}), and there is no figure"
    elif all(line.n < 2 for line in lines):
        what = f"one run each ({over}), which has neither a deviation nor an interval"
    return (
        rf"{_title(metrics)} of {tex(model.about or model.task)} in points ($100 \times$ fraction) on {tex(examples)}: "
        rf"{what}. {' '.join(f'{said}.' for said in _tests(model, lines, judged))}"
    )


def _tests(model: ReportModel, lines: Sequence[Line], judged: Sequence[Verdict]) -> Iterator[str]:
    """Which tests stand behind the bold and below the table, or that none does."""
    groups = compared_over([one for one in model.comparisons if one.p_here is not None])
    if not groups and any(one.word == "identical" for one in model.comparisons):
        yield "The answers that are compared are the same in all runs, and no test is made of them"
    elif not groups and (whys := dict.fromkeys(say(one.reason) for one in model.comparisons if one.reason)):
        yield f"No test compares the rows ({tex('; '.join(whys), MOST_LETTERS)}), and nothing is bold"
    for axis, pairs in groups.items():
        first = pairs[0]
        kind = "paired by seed" if first.paired else "Welch's"
        sizes = {one.metric: one.family for one in pairs}
        family = listed([f"{many(size, 'pair')} of {metric_word(metric)}" for metric, size in sizes.items()], 4)
        anew = [metric for metric in sizes if any(one.anew for one in pairs if one.metric == metric)]
        of = "" if len(anew) == len(sizes) else f" (of {listed([metric_word(one) for one in anew], 4)} alone)"
        here, new = f"{100 * (1 - 2 * first.alpha):.3g}", f"{100 * (1 - first.alpha):.3g}"
        others = rf" and, with examples drawn anew ({new}\,\% interval){of}" if anew else ""
        holm = rf"; $p$ is Holm's over {tex(family)}" if any(size > 1 for size in sizes.values()) else ""
        yield (
            rf"Over {tex(axis)}: $t$ tests, {kind}, on these examples ({here}\,\% interval){others}, "
            rf"$\alpha = {trimmed(first.alpha)}$, for each metric{holm}"
        )
    if any(line.best for line in lines):
        yield "Bold: better than each other value by both tests"
    elif groups:
        yield "No value is better than all others by both tests, and nothing is bold"
    if judged:
        decisions = [d for one in judged if (d := decision_of(one))]
        yield (
            rf"Below: differences with the interval ({tex(levels_text(decisions))}) that decides; PASS: it lies within "
            r"the margin (two one-sided $t$ tests); FAIL: beyond it by a $t$ test after Holm's correction"
        )
    elif not groups and not model.comparisons:
        yield "No test compares the rows, and nothing is bold"


def _compared(model: ReportModel, verdicts: Sequence[Verdict]) -> Iterator[str]:
    """`learning_rate 5e-05 -> 0.0001, accuracy: +0.75 points (+0.07 to +1.43, 90 %), margin 1.5, 5 and 5 runs: ...`.

    Where the grid says what it expects, so does the line, with the verdict.
    """
    outcomes = {(one.subject.configuration_id, one.item): one.outcome for one in verdicts if one.check == "comparison"}
    for one in (one for one in model.comparisons if one.difference is not None):
        a, b = compared_values(one)
        known = [f"{bounds(one.here)}, {100 * (1 - 2 * one.alpha):.3g} %{_p(one.p_here)}"] if one.here else []
        known += (
            [f"on new examples {bounds(one.anew)}, {100 * (1 - one.alpha):.3g} %{_p(one.p_anew)}"] if one.anew else []
        )
        where = f", {one.where}" if one.where else ""
        intervals = f" ({'; '.join(known)})" if known else ""
        axis = "" if a.startswith(one.axis) else f"{one.axis} "
        said = (
            f"{axis}{a} -> {b}{where}, {metric_word(one.metric)}: {signed(one.difference)} points{intervals}, "
            f"margin {trimmed(one.margin)}, {one.n_a} and {one.n_b} runs"
        )
        outcome = outcomes.get((one.configuration_b, one.metric))
        expected = f" (expected {one.expect}: {outcome})" if one.expect and outcome else ""
        word = "the same answers in all runs" if one.word == "identical" else word_text(one.word, one.within)
        yield f"{tex(said, MOST_LETTERS)}: {word}{expected}"


def _p(value: float | None) -> str:
    return "" if value is None else f", {p_is(value)}"


def _judged(verdict: Verdict) -> str:
    """`fp32 -> bf16, accuracy: +0.39 points (-0.65 to +1.43, 90 %), margin 2.5, 5 runs, paired: PASS`."""
    decision = decision_of(verdict)
    assert decision is not None  # `table_latex` chose it so
    paired = ", paired by seed" if verdict.check == "parity" else ""
    known = f" ({interval(decision)}, {level_text(decision)})" if decision.ci_pass else ""
    same = identity(verdict)
    found = same or f"{signed(decision.difference, digits(decision))} points{known}"
    margin = f"margin {trimmed(decision.delta)}{_spread(verdict)}"
    said = (
        f"{subject(verdict)}, {metric_word(verdict.item)}: {found}, {margin}, "
        f"{many(decision.n, 'run')}{'' if same else paired}"
    )
    return f"{tex(said, MOST_LETTERS)}: {verdict.outcome}"


def _spread(verdict: Verdict) -> str:
    """` (2.4 sd of 25 runs)`: where a noisy reference makes its own margin wide, a reader is to see it."""
    source = verdict.margin_from
    if source is not None and source.code == "margin.rounded":
        source = source.values["margin"]
    return f" (2.4 sd of {many(source.values['runs'], 'run')})" if source and source.code == "margin.spread" else ""


def _common_seeds(lines: Sequence[Line]) -> tuple[int, ...]:
    """The seeds of most rows."""
    return Counter(tuple(line.seeds) for line in lines).most_common(1)[0][0]


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' * (len(seeds) > 1)} {seeds_text(seeds)}"


def _notes(model: ReportModel, lines: Sequence[Line], places: dict[str, int]) -> Iterator[str]:
    head = model.head
    known = [] if head is None else [head.part, *(fact for fact in head.facts if fact.code == "data.leak")]
    yield from (tex(say(fact), MOST_LETTERS) for fact in known if fact is not None)
    usual = _common_seeds(lines)
    for _, group in itertools.groupby(lines, lambda line: id(line.row)):
        own = [*group]
        first = own[0]
        label = tex(first.row.label)
        if tuple(first.seeds) != usual:
            yield f"{label}: {_seeds(first.seeds)}"
        if first.lost:
            every = [
                f"{tex(metric_word(line.metric))} ${line.every:.{places[line.metric]}f}$"
                for line in own
                if line.every is not None
            ]
            told = f"; over all that have a score: {', '.join(every)}" if every else ""
            yield (
                f"{label}: {first.lost} of {many(first.runs, 'run')} collapsed ({_seeds(first.lost_seeds)}), and no "
                f"figure above has {'it' if first.lost == 1 else 'them'}{told}"
            )
        if first.row.errored:
            groups = [one for one in model.failed if one.label == first.row.label]
            told = listed([f"{one.status} ({_seeds(one.seeds)})" for one in groups], 4)
            yield f"{label}: {many(first.row.errored, 'run')} ended in an error{f': {tex(told)}' if told else ''}"
    if model.counts.missing:
        yield f"{many(model.counts.missing, 'planned cell')} not run yet"


def _below(notes: Iterable[str]) -> list[str]:
    told = [*notes]
    if len(told) > MOST_NOTES:
        told = [*told[:MOST_NOTES], f"{len(told) - MOST_NOTES:,} more notes are in the report"]
    text = " ".join(f"{note}." for note in told)
    return [rf"\par\smallskip\parbox{{\linewidth}}{{\footnotesize\raggedright {text}}}"] if text else []
