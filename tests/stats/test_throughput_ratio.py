from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import nct, ttest_1samp
from scipy.stats import t as student

from harness.stats.throughput import (
    Speed,
    compare_pairs,
    compare_sessions,
    detectable_slowdown,
    median_ratio,
    replicates_needed,
    same_memory,
)

rates = st.floats(350, 450)
pairs = st.integers(5, 12).flatmap(
    lambda n: st.tuples(st.lists(rates, min_size=n, max_size=n), st.lists(rates, min_size=n, max_size=n))
)


@given(pairs, st.floats(0.01, 0.3))
def test_pairs_agree_with_scipys_t_on_log_ratios(both: tuple[list[float], list[float]], margin: float) -> None:
    a, b = both
    r = np.log(b) - np.log(a)
    found = compare_pairs(a, b, margin)
    if r.std(ddof=1) < 1e-9:
        assert (found.outcome, found.ci90) == ("INCONCLUSIVE", None)
        return
    test = ttest_1samp(r, 0, alternative="less")
    interval = ttest_1samp(r, 0).confidence_interval(0.90)
    assert found.ratio == pytest.approx(math.exp(r.mean()))
    assert found.p_slower == pytest.approx(test.pvalue, rel=1e-6, abs=1e-12)
    assert found.ci90 == pytest.approx((math.exp(interval.low), math.exp(interval.high)), rel=1e-6)
    assert found.detectable is not None
    low, high = found.ci90 or (0, 0)
    if high < 1 - margin:
        assert found.outcome == "FAIL"
    elif margin < found.detectable:
        assert found.outcome == "INCONCLUSIVE"
        assert found.reason == "margin_below_mde"
    else:
        assert (found.outcome == "PASS") == (low > 1 - margin)
        assert (found.outcome == "FAIL") == (high < 1 and found.ratio < 1 - margin)


@given(pairs)
def test_both_arms_times_anything_is_the_same_ratio(both: tuple[list[float], list[float]]) -> None:
    a, b = both
    first, second = compare_pairs(a, b), compare_pairs([7 * x for x in a], [7 * x for x in b])
    assert (first.outcome, first.ratio) == (second.outcome, pytest.approx(second.ratio))
    assert compare_pairs(b, a).ratio == pytest.approx(1 / first.ratio)


def test_few_pairs_and_equal_pairs_decide_nothing() -> None:
    four = compare_pairs([400, 401, 402, 403], [300, 301, 302.5, 304])
    assert (four.outcome, four.reason) == ("INCONCLUSIVE", "few")
    assert four.ci90 is not None
    one = compare_pairs([400], [300])
    assert (one.outcome, one.ratio, one.ci90) == ("INCONCLUSIVE", pytest.approx(0.75), None)
    assert compare_pairs([400.0] * 5, [390.0] * 5).reason == "no_spread"


def test_a_noisy_machine_cannot_judge_a_small_margin() -> None:
    a, b = [400, 380, 420, 410, 390], [330, 390, 350, 400, 310]
    found = compare_pairs(a, b)
    assert found.detectable is not None
    assert found.ci90 is not None
    assert found.detectable > found.margin
    # Significant and beyond the margin, yet found by luck rather than power: not enough.
    assert found.ci90[1] < 1
    assert found.ratio < 1 - found.margin
    assert found.outcome == "INCONCLUSIVE"
    assert found.reason == "margin_below_mde"


def test_an_interval_wholly_below_the_margin_fails_whatever_the_mde() -> None:
    found = compare_pairs([400, 380, 420, 410, 390], [300, 340, 310, 330, 280])
    assert found.detectable is not None
    assert found.ci90 is not None
    assert found.detectable > found.margin
    assert found.ci90[1] < 1 - found.margin
    assert found.outcome == "FAIL"


@pytest.mark.parametrize("true", [1.0, 0.95])
@pytest.mark.parametrize("spread", [0.05, 0.15])
def test_the_clear_fail_keeps_its_level_where_the_margin_is_below_the_mde(true: float, spread: float) -> None:
    generator = np.random.default_rng(int(100 * (true + spread)))
    logs = generator.normal(0, spread, (2000, 2, 5))
    found = [compare_pairs(np.exp(a).tolist(), (true * np.exp(b)).tolist()) for a, b in logs]
    clear = [each.outcome == "FAIL" and (each.detectable or 0) > each.margin for each in found]
    assert np.mean(clear) < 0.05 + 0.012


@pytest.mark.parametrize(("sd", "margin", "sessions"), [(0.02, 0.05, False), (0.08, 0.05, False), (0.02, 0.05, True)])
def test_so_many_replicates_are_needed(sd: float, margin: float, sessions: bool) -> None:
    n = replicates_needed(sd, margin, sessions)
    assert n is not None

    def found(count: int) -> float:
        return detectable_slowdown(sd, count, math.sqrt(1 + 1 / count) if sessions else None)

    assert found(n) <= margin
    least = 3 if sessions else 5
    assert n == least or found(n - 1) > margin
    # A session's own spread does not average away.
    assert replicates_needed(0.08, margin, sessions=True) is None


@pytest.mark.parametrize(("n", "about"), [(5, 0.027), (10, 0.017)])
def test_mde_of_section_4(n: int, about: float) -> None:
    exact = detectable_slowdown(0.02, n)
    assert exact == pytest.approx(about, abs=0.001)
    # The second path: scipy's noncentral t at the found shift.
    nc = -math.log1p(-exact) / (0.02 / math.sqrt(n))
    assert nct.sf(student.ppf(0.95, n - 1), n - 1, nc) == pytest.approx(0.8, abs=1e-5)


def simulated(true: float, repetitions: int = 3000, order: str = "ABBA", processes: int = 5) -> dict[str, float]:
    """Section 7: process sd 1.5 %, drift 3 % over a session, median of steps already taken."""
    generator = np.random.default_rng(int(1000 * true))
    outcomes = {"PASS": 0, "FAIL": 0, "INCONCLUSIVE": 0}
    arms = ("ABBA" * processes)[: 2 * processes] if order == "ABBA" else "A" * processes + "B" * processes
    for _ in range(repetitions):
        drift = generator.normal(0, 0.03) * np.linspace(0, 1, 2 * processes)
        logs = drift + generator.normal(0, 0.015, 2 * processes)
        a = [math.exp(x) for x, arm in zip(logs, arms, strict=True) if arm == "A"]
        b = [true * math.exp(x) for x, arm in zip(logs, arms, strict=True) if arm == "B"]
        outcomes[compare_pairs(a, b).outcome] += 1
    return {word: 100 * count / repetitions for word, count in outcomes.items()}


def test_simulated_rule() -> None:
    # Section 7: FAIL 0/49/100, PASS 99/5/0 at 0/-5/-10 %; where the margin is below the MDE 1 or 2 % less of each.
    found = [simulated(true) for true in (1.0, 0.95, 0.90)]
    assert [each["FAIL"] for each in found] == pytest.approx([0, 49, 100], abs=3)
    assert [each["PASS"] for each in found] == pytest.approx([99, 5, 0], abs=3)


def test_interleaving_keeps_a_drift_out() -> None:
    assert simulated(0.95, order="AABB")["PASS"] > simulated(0.95)["PASS"] + 3


def test_sessions() -> None:
    history, new = [400.0, 404.0, 396.0, 402.0], 370.0
    found = compare_sessions(history, new)
    logs = np.log(history)
    t = (math.log(new) - logs.mean()) / (logs.std(ddof=1) * math.sqrt(1 + 1 / 4))
    assert found.p_slower == pytest.approx(student.cdf(t, 3))
    assert (found.outcome, found.n) == ("FAIL", 4)
    assert compare_sessions(history, 400.0).outcome == "PASS"
    for few in ([400.0], [400.0, 404.0]):
        asked = compare_sessions(few, 300.0)
        assert (asked.outcome, asked.reason) == ("INCONCLUSIVE", "few")


@pytest.mark.parametrize("m", [3, 5, 10])
def test_sessions_keep_their_level(m: int) -> None:
    # Section 7: false alarm 5/6/5 % over 3/5/10 sessions, where Welch against one session has 15 %.
    generator = np.random.default_rng(m)
    p = [
        compare_sessions(np.exp(generator.normal(6, 0.02, m)).tolist(), math.exp(generator.normal(6, 0.02))).p_slower
        for _ in range(2500)
    ]
    assert np.mean(np.asarray(p, dtype=float) < 0.05) == pytest.approx(0.05, abs=0.013)


def test_the_robust_twin() -> None:
    generator = np.random.default_rng(3)
    a = np.exp(generator.normal(6, 0.015, 12))
    b = 0.97 * np.exp(generator.normal(6, 0.015, 12))
    ratio, (low, high) = median_ratio(a.tolist(), b.tolist())
    assert low < ratio < high
    assert ratio == pytest.approx(float(np.exp(np.median(np.log(b / a)))))
    gate = compare_pairs(a.tolist(), b.tolist())
    assert gate.ci90 is not None
    assert (low, high) == pytest.approx(gate.ci90, abs=0.012)
    assert median_ratio(a.tolist(), b.tolist()) == (ratio, (low, high))
    b[3] *= 0.2  # one process that something else disturbed
    assert median_ratio(a.tolist(), b.tolist())[0] == pytest.approx(ratio, abs=0.012)


def test_memory() -> None:
    assert same_memory(1000, 1009.9)
    assert same_memory(1000, 990.1)
    assert not same_memory(1000, 1010.5)


@pytest.mark.parametrize(
    "call",
    [
        lambda: compare_pairs([], []),
        lambda: compare_pairs([400.0], [400.0, 401.0]),
        lambda: compare_pairs([400.0, 0.0], [400.0, 401.0]),
        lambda: compare_pairs([400.0, 401.0], [400.0, 401.0], margin=0.0),
        lambda: compare_sessions([], 400.0),
        lambda: detectable_slowdown(0.0, 5),
        lambda: replicates_needed(0.0, 0.05),
        lambda: replicates_needed(0.02, 1.0),
        lambda: median_ratio([400.0] * 9, [400.0] * 9),
        lambda: same_memory(0, 1),
    ],
)
def test_nonsense_is_refused(call: Callable[[], Speed | object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        call()
