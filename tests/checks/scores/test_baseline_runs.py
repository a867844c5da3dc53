"""Results against what was accepted: runs that are missing, new, or the very same."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from harness.checks.scores.baseline.file import Baseline
from harness.checks.scores.baseline.pair import BaselineSide
from harness.checks.scores.hypothesis import judged as judged_by
from harness.checks.verdict import Fact, exit_code
from tests.checks.made_up_scores import numbers
from tests.checks.scores.made_up_sides import OLD, SAME, SCORES, Run, against, judged, only, run, runs, side


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
