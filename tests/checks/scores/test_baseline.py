"""Results against what was accepted: identity, losses, collapses, and what holds of any two results."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.checks.scores.hypothesis import because
from harness.checks.scores.hypothesis import judged as made_of
from harness.checks.verdict import Fact, Side, Verdict, exit_code
from harness.grid.waivers import Waiver
from harness.report.phrases.say import say
from harness.report.verdicts.text import verdicts_text
from harness.report.verdicts.words import Head
from harness.stats.decision import Rule, decide
from harness.stats.reference import single
from harness.stats.variance import Sample, Sd
from tests.checks.made_up_scores import numbers
from tests.checks.scores.made_up_sides import LAYERS, OLD, SAME, SCORES, Run, against, judged, only, runs, side


def test_equal_bits_are_a_pass_whatever_their_number() -> None:
    verdict = only(against(OLD, OLD))
    assert (verdict.outcome, judged(verdict)) == ("PASS", {"because": SAME})
    assert verdict.against is not None
    assert (verdict.check, verdict.item, verdict.against.label) == ("baseline", "accuracy", "base.json")
    assert verdict.subject.mean == verdict.against.mean == pytest.approx(80.4)
    single = side("one", {"x": runs([0.6])})
    comparison = against(single, single)
    verdict = only(comparison)
    assert (verdict.outcome, verdict.numbers) == ("PASS", None)
    assert judged(verdict) == {"because": Fact.of("runs.identical_at", seeds=1, planned=1)}
    assert (comparison.exit_code(), verdict.findings) == (0, ())


def test_equal_scores_of_other_weights_are_no_identity() -> None:
    verdict = only(against(OLD, side("new", {"x": runs(SCORES, "new")})))
    assert (verdict.outcome, judged(verdict)) == ("INCONCLUSIVE", {"because": Fact.of("runs.equal")})


def test_few_runs_are_undecided_and_say_so() -> None:
    verdict = only(against(side("a", {"x": runs(SCORES[:3])}), side("b", {"x": runs([0.8, 0.8, 0.8], "new")})))
    assert (verdict.outcome, judged(verdict)) == ("INCONCLUSIVE", {"because": Fact.of("runs.few", n=3, least=5)})


def test_unknown_final_weights_are_no_identity() -> None:
    blank = side("b", {"x": {s: {**r, "final_sha256": None} for s, r in runs(SCORES).items()}})
    assert only(against(blank, blank)).outcome == "INCONCLUSIVE"


def test_a_loss_at_every_seed_fails_with_the_numbers_of_a_paired_test() -> None:
    new = [0.765, 0.77, 0.76, 0.762, 0.78]
    comparison = against(OLD, side("new", {"x": runs(new, "new")}))
    verdict = only(comparison)
    assert (verdict.outcome, judged(verdict)) == ("FAIL", {})
    expected = stats.ttest_rel([100 * x for x in new], [100 * x for x in SCORES])
    decision = numbers(verdict)
    assert decision.p_diff == pytest.approx(expected.pvalue)
    assert verdict.adjusted_p == pytest.approx(2 * expected.pvalue), "scores have half of alpha"
    assert verdict.family == 1
    assert decision.difference == pytest.approx(-3.66)
    assert (decision.n, decision.delta) == (5, 1.5)
    assert verdict.margin_from == Fact.of("margin.baseline", points=1.5)
    assert verdict.detectable == pytest.approx(0.78, abs=0.1)
    assert comparison.exit_code() == 1


def test_small_differences_pass_and_the_margin_decides() -> None:
    near = side("new", {"x": runs([0.802, 0.808, 0.792, 0.803, 0.816], "new")})
    assert only(against(OLD, near)).outcome == "PASS"
    comparison = against(OLD, near, margin=0.1)
    verdict = only(comparison)
    assert verdict.outcome == "INCONCLUSIVE"
    assert verdict.more_seeds is not None
    assert verdict.todo == (Fact.of("seeds.each_side", more=verdict.more_seeds, most=1000),)
    assert (comparison.exit_code(), comparison.exit_code("pass")) == (3, 0)


def test_holm_over_the_configurations() -> None:
    """A loss that fails alone and not among twenty that could fail as well; those that could not do not count."""
    before, after = (0.80, 0.81, 0.79, 0.805, 0.815), (0.765, 0.80, 0.77, 0.795, 0.795)
    wide, still = (0.83, 0.78, 0.82, 0.775, 0.815), (0.8, 0.809, 0.791, 0.805, 0.815)
    names = [f"x{number}" for number in range(20)]

    def first(others: tuple[float, ...]) -> Verdict:
        new = {name: runs(after if name == "x0" else others, "new") for name in names}
        return against(side("a", {name: runs(before) for name in names}), side("b", new)).verdicts[0]

    alone = only(against(side("a", {"x": runs(before)}), side("b", {"x": runs(after, "new")})))
    p = numbers(alone).p_diff
    assert p is not None
    assert (alone.outcome, alone.adjusted_p) == ("FAIL", pytest.approx(2 * p))
    assert first(still).outcome == first(before).outcome == "FAIL"
    among = first(wide)
    assert among.outcome == numbers(among).outcome == "INCONCLUSIVE"
    assert among.adjusted_p == pytest.approx(2 * 20 * p)
    assert judged(among) == {"after": Fact.of("holm.blocked", p=among.adjusted_p, family=20)}
    assert among.more_seeds is not None


def test_other_seeds_are_compared_by_welch() -> None:
    new = (0.76, 0.77, 0.75, 0.765, 0.77)
    verdict = only(against(OLD, side("new", {"x": runs(new, "new", first=11)})))
    assert verdict.outcome == "FAIL"
    expected = stats.ttest_ind([100 * x for x in new], [100 * x for x in SCORES], equal_var=False)
    assert numbers(verdict).p_diff == pytest.approx(expected.pvalue)
    assert Fact.of("seeds.unpaired") in verdict.notes
    assert Fact.of("seeds.not_again", seeds=(1, 2, 3, 4, 5)) in verdict.notes


def test_some_shared_seeds_are_paired_by_plan() -> None:
    new = runs(SCORES, "new")
    del new[1], new[2]
    new |= runs((0.5, 0.5), "new", first=8)
    verdict = only(against(OLD, side("new", {"x": new})))
    assert numbers(verdict).n == 3
    assert Fact.of("seeds.new", seeds=(8, 9)) in verdict.notes


def test_collapses_that_are_too_many_fail_also_without_any_score() -> None:
    comparison = against(OLD, side("new", {"x": runs([0.66] * 5, "new")}))
    verdict = only(comparison)
    assert (verdict.outcome, verdict.numbers) == ("FAIL", None)
    p = stats.fisher_exact([[0, 5], [5, 0]], "less").pvalue
    risen = judged(verdict)["because"]
    assert risen == Fact.of("collapses.risen", k1=0, n1=5, k2=5, n2=5, p=pytest.approx(p))
    assert (verdict.adjusted_p, verdict.family) == (pytest.approx(2 * p), 1)
    assert (verdict.subject.collapsed, verdict.subject.ended) == (5, 5)
    assert Fact.of("status.changed", seed=1, before="ok", after="collapsed") in verdict.notes


def test_without_any_score_few_collapses_are_undecided() -> None:
    verdict = only(against(side("a", {"x": runs([0.8])}), side("b", {"x": runs([0.6], "new")})))
    before = Fact.of("collapses.before", k1=0, n1=1, k2=1, n2=1)
    assert judged(verdict) == {"scores": Fact.of("scores.no_seed"), "because": before}
    assert (verdict.outcome, verdict.numbers) == ("INCONCLUSIVE", None)


def test_two_new_collapses_withhold_a_pass_and_one_does_not() -> None:
    scores = [0.80, 0.81, 0.79, 0.805, 0.815, 0.80, 0.81, 0.79]
    moved = [0.801, 0.811, 0.791, 0.804, 0.816, 0.802, 0.66, 0.66]
    base = side("a", {"x": runs(scores)})
    verdict = only(against(base, side("b", {"x": runs(moved, "new")})))
    withheld = Fact.of("collapses.before", k1=0, n1=8, k2=2, n2=8)
    assert (verdict.outcome, judged(verdict)) == ("INCONCLUSIVE", {"withheld": withheld})
    assert only(against(base, side("b", {"x": runs([*moved[:7], 0.791], "new")}))).outcome == "PASS"
    # The baseline collapsed as often: that is how this recipe is.
    often = side("a", {"x": runs([*scores[:6], 0.66, 0.66])})
    assert only(against(often, side("b", {"x": runs(moved, "new")}))).outcome == "PASS"


def test_a_lost_loss_counts_as_a_collapse() -> None:
    verdict = only(against(OLD, side("b", {"x": runs([None] * 5, "new")})))
    assert (verdict.outcome, verdict.subject.collapsed) == ("FAIL", 5)
    assert verdict.subject.runs[0].status == "nonfinite"


def test_a_collapse_that_was_tried_again_counts_and_is_told() -> None:
    retried = side("b", {"x": runs(SCORES)}, collapsed=1, lost={"2": "collapsed"})
    verdict = only(against(OLD, retried))
    assert (verdict.subject.collapsed, verdict.subject.ended) == (1, 6)
    assert Fact.of("collapses.retried", seeds=(2,), side="B") in verdict.notes


def test_f1_is_reported_beside() -> None:
    assert only(against(OLD, OLD)).notes == ()
    new = [0.802, 0.808, 0.792, 0.803, 0.816]
    notes = only(against(OLD, side("b", {"x": runs(new, "new")}))).notes
    (told,) = (one for one in notes if one.code == "metric.difference")
    values = dict(told.values)
    assert values.pop("metric") == "f1"
    d = [100 * (b - a) for a, b in zip(SCORES, new, strict=True)]
    half = stats.t.ppf(0.95, 4) * np.std(d, ddof=1) / 5**0.5
    assert values == pytest.approx({"difference": np.mean(d), "low": np.mean(d) - half, "high": np.mean(d) + half})


def waiver(expires: str) -> Waiver:
    whom = {"configuration": "x", "check": "baseline", "reason": "known", "author": "Ada"}
    whom |= {"issue": "a/b#1", "item": "collapses", "bound": 1.0}
    return Waiver.model_validate({**whom, "expires": expires})


def test_a_waived_failure_is_shown_and_does_not_fail() -> None:
    new = side("b", {"x": runs([0.66] * 5, "new")})
    comparison = against(OLD, new, waivers=[waiver("2026-11-22")])
    assert only(comparison).outcome == "FAIL"
    fact = only(comparison).waiver
    assert fact is not None
    assert (fact.code, fact.values["author"], fact.values["effect"]) == ("waiver", "Ada", 1.0)
    assert comparison.exit_code() == 0
    late = against(OLD, new, waivers=[waiver("2026-11-21")])
    assert (only(late).waiver, late.exit_code()) == (None, 1)
    assert [note.code for note in only(late).notes if note.code.startswith("waiver")] == ["waiver.expired"]


def test_without_any_difference_a_comparison_seldom_fails() -> None:
    """A/A: three configurations of five seeds, one run in ten collapses; at most 5 % by Holm and the margin."""
    rng = np.random.default_rng(7)

    def arm(version: str) -> dict[str, dict[int, Run]]:
        scores = np.where(rng.random((3, 5)) < 0.1, 0.66, rng.normal(0.80, 0.012, (3, 5)).clip(0.7, 0.9))
        return {f"x{number}": runs([float(one) for one in row], version) for number, row in enumerate(scores)}

    codes = [against(side("a", arm("old")), side("b", arm("new"))).exit_code() for _ in range(150)]
    assert codes.count(1) <= 0.05 * len(codes)
    assert set(codes) <= {0, 1, 3}


ACCURACIES = st.lists(st.none() | st.integers(100, 408).map(lambda n: n / 408), min_size=1, max_size=8)


@settings(max_examples=200, deadline=None)
@given(ACCURACIES, ACCURACIES, st.sampled_from([1, 3, 20]), st.sampled_from(LAYERS))
def test_any_two_results_give_one_outcome_and_a_reason(
    before: list[float | None], after: list[float | None], first: int, since: str
) -> None:
    a, b = side("a", {"x": runs(before)}), side("b", {"x": runs(after, "new", first, since=since)})
    comparison = against(a, b)
    verdict = only(comparison)
    assert verdict.outcome in ("PASS", "FAIL", "INCONCLUSIVE")
    assert comparison.exit_code() in (0, 1, 3, 5)
    assert all(say(fact)[:1] for fact in (*verdict.notes, *(one.fact for one in verdict.findings)))
    assert verdicts_text(Head("check", "harness check"), comparison.verdicts)
    assert verdict.outcome != "PASS" or numbers(verdict).n >= 5
    assert verdict.numbers is not None or judged(verdict)


def test_neither_does_a_spread_of_others_excuse_it() -> None:
    """Where history lends a spread there are numbers, and equal runs are no sample all the same."""
    lent = Sample(5, 64.5, Sd(1.2, 16, "moderated", 5), varied=False)
    decision = decide(single(lent, 93.5), Rule(2.5))
    assert (decision.outcome, decision.p_diff is not None) == ("INCONCLUSIVE", True)
    reason = made_of(because=because(decision))
    verdict = Verdict("quality", "INCONCLUSIVE", Side("m"), reason, item="accuracy", numbers=decision)
    assert (verdict.is_beyond_testing, exit_code([verdict], inconclusive="pass")) == (True, 3)


def test_the_same_loss_at_every_seed_is_excused_by_no_option() -> None:
    before, after = side("old", {"x": runs([0.935] * 5)}), side("new", {"x": runs([0.7] * 5, "new")})
    verdict = only(against(before, after))
    assert (verdict.outcome, judged(verdict)) == ("INCONCLUSIVE", {"because": Fact.of("runs.equal_beyond")})
    assert [exit_code([verdict], inconclusive=policy) for policy in ("fail", "pass")] == [3, 3]
    near = only(against(before, side("new", {"x": runs([0.93] * 5, "new")})))
    assert (near.outcome, judged(near)) == ("INCONCLUSIVE", {"because": Fact.of("runs.equal")})
    assert exit_code([near], inconclusive="pass") == 0
