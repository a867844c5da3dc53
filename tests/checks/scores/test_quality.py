"""Quality against each kind of reference; every expected number comes from scipy directly, not from harness.stats."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.checks.scores.gate import Policy
from harness.checks.verdict import Fact
from harness.references import Reference, find
from harness.stats.decision import Estimate, Rule, decide
from harness.stats.reference import best_of, median_of, published_mean, published_sample, single
from harness.stats.variance import sample
from tests.checks.made_up_scores import MAJORITY, VALUE, arms, measured, numbers, of, part, published, values
from tests.checks.scores.made_up import SCORES, quality

OURS = sample(SCORES)
THEIRS = of([343, 351, 347, 352, 349, 346])


@pytest.mark.parametrize(
    ("reference", "estimate"),
    [
        (published(VALUE), single(OURS, VALUE)),
        (published(VALUE, "mean", 5, sd=0.9), published_mean(OURS, VALUE, 5, 0.9)),
        (published(VALUE, "mean", 5, sd=4.0), published_mean(OURS, VALUE, 5, 4.0)),
        (published(VALUE, "mean", 5), published_mean(OURS, VALUE, 5)),
        (published(statistic="sample", values=THEIRS), published_sample(OURS, THEIRS)),
        (published(VALUE, "best", 5), best_of(OURS, VALUE, 5)),
        (published(VALUE, "median", 5), median_of(OURS, VALUE, 5)),
    ],
    ids=["single", "pooled", "welch", "bare mean", "sample", "best", "median"],
)
def test_each_statistic_is_compared_by_its_own_law(reference: Reference, estimate: Estimate) -> None:
    found, expected = numbers(quality(measured(SCORES), reference)), decide(estimate, Rule(2.5))
    assert (found.outcome, found.df) == (expected.outcome, expected.df)
    for name in ("difference", "p_diff", "p_tost"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-9)


def test_a_pass_against_a_single_run_says_what_it_means() -> None:
    found = quality(measured(SCORES), published(VALUE))
    assert found.against is not None
    assert (found.outcome, found.against.mean) == ("PASS", pytest.approx(VALUE))
    assert found.adjusted_p is None, "a difference within the margin has no FAIL to bear out"
    spread = values(found.notes, "sd")
    assert (spread["value"], spread["df"], spread["source"]) == (pytest.approx(np.std(SCORES, ddof=1)), 4, "own")
    assert values(found.notes, "pass.single") == {"margin": 2.5, "ordinary": True}
    assert found.reason.values["because"] is None
    scores = part(found, "scores").values
    assert (scores["metric"], scores["mean"], scores["runs"]) == ("accuracy", pytest.approx(np.mean(SCORES)), 5)
    target = scores["target"].values
    assert (target["value"], target["statistic"], target["known"]) == (pytest.approx(VALUE), "single", True)


def test_a_number_of_unknown_provenance_gets_the_milder_verdict() -> None:
    reference = published(100 * 362 / 408, kind="paper")
    found = quality(measured(SCORES), reference)
    as_a_run = quality(measured(SCORES), published(100 * 362 / 408))
    as_the_best = quality(measured(SCORES), published(100 * 362 / 408, "best", 5))
    assert part(found, "scores").values["label"] == Fact.of("provenance.unknown", best_of=5)
    assert not part(found, "scores").values["target"].values["known"]
    p = [numbers(each).p_diff or 0.0 for each in (as_a_run, found, as_the_best)]
    assert p[0] < p[1] == pytest.approx(p[2])


def test_the_margin_comes_from_the_sample_of_the_recipe() -> None:
    found = quality(measured(SCORES), find("hf-course-ch3"), Policy())
    sd = np.std([100 * v for v in find("replication-course-uncased").metrics["accuracy"].every], ddof=1)
    assert numbers(found).delta == 0.25 * round(2.4 * sd / 0.25) == 2.5
    origin = {"points": 2.5, "sd": pytest.approx(sd), "runs": 25, "whose": "replication-course-uncased"}
    assert found.margin_from == Fact("margin.spread", origin)
    assert found.recipe_differences == ()


def test_the_margin_of_a_value_without_spread_is_the_default_and_f1_has_its_own() -> None:
    reference = published(VALUE)
    one = quality(measured(SCORES), reference, Policy())
    assert numbers(one).delta == 2.5
    assert one.margin_from == Fact.of("margin.default", points=2.5)
    f1 = quality(measured(SCORES), published(90.0, metric="f1", decimals=2), Policy(), metric="f1")
    assert numbers(f1).delta == pytest.approx(1.75 + 0.5)  # two decimals of a fraction: half a point hidden


def test_a_rounded_value_widens_the_margin_by_half_a_unit() -> None:
    found = quality(measured(SCORES), published(85.8, decimals=3))
    assert numbers(found).delta == pytest.approx(2.55)
    declared = Fact.of("margin.declared", points=2.5)
    assert found.margin_from == Fact("margin.rounded", {"margin": declared, "half_ulp": pytest.approx(0.05)})


def test_a_spread_of_few_runs_makes_the_margin_no_wider() -> None:
    theirs = of([343, 359, 351])
    found = quality(measured(SCORES), published(statistic="sample", values=theirs), Policy())
    assert numbers(found).delta == 2.5
    sd = pytest.approx(np.std(theirs, ddof=1))
    assert found.margin_from == Fact(
        "margin.few", {"points": 2.5, "least": 5, "sd": sd, "runs": 3, "whose": "published"}
    )


def test_a_real_loss_fails_and_says_its_numbers() -> None:
    low = of([325, 328, 322, 331, 326])
    found = quality(measured(low), published(statistic="sample", values=SCORES * 2))
    assert found.outcome == "FAIL"
    assert found.subject.mean == pytest.approx(np.mean(low))
    assert numbers(found).difference == pytest.approx(np.mean(low) - np.mean(SCORES))
    assert found.adjusted_p == pytest.approx(min(1.0, 2 * (numbers(found).p_diff or 0.0)))


def test_four_runs_are_too_few_without_history_and_the_outlook_says_so() -> None:
    found = quality(measured(SCORES[:4]), published(VALUE))
    assert found.outcome == "INCONCLUSIVE"
    assert part(found, "because") == Fact.of("runs.few", n=4, least=5)
    assert found.more_seeds is not None
    assert found.more_seeds >= 1
    ahead = values(found.todo, "seeds.more")
    assert (ahead["more"], ahead["seconds"]) == (found.more_seeds, 120 * found.more_seeds)
    assert values(found.todo, "seeds.floor")["against"] == Fact.of("run.single")


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
    found = quality(everything, published(VALUE), Policy(margin=2.5, harmless=frozenset({"devices"})))
    past = [scores[f"h{number}"] for number in range(4)]
    s0 = math.sqrt(sum(np.var(cell, ddof=1) * 5 for cell in past) / 20)
    own = np.std(SCORES[:3], ddof=1)
    sd = numbers(found).sd
    assert sd is not None
    assert (sd.source, sd.cells, sd.df) == ("moderated", 4, 18)
    assert sd.value == pytest.approx(math.sqrt((16 * s0**2 + 2 * own**2) / 18))
    assert not numbers(found).barred
    assert values(found.notes, "sd")["source"] == "moderated"


def _batch(each: int) -> dict[str, object]:
    return {"learning_rate": 5e-5, "per_device_train_batch_size": each, "num_train_epochs": 3.0}


def test_an_sd_far_above_history_is_used_alone() -> None:
    rng = np.random.default_rng(3)
    wild = list(85.5 + 2.2 * np.array([1.2, -1.4, 0.3, 0.9, -1.0]))
    everything = arms({"": wild}, {})
    for number, precision in enumerate(("bf16", "fp16", "tf32")):
        tame = list(85.5 + 1.0 * rng.standard_normal(5))
        everything += arms({"": tame}, {"": {"precision": precision}}, range(50 * (number + 1), 50 * (number + 1) + 5))
    found = quality(everything, published(VALUE))
    sd = numbers(found).sd
    assert sd is not None
    assert sd.source == "own"
    assert sd.note is not None
    assert sd.note.code in ("spread.larger", "spread.differs")
    assert values(found.notes, "sd")["note"] == sd.note


def test_twins_that_share_their_luck_bring_no_degrees_of_freedom() -> None:
    shifted = {"a": SCORES, "b": [s + 0.3 for s in SCORES], "c": [s - 0.2 for s in SCORES]}
    everything = arms(shifted, {"b": {"precision": "bf16"}, "c": {"precision": "fp16"}})
    found = quality(everything, published(VALUE))
    sd = numbers(found).sd
    assert sd is not None
    assert sd.df == 4
    assert sd.note == Fact("spread.shared_seeds", {"correlation": pytest.approx(1.0)})
    fewer = {name: scores[:4] for name, scores in shifted.items()}
    few = quality(arms(fewer, {"b": {"precision": "bf16"}, "c": {"precision": "fp16"}}), published(VALUE))
    assert part(few, "because") == Fact.of("runs.few", n=4, least=5)


def test_collapsed_runs_are_counted_and_withhold_the_pass() -> None:
    one = measured([*SCORES, 100 * MAJORITY, 100 * MAJORITY])
    found = quality(one, published(VALUE))
    assert [score.status for score in found.subject.runs] == ["ok"] * 5 + ["collapsed"] * 2
    assert (found.subject.collapsed, found.subject.ended) == (2, 7)
    assert found.outcome == "INCONCLUSIVE"
    withheld = part(found, "withheld").values
    assert (withheld["k"], withheld["n"], withheld["p0"], withheld["p"]) == (2, 7, 0.02, None)
    assert Fact.of("seeds.collapses") in found.todo
    assert found.subject.mean == pytest.approx(np.mean(SCORES))
    everything = [*SCORES, 100 * MAJORITY, 100 * MAJORITY]
    every = values(found.notes, "runs.every")
    assert every == {"n": 7, "mean": pytest.approx(np.mean(everything)), "median": pytest.approx(np.median(everything))}


def test_one_collapse_of_many_does_not_withhold() -> None:
    found = quality(measured([*SCORES, 100 * MAJORITY]), published(VALUE))
    assert found.outcome == "PASS"
    assert found.subject.collapsed == 1


def test_runs_that_are_all_equal_are_no_sample() -> None:
    found = quality(measured([85.0] * 5), published(VALUE))
    assert found.outcome == "INCONCLUSIVE"
    assert part(found, "because").code == "runs.equal"
    assert found.adjusted_p is None


def test_no_ok_run_is_no_verdict() -> None:
    found = quality(measured([100 * MAJORITY] * 5), published(VALUE))
    assert found.outcome == "INCONCLUSIVE"
    assert found.numbers is None
    assert found.reason == Fact.of("scores.none", runs=5)


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


def test_numbers_can_be_worked_out_again_from_the_verdict() -> None:
    found = quality(measured(SCORES), published(VALUE))
    ok = [100 * (run.score("accuracy") or 0.0) for run in found.subject.runs if run.status == "ok"]
    d = numbers(found)
    assert d.sd is not None
    assert found.against is not None
    assert found.subject.mean == pytest.approx(sum(ok) / len(ok))
    assert d.difference == pytest.approx((found.subject.mean or 0.0) - (found.against.mean or 0.0))
    assert d.ci90 is not None
    half = stats.t.ppf(0.95, d.df) * d.sd.value / math.sqrt(d.n)
    assert d.ci90 == pytest.approx((d.difference - half, d.difference + half))
    # 80 % power of a two-sided test at the smallest detectable difference, by the noncentral t.
    se = d.sd.value * math.sqrt(1 + 1 / d.n)
    crit = stats.t.ppf(0.975, d.df)
    power = stats.nct.sf(crit, d.df, found.detectable / se) + stats.nct.cdf(-crit, d.df, found.detectable / se)
    assert power == pytest.approx(0.8, abs=1e-4)
