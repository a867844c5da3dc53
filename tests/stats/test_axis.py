"""Comparisons over an axis: what the golden vectors leave open."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.stats.axis import Arm, Difference, compare, influence, needed, right, words
from harness.stats.t import Array


def arm(rng: np.random.Generator, seeds: int, examples: int, bar: float = 1.0, luck: float = 0.1) -> Arm:
    ease = np.random.default_rng(7).standard_normal(examples)
    z = bar + ease + luck * rng.standard_normal((seeds, 1)) + 0.5 * rng.standard_normal((seeds, examples))
    values = right(z > 0, np.ones(examples, bool))
    return Arm(tuple(values.mean(axis=1).tolist()), values)


def of(*scores: float) -> Arm:
    return Arm(scores)


def exchanged(interval: Any) -> Any:
    return -interval[1], -interval[0]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6), a=st.integers(2, 6), b=st.integers(2, 6), examples=st.integers(2, 60),
    paired=st.booleans(), margin=st.floats(0.5, 20),
)  # fmt: skip
def test_a_and_b_exchanged_give_mirrored_numbers(
    seed: int, a: int, b: int, examples: int, paired: bool, margin: float
) -> None:
    rng = np.random.default_rng(seed)
    one, other = arm(rng, a, examples), arm(rng, a if paired else b, examples, 1.6)
    there, back = compare(one, other, paired_by_seed=paired), compare(other, one, paired_by_seed=paired)
    assert there.value == pytest.approx(-back.value)
    assert there.n == back.n[::-1]
    for x, y in ((there.here, back.here), (there.anew, back.anew)):
        assert (x is None) == (y is None)
        if x is not None and y is not None:
            assert (x.variance, x.df) == (pytest.approx(y.variance), pytest.approx(y.df))
            assert x.interval(there.value, 0.9) == pytest.approx(exchanged(y.interval(back.value, 0.9)))
    (said,), (mirrored,) = words([there], margin), words([back], margin)
    turned = {"better": "worse", "worse": "better"}
    assert turned.get(said.word, said.word) == mirrored.word
    assert said.within == mirrored.within
    assert (said.p_here, said.p_anew) == (pytest.approx(mirrored.p_here), pytest.approx(mirrored.p_anew))
    assert needed(there) == needed(back)


def test_on_these_examples_it_is_welchs_t_or_the_paired_one() -> None:
    a, b = (80.0, 81.0, 79.5, 80.5), (82.0, 83.5, 81.0)
    found = compare(of(*a), of(*b))
    assert found.here is not None
    assert found.here.p(found.value) == pytest.approx(stats.ttest_ind(b, a, equal_var=False).pvalue)
    paired = compare(of(*a[:3]), of(*b), paired_by_seed=True)
    assert paired.here is not None
    assert paired.here.p(paired.value) == pytest.approx(stats.ttest_rel(b, a[:3]).pvalue)
    assert paired.anew is None


def test_the_influence_of_an_example_has_the_mean_f1() -> None:
    rng = np.random.default_rng(3)
    truth, predicted = rng.integers(0, 2, 50), rng.integers(0, 2, (4, 50))
    values = influence(predicted, truth)
    assert values is not None
    hits = ((predicted == 1) & (truth == 1)).sum(axis=1)
    assert values.mean(axis=1) == pytest.approx(100 * 2 * hits / (predicted.sum(axis=1) + truth.sum()))
    assert influence(np.zeros((1, 3), int), np.zeros(3, int)) is None


def family(*differences: Difference, **options: Any) -> list[str]:
    return [one.word for one in words(differences, 1.5, **options)]


def test_words_need_both_questions_and_three_runs() -> None:
    rng = np.random.default_rng(1)
    clear = compare(arm(rng, 5, 400), arm(rng, 5, 400, 1.8))
    unkept = compare(of(80, 80.4, 80.2), of(90, 90.4, 90.2))
    few = compare(of(80, 80.4), of(80.2, 80.5))
    close = compare(of(80, 80.4, 80.2, 80.1, 80.3), of(80.1, 80.3, 80.2, 80.0, 80.4))
    assert family(clear, unkept, few, close) == ["better", "undecided", "undecided", "equivalent"]
    assert family(clear, barred=[True]) == ["undecided"]
    said = words([clear], 50.0)[0]
    assert (said.word, said.within) == ("better", True)


def test_identical_answers_are_identical_without_a_test() -> None:
    same = Arm((80.0, 81.0), np.array([[100.0, 60.0], [100.0, 62.0]]))
    found = compare(same, same, identical=True)
    (said,) = words([found], 1.5)
    assert (said.word, said.p_here, said.p_anew, found.value) == ("identical", None, None, 0.0)


def test_what_was_not_measured_counts_in_the_family() -> None:
    rng = np.random.default_rng(2)
    one = compare(arm(rng, 4, 300), arm(rng, 4, 300, 1.2))
    assert one.here is not None
    (alone,), (among,) = words([one], 1.5), words([one], 1.5, absent=4)
    assert alone.p_here == pytest.approx(one.here.p(one.value))
    assert among.p_here == pytest.approx(min(1.0, 5 * one.here.p(one.value)))


def test_where_the_examples_rule_only_more_of_them_decide() -> None:
    """Two models that are right on other examples, and hardly differ from seed to seed."""
    rng = np.random.default_rng(4)
    a, b = (np.repeat(100.0 * (rng.random((1, 200)) < p), 5, axis=0) for p in (0.80, 0.83))
    for values in (a, b):
        for run in range(5):
            values[run, run] = 100.0 - values[run, run]
    found = compare(*(Arm(tuple(each.mean(axis=1).tolist()), each) for each in (a, b)))
    bound = 1.96 * math.sqrt(found.lasting)
    assert abs(found.value) <= bound
    due = needed(found)
    assert due.seeds is None
    assert due.examples == math.ceil(200 * (bound / found.value) ** 2)
    assert family(found) == ["undecided"]


def test_where_seeds_rule_so_many_would_decide() -> None:
    a, b = of(80, 83, 78, 81, 79), of(82, 84, 79, 83, 80)
    found = compare(a, b)
    seeds = needed(found).seeds
    assert seeds is not None

    def p(count: int) -> float:
        assert found.here is not None
        return float(2 * stats.t.sf(found.value / math.sqrt(found.here.variance * 5 / count), 2 * (count - 1)))

    assert p(seeds) < 0.05 <= p(seeds - 1)
    assert needed(compare(of(80, 81, 82), of(82, 81, 80))) == needed(compare(of(80), of(90)))


def test_values_of_other_examples_are_no_values() -> None:
    a, b = (Arm((50.0, 60.0), np.full((2, n), [[50.0], [60.0]])) for n in (4, 5))
    found = compare(a, b)
    assert (found.here is not None, found.anew, found.examples) == (True, None, None)


def test_the_truth_is_compared_example_by_example() -> None:
    truth: Array = np.array([1, 0, 1])
    assert right(np.array([[1, 1, 1]]), truth).tolist() == [[100.0, 0.0, 100.0]]
