"""Every fact of a comparison over an axis in words."""

from __future__ import annotations

import pytest

from harness.checks.verdict import Fact
from harness.report.phrases.comparison import COMPARISON
from harness.report.phrases.say import say

of = Fact.of

CASES = [
    (of("compare.no_runs"), "not on both sides a run with a score that did not collapse"),
    (of("compare.other_data"), "not compared: the validation data differ"),
    (of("compare.collapsed", a=1, b=0), "collapsed runs: 1 of A, 0 of B; the estimate is of the others"),
    (of("compare.unkept"), "nothing is known of new examples: answers are not kept of all runs"),
    (
        of("compare.no_sum", metric="macro_f1"),
        "no test on new examples, and so no word: macro F1 is no sum over examples",
    ),
    (
        of("compare.seeds", seeds=12, difference=-0.8),
        "12 seeds on each side would tell them apart if the difference is -0.80 points",
    ),
    (
        of("compare.examples", examples=408, more=4321),
        "no number of seeds tells them apart on 408 examples; about 4,400 examples would",
    ),
    (
        of("compare.equivalent", seeds=9, margin=1.5),
        "9 seeds on each side give an 80 % chance to show that they are within 1.5 points if the true difference is 0",
    ),
    (
        of("compare.equivalent", seeds=None, margin=0.5),
        "no number of seeds gives an 80 % chance to show that they are within 0.5 points",
    ),
    (of("compare.never"), "not even 1,000 seeds on each side would tell them apart"),
    (of("compare.word", word="better", within=True), "by both tests better, by less than the margin"),
    (
        of("scores.arms", metric="f1", b="x", b_mean=88.0, b_runs=1, a="y", a_mean=87.5, a_runs=5),
        "F1 of x 88.00 over 1 run, of y 87.50 over 5 runs",
    ),
    (of("margin.compare", points=1.5, expect="not worse"), "1.5 points; the grid expects: not worse"),
]


@pytest.mark.parametrize(("fact", "sentence"), CASES, ids=[fact.code for fact, _ in CASES])
def test_sentence(fact: Fact, sentence: str) -> None:
    assert say(fact) == sentence


def test_every_code_is_here() -> None:
    assert {fact.code for fact, _ in CASES} == COMPARISON.keys()
