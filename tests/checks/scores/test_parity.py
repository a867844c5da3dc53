"""Parity of twins, paired by seed; expected numbers come from scipy directly."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.checks.scores.gate import Configuration, Policy, judge_all
from harness.checks.scores.pairing import find_pairs
from harness.checks.verdict import Fact, Verdict
from harness.stats.paired import overdispersion
from tests.checks.made_up_scores import MAJORITY, arms, numbers, of, part, values

BASE = of([349, 352, 346, 355, 350, 347])
TWIN = of([350, 350, 347, 354, 351, 345])
BF16: Mapping[str, Mapping[str, object]] = {"twin": {"precision": "bf16"}}


def parity(configurations: list[Configuration], policy: Policy | None = None, answers: object = None) -> Verdict:
    found = judge_all(configurations, [], policy or Policy(), answers)  # type: ignore[arg-type]
    (one,) = (each for each in found if each.check == "parity")
    return one


def test_twins_are_compared_by_the_paired_t_and_tost() -> None:
    found = parity(arms({"base": BASE, "twin": TWIN}, BF16))
    expected = stats.ttest_rel(TWIN, BASE)
    d = np.array(TWIN) - np.array(BASE)
    lower = stats.ttest_1samp(d, -1.5, alternative="greater").pvalue
    upper = stats.ttest_1samp(d, 1.5, alternative="less").pvalue
    assert numbers(found).p_diff == pytest.approx(expected.pvalue)
    assert numbers(found).p_tost == pytest.approx(max(lower, upper))
    interval = stats.ttest_1samp(d, 0).confidence_interval(0.9)
    assert numbers(found).ci90 == pytest.approx((interval.low, interval.high))
    assert found.outcome == "PASS"
    assert found.against is not None
    assert (found.subject.mean, found.against.mean) == (pytest.approx(np.mean(TWIN)), pytest.approx(np.mean(BASE)))
    assert found.subject.label.endswith("bf16")
    correlation = values(found.notes, "pairs.correlation")["correlation"]
    assert correlation == pytest.approx(np.corrcoef(BASE, TWIN)[0, 1])


def test_a_shift_of_three_points_fails_and_five_pairs_cannot_flip_signs() -> None:
    low = [score - 3 - 0.2 * (-1) ** number for number, score in enumerate(BASE[:5])]
    found = parity(arms({"base": BASE[:5], "twin": low}, BF16))
    assert found.outcome == "FAIL"
    assert found.adjusted_p is not None
    assert found.adjusted_p < 0.05
    exact = stats.permutation_test(
        (np.array(low) - np.array(BASE[:5]),), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    flipped = values(found.notes, "pairs.sign_flip")
    assert flipped == {"p": pytest.approx(exact.pvalue), "pairs": 5, "least_p": 0.0625}


def test_too_few_seeds_keep_the_margin_and_say_how_many_more() -> None:
    found = parity(arms({"base": BASE[:3], "twin": TWIN[:3]}, BF16))
    assert found.outcome == "INCONCLUSIVE"
    assert part(found, "because") == Fact.of("runs.few", n=3, least=5)
    assert numbers(found).delta == 1.5
    assert found.more_seeds is not None
    ahead = values(found.todo, "seeds.more")
    assert (ahead["more"], ahead["both"], ahead["seconds"]) == (found.more_seeds, True, 240 * found.more_seeds)
    # 80 % chance of a PASS at the planned sd with that many seeds, by simulation, and not with one fewer.
    planned = ahead["sd"]
    n = 3 + found.more_seeds
    rng = np.random.default_rng(1)
    powers = []
    for size in (n, n - 1):
        d = planned * rng.standard_normal((40_000, size))
        se = d.std(axis=1, ddof=1) / math.sqrt(size)
        powers.append(np.mean(np.abs(d.mean(axis=1)) + stats.t.ppf(0.95, size - 1) * se < 1.5))
    assert powers[0] > 0.79
    assert powers[1] < 0.81 or n == 5


def test_only_seeds_with_an_ok_run_in_both_are_paired_and_the_others_named() -> None:
    base = [*BASE, 100 * MAJORITY, 85.0]
    twin = [*TWIN, 86.0, "timeout"]
    found = parity(arms({"base": base, "twin": twin}, BF16))
    assert numbers(found).n == 6
    collapsed = values(found.notes, "pairs.collapsed")
    assert (collapsed["base"], collapsed["twin"]) == ("fp32", "bf16")
    assert (collapsed["k1"], collapsed["k2"], collapsed["n"]) == (1, 0, 7)
    assert collapsed["p"] == pytest.approx(stats.fisher_exact([[1, 6], [0, 7]]).pvalue)
    assert collapsed["can_reject"], "seven against seven could"
    assert values(found.notes, "pairs.left_out") == {"side": "fp32", "seeds": (8,)}


def test_collapses_of_one_arm_withhold_the_pass() -> None:
    found = parity(arms({"base": [*BASE, 86.0, 85.0], "twin": [*TWIN, 100 * MAJORITY, "nonfinite"]}, BF16))
    assert found.outcome == "INCONCLUSIVE"
    withheld = part(found, "withheld").values
    assert withheld["side"] == "bf16"
    assert (withheld["collapses"].values["k"], withheld["collapses"].values["n"]) == (2, 8)
    assert (found.subject.collapsed, found.subject.ended) == (2, 8)


def test_no_common_seed_is_no_verdict() -> None:
    everything = arms({"base": BASE}, {}, range(1, 7)) + arms({"": TWIN}, {"": {"precision": "bf16"}}, range(11, 17))
    found = parity(everything)
    assert found.outcome == "INCONCLUSIVE"
    assert found.reason == Fact.of("scores.no_pair", twin="bf16", base="fp32")
    assert found.numbers is None


@pytest.mark.parametrize(("kept", "refused"), [(("float32", "bfloat16"), True), (("float32", None), False)])
def test_weights_kept_in_another_dtype_make_no_twins(kept: tuple[str | None, ...], refused: bool) -> None:
    both = arms({"base": BASE, "twin": TWIN}, BF16)
    found = parity([dataclasses.replace(one, weights=dtype) for one, dtype in zip(both, kept, strict=True)])
    assert (found.outcome, found.numbers is None) == (("INCONCLUSIVE", True) if refused else ("PASS", False))
    if refused:
        assert found.reason == Fact.of(
            "scores.other_weights", twin="bf16", twin_dtype="bfloat16", base="fp32", base_dtype="float32"
        )


def test_pairs_differ_in_exactly_one_thing_and_the_plain_one_is_the_base() -> None:
    halved = {"learning_rate": 5e-5, "per_device_train_batch_size": 4, "num_train_epochs": 3.0}
    everything = arms(
        dict.fromkeys(("16", "plain", "2", "16-2", "loop", "weak", "fixed", "again", "new"), BASE),
        {
            "16": {"precision": "fp16"},
            "2": {"devices": 2, "recipe": halved},
            "16-2": {"devices": 2, "precision": "fp16", "recipe": halved},
            "loop": {"engine": "loop"},
            "weak": {"devices": 4},
            "fixed": {"accepts_loss_kwargs": False},
            "again": {"repeat": 2},
            "new": {"environment": "new", "environment_id": "ff-another"},
        },
    )
    found = {(pair.dimension, _name(pair.base), _name(pair.twin)) for pair in find_pairs(everything)}
    assert found == {
        ("precision", "fp32 1 trainer", "fp16 1 trainer"),
        ("precision", "fp32 2 trainer", "fp16 2 trainer"),
        ("devices", "fp32 1 trainer", "fp32 2 trainer"),
        ("devices", "fp16 1 trainer", "fp16 2 trainer"),
        ("engine", "fp32 1 trainer", "fp32 1 loop"),
        ("accepts_loss_kwargs", "fp32 1 trainer", "fp32 1 trainer work-around"),
        ("environment", "fp32 1 trainer", "fp32 1 trainer another"),
    }


def _name(one: Configuration) -> str:
    name = f"{one.asked.precision} {one.asked.devices} {one.asked.engine}"
    name += " work-around" if one.asked.accepts_loss_kwargs is False else ""
    return name + (" another" if one.environment_id == "ff-another" else "")


def made_up_answers(rate: float, seed: int = 0) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Labels, and for each of seven runs its own answers: the label, wrong in `rate` of the examples."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(408) < 279).astype(int)
    return labels, {run: np.where(rng.random(408) < rate, 1 - labels, labels) for run in range(1, 8)}


def test_churn_is_set_beside_that_of_seeds_and_of_reruns() -> None:
    labels, base = made_up_answers(0.14)
    _, twin = made_up_answers(0.14, 1)
    score = {
        name: [100 * float(np.mean(a == labels)) for a in each.values()] for name, each in (("b", base), ("t", twin))
    }
    everything = arms(
        {"base": score["b"], "twin": score["t"], "again": score["b"]},
        {"twin": {"precision": "bf16"}, "again": {"repeat": 2}},
    )
    kept = {}
    for one, answers in zip(everything, (base, twin, base), strict=True):
        kept.update({(one.key, seed): answers[seed] for seed in answers})
    found = parity(everything, Policy(parity_margin=2.5), lambda one, seed: kept.get((one.key, seed)))
    between = np.mean([np.mean(base[s] != twin[s]) for s in base])
    apart = np.mean([np.mean(base[a] != base[b]) for a in base for b in base if a < b])
    churn = values(found.notes, "churn")
    assert (churn["twin"], churn["base"]) == ("bf16", "fp32")
    for name, share in (("between", between), ("seeds", apart), ("rerun", 0.0)):
        assert churn[name].values == {"share": pytest.approx(share), "examples": 408}
    tables = {s: (int(np.sum((base[s] == labels) & (twin[s] != labels))),
                  int(np.sum((base[s] != labels) & (twin[s] == labels)))) for s in base}  # fmt: skip
    expected = [(s, b, c, pytest.approx(stats.binomtest(b, b + c, 0.5).pvalue)) for s, (b, c) in tables.items()]
    assert list(values(found.notes, "mcnemar")["tables"]) == expected
    right = {s: base[s] == labels for s in base}
    couples = [(a, b) for a in base for b in base if a < b]
    phi = overdispersion((int(np.sum(right[a] & ~right[b])), int(np.sum(~right[a] & right[b]))) for a, b in couples)
    assert values(found.notes, "phi") == {"phi": pytest.approx(phi), "base": "fp32"}


def test_identical_answers_on_every_seed_pass_by_identity() -> None:
    _, base = made_up_answers(0.14)
    everything = arms({"base": [85.0] * 5, "twin": [85.0] * 5}, BF16)
    unknown = parity(everything)
    assert unknown.outcome == "INCONCLUSIVE"  # equal scores of which nobody knows whether the answers are
    asked = []

    def answers(one: Configuration, seed: int) -> np.ndarray:
        asked.append((one.key, seed))
        return base[seed]

    found = parity(everything, None, answers)
    assert found.outcome == "PASS"
    assert part(found, "because").code == "runs.identical"
    assert found.notes[-1].code == "pairs.identical"
    assert len(asked) == len(set(asked)) == 10  # each read once
    changed = parity(
        everything, None, lambda one, seed: answers(one, seed) ^ ((one.key, seed) == (everything[1].key, 1))
    )
    assert changed.outcome == "INCONCLUSIVE"


def test_answers_are_not_read_where_nothing_is_paired() -> None:
    def refuse(one: Configuration, seed: int) -> None:
        raise AssertionError(one.label)

    judge_all(arms({"base": BASE}, {}), [], Policy(), refuse)


correct = st.lists(st.integers(300, 370), min_size=5, max_size=9)


@settings(deadline=None, max_examples=50)
@given(correct, st.data())
def test_a_constant_added_to_both_arms_changes_no_verdict(base: list[int], data: st.DataObject) -> None:
    twin = data.draw(st.lists(st.integers(300, 370), min_size=len(base), max_size=len(base)))
    shift = data.draw(st.integers(-15, 30))
    found = [
        parity(arms({"base": of([n + by for n in base]), "twin": of([n + by for n in twin])}, BF16))
        for by in (0, shift)
    ]
    assert found[0].outcome == found[1].outcome
    assert numbers(found[0]).difference == pytest.approx(numbers(found[1]).difference, abs=1e-9)


@settings(deadline=None, max_examples=50)
@given(correct, st.data())
def test_seeds_in_another_order_give_the_same_verdict(base: list[int], data: st.DataObject) -> None:
    twin = data.draw(st.lists(st.integers(300, 370), min_size=len(base), max_size=len(base)))
    order = data.draw(st.permutations(range(len(base))))
    here = parity(arms({"base": of(base), "twin": of(twin)}, BF16))
    shuffled = {"base": of([base[i] for i in order]), "twin": of([twin[i] for i in order])}
    there = parity(arms(shuffled, BF16))
    assert (here.outcome, here.more_seeds) == (there.outcome, there.more_seeds)
    assert numbers(here).difference == pytest.approx(numbers(there).difference, abs=1e-9)


@pytest.mark.parametrize("scores", [[85.0, 86.0], ["collapsed", "collapsed", "collapsed"], [85.0, "collapsed", 86.0]])
def test_runs_equal_to_the_last_bit_pass_before_any_statistics(scores: list[float | str]) -> None:
    """With fewer than 5 runs, and without one that has a score."""
    both = arms({"base": scores, "twin": scores}, BF16)

    def judged(weights: object) -> Verdict:
        found = judge_all(both, [], Policy(), lambda one, seed: [1, 0, seed], weights=weights)  # type: ignore[arg-type]
        (one,) = (each for each in found if each.check == "parity")
        return one

    same = judged(lambda one, seed: f"{seed}")
    reason = Fact.of("runs.identical_at", seeds=len(scores), planned=len(scores))
    assert (same.outcome, same.judged) == ("PASS", True)
    assert reason in (same.reason, same.reason.values.get("because"))
    # Other weights, or weights that are not known, leave it to the statistics, for which these are too few.
    for weights in (lambda one, seed: f"{seed} {one.asked.precision}", lambda one, seed: None, None):
        assert judged(weights).outcome == "INCONCLUSIVE"
