from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_ind

from harness.stats.blocks import autocorrelation_time, best_steps, block_length, hierarchical_ratio


def ar1(coefficient: float, n: int, seed: int) -> list[float]:
    noise = np.random.default_rng(seed).standard_normal(n)
    series = np.empty(n)
    series[0] = noise[0]
    for i in range(1, n):
        series[i] = coefficient * series[i - 1] + noise[i]
    return series.tolist()


@pytest.mark.parametrize("coefficient", [0.0, 0.5, 0.8])
def test_autocorrelation_time_of_ar1_in_closed_form(coefficient: float) -> None:
    found = np.mean([autocorrelation_time(ar1(coefficient, 8000, seed)) for seed in range(4)])
    assert found == pytest.approx((1 + coefficient) / (1 - coefficient), rel=0.15)


@given(st.lists(st.floats(-5, 5), min_size=4, max_size=60))
def test_bounds(series: list[float]) -> None:
    assert autocorrelation_time(series) >= 1
    assert 1 <= block_length(series) <= len(series)


def test_blocks_are_twice_the_autocorrelation_time() -> None:
    assert block_length([1.0] * 50) == 2
    assert 12 <= block_length(ar1(0.8, 4000, 1)) <= 24


def test_best_steps_of_section_4() -> None:
    assert best_steps(40.0, 0.1, 0.015, 0.03) == pytest.approx(40)
    # The second path: at a fixed budget, the variance of the mean is least there.
    budget, steps = 1000.0, np.arange(1, 400)
    processes = budget / (40.0 + 0.1 * steps)
    variance = (0.015**2 + 0.03**2 / steps) / processes
    assert steps[np.argmin(variance)] == 40


def test_a_hierarchy_is_as_wide_as_its_processes_differ() -> None:
    generator = np.random.default_rng(2)
    a, b = (
        [np.exp(generator.normal(shift, 0.015) + 0.01 * np.asarray(ar1(0.6, 40, seed))).tolist() for seed in seeds]
        for shift, seeds in ((0.0, range(12)), (np.log(0.95), range(20, 32)))
    )
    ratio, (low, high) = hierarchical_ratio(a, b)
    assert low < ratio < high
    assert hierarchical_ratio(a, b) == (ratio, (low, high))
    # The second path: Welch's t on the medians; a bootstrap is a little narrower, its steps add a little.
    medians = [np.log([np.median(each) for each in arm]) for arm in (a, b)]
    interval = ttest_ind(medians[1], medians[0], equal_var=False).confidence_interval(0.90)
    assert ratio == pytest.approx(np.exp(medians[1].mean() - medians[0].mean()))
    assert np.log([low, high]) == pytest.approx([interval.low, interval.high], abs=0.004)


@pytest.mark.parametrize(
    "call",
    [
        lambda: autocorrelation_time([1.0, 2.0, 3.0]),
        lambda: autocorrelation_time([1.0, float("nan"), 2.0, 3.0]),
        lambda: best_steps(0.0, 0.1, 0.015, 0.03),
        lambda: hierarchical_ratio([[1.0] * 9] * 9, [[1.0] * 9] * 9),
        lambda: hierarchical_ratio([[0.0] * 9] * 10, [[1.0] * 9] * 10),
    ],
)
def test_nonsense_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        call()
