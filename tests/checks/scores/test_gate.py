"""The gate as a whole: what counts as measured, families, looks, waivers, exit codes."""

from __future__ import annotations

import datetime
import random
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.checks.scores.gate import Policy, judge_all
from harness.checks.verdict import Fact, Verdict, exit_code
from harness.grid.waivers import Waiver
from harness.references import find
from tests.checks.made_up_scores import (
    MAJORITY,
    STARTED,
    VALUE,
    arms,
    configurations,
    make_cells,
    make_entry,
    make_record,
    measured,
    numbers,
    of,
    part,
    published,
    values,
)

COURSE_RECIPE = {"learning_rate": 5e-5, "per_device_train_batch_size": 8, "num_train_epochs": 3.0}
SCORES = of([349, 352, 346, 355, 350])
LOW = of([325, 328, 322, 331, 326])
COURSE = published(VALUE)
SAMPLE = published(statistic="sample", values=SCORES * 2)
TODAY = datetime.date(2026, 11, 22)


def only(found: list[Verdict], check: str, item: str = "accuracy") -> Verdict:
    (one,) = (each for each in found if each.check == check and each.item == item)
    return one


def waiver(**changes: Any) -> Waiver:
    fields = {"configuration": "bert-base-uncased", "check": "quality", "reason": "issue 12", "author": "Ann"}
    return Waiver(**{**fields, "issue": "a/b#12", "bound": 9.0, "expires": TODAY, **changes})


# What is measured.


def test_a_degenerate_run_is_collapsed_whatever_its_record_says() -> None:
    cells = make_cells(range(1, 7))
    entries = [make_entry(cell, score) for cell, score in zip(cells, SCORES, strict=False)]
    degenerate = {"accuracy": 0.6838235294117647, "f1": 0.8122270742358079, "loss": 0.6}
    entries.append(make_entry(cells[5], None, metrics=degenerate))
    (one,) = configurations(cells, entries, {})
    assert [score.status for score in one.scores] == ["ok"] * 5 + ["collapsed"]


@pytest.mark.parametrize(
    ("counts", "metrics", "status"),
    [
        ((240, 160), {"accuracy": 160 / 240, "f1": 0.8}, "collapsed"),
        ((240, 160), {"accuracy": 0.7, "f1": 0.81}, "suspect"),
        ((240, 160), {"accuracy": 0.71, "f1": 0.81}, "ok"),  # the limit is 0.705 here, and 0.72 on MRPC
        ((408, 279), {"accuracy": 0.71, "f1": 0.82}, "suspect"),
        ((408, 279), {"accuracy": 129 / 408, "f1": 0.0}, "collapsed"),
        ((408, 279), {"f1": 0.82}, "no score"),
        ((408, 279), {"accuracy": float("nan")}, "no score"),
        (None, {"accuracy": 0.75, "f1": 2 * 0.75 / 1.75}, "collapsed"),  # no true negative: one class is never right
        (None, {"accuracy": 0.75, "f1": 0.85}, "ok"),
        (None, {"accuracy": 1.0, "f1": 1.0}, "ok"),
    ],
)
def test_the_status_of_a_run_follows_its_data(counts: Any, metrics: dict[str, float], status: str) -> None:
    cells = make_cells([1], task="somewhere/else")
    entry = make_entry(cells[0], None, metrics=metrics)
    records = {}
    if counts:
        records[entry.configuration_id, entry.environment_id] = make_record(cells[0], entry, counts)
    (one,) = configurations(cells, [entry], records)
    assert [score.status for score in one.scores] == [status]


def test_every_confusion_without_a_right_answer_of_one_class_is_found_without_counts() -> None:
    cells = make_cells([1], task="somewhere/else")
    rng = random.Random(0)
    for _ in range(300):
        positives, negatives = rng.randint(1, 300), rng.randint(1, 300)
        tp, tn = rng.choice([0, rng.randint(0, positives)]), rng.choice([0, rng.randint(0, negatives)])
        accuracy, f1 = (tp + tn) / (positives + negatives), 2 * tp / (tp + positives + negatives - tn)
        (one,) = configurations(cells, [make_entry(cells[0], None, metrics={"accuracy": accuracy, "f1": f1})], {})
        assert (one.scores[0].status == "collapsed") == (tp == 0 or tn == 0), (tp, tn, positives, negatives)


def test_the_latest_final_attempt_counts_and_an_earlier_collapse_is_not_forgotten() -> None:
    cells = make_cells(range(1, 6))
    entries = [make_entry(cell, score, attempt=2) for cell, score in zip(cells, SCORES, strict=True)]
    entries += [make_entry(cells[0], None, status="nonfinite"), make_entry(cells[1], None, status="killed", attempt=3)]
    entries += [make_entry(cells[2], None, status="oom")]
    (one,) = configurations(cells, entries, {})
    assert [score.status for score in one.scores] == ["ok"] * 5
    assert [score.status for score in one.every[5:]] == ["nonfinite"]
    found = only(judge_all([one], [], Policy()), "stability", "collapses")
    assert (found.subject.collapsed, found.subject.ended) == (1, 6)
    assert values(found.notes, "collapses.retried") == {"seeds": (1,)}


def test_a_cell_that_failed_twice_counts_once() -> None:
    cells = make_cells([1])
    entries = [make_entry(cells[0], None, status="nonfinite", attempt=n) for n in (1, 2, 3)]
    (one,) = configurations(cells, entries, {})
    assert len(one.every) == 1


def test_environments_and_contents_are_never_pooled_and_told_apart() -> None:
    cells = make_cells(range(1, 3))
    entries = [make_entry(cell, 85.0, environment_id="aaaa1111") for cell in cells]
    later = "2026-11-23T10:00:00.000Z"
    entries += [make_entry(cells[0], 85.0, environment_id="bbbb2222", started=later)]
    entries += [make_entry(cells[1], 85.0, environment_id="bbbb2222", started=later, content_id="dd")]
    found = configurations(cells, entries, {})
    assert len(found) == 3
    assert len({one.label for one in found}) == 3
    assert found[0].label == "bert-base-uncased · environment aaaa1111"
    assert [one.current for one in found].count(True) == 1


def test_older_versions_are_the_base_of_an_environment_pair() -> None:
    cells = make_cells(range(1, 6))
    entries, records = [], {}
    for environment, version, scores in (("aa", "5.23.0", SCORES), ("bb", "4.45.2", SCORES[::-1])):
        own = [make_entry(c, s, environment_id=environment) for c, s in zip(cells, scores, strict=True)]
        records[cells[0].configuration_id, environment] = make_record(cells[0], own[0], transformers=version)
        entries += own
    found = only(judge_all(configurations(cells, entries, records), [], Policy()), "parity")
    assert found.subject.environment_id == "aa"
    assert found.against is not None
    assert found.against.environment_id == "bb"
    compared = part(found, "scores").values
    assert (compared["twin"], compared["base"]) == ("transformers 5.23.0", "transformers 4.45.2")


# Errors and exit codes.


def test_nothing_at_all_is_never_a_success() -> None:
    assert exit_code([]) == 5
    assert exit_code(judge_all([], [COURSE], Policy())) == 5
    never_run = judge_all([measured([None] * 5)], [COURSE], Policy())
    assert [each.outcome for each in never_run] == ["ERROR"]
    assert exit_code(never_run) == 5


def test_cells_that_failed_or_are_missing_are_an_error() -> None:
    found = judge_all([measured([*SCORES, "timeout", None])], [COURSE], Policy(margin=2.5))
    error = only(found, "stability", "cells")
    assert error.outcome == "ERROR"
    assert error.reason == Fact.of("cells.absent", cells=((6, "timeout"), (7, "missing")), planned=7, unreadable=())
    assert only(found, "quality").outcome == "PASS"
    assert exit_code(found) == 4
    (crashed,) = judge_all([measured(["oom"] * 3)], [COURSE], Policy())
    assert (crashed.outcome, len(crashed.subject.cell_ids), exit_code([crashed])) == ("ERROR", 3, 4)
    (nothing,) = judge_all([measured([None] * 3)], [COURSE], Policy())
    assert (nothing.outcome, exit_code([nothing])) == ("ERROR", 5)


def test_an_older_environment_need_not_be_complete() -> None:
    cells = make_cells(range(1, 6))
    entries = [make_entry(cells[0], 85.0, environment_id="aa")]
    entries += [make_entry(cells[1], None, environment_id="aa", status="timeout")]
    later = "2026-11-23T10:00:00.000Z"
    entries += [make_entry(c, s, environment_id="bb", started=later) for c, s in zip(cells, SCORES, strict=True)]
    found = judge_all(configurations(cells, entries, {}), [COURSE], Policy(margin=2.5))
    assert not any(each.outcome == "ERROR" for each in found)


def test_what_cannot_run_here_is_skipped_with_its_reason() -> None:
    cells = make_cells(range(1, 4), precision="fp16")
    entries = [make_entry(cell, None, status="skipped", error="Skipped: no CUDA device") for cell in cells]
    found = judge_all(configurations(cells, entries, {}), [COURSE], Policy())
    skipped = Fact.of("cells.skipped", why="Skipped: no CUDA device")
    assert [(each.outcome, each.reason) for each in found] == [("SKIP", skipped)]
    assert exit_code(found) == 5


def test_exit_codes_come_in_the_order_of_the_design() -> None:
    good = judge_all([measured(SCORES)], [COURSE], Policy(margin=2.5))
    bad = judge_all([measured(LOW)], [SAMPLE], Policy(margin=2.5))
    few = judge_all([measured(SCORES[:4])], [COURSE], Policy(margin=2.5))
    error = judge_all([measured([*SCORES, "oom"])], [COURSE], Policy(margin=2.5))
    assert exit_code(good) == 0
    assert exit_code([*bad, *error, *few]) == 1
    assert exit_code([*error, *few]) == 4
    assert exit_code([*few, *good]) == 3
    assert exit_code([*few, *good], inconclusive="pass") == 0


def test_f1_is_judged_and_reported_and_does_not_gate() -> None:
    reference = published(99.0, metric="f1", decimals=2, id="f1")
    found = judge_all([measured(SCORES)], [COURSE, reference], Policy(margin=2.5))
    f1 = only(found, "quality", "f1")
    assert f1.outcome == "FAIL"
    assert f1.adjusted_p is None
    assert not f1.gates
    assert exit_code([each for each in found if each.against is None or each.against.label != "f1" or each is f1]) == 0
    assert exit_code([f1]) == 5


# Stability.


def test_too_many_collapses_fail_with_the_exact_binomial() -> None:
    found = judge_all([measured([*SCORES, 100 * MAJORITY, 100 * MAJORITY, "nonfinite"])], [COURSE], Policy(margin=2.5))
    one = only(found, "stability", "collapses")
    p = stats.binomtest(3, 8, 0.02, alternative="greater").pvalue
    assert one.outcome == "FAIL"
    assert one.reason.values["p"] == pytest.approx(p)
    assert one.adjusted_p == pytest.approx(2 * p), "collapses have half of alpha"
    assert one.notes[:2] == (
        Fact.of("collapses.kind", kind="collapsed", count=2, runs=8),
        Fact.of("collapses.kind", kind="nonfinite", count=1, runs=8),
    )
    assert exit_code(found) == 1


def test_two_runs_without_a_collapse_say_nothing() -> None:
    one = only(judge_all([measured(SCORES[:2])], [], Policy()), "stability", "collapses")
    assert (one.outcome, one.reason.code) == ("INCONCLUSIVE", "collapses.few")
    assert one.todo == (Fact.of("collapses.would_fail", least=1, n=2, alpha=0.05),)


def test_a_declared_rate_allows_as_many() -> None:
    scores: list[Any] = [*SCORES, 100 * MAJORITY]
    strict, loose = (
        only(judge_all([measured(scores)], [], Policy(p0=p)), "stability", "collapses") for p in (0.0, 0.2)
    )
    assert (strict.outcome, loose.outcome) == ("FAIL", "PASS")


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


# Looks.


LOOKS = (5, 7, 10)


def test_nothing_is_decided_before_the_first_look() -> None:
    found = only(judge_all([measured([*LOW[:4], None])], [SAMPLE], Policy(margin=2.5, looks=LOOKS)), "quality")
    assert found.outcome == "INCONCLUSIVE"
    assert part(found, "after") == Fact.of("look.early", runs=4, first=5)
    assert found.adjusted_p is None


def test_one_comparison_takes_the_calibrated_level_and_a_family_bonferroni() -> None:
    one = only(judge_all([measured(SCORES)], [COURSE], Policy(margin=2.5, looks=LOOKS)), "quality")
    assert numbers(one).alpha == 0.0226
    two = judge_all(arms({"a": SCORES, "b": SCORES[::-1]}, {"b": {"precision": "bf16"}}), [COURSE], Policy(looks=LOOKS))
    for each in two:
        assert each.numbers is None or numbers(each).alpha == pytest.approx(0.05 / 3)


def test_a_run_between_looks_waits() -> None:
    policy = Policy(margin=2.5, looks=LOOKS)
    undecided = of([330, 352, 346, 362, 350])
    found = only(judge_all([measured([*undecided, 85.0])], [COURSE], policy), "quality")
    assert numbers(found).n == 5
    assert found.notes[-1] == Fact.of("look.waiting", look=5, later=1, following=7)
    assert values(found.todo, "seeds.next_look") == {"look": 7}


def test_what_a_look_decided_stays_decided() -> None:
    policy = Policy(margin=2.5, looks=LOOKS)
    tight = of([349, 350, 351, 350, 349])
    at_five = only(judge_all([measured(tight)], [COURSE], policy), "quality")
    assert at_five.outcome == "PASS"
    later = only(judge_all([measured([*tight, *of([320, 321])])], [COURSE], policy), "quality")
    assert later.outcome == "PASS"
    assert later.numbers == at_five.numbers
    assert later.notes[-1] == Fact.of("look.decided", look=5, later=2)
    last = only(judge_all([measured([*of([330, 352, 346, 362, 350]), 85.0])], [COURSE], Policy(looks=(5,))), "quality")
    assert last.notes[-1] == Fact.of("look.last", look=5, later=1)


def test_collapses_after_a_look_still_count_at_the_next() -> None:
    policy = Policy(margin=2.5, looks=LOOKS)
    scores: list[Any] = [*of([349, 350, 351, 350, 349]), 100 * MAJORITY, 100 * MAJORITY, "nonfinite", "nonfinite", 85.0]
    assert only(judge_all([measured(scores[:7])], [COURSE], policy), "stability", "collapses").subject.collapsed == 2
    found = only(judge_all([measured(scores)], [COURSE], policy), "stability", "collapses")
    assert found.outcome == "FAIL"


def test_cells_beyond_the_first_look_are_not_missing() -> None:
    policy = Policy(margin=2.5, looks=LOOKS)
    found = judge_all([measured([*SCORES, None, None, None, None, None])], [COURSE], policy)
    assert not any(each.outcome == "ERROR" for each in found)
    assert any(each.outcome == "ERROR" for each in judge_all([measured([*SCORES[:4], None])], [COURSE], policy))


def test_looking_three_times_passes_at_the_margin_no_more_often_than_alpha() -> None:
    rng = np.random.default_rng(2)
    passes = 0
    for _ in range(300):
        runs = VALUE - 2.5 + 1.2 * rng.standard_normal(10)
        reference = published(VALUE)
        found = judge_all([measured(list(runs))], [reference], Policy(margin=2.5, looks=LOOKS))
        passes += only(found, "quality").outcome == "PASS"
    assert passes <= 24  # 5 % are 15; three naive looks at .05 would be about 28


# Waivers.


def test_a_waived_fail_is_shown_and_does_not_fail() -> None:
    policy = Policy(margin=2.5, waivers=(waiver(),))
    found = judge_all([measured(LOW)], [SAMPLE], policy, today=TODAY)
    one = only(found, "quality")
    assert one.outcome == "FAIL"
    assert one.waiver is not None
    assert (one.waiver.code, one.waiver.values["author"], one.waiver.values["bound"]) == ("waiver", "Ann", 9.0)
    assert one.waiver.values["effect"] == pytest.approx(5.882, abs=0.001)
    assert exit_code(found) == 0


def test_an_expired_waiver_is_void_and_says_so() -> None:
    policy = Policy(margin=2.5, waivers=(waiver(),))
    found = judge_all([measured(LOW)], [SAMPLE], policy, today=TODAY + datetime.timedelta(days=1))
    one = only(found, "quality")
    assert one.waiver is None
    assert (one.notes[-1].code, one.notes[-1].values["expires"]) == ("waiver.expired", "2026-11-22")
    assert exit_code(found) == 1


def test_a_waiver_covers_only_what_it_names() -> None:
    for changes in ({"check": "parity"}, {"configuration": "another"}):
        found = judge_all([measured(LOW)], [SAMPLE], Policy(margin=2.5, waivers=(waiver(**changes),)), today=TODAY)
        assert exit_code(found) == 1
    by_id = waiver(configuration=measured(LOW).configuration_id)
    assert exit_code(judge_all([measured(LOW)], [SAMPLE], Policy(margin=2.5, waivers=(by_id,)), today=TODAY)) == 0


def test_waivers_need_a_date() -> None:
    with pytest.raises(ValueError, match="today"):
        judge_all([measured(LOW)], [SAMPLE], Policy(waivers=(waiver(),)))


@pytest.mark.parametrize(
    "changes",
    [{"margin": 0.0}, {"parity_margin": -1.0}, {"alpha": 0.5}, {"p0": 1.0}, {"looks": (5, 5)}, {"looks": ()},
     {"direction": "up"}, {"margin": float("nan")}],
)  # fmt: skip
def test_a_policy_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        Policy(**changes)


def test_only_losses_fail_in_the_lower_direction() -> None:
    high = of([373, 376, 370, 379, 374])
    both, lower = (
        only(judge_all([measured(high)], [SAMPLE], Policy(margin=2.5, direction=d)), "quality")  # type: ignore[arg-type]
        for d in ("both", "lower")
    )
    assert (both.outcome, lower.outcome) == ("FAIL", "PASS")


# Properties.


statuses = st.one_of(
    st.integers(300, 380).map(lambda n: 100 * n / 408), st.sampled_from(["collapsed", "nonfinite", "oom"])
)


@settings(deadline=None, max_examples=40)
@given(st.lists(statuses, min_size=1, max_size=9), st.lists(statuses, min_size=1, max_size=9), st.randoms())
def test_the_order_of_entries_does_not_matter(a: list[Any], b: list[Any], shuffle: random.Random) -> None:
    cells, entries = [], []
    for scores, precision in ((a, "fp32"), (b, "bf16")):
        own = make_cells(range(1, len(scores) + 1), precision=precision)
        cells += own
        for cell, value in zip(own, scores, strict=True):
            word = isinstance(value, str)
            entries.append(make_entry(cell, None if word else value, status=value if word else "ok"))
            entries.append(make_entry(cell, 80.0, status="killed", attempt=2, path=f"cells/{cell.cell_id}/002"))
    mixed = list(entries)
    shuffle.shuffle(mixed)
    policy = Policy(looks=(3, 5))
    here, there = (judge_all(configurations(cells, each, {}), [COURSE], policy) for each in (entries, mixed))
    assert here == there
    assert exit_code(here) in (0, 1, 3, 4, 5)
    for each in here:
        assert each.outcome in ("PASS", "FAIL", "INCONCLUSIVE", "ERROR")


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(300, 380), min_size=5, max_size=9))
def test_looks_never_pass_what_has_too_few_runs(correct: list[int]) -> None:
    found = judge_all([measured(of(correct))], [COURSE], Policy(margin=2.5, looks=(3, 6)))
    one = only(found, "quality")
    assert numbers(one).n in (3, 6)
    assert numbers(one).n == 6 or one.outcome == "INCONCLUSIVE"


# Size.


def test_ten_thousand_entries_take_seconds() -> None:
    rng = random.Random(1)
    cells, entries = [], []
    for number in range(500):
        recipe = {"learning_rate": 5e-5, "num_train_epochs": 3.0, "data_seed": number // 4}
        own = make_cells(range(20), recipe=recipe, precision=("fp32", "tf32", "bf16", "fp16")[number % 4])
        cells += own
        entries += [make_entry(c, 100 * round(350 + rng.gauss(0, 5)) / 408, started=STARTED) for c in own]
    references = [find("hf-course-ch3"), find("replication-course-uncased"), published(88.23529411764706, "best", 10)]
    judge_all([measured(SCORES)], references, Policy())  # imports and the registry, once
    begin = time.perf_counter()
    found = judge_all(configurations(cells, entries, {}), references, Policy(harmless=frozenset({"precision"})))
    took = time.perf_counter() - begin
    assert len(found) == 500 + 500 * 5 + 375
    assert took < 30, f"{took:.1f} s"


def test_a_waiver_by_the_plans_label_holds_in_every_environment() -> None:
    cells = make_cells(range(1, 6))
    entries = [make_entry(c, s, environment_id=e) for e in ("aa", "bb") for c, s in zip(cells, LOW, strict=True)]
    policy = Policy(margin=2.5, waivers=(waiver(),))
    found = judge_all(configurations(cells, entries, {}), [SAMPLE], policy, today=TODAY)
    fails = [each for each in found if each.outcome == "FAIL"]
    assert len(fails) == 2
    assert all(each.waiver for each in fails)


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
