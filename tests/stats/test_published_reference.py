from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student
from scipy.stats import ttest_ind, ttest_ind_from_stats

from harness.fact import Fact
from harness.stats.decision import Rule, decide
from harness.stats.order_statistic import pivot_quantile
from harness.stats.reference import (
    best_of,
    median_of,
    published_mean,
    published_sample,
    single,
    unknown,
)
from harness.stats.variance import Sample, Sd, own, sample

scores = st.integers(300, 370).map(lambda correct: 100 * correct / 408)
samples = st.lists(scores, min_size=5, max_size=10).filter(lambda values: max(values) > min(values))
points = st.floats(75, 92)
RULE = Rule(2.5)
OURS = [100 * correct / 408 for correct in (350, 346, 353, 341, 348)]


@given(samples, points)
def test_a_single_run_is_a_second_sample_of_one(values: list[float], value: float) -> None:
    ours = sample(values)
    assert ours.sd is not None
    n = len(values)
    scipys = ttest_ind_from_stats(ours.mean, ours.sd.value, n, value, 0.0, 1, equal_var=True)
    found = decide(single(ours, value), RULE)
    assert found.p_diff == pytest.approx(scipys.pvalue, rel=1e-6, abs=1e-12)
    assert found.df == n - 1
    # The prediction interval, from the other side: where a single reference is expected.
    half = float(student.ppf(0.975, n - 1)) * ours.sd.value * math.sqrt(1 + 1 / n)
    assert found.ci95 == pytest.approx((ours.mean - value - half, ours.mean - value + half), abs=1e-6)


@given(samples, points, st.floats(0.2, 3), st.integers(2, 25))
def test_welch_and_pooled_agree_with_scipy(values: list[float], mean: float, sd: float, m: int) -> None:
    ours = sample(values)
    assert ours.sd is not None
    for method, equal in (("welch", False), ("pooled", True)):

        def scipys(shift: float, side: str, equal: bool = equal) -> float:
            result = ttest_ind_from_stats(
                ours.mean - shift, own(values).value, len(values), mean, sd, m, equal_var=equal, alternative=side
            )
            return float(result.pvalue)

        found = decide(published_mean(ours, mean, m, sd, method), RULE)  # type: ignore[arg-type]
        tost = max(scipys(-2.5, "greater"), scipys(2.5, "less"))
        assert found.p_diff == pytest.approx(scipys(0, "two-sided"), rel=1e-6, abs=1e-12)
        assert found.p_tost == pytest.approx(tost, rel=1e-6, abs=1e-12)
    auto = published_mean(ours, mean, m, sd)
    similar = 0.5 <= ours.sd.value / sd <= 2
    assert auto == published_mean(ours, mean, m, sd, "pooled" if similar else "welch")


@given(samples, samples)
def test_a_published_sample_is_compared_by_welch(values: list[float], theirs: list[float]) -> None:
    found = decide(published_sample(sample(values), theirs), RULE)
    assert found.p_diff == pytest.approx(ttest_ind(values, theirs, equal_var=False).pvalue, rel=1e-6, abs=1e-12)


def test_their_spread_is_no_history_of_ours() -> None:
    found = decide(published_mean(sample(OURS[:3]), 85.0, 20, 1.0), RULE)
    assert found.barred
    assert found.df == 2 + 19
    assert found.sd is not None
    assert found.sd.note == Fact.of("spread.reference")


def test_a_mean_without_sd_keeps_its_level() -> None:
    # The second path: 4000 references that are means of 5 equal runs; .05 is rejected.
    generator = np.random.default_rng(3)
    p = []
    for _ in range(4000):
        mine = Sample(5, 0.0, None)
        ours = generator.standard_normal(5)
        mine = Sample(5, float(ours.mean()), Sd(float(ours.std(ddof=1)), 4))
        estimate = published_mean(mine, float(generator.normal(0, math.sqrt(1 / 5))), 5)
        p.append(decide(estimate, RULE).p_diff or 0.0)
    assert np.mean(np.asarray(p) < 0.05) == pytest.approx(0.05, abs=0.0105)
    assert np.mean(np.asarray(p) < 0.5) == pytest.approx(0.5, abs=0.024)


@given(samples, points)
@settings(max_examples=30, deadline=None)
def test_the_median_of_one_is_a_single_run(values: list[float], value: float) -> None:
    ours = sample(values)
    first, second = decide(median_of(ours, value, 1), RULE), decide(single(ours, value), RULE)
    assert first.p_diff == pytest.approx(second.p_diff, abs=1e-7)
    assert first.p_tost == pytest.approx(second.p_tost, abs=1e-9)
    assert first.ci95 == pytest.approx(second.ci95, abs=1e-5)


def test_the_median_of_two_is_their_mean() -> None:
    ours = sample(OURS)
    for value in (83.0, 85.0, 87.4):
        drawn, exact = (
            decide(each, RULE).p_diff for each in (median_of(ours, value, 2), published_mean(ours, value, 2))
        )
        assert drawn == pytest.approx(exact, abs=0.005)


def test_too_low_is_the_side_that_one_sided_mode_asks_for() -> None:
    ours, lower = sample(OURS), Rule(2.5, direction="lower")
    for value in (82.0, 85.0, 88.5):
        exact = decide(single(ours, value), lower).p_diff
        assert decide(median_of(ours, value, 1), lower).p_diff == pytest.approx(exact, abs=1e-7)
        mean_of_two = decide(published_mean(ours, value, 2), lower).p_diff
        assert decide(median_of(ours, value, 2), lower).p_diff == pytest.approx(mean_of_two, abs=0.005)
    # The best of five lies high by luck: a high reference says less of ours being low.
    p = [decide(each, lower).p_diff or 0.0 for each in (best_of(ours, 88.5, 5), median_of(ours, 88.5, 5))]
    assert p[0] > p[1]


@given(points, st.sampled_from([3, 5]), st.sampled_from([True, False]))
@settings(max_examples=30, deadline=None)
def test_the_interval_and_the_p_of_an_order_statistic_agree(value: float, k: int, best: bool) -> None:
    found = decide((best_of if best else median_of)(sample(OURS), value, k), RULE)
    assert found.ci95 is not None
    assert found.p_diff is not None
    if abs(found.p_diff - 0.05) > 1e-5:
        assert (found.ci95[0] < 0 < found.ci95[1]) == (found.p_diff > 0.05)


@pytest.mark.parametrize(("j", "k"), [(3, 5), (5, 5)])
def test_order_statistics_as_simulated(j: int, k: int) -> None:
    generator = np.random.default_rng(k + j)
    size = 100_000
    reference = np.sort(generator.standard_normal((size, k)), axis=1)[:, j - 1]
    ours = generator.standard_normal((size, 5))
    pivot = (reference - ours.mean(axis=1)) / ours.std(axis=1, ddof=1)
    low, high = (pivot_quantile(p, 5, 4, j, k) for p in (0.025, 0.975))
    assert np.mean((pivot < low) | (pivot > high)) == pytest.approx(0.05, abs=0.0022)
    assert np.mean(pivot > high) == pytest.approx(0.025, abs=0.0016)


def test_the_best_of_five_as_if_single_cries_wolf() -> None:
    # Section 2: 8 to 11 % at no difference; and +-1 point 65 % of the time (sd 1.2).
    generator = np.random.default_rng(1)
    best = generator.normal(86, 1.2, (20_000, 5)).max(axis=1)
    ours = generator.normal(86, 1.2, (20_000, 5))
    s, difference = ours.std(axis=1, ddof=1), ours.mean(axis=1) - best
    alarm = np.abs(difference) / (s * math.sqrt(1.2)) > 2.7764451052
    assert 0.08 < np.mean(alarm) < 0.115
    assert np.mean(np.abs(difference) > 1) == pytest.approx(0.65, abs=0.02)


def test_the_best_of_five_lies_above_the_mean() -> None:
    estimate = best_of(sample(OURS), 86.5, 5)
    assert estimate.difference == pytest.approx(sample(OURS).mean + 1.1629644736 * own(OURS).value - 86.5)
    assert estimate.se_eq == pytest.approx(own(OURS).value * math.sqrt(1 / 5 + 1.1629644736**2 / 8))


def test_unknown_provenance_takes_the_milder() -> None:
    ours = sample([86.0, 86.2, 85.9, 86.1, 85.8])
    # A number far above: as single a FAIL, but the best of five may lie there a little more easily.
    near = unknown(ours, 85.9, RULE)
    assert (near.outcome, near.best_of) == ("PASS", 1)
    far = unknown(ours, 95.0, RULE)
    assert far.outcome == "FAIL"
    both = [decide(each, RULE).p_diff or 0.0 for each in (single(ours, 95.0), best_of(ours, 95.0, 5))]
    assert far.p_diff == max(both)
    assert far.best_of == 5
    loose = sample([83.0, 87.0, 85.0, 86.0, 84.0])
    order = {"PASS": 0, "INCONCLUSIVE": 1, "FAIL": 2}
    for value in (80.0, 84.0, 86.0, 88.0, 91.0, 93.0):
        outcomes = [decide(each, RULE).outcome for each in (single(loose, value), best_of(loose, value, 5))]
        assert unknown(loose, value, RULE).outcome == min(outcomes, key=lambda word: order[word])


@pytest.mark.parametrize(
    "call",
    [
        lambda: published_mean(sample(OURS), 85.0, 1, 1.0),
        lambda: published_mean(sample(OURS), 85.0, 5, -1.0),
        lambda: published_mean(sample(OURS), 85.0, 5, 1.0, "student"),  # type: ignore[arg-type]
        lambda: published_sample(sample(OURS), [85.0]),
        lambda: single(sample(OURS), math.nan),
        lambda: median_of(sample(OURS), 85.0, 0),
        lambda: best_of(sample(OURS), 85.0, 0),
    ],
)
def test_nonsense_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        call()
