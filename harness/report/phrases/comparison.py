"""The facts of comparisons over an axis, and their words and signs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from harness.report.format.metrics import metric_word
from harness.report.phrases.recipe import many

SIGNS: Final[Mapping[str, str]] = {"better": "▲", "worse": "▼", "equivalent": "≡", "identical": "=", "undecided": "?"}

MEANINGS: Final[Mapping[str, str]] = {
    "better": "▲ B is better than A: p below alpha on these examples and on new ones too, after Holm's correction over "
    "the pairs of the comparison",
    "worse": "▼ B is worse than A, by the same two tests",
    "equivalent": "≡ equivalent on these examples: the interval lies inside the margin, each pair at its own alpha",
    "identical": "= the same answers in all runs, and so no test",
    "undecided": "? undecided, which is not the same as equal",
}
"""What a footnote says of each sign."""

EXPECTED: Final[Mapping[str, str]] = {
    "better": "expected better: PASS where it is, FAIL where it is worse, equivalent or identical, with 5 runs or more "
    "on each side",
    "not worse": "expected not worse: judged as the verdicts are, a higher score never fails",
    "equivalent": "expected equivalent: judged as the verdicts are",
}
"""What the grid's word makes of a comparison."""

BEST: Final = "†"


def best_text(values: int) -> str:
    """What the sign of the best says."""
    others = "the other one" if values == 2 else f"each of the {values - 1} others"
    return (
        f"{BEST} better than {others} by test; chosen among {values} on the examples that it is reported on, so that "
        "its own score is to be expected lower on new ones"
    )


def word_text(word: str, within: bool = False) -> str:
    """`better, by less than the margin`."""
    return f"{word}, by less than the margin" if within else word


def _collapsed(a: int, b: int) -> str:
    return f"collapsed runs: {a} of A, {b} of B; the estimate is of the others"


def _seeds(seeds: int, difference: float) -> str:
    return f"{seeds} seeds on each side would tell them apart if the difference is {difference:+.2f} points"


def _examples(examples: int, more: int) -> str:
    return f"no number of seeds tells them apart on {examples:,} examples; about {_rounded(more):,} examples would"


def _equivalent(seeds: int | None, margin: float) -> str:
    if seeds is None:
        return f"no number of seeds gives an 80 % chance to show that they are within {margin:g} points"
    return (
        f"{seeds} seeds on each side give an 80 % chance to show that they are within {margin:g} points if the true "
        "difference is 0"
    )


def _rounded(number: int) -> int:
    """Two digits: an estimate has no more."""
    step = int(10 ** max(0, len(str(number)) - 2))
    return -(-number // step) * step


def _arms(metric: str, b: str, b_mean: float, b_runs: int, a: str, a_mean: float, a_runs: int) -> str:
    name = metric_word(metric)
    return f"{name} of {b} {b_mean:.2f} over {many(b_runs, 'run')}, of {a} {a_mean:.2f} over {many(a_runs, 'run')}"


COMPARISON: Final[Mapping[str, str | Callable[..., str]]] = {
    "compare.no_runs": "not on both sides a run with a score that did not collapse",
    "compare.other_data": "not compared: the validation data differ",
    "compare.collapsed": _collapsed,
    "compare.unkept": "nothing is known of new examples: answers are not kept of all runs",
    "compare.no_sum": lambda metric: (
        f"no test on new examples, and so no word: {metric_word(metric)} is no sum over examples"
    ),
    "compare.seeds": _seeds,
    "compare.examples": _examples,
    "compare.equivalent": _equivalent,
    "compare.never": "not even 1,000 seeds on each side would tell them apart",
    "compare.word": lambda word, within=False: f"by both tests {word_text(word, within)}",
    "scores.arms": _arms,
    "margin.compare": lambda points, expect: f"{points:g} points; the grid expects: {expect}",
}
