from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.margin import automatic, half_ulp


@pytest.mark.parametrize(
    ("sd", "margin"), [(1.0, 2.5), (1.2, 3.0), (0.8, 2.0), (0.0, 0.25), (0.6, 1.5), (0.05, 0.25), (0.99, 2.5)]
)
def test_margin_of_a_spread(sd: float, margin: float) -> None:
    assert automatic(sd) == margin


def test_without_a_spread_the_default_of_the_metric() -> None:
    assert (automatic(None), automatic(None, "f1"), automatic(None, "pearson")) == (2.5, 1.75, 2.5)
    with pytest.raises(ValueError, match="allowed"):
        automatic(math.nan)


@given(st.floats(0, 20))
def test_margins_are_whole_steps_near_the_spread(sd: float) -> None:
    margin = automatic(sd)
    assert (4 * margin).is_integer()
    assert margin == 0.25 or abs(margin - 2.4 * sd) <= 0.125 + 1e-9


@pytest.mark.parametrize(("decimals", "half"), [(4, 0.005), (3, 0.05), (2, 0.5), (None, 0.0)])
def test_what_rounding_hides(decimals: int | None, half: float) -> None:
    assert half_ulp(decimals) == pytest.approx(half, rel=1e-12)


@given(st.floats(0, 1), st.integers(1, 6))
def test_rounding_never_moves_a_value_by_more(value: float, decimals: int) -> None:
    assert 100 * abs(float(f"{value:.{decimals}f}") - value) <= half_ulp(decimals) * (1 + 1e-9)
