from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from harness.stats.descriptive import Summary, describe, rate

finite = st.floats(-1e9, 1e9)


def test_by_hand() -> None:
    # 2, 4, 4, 4, 5, 5, 7, 9: mean 5, squared deviations 32, sd sqrt(32 / 7).
    assert describe([9, 2, 4, 5, 4, 7, 4, 5]) == Summary(8, 0, 5.0, pytest.approx(math.sqrt(32 / 7)), 2.0, 4.5, 9.0)


def test_none_one_and_two_values() -> None:
    assert describe([]) == Summary(0, 0, None, None, None, None, None)
    assert describe([3]) == Summary(1, 0, 3.0, None, 3.0, 3.0, 3.0)
    assert describe([1, 3]) == Summary(2, 0, 2.0, pytest.approx(math.sqrt(2)), 1.0, 2.0, 3.0)


def test_what_is_not_finite_is_counted() -> None:
    assert describe([math.nan, 1, math.inf, 3]) == Summary(2, 2, 2.0, pytest.approx(math.sqrt(2)), 1.0, 2.0, 3.0)
    assert describe([math.nan]) == Summary(0, 1, None, None, None, None, None)


@given(st.lists(finite, min_size=2, max_size=20))
def test_agrees_with_the_standard_library(values: list[float]) -> None:
    summary = describe(values)
    assert summary.mean == pytest.approx(statistics.fmean(values), abs=1e-6)
    assert summary.sd == pytest.approx(statistics.stdev(values), rel=1e-6, abs=1e-6)
    assert summary.min is not None
    assert summary.mean is not None
    assert summary.max is not None
    assert summary.min <= summary.mean <= summary.max
    assert describe(reversed(values)) == summary


@given(finite, st.integers(2, 9))
def test_equal_values_have_no_spread(value: float, n: int) -> None:
    summary = describe([value] * n)
    assert (summary.mean, summary.sd) == (value, 0.0)


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(0, 5, 0.0, 0.5218238), (1, 5, 0.0050508, 0.7164179), (5, 5, 0.4781762, 1.0), (0, 0, 0.0, 1.0)],
)
def test_clopper_pearson(k: int, n: int, low: float, high: float) -> None:
    assert (rate(k, n).low, rate(k, n).high) == (pytest.approx(low, abs=1e-7), pytest.approx(high, abs=1e-7))


@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_the_closed_form_is_the_same_interval(n: int) -> None:
    for k in (0, n):
        exact = binomtest(k, n).proportion_ci(0.9, "exact")
        assert (rate(k, n, 0.9).low, rate(k, n, 0.9).high) == pytest.approx((exact.low, exact.high))


@pytest.mark.parametrize(("k", "n", "confidence"), [(-1, 5, 0.95), (6, 5, 0.95), (1, 5, 0.0), (1, 5, 1.0)])
def test_nonsense_is_refused(k: int, n: int, confidence: float) -> None:
    with pytest.raises(ValueError, match="allowed"):
        rate(k, n, confidence)
