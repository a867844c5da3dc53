from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from harness.stats.sequential import CALIBRATED, next_look, nominal_alpha, smoke_floor

plans = st.lists(st.integers(2, 30), min_size=1, max_size=6, unique=True).map(lambda looks: tuple(sorted(looks)))


@pytest.mark.parametrize(("looks", "family", "alpha", "nominal"), [
    ((3, 5, 7, 10), 1, 0.05, 0.0163), ((5, 7, 10), 1, 0.05, 0.0226), ((5, 10), 1, 0.05, 0.028), ((5,), 1, 0.05, 0.05),
    ((3, 5, 7, 10), 24, 0.05, 0.0125), ((5, 10), 2, 0.05, 0.025), ((5,), 24, 0.05, 0.05), ((4, 8), 1, 0.05, 0.025),
    ((5, 10), 1, 0.025, 0.0125),
])  # fmt: skip
def test_nominal_levels(looks: tuple[int, ...], family: int, alpha: float, nominal: float) -> None:
    assert nominal_alpha(looks, family, alpha) == pytest.approx(nominal)


@given(plans, st.integers(1, 30))
def test_levels_lie_between_bonferroni_s_and_the_whole(looks: tuple[int, ...], family: int) -> None:
    level = nominal_alpha(looks, family)
    assert 0.05 / len(looks) - 1e-12 <= level <= 0.05


@given(plans, st.integers(1, 40))
def test_the_next_look_is_the_first_beyond(looks: tuple[int, ...], n: int) -> None:
    assert next_look(n, looks) == min((look for look in looks if look > n), default=None)


@pytest.mark.parametrize("looks", CALIBRATED)
def test_calibration_holds_and_naive_looks_do_not(looks: tuple[int, ...]) -> None:
    # Section 5: any look that rejects, own degrees of freedom; .05 at four looks gives 13.5 %.
    generator = np.random.default_rng(len(looks))
    values = generator.standard_normal((60_000, looks[-1]))
    calibrated, naive = (np.zeros(len(values), dtype=bool) for _ in range(2))
    for n in looks:
        seen = values[:, :n]
        p = 2 * student.sf(np.abs(seen.mean(axis=1)) / seen.std(axis=1, ddof=1) * math.sqrt(n), n - 1)
        calibrated |= p < nominal_alpha(looks)
        naive |= p < 0.05
    assert calibrated.mean() == pytest.approx(0.05, abs=0.0035)
    assert naive.mean() > 0.08
    if looks == (3, 5, 7, 10):
        assert naive.mean() == pytest.approx(0.135, abs=0.005)


def test_one_smoke_run() -> None:
    assert smoke_floor(85.8, 1.2, 2.5) == pytest.approx(80.8)
    assert smoke_floor(85.8, 2.0, 2.5) == pytest.approx(77.8)


@pytest.mark.parametrize(
    "call",
    [
        lambda: nominal_alpha(()),
        lambda: nominal_alpha((5, 5)),
        lambda: nominal_alpha((1, 5)),
        lambda: nominal_alpha((7, 5)),
        lambda: nominal_alpha((5,), family=0),
        lambda: nominal_alpha((5,), alpha=0.7),
        lambda: smoke_floor(85.0, -1.0, 2.5),
    ],
)
def test_nonsense_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        call()


def test_plans_rise() -> None:
    assert all(all(b > a for a, b in itertools.pairwise(looks)) for looks in CALIBRATED)
