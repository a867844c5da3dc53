"""The family of a gate: which verdicts share alpha, which metrics gate, and what was planned and not run."""

from __future__ import annotations

import pytest
from scipy import stats

from harness.checks.scores.gate import Policy, judge_all
from harness.checks.verdict import Fact, Verdict, exit_code
from tests.checks.made_up_scores import (
    arms,
    configurations,
    make_cells,
    make_entry,
    measured,
    numbers,
    of,
    part,
    published,
)
from tests.checks.scores.made_up import LOW, SAMPLE, SCORES, only

COURSE_RECIPE = {"learning_rate": 5e-5, "per_device_train_batch_size": 8, "num_train_epochs": 3.0}


# The family.


def test_scores_and_collapses_are_two_families_with_half_of_alpha_each() -> None:
    everything = arms(
        {"a": SCORES, "b": LOW[::-1], "c": SCORES[::-1]}, {"b": {"precision": "bf16"}, "c": {"precision": "fp16"}}
    )
    found = judge_all(everything, [SAMPLE], Policy(margin=2.5))
    scores = [numbers(each) for each in found if each.item == "accuracy" and each.numbers is not None]
    assert len(scores) == 5  # three qualities, two parities
    # The second path: each counts by the chance that it has to fail, of those that would fail the smallest first.
    running, left = 0.0, list(scores)
    for one in sorted((one for one in scores if one.p_block is not None), key=lambda one: one.p_block or 0.0):
        running = max(running, 2 * sum(min(one.p_block or 0.0, each.p_limit) for each in left))
        left.remove(one)
        (verdict,) = (each for each in found if each.numbers is one)
        assert verdict.adjusted_p == pytest.approx(running)
        assert verdict.outcome == "FAIL"
    assert [each.adjusted_p for each in found if each.check == "stability"] == [1.0] * 3
    collapsing = arms({"a": [*SCORES, "nonfinite", "nonfinite"], "b": SCORES}, {"b": {"precision": "bf16"}})
    collapses = [each for each in judge_all(collapsing, [SAMPLE], Policy(margin=2.5)) if each.check == "stability"]
    p = stats.binomtest(2, 7, 0.02, alternative="greater").pvalue
    assert [each.adjusted_p for each in collapses] == [pytest.approx(2 * 2 * p), 1.0]


def test_a_fail_that_the_family_does_not_bear_out_is_inconclusive() -> None:
    weak, wide = of([338, 340, 333, 345, 337]), of([335, 365, 350, 340, 360])
    alone = only(judge_all([measured(weak)], [SAMPLE], Policy(margin=2.5)), "quality")
    assert alone.outcome == "FAIL"
    p = numbers(alone).p_diff
    assert p is not None

    def first(others: list[float]) -> Verdict:
        everything = arms({"a": weak}, {})
        for number in range(40):
            everything += arms({"": others}, {"": {"recipe": {**COURSE_RECIPE, "data_seed": number}}})
        return next(each for each in judge_all(everything, [SAMPLE], Policy(margin=2.5)) if each.check == "quality")

    assert first(SCORES).adjusted_p == pytest.approx(2 * p), "none of the others could have failed"
    among = first(wide)
    assert among.adjusted_p == pytest.approx(min(1.0, 2 * 41 * p))
    assert (among.outcome, numbers(among).outcome) == ("INCONCLUSIVE", "INCONCLUSIVE")
    assert part(among, "after") == Fact.of("holm.blocked", p=among.adjusted_p, family=41)
    assert among.family == 41


# What gates, and what is planned.


F1 = published(statistic="sample", values=[one + 8 for one in SCORES] * 2, metric="f1", id="f1")  # ours are 4 below


def test_f1_gates_in_the_one_family_where_the_gate_names_it() -> None:
    found = judge_all([measured(SCORES)], [SAMPLE, F1], Policy(gate=frozenset({"accuracy", "f1"})))
    f1, accuracy = only(found, "quality", "f1"), only(found, "quality")
    assert numbers(f1).delta == 1.75
    assert (f1.outcome, f1.gates, f1.family) == ("FAIL", True, 1)
    assert f1.adjusted_p == pytest.approx(2 * (numbers(f1).p_diff or 0))
    assert accuracy.outcome == "PASS"
    assert exit_code(found) == 1


def test_f1_alone_may_gate_and_accuracy_is_then_reported_only() -> None:
    found = judge_all([measured(LOW)], [SAMPLE, F1], Policy(margin=2.5, gate=frozenset({"f1"})))
    accuracy = only(found, "quality")
    assert (accuracy.outcome, accuracy.gates, accuracy.adjusted_p) == ("FAIL", False, None)
    assert not accuracy.is_red()


def test_two_written_references_of_two_metrics_leave_nothing_undecided() -> None:
    found = judge_all([measured(SCORES)], [SAMPLE, F1], Policy(margin=2.5))
    assert [(each.item, each.outcome, each.gates) for each in found if each.check == "quality"] == [
        ("accuracy", "PASS", True),
        ("f1", "FAIL", False),
    ]
    assert exit_code(found) == 0


def test_parity_is_judged_in_f1_too_where_it_gates() -> None:
    two = arms({"a": SCORES, "b": SCORES[::-1]}, {"b": {"precision": "bf16"}})
    items = [
        [each.item for each in judge_all(two, [], Policy(gate=frozenset(gate))) if each.check == "parity"]
        for gate in (["accuracy"], ["accuracy", "f1"])
    ]
    assert items == [["accuracy"], ["accuracy", "f1"]]
    f1 = only(judge_all(two, [], Policy(gate=frozenset({"f1"}))), "parity", "f1")
    assert part(f1, "scores").values["base_mean"] == pytest.approx(4 + sum(SCORES) / 5)
    assert f1.gates


def test_what_was_planned_and_not_run_counts_in_its_family_with_p_1() -> None:
    weak = of([338, 340, 333, 345, 337])
    alone = only(judge_all([measured(weak)], [SAMPLE], Policy(margin=2.5)), "quality")
    assert alone.outcome == "FAIL"
    p = numbers(alone).p_diff
    assert p is not None
    absent: list[float | str | None] = [None] * 5
    everything = arms({"a": weak}, {})
    for number in range(40):
        everything += arms({"": absent}, {"": {"recipe": {**COURSE_RECIPE, "data_seed": number}}})
    among = only(judge_all(everything, [SAMPLE], Policy(margin=2.5)), "quality")
    assert (among.outcome, among.family) == ("INCONCLUSIVE", 41)
    assert among.adjusted_p == pytest.approx(min(1.0, 2 * 41 * p))


def test_twins_that_were_not_run_bring_their_parity_and_what_cannot_run_here_brings_none() -> None:
    absent: list[float | str | None] = [None] * 5
    pair = arms({"a": LOW, "b": absent}, {"b": {"precision": "bf16"}})
    found = only(judge_all(pair, [SAMPLE], Policy(margin=2.5)), "quality")
    assert found.family == 3, "two qualities and a parity"
    cells = make_cells(range(1, 6), precision="fp16")
    skipped = configurations(cells, [make_entry(cell, None, status="skipped", error="no CUDA") for cell in cells], {})
    found = only(judge_all([measured(LOW), *skipped], [SAMPLE], Policy(margin=2.5)), "quality")
    assert found.family == 1


def test_a_configuration_that_waits_for_its_seeds_counts_like_one_without_a_run() -> None:
    some: list[float | str | None] = [*SCORES[:2], None, None, None]
    pair = arms({"a": LOW, "b": some}, {"b": {"recipe": {**COURSE_RECIPE, "data_seed": 1}}})
    assert only(judge_all(pair[:1], [SAMPLE], Policy(margin=2.5)), "quality").family == 1
    first = next(each for each in judge_all(pair, [SAMPLE], Policy(margin=2.5)) if each.check == "quality")
    assert first.family == 2
