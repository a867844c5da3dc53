"""Comparisons over an axis as tables and lines, and as test cases. `A -> B`; points = 100 x fraction."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from harness.checks.scores.compared import Comparison
from harness.report.format.escape import clean, full_stop, inline
from harness.report.format.junit_xml import Case
from harness.report.format.labels import plain
from harness.report.format.metrics import metric_word
from harness.report.format.numbers import NONE, bounds, points, signed, trimmed
from harness.report.format.table import table
from harness.report.phrases.comparison import BEST, EXPECTED, MEANINGS, SIGNS, best_text, word_text
from harness.report.phrases.say import say
from harness.report.verdicts.words import ARROW, LIMIT, Head


def comparisons_markdown(comparisons: Sequence[Comparison], level: int = 2) -> list[str]:
    """A table for each comparison under one heading; nothing where there is none."""
    parts = [f"{'#' * level} Comparisons"] if comparisons else []
    for group in _grouped(comparisons):
        heads = [f"A{ARROW}B", "", "Difference", f"{_level(group, 1)} on new examples", "Means", "Runs"]
        heads[2] += f" ({_level(group, 2)})"
        rows = [
            [
                ARROW.join(
                    _favoured(one, side, inline(text, LIMIT))
                    for side, text in zip("ab", compared_values(one), strict=True)
                )
                + inline(_where(one)),
                f"{SIGNS[one.word]} {word_text(one.word, one.within)}",
                _difference(one),
                bounds(one.anew),
                ARROW.join(_mean(one, side) for side in "ab"),
                f"{one.n_a}, {one.n_b}",
            ]
            for one in group
        ]
        parts += [full_stop(inline(_title(group), LIMIT)), table(heads, rows, "llrcrr")]
        if notes := [*_notes(group)]:
            parts.append(
                "\n".join(
                    f"- {ARROW.join(map(inline, a_b))}{inline(where)}: {inline(note, LIMIT)}"
                    for a_b, where, note in notes
                )
            )
        parts.append(" ".join(full_stop(inline(text, LIMIT)) for text in _signs(group)))
    return parts


def comparisons_lines(comparisons: Sequence[Comparison]) -> list[str]:
    """The same for a terminal: a line each, what is undecided with what would decide it."""
    lines: list[str] = []
    for group in _grouped(comparisons):
        lines.append(full_stop(clean(_title(group), LIMIT)))
        for one in group:
            marks = [
                f"{clean(text, LIMIT)}{BEST if one.best == side else ''}"
                for side, text in zip("ab", compared_values(one), strict=True)
            ]
            said = (
                f"{SIGNS[one.word]} {word_text(one.word, one.within)}: {ARROW.join(marks)}{clean(_where(one), LIMIT)}"
            )
            if one.difference is not None:
                means = ARROW.join(points(mean) for mean in (one.mean_a, one.mean_b))
                said += f": {_difference(one)}, on new examples {bounds(one.anew)}; {means}; {one.n_a}, {one.n_b} runs"
            lines.append(said)
        lines += [f"  {clean(f'{ARROW.join(a_b)}{where}: {note}', LIMIT)}" for a_b, where, note in _notes(group)]
        lines += [full_stop(clean(text, LIMIT)) for text in _signs(group)]
    return lines


def comparison_cases(head: Head) -> list[Case]:
    """A test case for each comparison that informs; one with `expect` is a verdict, and has its own."""
    found = []
    for one in head.comparisons:
        if one.expect is not None:
            continue
        metric = "" if one.metric == "accuracy" else f" ({_metric(one)})"
        properties = [(name, _text(value)) for name, value in _properties(one) if value is not None]
        name = clean(f"{one.label_b} against {one.label_a}{metric}", LIMIT)
        found.append(Case(".".join(filter(None, [head.grid, "comparison"])), name, properties))
    return found


def _grouped(comparisons: Sequence[Comparison]) -> list[list[Comparison]]:
    key = lambda one: (one.axis, one.margin, one.expect)  # noqa: E731 - used once
    return [[*group] for _, group in itertools.groupby(comparisons, key)]


def _title(group: Sequence[Comparison]) -> str:
    """`over learning_rate: accuracy in points, margin 1.5, not paired`."""
    first = group[0]
    paired = "paired by seed" if first.paired else "not paired"
    expects = f"; expected: {first.expect}" if first.expect else ""
    return (
        f"over {first.axis}: {metric_word(first.metric)} in points, margin {trimmed(first.margin)}, {paired}{expects}"
    )


def _level(group: Sequence[Comparison], sides: int) -> str:
    """`90 % interval`: 1 - 2 alpha of the first question, 1 - alpha of the second."""
    return f"{100 * (1 - sides * group[0].alpha):.3g} % interval"


def compared_values(one: Comparison) -> tuple[str, str]:
    """The two values, as the grid calls them."""
    return one.name_a or plain(one.value_a), one.name_b or plain(one.value_b)


def _where(one: Comparison) -> str:
    """`, bf16, F1`: the other axes that vary, and the metric where it is not accuracy."""
    parts = [one.where] if one.where else [f"{axis} {plain(value)}" for axis, value in one.place.items()]
    parts += [] if one.metric == "accuracy" else [_metric(one)]
    return "".join(f", {part}" for part in parts)


def _metric(one: Comparison) -> str:
    return metric_word(one.metric)


def _difference(one: Comparison) -> str:
    if one.difference is None:
        return NONE
    return f"{signed(one.difference)} ({bounds(one.here)})" if one.here else signed(one.difference)


def _favoured(one: Comparison, side: str, text: str) -> str:
    return f"**{text}** {BEST}" if one.best == side else text


def _mean(one: Comparison, side: str) -> str:
    mean, sd = (one.mean_a, one.sd_a) if side == "a" else (one.mean_b, one.sd_b)
    text = points(mean) + (f" ± {sd:.2f}" if sd is not None else "")
    return f"**{text}**" if one.best == side else text


def _notes(group: Sequence[Comparison]) -> Iterator[tuple[tuple[str, str], str, str]]:
    """Both values, where, and why a pair is undecided, and what would decide it."""
    for one in group:
        facts = [*([one.reason] if one.reason else []), *one.todo]
        if facts:
            yield compared_values(one), _where(one), "; ".join(say(fact) for fact in facts)


def _signs(group: Sequence[Comparison]) -> Iterator[str]:
    """What the signs in a table say, those that are there."""
    yield from (text for word, text in MEANINGS.items() if any(one.word == word for one in group))
    if best := next((one for one in group if one.best), None):
        yield best_text(best.values)
    if group[0].expect:
        yield EXPECTED[group[0].expect]


def _properties(one: Comparison) -> Iterator[tuple[str, Any]]:
    yield from [("word", word_text(one.word, one.within)), ("metric", one.metric), ("axis", one.axis)]
    yield from [("a_configuration_id", one.configuration_a), ("configuration_id", one.configuration_b)]
    yield from [("n_a", one.n_a), ("n_b", one.n_b), ("mean_a_points", one.mean_a), ("mean_b_points", one.mean_b)]
    yield from [("difference_points", one.difference), ("margin_points", one.margin), ("alpha", one.alpha)]
    for name, interval in (("here", one.here), ("new_examples", one.anew)):
        yield from [(f"{name}_low_points", interval[0]), (f"{name}_high_points", interval[1])] if interval else []
    yield from [("p_here_holm", one.p_here), ("p_new_examples_holm", one.p_anew), ("family", one.family)]


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else clean(value, LIMIT)
