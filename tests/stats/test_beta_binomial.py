from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom

from harness.stats.order_statistic import count_below

places = st.integers(1, 12).flatmap(lambda k: st.tuples(st.integers(1, k), st.just(k)))


@given(places, st.integers(1, 30), st.data())
def test_tails_of_the_beta_binomial(place: tuple[int, int], n: int, data: st.DataObject) -> None:
    j, k = place
    below = data.draw(st.integers(0, n))
    found = count_below([1.0] * below + [3.0] * (n - below), 2.0, j, k)
    law = betabinom(n, j, k - j + 1)  # the second path, whose import a check has no time for
    assert found.below == below
    assert found.p_low == pytest.approx(law.sf(below - 1), abs=1e-9)
    assert found.p_high == pytest.approx(law.cdf(below), abs=1e-9)
    assert found.least_p - 1e-12 <= found.p <= 1


@pytest.mark.parametrize("n", [1, 5, 38, 39, 40])
def test_a_single_reference_is_beyond_reach_below_forty_runs(n: int) -> None:
    found = count_below([0.0] * n, 1.0)
    assert found.least_p == pytest.approx(min(1.0, 2 / (n + 1)))
    assert found.p == pytest.approx(found.least_p)
    assert found.can_reject(0.05 + 1e-12) == (n >= 39)


@given(st.integers(1, 30), st.integers(1, 12))
def test_all_below_the_best(n: int, k: int) -> None:
    found = count_below([0.0] * n, 1.0, k, k)
    assert found.p_low == pytest.approx(k / (k + n))
    assert found.least_p_low == pytest.approx(k / (k + n))


def test_a_tie_is_half_a_run_and_helps_neither_tail() -> None:
    found = count_below([84.0, 85.0, 86.0, 86.5, 87.0], 85.0, 2, 3)
    assert found.below == 1.5
    assert found.p_low == count_below([84.0, 86.0, 86.0, 86.0, 86.0], 85.0, 2, 3).p_low
    assert found.p_high == count_below([84.0, 84.0, 86.0, 86.0, 86.0], 85.0, 2, 3).p_high
    assert count_below([85.0, 85.0], 85.0).below == 1


def test_it_keeps_its_level() -> None:
    generator = np.random.default_rng(2)
    p = []
    for _ in range(800):
        theirs = np.sort(generator.standard_cauchy(5))[2]
        p.append(count_below(generator.standard_cauchy(10).tolist(), float(theirs), 3, 5).p)
    assert np.mean(np.asarray(p) < 0.05) <= 0.05 + 0.016


@pytest.mark.parametrize(("values", "j", "k"), [([], 1, 1), ([1.0], 0, 1), ([1.0], 3, 2)])
def test_nonsense_is_refused(values: list[float], j: int, k: int) -> None:
    with pytest.raises(ValueError, match="allowed"):
        count_below(values, 1.0, j, k)
