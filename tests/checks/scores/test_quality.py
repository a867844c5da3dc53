"""Quality against each kind of reference; every expected number comes from scipy directly, not from harness.stats."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.checks.scores.gate import Policy, judge_all
from harness.checks.scores.judgement import Judgement
from harness.checks.scores.target import written_references
from harness.grid.grid import grid_from_text
from harness.references import Reference, find
from tests.checks.made_up_scores import MAJORITY, UNCASED, arms, measured, of, published

SCORES = of([349, 352, 346, 355, 350])


def quality(
    configuration: object, reference: Reference, policy: Policy | None = None, metric: str = "accuracy"
) -> Judgement:
    configurations = configuration if isinstance(configuration, list) else [configuration]
    found = judge_all(configurations, [reference], policy or Policy(margin=2.5))
    first = configurations[0]
    (one,) = (
        each for each in found
        if each.check == "quality" and each.metric == metric and each.configuration_id == first.configuration_id
    )  # fmt: skip
    return one


def test_a_single_run_is_compared_as_crawford_and_howell_do() -> None:
    found = quality(measured(SCORES), published(85.78431372549019))
    n, mean, s = 5, np.mean(SCORES), np.std(SCORES, ddof=1)
    d = mean - 85.78431372549019
    assert found.mean == pytest.approx(mean)
    assert found.decision is not None
    assert found.decision.difference == pytest.approx(d)
    assert found.decision.p_diff == pytest.approx(2 * stats.t.sf(abs(d) / (s * math.sqrt(1 + 1 / n)), n - 1))
    lower = stats.ttest_1samp(np.array(SCORES) - 85.78431372549019, -2.5, alternative="greater").pvalue
    upper = stats.ttest_1samp(np.array(SCORES) - 85.78431372549019, 2.5, alternative="less").pvalue
    assert found.decision.p_tost == pytest.approx(max(lower, upper))
    assert found.outcome == "PASS"
    assert found.adjusted_p is None, "a difference within the margin has no FAIL to bear out"
    assert "of these runs" in found.evidence[0]
    assert (
        "against a single run a PASS says: the mean is within 2.50 points of the number, and the number is an ordinary "
        "draw of this pipeline"
    ) in found.evidence


def test_a_mean_with_an_sd_is_pooled_where_the_sds_agree() -> None:
    reference = published(100 * 1750 / (5 * 408), "mean", 5, sd=0.9)
    found = quality(measured(SCORES), reference)
    expected = stats.ttest_ind_from_stats(np.mean(SCORES), np.std(SCORES, ddof=1), 5, 100 * 350 / 408, 0.9, 5)
    assert found.decision is not None
    assert found.decision.p_diff == pytest.approx(expected.pvalue)
    assert found.decision.df == 8


def test_a_mean_with_another_sd_is_compared_by_welch() -> None:
    reference = published(100 * 1750 / (5 * 408), "mean", 5, sd=4.0)
    found = quality(measured(SCORES), reference)
    expected = stats.ttest_ind_from_stats(
        np.mean(SCORES), np.std(SCORES, ddof=1), 5, 100 * 350 / 408, 4.0, 5, equal_var=False
    )
    assert found.decision is not None
    assert found.decision.p_diff == pytest.approx(expected.pvalue)


def test_a_mean_without_an_sd_takes_ours() -> None:
    found = quality(measured(SCORES), published(100 * 1735 / (5 * 408), "mean", 5))
    d, se = np.mean(SCORES) - 100 * 347 / 408, np.std(SCORES, ddof=1) * math.sqrt(1 / 5 + 1 / 5)
    assert found.decision is not None
    assert found.decision.p_diff == pytest.approx(2 * stats.t.sf(abs(d) / se, 4))


def test_a_published_sample_is_compared_by_welch_and_never_pooled() -> None:
    theirs = of([343, 351, 347, 352, 349, 346])
    found = quality(measured(SCORES), published(statistic="sample", values=theirs))
    expected = stats.ttest_ind(SCORES, theirs, equal_var=False)
    assert found.decision is not None
    assert found.decision.p_diff == pytest.approx(expected.pvalue)
    assert found.target == pytest.approx(np.mean(theirs))


def pivot(c: float, n: int, df: int, j: int, k: int) -> float:
    """P(T <= c) by drawing the runs themselves: no quadrature, no order statistic's law."""
    rng = np.random.default_rng(11)
    draws = 400_000
    reference = np.sort(rng.standard_normal((draws, k)), axis=1)[:, j - 1]
    ours = rng.standard_normal((draws, n))
    assert df == n - 1
    return float(np.mean((reference - ours.mean(axis=1)) / ours.std(axis=1, ddof=1) <= c))


@pytest.mark.parametrize(("statistic", "j", "value"), [("best", 5, 359), ("median", 3, 345)])
def test_an_order_statistic_is_compared_by_the_pivot(statistic: str, j: int, value: int) -> None:
    found = quality(measured(SCORES), published(100 * value / 408, statistic, 5))
    mean, s = np.mean(SCORES), np.std(SCORES, ddof=1)
    f = pivot((100 * value / 408 - mean) / s, 5, 4, j, 5)
    assert found.decision is not None
    assert found.decision.p_diff == pytest.approx(2 * min(f, 1 - f), abs=4e-3)
    luck = {5: 1.162964, 3: 0.0}[j]
    assert found.decision.difference == pytest.approx(mean + luck * s - 100 * value / 408, abs=1e-5)


def test_a_number_of_unknown_provenance_gets_the_milder_verdict() -> None:
    reference = published(100 * 362 / 408, kind="paper")
    found = quality(measured(SCORES), reference)
    as_a_run = quality(measured(SCORES), published(100 * 362 / 408))
    as_the_best = quality(measured(SCORES), published(100 * 362 / 408, "best", 5))
    assert "provenance unknown, taken as the best of 5" in found.why
    assert found.decision is not None
    assert as_a_run.decision is not None
    assert as_the_best.decision is not None
    assert as_a_run.decision.p_diff < found.decision.p_diff == pytest.approx(as_the_best.decision.p_diff)


def test_the_margin_comes_from_the_sample_of_the_recipe() -> None:
    found = quality(measured(SCORES), find("hf-course-ch3"), Policy())
    values = [100 * v for v in find("replication-course-uncased").metrics["accuracy"].every]
    sd = np.std(values, ddof=1)
    assert found.decision is not None
    assert found.decision.delta == 0.25 * round(2.4 * sd / 0.25) == 2.5
    assert found.margin_from == f"2.5 points = 2.4 x sd {sd:.2f} points of 25 runs (replication-course-uncased)"
    assert found.recipe_differences == ()


def test_the_margin_of_a_value_without_spread_is_the_default_and_f1_has_its_own() -> None:
    reference = published(85.78431372549019)
    found = judge_all([measured(SCORES)], [reference], Policy())
    (one,) = (each for each in found if each.check == "quality")
    assert one.decision is not None
    assert one.decision.delta == 2.5
    assert "default" in one.margin_from
    f1 = quality(measured(SCORES), published(90.0, metric="f1", decimals=2), Policy(), metric="f1")
    assert f1.decision is not None
    assert f1.decision.delta == pytest.approx(1.75 + 0.5)  # two decimals of a fraction: half a point hidden


def test_a_rounded_value_widens_the_margin_by_half_a_unit() -> None:
    found = quality(measured(SCORES), published(85.8, decimals=3))
    assert found.decision is not None
    assert found.decision.delta == pytest.approx(2.55)
    assert "0.05 for the rounding" in found.margin_from


def test_a_spread_of_few_runs_makes_the_margin_no_wider() -> None:
    theirs = of([343, 359, 351])
    found = quality(measured(SCORES), published(statistic="sample", values=theirs), Policy())
    assert found.decision is not None
    assert found.decision.delta == 2.5
    assert "fewer than 5 runs" in found.margin_from


def test_a_real_loss_fails_and_says_its_numbers() -> None:
    low = of([325, 328, 322, 331, 326])
    found = quality(measured(low), published(statistic="sample", values=SCORES * 2))
    assert found.outcome == "FAIL"
    assert f"{np.mean(low):.2f}" in found.why
    assert f"{np.mean(low) - np.mean(SCORES):+.2f}" in found.why
    assert found.adjusted_p == pytest.approx(min(1.0, 2 * found.decision.p_diff))  # type: ignore[union-attr]


def test_four_runs_are_too_few_without_history_and_the_outlook_says_so() -> None:
    found = quality(measured(SCORES[:4]), published(85.78431372549019))
    assert found.outcome == "INCONCLUSIVE"
    assert "4 of at least 5 runs" in found.why
    assert found.more_seeds is not None
    assert found.more_seeds >= 1
    assert f"{found.more_seeds} more seed" in found.outlook


def test_history_steadies_the_sd_and_lets_three_runs_be_judged() -> None:
    rng = np.random.default_rng(7)
    scores = {"a": list(SCORES[:3])}
    asked: dict[str, dict[str, object]] = {}
    for number in range(4):  # other seeds: no luck is shared
        scores[f"h{number}"] = list(85.5 + 1.2 * rng.standard_normal(6))
    everything = arms({"a": scores["a"]}, {"a": {}})
    for number in range(4):
        asked = {"": {"devices": 2 ** (number + 1), "recipe": {**_batch(8 // 2 ** (number + 1))}}} if number < 3 else {}
        asked = asked or {"": {"precision": "bf16"}}
        seeds = range(100 * (number + 1), 100 * (number + 1) + 6)
        everything += arms({"": scores[f"h{number}"]}, asked, seeds)
    found = quality(everything, published(85.78431372549019), Policy(margin=2.5, harmless=frozenset({"devices"})))
    past = [scores[f"h{number}"] for number in range(4)]
    s0 = math.sqrt(sum(np.var(cell, ddof=1) * 5 for cell in past) / 20)
    own = np.std(SCORES[:3], ddof=1)
    assert found.decision is not None
    assert found.decision.sd is not None
    assert found.decision.sd.source == "moderated"
    assert found.decision.sd.value == pytest.approx(math.sqrt((16 * s0**2 + 2 * own**2) / 18))
    assert found.decision.sd.df == 18
    assert not found.decision.barred
    assert "moderated by 4 other configurations" in found.evidence[0]


def _batch(each: int) -> dict[str, object]:
    return {"learning_rate": 5e-5, "per_device_train_batch_size": each, "num_train_epochs": 3.0}


def test_an_sd_far_above_history_is_used_alone() -> None:
    rng = np.random.default_rng(3)
    wild = list(85.5 + 2.2 * np.array([1.2, -1.4, 0.3, 0.9, -1.0]))
    everything = arms({"": wild}, {})
    for number, precision in enumerate(("bf16", "fp16", "tf32")):
        tame = list(85.5 + 1.0 * rng.standard_normal(5))
        everything += arms({"": tame}, {"": {"precision": precision}}, range(50 * (number + 1), 50 * (number + 1) + 5))
    found = quality(everything, published(85.78431372549019))
    assert found.decision is not None
    assert found.decision.sd is not None
    assert found.decision.sd.source == "own"
    assert "larger than history" in found.decision.sd.note or "differ in sd" in found.decision.sd.note


def test_twins_that_share_their_luck_bring_no_degrees_of_freedom() -> None:
    shifted = {"a": SCORES, "b": [s + 0.3 for s in SCORES], "c": [s - 0.2 for s in SCORES]}
    everything = arms(shifted, {"b": {"precision": "bf16"}, "c": {"precision": "fp16"}})
    found = quality(everything, published(85.78431372549019))
    assert found.decision is not None
    assert found.decision.sd is not None
    assert found.decision.sd.df == 4
    assert "count once (correlation 1.00)" in found.decision.sd.note
    fewer = {name: scores[:4] for name, scores in shifted.items()}
    few = quality(arms(fewer, {"b": {"precision": "bf16"}, "c": {"precision": "fp16"}}), published(85.78431372549019))
    assert "4 of at least 5 runs" in few.why


def test_collapsed_runs_are_counted_and_withhold_the_pass() -> None:
    one = measured([*SCORES, 100 * MAJORITY, 100 * MAJORITY])
    found = quality(one, published(85.78431372549019))
    assert [score.status for score in found.seeds] == ["ok"] * 5 + ["collapsed"] * 2
    assert (found.collapsed, found.judged) == (2, 7)
    assert found.outcome == "INCONCLUSIVE"
    assert "PASS withheld: 2 of 7 runs collapsed" in found.why
    assert "the scores of the ok runs alone would pass" in found.outlook
    assert found.mean == pytest.approx(np.mean(SCORES))
    everything = [*SCORES, 100 * MAJORITY, 100 * MAJORITY]
    assert (
        f"all 7 runs with a score: mean {np.mean(everything):.2f}, median {np.median(everything):.2f}" in found.evidence
    )


def test_one_collapse_of_many_does_not_withhold() -> None:
    found = quality(measured([*SCORES, 100 * MAJORITY]), published(85.78431372549019))
    assert found.outcome == "PASS"
    assert found.collapsed == 1


def test_runs_that_are_all_equal_are_no_sample() -> None:
    found = quality(measured([85.0] * 5), published(85.78431372549019))
    assert found.outcome == "INCONCLUSIVE"
    assert "all runs are equal" in found.why
    assert found.adjusted_p is None


def test_no_ok_run_is_no_verdict() -> None:
    found = quality(measured([100 * MAJORITY] * 5), published(85.78431372549019))
    assert found.outcome == "INCONCLUSIVE"
    assert found.decision is None
    assert "none of 5 runs has a score to judge" in found.why


def test_a_recipe_difference_withholds_the_verdict_until_it_is_declared_harmless() -> None:
    one = measured(SCORES, precision="bf16")
    reference = published(85.78431372549019, precision="fp32")
    found = quality(one, reference)
    assert found.outcome == "INCONCLUSIVE"
    assert found.recipe_differences == ("precision: run bf16, reference fp32",)
    assert found.adjusted_p is None
    assert found.decision is not None  # the numbers are shown, the verdict is not given
    declared = quality(one, reference, Policy(margin=2.5, harmless=frozenset({"precision"})))
    assert declared.outcome == "PASS"
    assert declared.harmless == ("precision: run bf16, reference fp32",)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"split": "test"}, "scored on the test split"),
        ({"unusable": "the author withdrew it"}, "withdrew"),
        ({"decimals": 4}, "unattainable"),
        ({"statistic": "mean", "n": None}, "number of runs"),
        ({"task": "glue/rte"}, "task: run glue/mrpc"),
    ],
)
def test_what_cannot_be_compared_has_no_numbers(changes: dict[str, object], said: str) -> None:
    value = 85.9 if changes.get("decimals") else 85.78431372549019
    found = quality(measured(SCORES), published(value, **{"statistic": "single", "n": 1, **changes}))  # type: ignore[arg-type]
    assert found.outcome == "INCONCLUSIVE"
    assert found.decision is None
    assert found.target is None
    assert said in found.why


def test_other_examples_are_not_compared() -> None:
    one = measured(SCORES, task="embedded/paraphrase")
    found = quality(one, published(85.78431372549019))
    assert found.decision is None
    assert "task: run embedded/paraphrase, reference glue/mrpc" in found.why


def test_a_reference_without_accuracy_gates_nothing_and_says_so() -> None:
    found = judge_all([measured(SCORES)], [published(90.0, metric="f1", decimals=2)], Policy())
    (gating,) = (each for each in found if each.check == "quality" and each.metric == "accuracy")
    assert gating.outcome == "INCONCLUSIVE"
    assert "no accuracy is published" in gating.why


def test_only_fitting_references_are_held_against_a_configuration() -> None:
    cased = published(85.78431372549019, id="cased", checkpoint="google-bert/bert-base-cased")
    uncased = published(85.78431372549019, id="uncased")
    found = judge_all([measured(SCORES)], [cased, uncased], Policy(margin=2.5))
    assert [each.against for each in found if each.check == "quality"] == ["uncased"]
    alone = judge_all([measured(SCORES)], [cased], Policy(margin=2.5))
    (one,) = (each for each in alone if each.check == "quality")
    assert one.outcome == "INCONCLUSIVE"
    assert one.recipe_differences == (f"checkpoint: run {UNCASED}, reference google-bert/bert-base-cased",)


def test_contradicting_references_are_shown() -> None:
    found = quality(measured(SCORES), find("card-dzrex"), Policy(margin=2.5))
    assert any(text.startswith("contradiction: card-dzrex") for text in found.evidence)


def test_a_reference_written_out_in_a_grid_is_read_as_it_stands() -> None:
    text = f"""
name = "x"
task = "glue/mrpc"
[matrix]
checkpoint = "{UNCASED}"
[[reference]]
id = "ours"
metric = "accuracy"
value = 0.858
statistic = "mean"
n = 5
sd = 0.011
split = "validation"
source = "a letter"
[[reference]]
id = "hf-course-ch3"
"""
    from pathlib import Path

    ours, course = written_references(grid_from_text(text.encode(), Path("x.toml")))
    assert course is find("hf-course-ch3")
    found = quality(measured(SCORES), ours, Policy())
    assert found.decision is not None
    assert found.target == pytest.approx(85.8)
    assert found.decision.delta == pytest.approx(0.25 * round(2.4 * 1.1 / 0.25) + 0.05)


scores_of_five = st.lists(st.integers(300, 380), min_size=5, max_size=8)


@settings(deadline=None, max_examples=40)
@given(scores_of_five, st.integers(320, 370))
def test_repeating_the_same_data_never_turns_pass_into_fail(correct: list[int], value: int) -> None:
    reference = published(100 * value / 408)
    once, twice = (quality(measured(of(correct * times)), reference) for times in (1, 2))
    if once.outcome == "PASS":
        assert twice.outcome == "PASS"


@settings(deadline=None, max_examples=40)
@given(scores_of_five, st.integers(320, 370))
def test_a_wider_margin_never_turns_pass_into_anything_else(correct: list[int], value: int) -> None:
    one, reference = measured(of(correct)), published(100 * value / 408)
    narrow, wide = (quality(one, reference, Policy(margin=m)) for m in (2.0, 3.0))
    assert narrow.outcome != "PASS" or wide.outcome == "PASS"
    assert wide.outcome != "FAIL" or narrow.outcome == "FAIL"


def test_false_alarms_stay_below_alpha() -> None:
    rng = np.random.default_rng(0)
    fails = 0
    for _ in range(300):
        runs = np.round(408 * (0.857 + 0.012 * rng.standard_normal(6)))
        found = quality(measured(of(list(map(int, runs[:5])))), published(100 * runs[5] / 408))
        fails += found.outcome == "FAIL"
    assert fails <= 15  # 5 %; the rule's margin makes it 2 %


def test_numbers_can_be_worked_out_again_from_the_judgement() -> None:
    found = quality(measured(SCORES), published(85.78431372549019))
    ok = [100 * run.accuracy for run in found.seeds if run.status == "ok" and run.accuracy is not None]
    d = found.decision
    assert d is not None
    assert d.sd is not None
    assert found.mean == pytest.approx(sum(ok) / len(ok))
    assert d.difference == pytest.approx(found.mean - found.target)
    assert d.ci90 is not None
    half = stats.t.ppf(0.95, d.df) * d.sd.value / math.sqrt(d.n)
    assert d.ci90 == pytest.approx((d.difference - half, d.difference + half))
    # 80 % power of a two-sided test at the smallest detectable difference, by the noncentral t.
    se = d.sd.value * math.sqrt(1 + 1 / d.n)
    crit = stats.t.ppf(0.975, d.df)
    power = stats.nct.sf(crit, d.df, found.detectable / se) + stats.nct.cdf(-crit, d.df, found.detectable / se)
    assert power == pytest.approx(0.8, abs=1e-4)
    assert replace(found) == found
