from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student
from scipy.stats import ttest_1samp

from harness.stats.decision import Decision, Estimate, Rule, decide, largest_p, undecided, withheld
from harness.stats.reference import published_mean, single
from harness.stats.variance import Sample, Sd, own, sample

scores = st.integers(300, 370).map(lambda correct: 100 * correct / 408)
samples = st.lists(scores, min_size=5, max_size=10).filter(lambda values: max(values) > min(values))
rules = st.builds(Rule, st.floats(0.2, 6), st.sampled_from([0.01, 0.0163, 0.05]), st.sampled_from(["both", "lower"]))


def of_mean(values: list[float], target: float) -> Estimate:
    sd = own(values)
    se = sd.value / math.sqrt(len(values))
    return Estimate(len(values), sum(values) / len(values) - target, se, se, sd.df, sd)


@given(samples, st.floats(75, 92), st.floats(0.2, 6))
def test_both_tests_agree_with_scipys_one_sample_t(values: list[float], target: float, delta: float) -> None:
    found = decide(of_mean(values, target), Rule(delta))
    whole = ttest_1samp(values, target)
    lower = ttest_1samp(values, target - delta, alternative="greater").pvalue
    upper = ttest_1samp(values, target + delta, alternative="less").pvalue
    assert found.p_diff == pytest.approx(whole.pvalue, rel=1e-6, abs=1e-12)
    assert found.p_tost == pytest.approx(max(lower, upper), rel=1e-6, abs=1e-12)
    assert found.ci95 is not None
    assert found.ci90 is not None
    interval = whole.confidence_interval(0.95)
    assert found.ci95 == pytest.approx((interval.low - target, interval.high - target), abs=1e-6)
    assert found.ci90 == pytest.approx([each - target for each in whole.confidence_interval(0.90)], abs=1e-6)


@given(samples, st.floats(75, 92), rules)
def test_the_words_follow_from_the_numbers(values: list[float], target: float, rule: Rule) -> None:
    found = decide(of_mean(values, target), rule)
    assert found.ci_pass is not None
    assert found.p_diff is not None
    low, high = found.ci_pass
    assert (found.outcome == "PASS") == (low > -rule.delta and (rule.direction == "lower" or high < rule.delta))
    beyond = -found.difference if rule.direction == "lower" else abs(found.difference)
    failed = found.p_diff < rule.alpha and beyond > rule.delta
    assert (found.outcome == "FAIL") == failed, "a PASS and a FAIL never meet: one has D within the margin"
    assert not found.barred


@given(samples, st.floats(75, 92), st.floats(0.2, 6))
def test_two_sided_verdicts_have_no_side(values: list[float], target: float, delta: float) -> None:
    found, mirrored = (
        decide(of_mean(each, aim), Rule(delta))
        for each, aim in ((values, target), ([-value for value in values], -target))
    )
    assert (found.outcome, found.p_diff, found.p_tost) == (
        mirrored.outcome, pytest.approx(mirrored.p_diff, abs=1e-12), pytest.approx(mirrored.p_tost, abs=1e-12)
    )  # fmt: skip


@given(samples, st.floats(75, 92), st.floats(0.2, 3), st.floats(0, 3))
def test_a_wider_margin_never_unmakes_a_pass_nor_makes_a_fail(
    values: list[float], target: float, delta: float, more: float
) -> None:
    order = {"FAIL": 0, "INCONCLUSIVE": 1, "PASS": 2}
    narrow, wide = (decide(of_mean(values, target), Rule(delta).widened(extra)) for extra in (0, more))
    assert order[narrow.outcome] <= order[wide.outcome]


def test_too_good_is_a_failure_unless_only_too_low_is_asked() -> None:
    good = of_mean([90.0, 90.5, 91.0, 90.2, 90.3], 85.0)
    assert decide(good, Rule(2.5)).outcome == "FAIL"
    lower = decide(good, Rule(2.5, direction="lower"))
    assert lower.outcome == "PASS"
    assert lower.p_diff == pytest.approx(1, abs=1e-4)
    bad = of_mean([80.0, 80.5, 81.0, 80.2, 80.3], 85.0)
    assert decide(bad, Rule(2.5, direction="lower")).outcome == "FAIL"
    both, one = (decide(bad, Rule(2.5, direction=each)).p_diff for each in ("both", "lower"))
    assert both is not None
    assert one == pytest.approx(both / 2)


def test_not_significant_is_no_pass() -> None:
    noisy = of_mean([82.0, 86.0, 85.0, 79.0, 87.0], 85.0)
    found = decide(noisy, Rule(2.5))
    assert found.outcome == "INCONCLUSIVE"
    assert found.p_diff is not None
    assert found.p_diff > 0.3
    assert not found.barred


def test_significant_within_the_margin_is_no_failure() -> None:
    found = decide(of_mean([84.0, 84.1, 84.2, 84.0, 84.1], 85.0), Rule(2.5))
    assert found.p_diff is not None
    assert found.p_diff < 0.001
    assert found.outcome == "PASS"


@pytest.mark.parametrize(("sd", "n", "barred"), [
    (Sd(1.0, 2), 3, True), (Sd(1.0, 3), 4, True), (Sd(1.0, 4), 5, False),
    (Sd(1.0, 18, "moderated", 3), 2, True),
    (Sd(1.0, 18, "moderated", 3), 3, False), (Sd(1.0, 18, "pooled", 3), 3, False),
])  # fmt: skip
def test_few_runs_decide_nothing(sd: Sd, n: int, barred: bool) -> None:
    found = decide(Estimate(n, -20.0, 0.1, 0.1, sd.df, sd), Rule(2.5))
    assert (found.barred, found.outcome) == (barred, "INCONCLUSIVE" if barred else "FAIL")
    if barred:
        assert n < found.n_min
        assert found.p_diff is not None, "the numbers are shown all the same"
    assert decide(Estimate(n, -20.0, 0.1, 0.1, sd.df, sd), Rule(2.5, n_min=n)).outcome == "FAIL"


def test_no_spread_decides_nothing() -> None:
    equal = decide(single(sample([85.0] * 5), 85.0), Rule(2.5))
    assert (equal.outcome, equal.barred, equal.p_diff) == ("INCONCLUSIVE", True, None)
    # History does not excuse it: runs that are all equal may be the same run.
    history = Sd(1.0, 16, "moderated", 4)
    assert decide(single(sample([85.0] * 5, history), 85.0), Rule(2.5)).barred
    assert decide(single(Sample(5, 85.0, None), 85.0), Rule(2.5)).barred


def test_equal_bits_are_the_exception() -> None:
    def same(n: int, difference: float) -> Decision:
        return decide(Estimate(n, difference, 0.0, 0.0, n - 1, Sd(0.0, 4), varied=False, identical=True), Rule(1.5))

    assert (same(5, 0.0).outcome, same(5, 0.0).p_tost) == ("PASS", 0.0)
    assert same(3, 0.0).outcome == "INCONCLUSIVE"
    assert same(5, 0.25).outcome == "INCONCLUSIVE", "scores that differ contradict equal bits"


def test_a_pivot_replaces_the_t_law() -> None:
    estimate = Estimate(5, -3.0, 0.5, 0.5, 4, Sd(1.0, 4), low_tail=0.004, ci95=(-5.0, -1.0))
    assert decide(estimate, Rule(2.5)).p_diff == pytest.approx(0.008)
    assert decide(estimate, Rule(2.5, direction="lower")).p_diff == 0.004
    assert decide(estimate, Rule(2.5)).ci95 == (-5.0, -1.0)


@given(samples, st.floats(75, 92), rules)
def test_the_largest_p_is_where_the_difference_meets_the_margin(values: list[float], target: float, rule: Rule) -> None:
    estimate = of_mean(values, target)
    found = decide(estimate, rule)
    assert found.p_diff is not None
    beyond = -found.difference if rule.direction == "lower" else abs(found.difference)
    assert (found.p_block is not None) == (beyond > rule.delta)
    if abs(beyond - rule.delta) > 1e-9 and beyond > 0:
        assert (found.p_diff < found.p_limit) == (beyond > rule.delta)
    assert (found.outcome != "FAIL") or found.p_block == found.p_diff
    # The second path: the same scatter about the target, all difference that it can be, then what a FAIL needs.
    scatter = found.difference**2 + 4 * (estimate.se_diff or 0.0) ** 2 * (len(values) - 1) / 4
    assert (found.p_limit > 0) == (scatter > rule.delta**2)
    if found.p_limit:
        se = math.sqrt((scatter - rule.delta**2) / (len(values) - 1))
        sides = 1 if rule.direction == "lower" else 2
        assert found.p_limit == pytest.approx(sides * student.sf(rule.delta / se, len(values) - 1), rel=1e-6)


def test_what_cannot_fail_has_no_part_in_a_family() -> None:
    barred = decide(Estimate(2, -8.0, 0.6, 0.6, 1, Sd(1.2, 1)), Rule(2.5))
    assert (barred.p_block, barred.p_limit) == (None, 0.0)
    equal = decide(Estimate(5, 0.0, 0.0, 0.0, 4, Sd(0.0, 4), varied=False, identical=True), Rule(1.5))
    assert (equal.outcome, equal.p_block, equal.p_limit) == ("PASS", None, 0.0)
    assert undecided(Rule(2.5)).p_limit == 0.0
    pivot = Estimate(5, -0.1, 0.5, 0.5, 4, Sd(1.0, 4), low_tail=0.4)
    assert largest_p(pivot, Rule(2.5)) == 1.0, "a pivot's law is none of t"


def test_a_withheld_pass() -> None:
    passed = decide(of_mean([85.0, 85.1, 84.9, 85.2, 84.8], 85.0), Rule(2.5))
    assert withheld(passed).outcome == "INCONCLUSIVE"
    failed = decide(of_mean([75.0, 75.1, 74.9, 75.2, 74.8], 85.0), Rule(2.5))
    assert withheld(failed) is failed


@pytest.mark.parametrize(
    "call",
    [
        lambda: Rule(0.0),
        lambda: Rule(math.nan),
        lambda: Rule(2.5, alpha=0.5),
        lambda: Rule(2.5, direction="higher"),  # type: ignore[arg-type]
        lambda: Rule(2.5, n_min=1),
        lambda: Rule(2.5).widened(-0.1),
        lambda: Estimate(5, math.nan, 1.0, 1.0, 4, None),
        lambda: Estimate(0, 1.0, 1.0, 1.0, 4, None),
    ],
)
def test_nonsense_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        call()


def shares(kind: str, n: int, shift: float, sd: float = 1.2, repetitions: int = 4000) -> dict[str, float]:
    """The verdicts' shares as section 7 simulates them: integer scores of 408, a reference as noisy as our runs."""
    generator = np.random.default_rng([n, int(10 * abs(shift)), kind == "mean"])
    outcomes = {"PASS": 0, "FAIL": 0, "INCONCLUSIVE": 0}
    rule = Rule(2.5, n_min=3)
    for _ in range(repetitions):
        ours = np.round(generator.normal(86 + shift, sd, n) * 4.08) / 4.08
        theirs = np.round(generator.normal(86, sd, 5) * 4.08) / 4.08
        mine = sample(ours.tolist())
        reference = (
            single(mine, float(theirs[0]))
            if kind == "single"
            else published_mean(mine, float(theirs.mean()), 5, float(theirs.std(ddof=1)), "pooled")
        )
        outcomes[decide(reference, rule).outcome] += 1
    return {word: 100 * count / repetitions for word, count in outcomes.items()}


@pytest.mark.parametrize(("kind", "n", "fail_0", "fail_4", "pass_0", "pass_4"), [
    ("single", 3, 2, 35, 41, 2), ("single", 5, 2, 61, 70, 3), ("single", 10, 3, 79, 85, 4),
    ("mean", 3, 0.4, 94, 62, 0.1), ("mean", 5, 0.1, 97, 83, 0), ("mean", 10, 0, 99, 95, 0),
])  # fmt: skip
def test_simulated_operating_characteristics(
    kind: str, n: int, fail_0: float, fail_4: float, pass_0: float, pass_4: float
) -> None:
    equal, lost = shares(kind, n, 0.0), shares(kind, n, -4.0)
    found = (equal["FAIL"], lost["FAIL"], equal["PASS"], lost["PASS"])
    # 4000 repetitions: three standard errors are at most 2.4 %, the table is rounded to whole per cents.
    assert found == pytest.approx((fail_0, fail_4, pass_0, pass_4), abs=3.0)


def test_at_the_margin_a_pass_is_as_rare_as_alpha() -> None:
    at_margin = shares("mean", 5, -2.5)
    assert at_margin["PASS"] <= 5 + 1.1


def test_a_look_s_level_moves_the_interval_that_decides() -> None:
    found = decide(of_mean([85.0, 86.1, 84.2, 85.6, 83.9], 85.0), Rule(2.5, alpha=0.0226))
    assert found.ci_pass is not None
    assert found.ci90 is not None
    half = student.ppf(1 - 0.0226, 4) / student.ppf(0.95, 4)
    assert (found.ci_pass[1] - found.ci_pass[0]) == pytest.approx(half * (found.ci90[1] - found.ci90[0]))
