from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test, ttest_1samp, ttest_ind, ttest_rel

from harness.stats.decision import Rule, decide
from harness.stats.paired import independent, paired, sign_flip
from harness.stats.variance import Sample, Sd, sample

scores = st.integers(300, 370).map(lambda correct: 100 * correct / 408)
arms = st.integers(5, 10).flatmap(
    lambda n: st.tuples(st.lists(scores, min_size=n, max_size=n), st.lists(scores, min_size=n, max_size=n))
)
RULE = Rule(1.5)


@given(arms)
def test_paired_agrees_with_scipy(both: tuple[list[float], list[float]]) -> None:
    a, b = both
    estimate = paired(a, b)
    if not estimate.varied:
        assert decide(estimate, RULE).outcome == "INCONCLUSIVE"
        return
    found, d = decide(estimate, RULE), np.subtract(b, a)
    tost = max(ttest_1samp(d, -1.5, alternative="greater").pvalue, ttest_1samp(d, 1.5, alternative="less").pvalue)
    assert found.p_diff == pytest.approx(ttest_rel(b, a).pvalue, rel=1e-6, abs=1e-12)
    assert found.p_tost == pytest.approx(tost, rel=1e-6, abs=1e-12)
    interval = ttest_1samp(d, 0).confidence_interval(0.90)
    assert found.ci90 == pytest.approx((interval.low, interval.high), abs=1e-6)
    turned = decide(paired(b, a), RULE)
    assert (turned.outcome, turned.difference) == (found.outcome, pytest.approx(-found.difference, abs=1e-9))


@given(st.lists(scores, min_size=5, max_size=10), st.lists(scores, min_size=5, max_size=10))
def test_independent_arms_agree_with_welch(a: list[float], b: list[float]) -> None:
    found = decide(independent(sample(a), sample(b)), RULE)
    if max(a) == min(a) or max(b) == min(b):
        assert found.barred
        return
    assert found.n == min(len(a), len(b))
    assert found.p_diff == pytest.approx(ttest_ind(b, a, equal_var=False).pvalue, rel=1e-6, abs=1e-12)


def test_arms_that_are_equal_bit_for_bit() -> None:
    a = [84.0, 85.0, 86.0, 85.5, 84.5]
    assert decide(paired(a, a), RULE).outcome == "INCONCLUSIVE"
    assert decide(paired(a, a, identical=True), RULE).outcome == "PASS"
    assert decide(paired(a, [*a[:4], 84.75], identical=True), RULE).outcome != "INCONCLUSIVE"


def test_a_constant_shift_has_no_spread_to_judge_it_by() -> None:
    a = [100 * k / 408 for k in (340, 345, 350, 347, 351)]
    found = decide(paired(a, [x + 100 * 9 / 408 for x in a]), RULE)
    assert (found.outcome, found.barred) == ("INCONCLUSIVE", True)


def test_history_of_differences() -> None:
    a, b = [84.0, 85.0, 86.0], [84.2, 85.1, 85.9]
    assert decide(paired(a, b), RULE).barred
    found = decide(paired(a, b, Sd(0.5, 18, "moderated", 3)), RULE)
    assert (found.outcome, found.df) == ("PASS", 18)
    single = paired([84.0], [85.0])
    assert (single.n, single.difference, single.se_diff) == (1, 1.0, None)
    assert decide(independent(Sample(1, 84.0, None), sample(b)), RULE).barred


differences = st.lists(st.integers(-12, 12), min_size=2, max_size=9)


@given(differences)
@settings(deadline=None)
def test_sign_flips_agree_with_scipy(counts: list[int]) -> None:
    # scipy gets whole numbers: of 1/408ths it may miss ties by rounding, ours must not.
    found, d = sign_flip([100 * count / 408 for count in counts]), np.asarray(counts, dtype=float)
    scipys = permutation_test(
        (d,), lambda x, axis: np.mean(x, axis=axis), permutation_type="samples", n_resamples=np.inf, vectorized=True
    )
    assert found.exact
    assert found.p == pytest.approx(scipys.pvalue)
    assert found.p >= found.least_p - 1e-12


@pytest.mark.parametrize(("n", "can"), [(1, False), (4, False), (5, False), (6, True), (10, True)])
def test_five_pairs_cannot_reject(n: int, can: bool) -> None:
    found = sign_flip([1.0 + k for k in range(n)])
    assert found.p == found.least_p == 2 / 2**n
    assert found.can_reject() == can


def test_pairs_that_do_not_differ_leave_fewer() -> None:
    assert sign_flip([0.0, 0.0, 1.0, 2.0]).least_p == 0.5
    nothing = sign_flip([0.0, 0.0])
    assert (nothing.p, nothing.least_p, nothing.exact) == (1.0, 1.0, True)


def test_many_pairs_are_drawn() -> None:
    d = np.random.default_rng(4).normal(0.3, 1, 25)
    found = sign_flip(d.tolist())
    assert not found.exact
    assert found == sign_flip(d.tolist())
    # The second path: at 25 pairs the t test says nearly the same.
    assert found.p == pytest.approx(ttest_1samp(d, 0).pvalue, abs=0.02)
    assert sign_flip([5.0] * 30).p == pytest.approx(1 / 100_000)


@pytest.mark.filterwarnings("ignore:Precision loss")
def test_paired_t_keeps_its_level_where_scores_are_counts() -> None:
    # Section 7, precision A/B with independent flips: 5 % at no effect; power 46/86/100 % at -3.4 points for n=3/5/10.
    generator = np.random.default_rng(6)
    for n, power in ((3, 46), (5, 86), (10, 100)):
        rejected = {0.0: 0, -3.4: 0}
        for effect in rejected:
            # 9 % churn, and the effect's flips on top of it.
            p_better, p_worse = 0.045, 0.045 - effect / 100
            flips = generator.multinomial(408, [p_better, p_worse, 1 - p_better - p_worse], (3000, n))
            d = 100 * (flips[..., 0] - flips[..., 1]) / 408
            p = ttest_1samp(d, 0, axis=1).pvalue
            rejected[effect] = int(np.count_nonzero(p < 0.05))
            for row in range(0, 3000, 500):
                if d[row].std() > 0:
                    ours = decide(paired([0.0] * n, d[row].tolist()), Rule(1.5, n_min=2)).p_diff
                    assert ours == pytest.approx(p[row], abs=1e-9)
        assert rejected[0.0] / 30 == pytest.approx(5, abs=1.5)
        assert rejected[-3.4] / 30 == pytest.approx(power, abs=6)


def test_pairing_gains_where_arms_are_correlated() -> None:
    generator = np.random.default_rng(8)
    shared = generator.normal(85, 2.5, 8)
    a, b = shared + generator.normal(0, 0.2, 8), shared + generator.normal(0.1, 0.2, 8)
    together = decide(paired(a.tolist(), b.tolist()), RULE)
    apart = decide(independent(sample(a), sample(b)), RULE)
    assert (together.outcome, apart.outcome) == ("PASS", "INCONCLUSIVE")
    assert math.isclose(together.difference, apart.difference, abs_tol=1e-9)


@pytest.mark.parametrize(
    "call",
    [
        lambda: paired([1.0], [1.0, 2.0]),
        lambda: paired([], []),
        lambda: paired([1.0, math.nan], [1.0, 2.0]),
        lambda: sign_flip([]),
        lambda: sign_flip([math.nan]),
    ],
)
def test_nonsense_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        call()
