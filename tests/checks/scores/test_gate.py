"""The gate as a whole: errors, exit codes, stability, waivers, and what holds of any entries."""

from __future__ import annotations

import datetime
import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.checks.scores.gate import Policy, judge_all
from harness.checks.verdict import Fact, exit_code
from harness.grid.waivers import Waiver
from harness.references import find
from tests.checks.made_up_scores import (
    MAJORITY,
    STARTED,
    configurations,
    make_cells,
    make_entry,
    measured,
    of,
    published,
)
from tests.checks.scores.made_up import COURSE, LOW, SAMPLE, SCORES, only

TODAY = datetime.date(2026, 11, 22)


def waiver(**changes: Any) -> Waiver:
    fields = {"configuration": "bert-base-uncased", "check": "quality", "reason": "issue 12", "author": "Ann"}
    return Waiver(**{**fields, "issue": "a/b#12", "bound": 9.0, "expires": TODAY, **changes})


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
