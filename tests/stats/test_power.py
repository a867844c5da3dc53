from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nct
from scipy.stats import t as student

from harness.stats.decision import Rule
from harness.stats.power import (
    Design,
    detectable,
    difference_power,
    limit_of_detection,
    more_seeds,
    planning_sd,
    seeds_to_pass,
    tost_power,
)
from harness.stats.variance import Sd

SINGLE, MEAN, ARMS, PAIRED = Design("single"), Design("mean", 5), Design("arms"), Design("paired", rho=0.3)
designs = st.sampled_from([SINGLE, MEAN, ARMS, PAIRED, Design("single", history=16), Design("mean", 20)])

NEVER = None
TABLE = [
    (0.8, 1.5, (5, 7, 6, 6)),
    (0.8, 2.5, (3, 2, 3, 4)),
    (1.2, 1.0, (14, NEVER, 26, 19)),
    (1.2, 1.5, (8, NEVER, 12, 10)),
    (1.2, 2.5, (4, 5, 5, 5)),
    (1.2, 4.0, (3, 2, 3, 3)),
    (1.5, 1.5, (11, NEVER, 18, 14)),
    (1.5, 2.5, (5, 11, 7, 6)),
    (2.4, 2.5, (10, NEVER, 17, 13)),
]


@pytest.mark.parametrize(("sd", "delta", "to_pass"), TABLE)
def test_the_table_of_section_6(sd: float, delta: float, to_pass: tuple[int | None, ...]) -> None:
    assert tuple(seeds_to_pass(design, sd, Rule(delta)) for design in (SINGLE, MEAN, ARMS, PAIRED)) == to_pass


@pytest.mark.parametrize(("design", "at"), [
    (SINGLE, (7.8, 4.9, 4.0)), (Design("single", history=16), (4.1, 3.9, 3.7)), (MEAN, (3.0, 2.4, 2.0)),
    (PAIRED, (4.6, 2.4, 1.4)), (ARMS, (3.7, 2.4, 1.6)),
])  # fmt: skip
def test_detectable_differences_of_section_6(design: Design, at: tuple[float, ...]) -> None:
    assert tuple(detectable(design, n, 1.2) for n in (3, 5, 10)) == pytest.approx(at, abs=0.051)


def test_no_number_of_seeds_gets_below_the_reference_s_own_noise() -> None:
    assert limit_of_detection(SINGLE, 1.2) == pytest.approx(3.4, abs=0.05)
    assert detectable(SINGLE, 900, 1.2) == pytest.approx(limit_of_detection(SINGLE, 1.2), abs=0.02)
    assert limit_of_detection(PAIRED, 1.2) == 0


@given(designs, st.integers(2, 12), st.floats(0.4, 3), st.floats(0, 6), st.sampled_from([0.0163, 0.05]))
def test_difference_power_is_the_noncentral_t(design: Design, n: int, sd: float, d: float, alpha: float) -> None:
    nc, df = d / (sd * design.se_diff(n)), design.df(n)
    bound = student.ppf(1 - alpha / 2, df)
    scipys = nct.sf(bound, df, nc) + nct.cdf(-bound, df, nc)
    if math.isfinite(scipys) and nc < 20:  # scipy's own trap: NaN far out
        assert difference_power(design, n, sd, d, alpha) == pytest.approx(scipys, abs=1e-5)
    one_sided = nct.sf(student.ppf(1 - alpha, df), df, nc)
    if math.isfinite(one_sided) and nc < 20:
        assert difference_power(design, n, sd, d, alpha, "lower") == pytest.approx(one_sided, abs=1e-5)


def test_far_out_where_scipys_noncentral_t_fails() -> None:
    assert difference_power(PAIRED, 10, 0.1, 60.0) == pytest.approx(1)
    # Two seeds: t_.975 = 12.7 is beyond reach now and then even at nc = 30. P(s < 30/12.7), nearly.
    nc_30 = difference_power(Design("paired"), 2, 1.0, 30.0)
    assert 0.97 < nc_30 < 0.99


def simulated(design: Design, n: int, sd: float, difference: float, rule: Rule) -> tuple[float, float]:
    """The second path, by draws of the estimate and its sd: shares of PASS, and of significance."""
    generator = np.random.default_rng(n)
    size = 200_000
    s = sd * np.sqrt(generator.chisquare(design.df(n), size) / design.df(n))
    z = generator.standard_normal(size)
    d_eq, d_diff = difference + sd * design.se_eq(n) * z, difference + sd * design.se_diff(n) * z
    half = student.ppf(1 - rule.alpha, design.df(n)) * s * design.se_eq(n)
    passes = d_eq - half > -rule.delta
    if rule.direction == "both":
        passes &= d_eq + half < rule.delta
        significant = np.abs(d_diff) > student.ppf(1 - rule.alpha / 2, design.df(n)) * s * design.se_diff(n)
    else:
        significant = d_diff < -student.ppf(1 - rule.alpha, design.df(n)) * s * design.se_diff(n)
    return float(passes.mean()), float(significant.mean())


@pytest.mark.parametrize("rule", [Rule(2.5), Rule(1.5, alpha=0.0163), Rule(2.5, direction="lower")])
@pytest.mark.parametrize(("design", "n", "sd", "d"), [
    (MEAN, 5, 1.2, 0.0), (MEAN, 5, 1.2, -2.5), (ARMS, 7, 1.5, -1.0), (PAIRED, 3, 1.2, -4.0), (PAIRED, 10, 0.8, -2.6),
])  # fmt: skip
def test_power_as_simulated(design: Design, n: int, sd: float, d: float, rule: Rule) -> None:
    passes, significant = simulated(design, n, sd, d, rule)
    assert tost_power(design, n, sd, rule, d) == pytest.approx(passes, abs=0.004)
    if rule.direction == "both" or d < 0:
        assert difference_power(design, n, sd, d, rule.alpha, rule.direction) == pytest.approx(significant, abs=0.004)


def test_a_difference_of_the_margin_passes_at_alpha() -> None:
    assert tost_power(MEAN, 5, 1.2, Rule(2.5), 2.5) == pytest.approx(0.05, abs=0.002)


@given(designs, st.integers(2, 9), st.floats(0.4, 3), st.floats(0.5, 4))
@settings(max_examples=40)
def test_more_seeds_and_wider_margins_only_help(design: Design, n: int, sd: float, delta: float) -> None:
    here = tost_power(design, n, sd, Rule(delta))
    assert 0 <= here <= 1
    # Power below alpha or so may fall with n: intervals of two runs are wide at random, and now and then very short.
    assert here < 0.5 or tost_power(design, n + 1, sd, Rule(delta)) >= here - 1e-9
    assert tost_power(design, n, sd, Rule(delta + 0.3)) >= here - 1e-9
    assert tost_power(design, n, sd, Rule(delta), 0.7) <= here + 1e-9
    assert tost_power(design, n, sd, Rule(delta), -0.7) == pytest.approx(tost_power(design, n, sd, Rule(delta), 0.7))
    assert tost_power(design, n, sd, Rule(delta, direction="lower")) >= here - 1e-9


@pytest.mark.parametrize(("design", "sd", "delta"), [(SINGLE, 2.4, 2.5), (ARMS, 1.2, 1.0), (MEAN, 1.5, 2.5)])
def test_the_search_finds_the_first_that_is_enough(design: Design, sd: float, delta: float) -> None:
    first = next(n for n in range(2, 100) if tost_power(design, n, sd, Rule(delta)) >= 0.8)
    assert seeds_to_pass(design, sd, Rule(delta)) == first
    assert more_seeds(design, 3, sd, Rule(delta)) == first - 3
    assert more_seeds(design, 60, sd, Rule(delta)) == 1
    assert more_seeds(MEAN, 5, 1.2, Rule(1.0)) is None
    assert more_seeds(SINGLE, 3, 0.8, Rule(4.0)) == 2, "five runs at least"
    assert more_seeds(Design("single", history=16), 2, 0.8, Rule(4.0)) == 1, "three with history"


@pytest.mark.parametrize(("n", "factor"), [(3, 2.1), (5, 1.56)])
def test_planning_with_a_pilot_s_upper_bound(n: int, factor: float) -> None:
    assert planning_sd(Sd(1.0, n - 1)) == pytest.approx(factor, abs=0.02)
    # The second path: the bound lies above the true sd in 80 % of pilots.
    pilots = np.random.default_rng(n).standard_normal((40_000, n)).std(axis=1, ddof=1)
    assert np.mean(pilots * planning_sd(Sd(1.0, n - 1)) > 1) == pytest.approx(0.8, abs=0.008)


@pytest.mark.parametrize(
    "call",
    [
        lambda: Design("trio"),  # type: ignore[arg-type]
        lambda: Design("mean"),
        lambda: Design("paired", rho=1.0),
        lambda: Design("single", history=-1),
        lambda: tost_power(MEAN, 5, 0.0, Rule(2.5)),
        lambda: tost_power(SINGLE, 1, 1.0, Rule(2.5)),
        lambda: detectable(MEAN, 5, 1.2, power=0.01),
        lambda: planning_sd(Sd(1.0, 4), 1.0),
        lambda: seeds_to_pass(MEAN, 1.2, Rule(2.5), power=0.2),
    ],
)
def test_nonsense_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        call()
