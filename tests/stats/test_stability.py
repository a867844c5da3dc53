from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, fisher_exact

from harness.stats.stability import compare_rates, stability


def exactly(k: int, n: int, p0: float) -> float:
    return sum(math.comb(n, i) * p0**i * (1 - p0) ** (n - i) for i in range(k, n + 1))


@given(st.integers(1, 20).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0, 0.9))
def test_p_by_summing_a_binomial(kn: tuple[int, int], p0: float) -> None:
    k, n = kn
    found = stability(k, n, p0)
    assert found.p == pytest.approx(exactly(k, n, p0), abs=1e-9)
    assert (found.outcome == "FAIL") == (found.p < 0.05)
    assert found.withhold == (k > max(1, math.floor(p0 * n + 1e-9)))
    if k:
        assert found.rate.low == pytest.approx(beta.ppf(0.025, k, n - k + 1), abs=1e-9)
    if found.least_k is not None:
        assert (k >= found.least_k) == (found.outcome == "FAIL")


@pytest.mark.parametrize(("k", "n", "p0", "outcome", "withhold"), [
    (0, 5, 0.02, "PASS", False), (1, 5, 0.02, "PASS", False), (2, 5, 0.02, "FAIL", True), (2, 10, 0.2, "PASS", False),
    (2, 10, 0.05, "INCONCLUSIVE", True), (1, 1, 0.02, "FAIL", False), (29, 100, 0.29, "PASS", False),
])  # fmt: skip
def test_by_hand(k: int, n: int, p0: float, outcome: str, withhold: bool) -> None:
    found = stability(k, n, p0)
    assert (found.outcome, found.withhold) == (outcome, withhold)


def test_a_rate_that_no_number_of_collapses_contradicts() -> None:
    assert stability(2, 2, 0.9).least_k is None


def scipys(first: tuple[int, int], second: tuple[int, int], alternative: str) -> float:
    """The second path, whose import a check has no time for."""
    return float(fisher_exact([[k, n - k] for k, n in (first, second)], alternative).pvalue)


arm = st.integers(1, 12).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(arm, arm)
def test_fisher_as_scipys(first: tuple[int, int], second: tuple[int, int]) -> None:
    found = compare_rates(*first, *second)
    assert found.p == pytest.approx(scipys(first, second, "two-sided"), abs=1e-9)
    assert found.least_p <= found.p + 1e-12
    assert found.p_more == pytest.approx(scipys(first, second, "less"), abs=1e-9)


def test_what_five_seeds_an_arm_can_tell() -> None:
    assert compare_rates(0, 5, 3, 5).p > 0.05
    assert compare_rates(1, 5, 4, 5).p > 0.05
    assert compare_rates(1, 5, 5, 5).p == pytest.approx(0.048, abs=5e-4)
    assert compare_rates(0, 5, 4, 5).p == pytest.approx(0.048, abs=5e-4)
    assert compare_rates(0, 5, 5, 5).p == compare_rates(0, 5, 3, 5).least_p == pytest.approx(0.008, abs=5e-4)
    assert not compare_rates(0, 3, 3, 3).can_reject()


@pytest.mark.parametrize(
    "call",
    [
        lambda: stability(6, 5),
        lambda: stability(0, 0),
        lambda: stability(0, 5, 1.0),
        lambda: stability(0, 5, 0.02, 0.0),
        lambda: compare_rates(0, 0, 1, 5),
    ],
)
def test_nonsense_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        call()
