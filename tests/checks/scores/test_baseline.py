"""Results against what was accepted: identity, losses, collapses, departures, what is missing, new or the same run."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.checks.scores.baseline.compare import compare
from harness.checks.scores.baseline.file import Baseline
from harness.checks.scores.baseline.pair import BaselineSide
from harness.checks.scores.hypothesis import judged as judged_by
from harness.checks.verdict import Fact, Finding, Inconclusive, Verdict, exit_code
from harness.grid.waivers import Waiver
from harness.report.phrases.causes import CAUSES
from harness.report.phrases.say import say
from harness.report.verdicts.text import verdicts_text
from harness.report.verdicts.words import Head
from harness.stats.decision import Decision

TODAY = datetime.date(2026, 11, 22)
SCORES = (0.80, 0.81, 0.79, 0.805, 0.815)
LAYERS = ("init_sha256", "data_order_sha256", "loss_sha256", "trajectory_sha256", "final_sha256")
Run = dict[str, Any]


def sha(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]


def run(seed: int, accuracy: float | None, version: str = "old", since: str = "loss_sha256", **changes: Any) -> Run:
    """A run that is not "old" parts from it at the layer `since`."""
    at = LAYERS.index(since)
    hashes = {name: sha(name, seed, version if number >= at else "old") for number, name in enumerate(LAYERS)}
    scores = {"accuracy": accuracy, "f1": None if accuracy is None else min(1.0, accuracy + 0.05)}
    facts = {"optimizer": "AdamW", "attention": "sdpa", "precision": "fp32"}
    return {"status": "ok", **scores, **hashes, **facts, **changes}


def runs(accuracies: Sequence[float | None], version: str = "old", first: int = 1, **changes: Any) -> dict[int, Run]:
    """Seeds 1, 2, ...; a score of 2/3 or less is a collapse, None a run that lost its loss."""
    found = {}
    for seed, accuracy in enumerate(accuracies, first):
        status = "nonfinite" if accuracy is None else "collapsed" if accuracy <= 2 / 3 else "ok"
        found[seed] = run(seed, accuracy, version, status=status, **changes)
    return found


def side(
    name: str,
    configurations: Mapping[str, Mapping[int, Run]],
    left_out: Sequence[tuple[str, int | None, str]] = (),
    environment: Mapping[str, Any] | None = None,
    **changes: Any,
) -> BaselineSide:
    facts = {
        "python": "3.11.7", "packages": {"transformers": "5.22.0", "torch": "2.13.0"},
        "machine": {"cpu": "A", "cores": 2}, **(environment or {}),
    }  # fmt: skip
    data = {
        "schema": 1, "harness": "0.1.0", "date": "2026-11-22T10:00:00.000Z", "command": "x",
        "grid": {"name": "demo", "file": "demo.toml", "task": "x"}, "environments": {"env": facts},
        "configurations": [
            {
                "label": label, "configuration_id": f"id-{label}", "environment_id": "env", "content_id": "content",
                "asked": {"threads": 1}, "collapsed": sum(one["status"] != "ok" for one in found.values()),
                "seeds": {str(seed): one for seed, one in found.items()}, **changes,
            }
            for label, found in configurations.items()
        ],
        "left_out": [
            {"configuration": x, "configuration_id": f"id-{x}", "seed": seed, "status": status, "why": "because"}
            for x, seed, status in left_out
        ],
    }  # fmt: skip
    return BaselineSide(name, Baseline.model_validate(data))


class Comparison(NamedTuple):
    verdicts: Sequence[Verdict]
    facts: Sequence[Fact]

    def exit_code(self, inconclusive: Inconclusive = "fail") -> int:
        return exit_code(self.verdicts, inconclusive=inconclusive)


def against(a: BaselineSide, b: BaselineSide, **options: Any) -> Comparison:
    return Comparison(*compare(a, b, today=TODAY, **options))


def only(comparison: Comparison) -> Verdict:
    (verdict,) = comparison.verdicts
    return verdict


def numbers(verdict: Verdict) -> Decision:
    assert isinstance(verdict.numbers, Decision)
    return verdict.numbers


def judged(verdict: Verdict) -> dict[str, Fact]:
    """What a reason is made of."""
    assert verdict.reason.code == "judged"
    return {name: value for name, value in verdict.reason.values.items() if value}


OLD = side("base.json", {"x": runs(SCORES)})


SAME = Fact.of("runs.identical_at", seeds=5, planned=5)


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


def test_one_changed_seed_is_undecided_and_named() -> None:
    changed = runs(SCORES)
    changed[3] = {**changed[3], "accuracy": 0.70}
    verdict = only(against(OLD, side("new", {"x": changed})))
    assert verdict.outcome == "INCONCLUSIVE"
    assert verdict.findings == (departure("scores", (3,), cause="evaluation"),)


def departure(item: str, seeds: tuple[int, ...], cause: str = "", **values: str) -> Finding:
    return Finding(item, "SKIP", Fact.of("departure", item=item, seeds=seeds, **values), cause=cause or item)


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


ITEMS = ("initial weights", "data order", "first losses", "trajectory", "final weights")


@pytest.mark.parametrize(("since", "item"), [*zip(LAYERS, ITEMS, strict=True)])
def test_the_first_field_that_differs_is_named_with_its_cause(since: str, item: str) -> None:
    verdict = only(against(OLD, side("b", {"x": runs(SCORES, "new", since=since)})))
    assert verdict.findings == (departure(item, (1, 2, 3, 4, 5)),)
    assert item in CAUSES
    assert Fact.of("environment.same") in verdict.notes


def test_fields_may_differ_by_seed_and_facts_come_first() -> None:
    new = runs(SCORES)
    new[2] = run(2, 0.8, "new", "init_sha256")
    new[4] = run(4, 0.8, "new", "trajectory_sha256", optimizer="Adafactor")
    assert only(against(OLD, side("b", {"x": new}))).findings == (
        departure("optimizer", (4,), a="AdamW", b="Adafactor"),
        departure("initial weights", (2,)),
        departure("trajectory", (4,)),
    )


def test_what_is_not_known_is_no_difference_and_said() -> None:
    blank = {seed: {**one, **dict.fromkeys(LAYERS)} for seed, one in runs(SCORES).items()}
    verdict = only(against(OLD, side("b", {"x": blank})))
    assert verdict.findings == ()
    assert Fact.of("fingerprints.unknown", seeds=(1, 2, 3, 4, 5)) in verdict.notes


def test_f1_is_reported_beside() -> None:
    assert only(against(OLD, OLD)).notes == ()
    new = [0.802, 0.808, 0.792, 0.803, 0.816]
    (told,) = (one for one in only(against(OLD, side("b", {"x": runs(new, "new")}))).notes if one.code[:2] == "f1")
    d = [100 * (b - a) for a, b in zip(SCORES, new, strict=True)]
    half = stats.t.ppf(0.95, 4) * np.std(d, ddof=1) / 5**0.5
    assert told.values == pytest.approx({"difference": np.mean(d), "low": np.mean(d) - half, "high": np.mean(d) + half})


def test_a_hash_with_more_digits_is_the_same_hash() -> None:
    long = {seed: {**one, "init_sha256": one["init_sha256"] + "ab" * 22} for seed, one in runs(SCORES).items()}
    assert only(against(OLD, side("b", {"x": long}))).outcome == "PASS"


def test_another_environment_is_told_once_and_scores_are_compared() -> None:
    newer = {"packages": {"transformers": "5.23.0", "torch": "2.13.0"}, "machine": {"cpu": "B", "cores": 2}}
    both = {"x": runs(SCORES), "z": runs(SCORES)}
    comparison = against(side("a", both), side("b", {**both, "y": runs(SCORES)}, environment=newer))
    (fact,) = comparison.facts
    assert (fact.code, fact.values["configurations"]) == ("environment.changed", ("x", "z"))
    assert fact.values["changes"] == (
        Fact.of("changed", field="transformers", a="5.22.0", b="5.23.0"),
        Fact.of("changed", field="cpu", a="A", b="B"),
        Fact.of("environment.machine"),
    )
    assert comparison.verdicts[0].outcome == "PASS"


def test_other_contents_are_not_compared() -> None:
    comparison = against(OLD, side("b", {"x": runs(SCORES)}, content_id="other"))
    verdict = only(comparison)
    assert (verdict.outcome, verdict.numbers, verdict.adjusted_p) == ("INCONCLUSIVE", None, None)
    assert verdict.reason == Fact.of("content.changed", before="content", after="other")
    assert comparison.exit_code() == 5, "nothing could be compared"


def absent(*runs: tuple[int | None, str]) -> Fact:
    facts = (Fact.of("run.absent", seed=seed, status=status, why="because") for seed, status in runs)
    return Fact.of("runs.absent", runs=tuple(facts))


def test_a_seed_without_a_score_is_an_error_and_the_others_are_still_judged() -> None:
    new = runs(SCORES)
    del new[2]
    comparison = against(OLD, side("b", {"x": new}, [("x", 2, "failed")]))
    verdict = only(comparison)
    assert verdict.outcome == "ERROR"
    same = judged_by(None, Fact.of("runs.identical_at", seeds=4, planned=5))
    missing = Fact.of("seeds.absent", count=1, planned=5, runs=absent((2, "failed")))
    assert verdict.reason == Fact.of("baseline.missing_seeds", missing=missing, outcome="PASS", others=same)
    assert [one.status for one in verdict.subject.runs] == ["ok"] * 4 + ["failed"]
    assert comparison.exit_code() == 4


def test_a_failure_stays_one_beside_missing_seeds() -> None:
    base = side("a", {"x": runs([*SCORES, 0.8])})
    new = runs([x - 0.04 + 0.001 * n for n, x in enumerate(SCORES)], "new")
    comparison = against(base, side("b", {"x": new}, [("x", 6, "oom")]))
    assert only(comparison).outcome == "FAIL"
    assert Fact.of("seeds.absent", count=1, planned=6, runs=absent((6, "oom"))) in only(comparison).notes
    assert comparison.exit_code() == 1


def test_missing_new_and_skipped() -> None:
    base = side("a", {name: runs(SCORES) for name in ("x", "gone", "ill", "fp16")})
    new = side(
        "b",
        {"x": runs(SCORES), "fresh": runs(SCORES)},
        [("ill", 1, "failed"), ("ill", 2, "missing"), ("fp16", 1, "skipped"), ("never", 1, "failed")],
    )
    comparison = against(base, new)
    assert [(one.subject.label, one.outcome, one.reason) for one in comparison.verdicts] == [
        ("x", "PASS", judged_by(None, SAME)),
        ("gone", "ERROR", Fact.of("baseline.missing")),
        ("ill", "ERROR", Fact.of("baseline.missing_scores", runs=absent((1, "failed"), (2, "missing")))),
        ("fp16", "SKIP", Fact.of("baseline.missing_scores", runs=absent((1, "skipped")))),
        ("fresh", "SKIP", Fact.of("baseline.new")),
    ]
    assert comparison.exit_code() == 4


def test_a_changed_recipe_is_missing_and_says_what_changed() -> None:
    base = side("a", {"x": runs(SCORES), "y": runs(SCORES)})
    data = side("b", {"x": runs(SCORES), "y": runs(SCORES)}).results.model_dump(by_alias=True)
    data["configurations"][1].update(configuration_id="another", asked={"threads": 2})
    comparison = against(base, BaselineSide("b", Baseline.model_validate(data)))
    change = Fact.of("changed", field="threads", a=1, b=2)
    assert comparison.verdicts[1].reason == Fact.of("baseline.missing_other", changes=(change,))
    assert comparison.verdicts[1].recipe_differences == (change,)


def test_nothing_in_common_is_missing_or_nothing_measured() -> None:
    comparison = against(OLD, side("b", {"z": runs(SCORES)}))
    assert [one.outcome for one in comparison.verdicts] == ["ERROR", "SKIP"]
    assert comparison.exit_code() == 4
    for status, outcome in (("skipped", "SKIP"), ("failed", "ERROR")):
        nothing_ran = against(OLD, side("b", {}, [("x", 1, status)]))
        assert [one.outcome for one in nothing_ran.verdicts] == [outcome]
        assert nothing_ran.exit_code() == 5


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


def started(found: Mapping[int, Run], at: str = "2026-11-22T10:00:00.000Z") -> dict[int, Run]:
    """The same runs, each with what tells its attempt from others."""
    return {seed: {**one, "cell_id": f"cell-{seed}", "started": at} for seed, one in found.items()}


TONIGHT = "2026-11-23T02:00:00.000Z"
FIRST = side("base.json", {"x": started(runs(SCORES))})


def test_the_very_same_runs_are_no_comparison() -> None:
    comparison = against(FIRST, FIRST)
    verdict = only(comparison)
    assert (verdict.outcome, verdict.reason, verdict.numbers) == ("SKIP", Fact.of("runs.very_same"), None)
    assert (verdict.judged, comparison.exit_code()) == (False, 5)
    assert exit_code(comparison.verdicts, skipped="fail") == 5, "the machine could run them"
    assert verdict.subject.cell_ids == ("cell-1", "cell-2", "cell-3", "cell-4", "cell-5")


def test_another_run_that_is_equal_bit_for_bit_passes_by_identity() -> None:
    comparison = against(FIRST, side("b", {"x": started(runs(SCORES), TONIGHT)}))
    assert (only(comparison).outcome, judged(only(comparison))) == ("PASS", {"because": SAME})
    assert comparison.exit_code() == 0


def test_a_file_that_does_not_know_its_attempts_is_compared_as_before() -> None:
    assert only(against(OLD, side("b", {"x": started(runs(SCORES))}))).outcome == "PASS"


def test_the_same_collapses_are_no_comparison_either() -> None:
    all_lost = side("a", {"x": started(runs([0.6, None, 0.66]))})
    assert only(against(all_lost, all_lost)).outcome == "SKIP"


def test_runs_that_are_the_same_give_no_evidence_to_the_others() -> None:
    """Four zeros of a run less itself would pass any margin, whatever the fifth seed came to."""
    new = started(runs(SCORES))
    new[5] = {**run(5, 0.79, "new"), "cell_id": "cell-5", "started": TONIGHT}
    verdict = only(against(FIRST, side("b", {"x": new})))
    assert (verdict.outcome, numbers(verdict).n) == ("INCONCLUSIVE", 1)
    assert numbers(verdict).difference == pytest.approx(-2.5)
    assert Fact.of("seeds.very_same", seeds=(1, 2, 3, 4)) in verdict.notes


def test_of_the_same_runs_a_missing_seed_stays_an_error() -> None:
    new = started(runs(SCORES))
    del new[2]
    verdict = only(against(FIRST, side("b", {"x": new}, [("x", 2, "failed")])))
    assert verdict.outcome == "ERROR"
    assert verdict.reason.values["others"] == Fact.of("runs.very_same")


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
