from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betaln
from scipy.stats import nct, norm
from scipy.stats import t as student

from harness.stats.order_statistic import even_median_draws, expected, pivot_cdf, pivot_quantile

ROOT_PI = math.sqrt(math.pi)


@pytest.mark.parametrize(("k", "value"), [
    (1, 0.0), (2, 1 / ROOT_PI), (3, 3 / (2 * ROOT_PI)),
    (4, 3 / (2 * ROOT_PI) * (1 + 2 / math.pi * math.asin(1 / 3))),
    (5, 5 / (4 * ROOT_PI) * (1 + 6 / math.pi * math.asin(1 / 3))),
    (10, 1.538752731),
])  # fmt: skip
def test_expected_maxima_in_closed_form(k: int, value: float) -> None:
    assert expected(k, k) == pytest.approx(value, abs=1e-9)


@given(st.integers(1, 40).flatmap(lambda k: st.tuples(st.integers(1, k), st.just(k))))
def test_expectations_are_antisymmetric_and_sum_to_nothing(place: tuple[int, int]) -> None:
    j, k = place
    assert expected(j, k) == pytest.approx(-expected(k - j + 1, k), abs=1e-10)
    assert sum(expected(i, k) for i in range(1, k + 1)) == pytest.approx(0, abs=1e-9)


@given(st.floats(-6, 6), st.integers(2, 12), st.integers(1, 26))
@settings(max_examples=50)
def test_of_one_run_it_is_students_t(c: float, n: int, df: int) -> None:
    assert pivot_cdf(c, n, df, 1, 1) == pytest.approx(student.cdf(c / math.sqrt(1 + 1 / n), df), abs=1e-8)


@pytest.mark.parametrize(("n", "df"), [(3, 2), (5, 4), (10, 9), (5, 20)])
@pytest.mark.parametrize(("j", "k"), [(3, 5), (5, 5), (1, 3), (10, 10)])
def test_against_the_mixture_of_noncentral_t(n: int, df: int, j: int, k: int) -> None:
    y = np.linspace(-8, 8, 641)
    density = np.exp((j - 1) * norm.logcdf(y) + (k - j) * norm.logsf(y) - betaln(j, k - j + 1)) * norm.pdf(y)
    for c in (-1.3, 0.4, 2.086314779606834):
        cdf = nct.cdf(c * math.sqrt(n), df, math.sqrt(n) * y)
        # scipy's noncentral t gives NaN far out, where its value is 0 or 1 to any accuracy asked for here.
        cdf = np.where(np.isnan(cdf), np.where(y < 0, 1.0, 0.0), cdf)
        mixture = float(density @ cdf) * (y[1] - y[0])
        assert pivot_cdf(c, n, df, j, k) == pytest.approx(mixture, abs=2e-6)


@given(st.integers(1, 5), st.floats(-4, 4), st.floats(0, 3))
@settings(max_examples=40)
def test_it_rises_and_mirrors(j: int, c: float, step: float) -> None:
    here = pivot_cdf(c, 5, 4, j, 5)
    assert pivot_cdf(c + step, 5, 4, j, 5) >= here - 1e-12
    assert pivot_cdf(-c, 5, 4, 6 - j, 5) == pytest.approx(1 - here, abs=1e-9)


@pytest.mark.parametrize("p", [0.025, 0.5, 0.975])
def test_the_quantile_inverts_it(p: float) -> None:
    for df in (1, 4, 20):
        assert pivot_cdf(pivot_quantile(p, 5, df, 5, 5), 5, df, 5, 5) == pytest.approx(p, abs=1e-7)


def test_the_median_of_two_is_a_mean_of_two() -> None:
    draws = even_median_draws(5, 4, 2)
    scale = math.sqrt(1 / 2 + 1 / 5)
    for p in (0.025, 0.2, 0.5, 0.9, 0.975):
        below = np.searchsorted(draws, student.ppf(p, 4) * scale) / len(draws)
        assert below == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / len(draws)))


def test_the_median_of_four_as_sorted_runs_have_it() -> None:
    # The second path: draw the runs themselves.
    generator = np.random.default_rng(11)
    size = 100_000
    median = np.median(generator.standard_normal((size, 4)), axis=1)
    ours = generator.standard_normal((size, 5))
    pivot = np.sort((median - ours.mean(axis=1)) / ours.std(axis=1, ddof=1))
    draws = even_median_draws(5, 4, 4)
    for c in (-2.5, -1.0, 0.0, 0.7, 2.0):
        first, second = (np.searchsorted(each, c) / len(each) for each in (draws, pivot))
        assert first == pytest.approx(second, abs=0.006)


def test_draws_are_seeded_and_shared_safely() -> None:
    first = even_median_draws(5, 4, 4)
    assert not first.flags.writeable
    even_median_draws.cache_clear()
    assert np.array_equal(first, even_median_draws(5, 4, 4))
    assert len(first) == 200_000


@pytest.mark.parametrize(
    "call",
    [
        lambda: expected(0, 5),
        lambda: expected(6, 5),
        lambda: pivot_cdf(0.0, 0, 4, 1, 1),
        lambda: pivot_cdf(0.0, 5, 0, 1, 1),
        lambda: pivot_quantile(0.0, 5, 4, 1, 1),
        lambda: even_median_draws(5, 4, 3),
        lambda: even_median_draws(0, 4, 4),
    ],
)
def test_nonsense_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        call()
