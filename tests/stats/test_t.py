from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi

from harness.stats.t import quantile, spread_nodes, tail

dfs = st.floats(1, 60)


@pytest.mark.parametrize("t", [-3.0, 0.0, 0.7, 4.2])
def test_closed_forms_of_one_and_two_degrees_of_freedom(t: float) -> None:
    assert tail(t, 1) == pytest.approx(0.5 - math.atan(t) / math.pi, abs=1e-12)
    assert tail(t, 2) == pytest.approx(0.5 - t / (2 * math.sqrt(2 + t * t)), abs=1e-12)


@given(dfs, st.floats(0.001, 0.999))
def test_the_quantile_inverts_the_tail(df: float, p: float) -> None:
    assert tail(quantile(p, df), df) == pytest.approx(1 - p, abs=1e-9)


@given(dfs, st.floats(0, 3))
def test_nodes_weigh_what_the_law_says(df: float, at: float) -> None:
    assert float(spread_nodes(df)[1].sum()) == pytest.approx(1, abs=1e-8)
    assert float(spread_nodes(df, below=at)[1].sum()) == pytest.approx(chi.cdf(at * math.sqrt(df), df), abs=1e-8)


@pytest.mark.parametrize("df", [1, 2, 4, 9.5, 26])
def test_moments(df: float) -> None:
    s, weight = spread_nodes(df)
    assert float(s**2 @ weight) == pytest.approx(1, abs=1e-10)
    mean = math.sqrt(2 / df) * math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2))
    assert float(s @ weight) == pytest.approx(mean, abs=1e-10)


def test_an_empty_range_weighs_nothing() -> None:
    assert spread_nodes(4, below=0.0)[1].sum() == 0
    assert np.all(spread_nodes(3)[1] >= 0)


@pytest.mark.parametrize("df", [0, -1, math.inf, math.nan])
def test_nonsense_is_refused(df: float) -> None:
    with pytest.raises(ValueError, match="allowed"):
        tail(1.0, df)
    with pytest.raises(ValueError, match="allowed"):
        quantile(1.0, 3)
