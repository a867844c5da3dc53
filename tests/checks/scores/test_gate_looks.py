"""Planned looks at the gate: nothing is decided between them, and what was decided stays so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.checks.scores.gate import Policy, judge_all
from harness.checks.verdict import Fact
from tests.checks.made_up_scores import MAJORITY, VALUE, arms, measured, numbers, of, part, published, values
from tests.checks.scores.made_up import COURSE, LOW, SAMPLE, SCORES, only

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


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(300, 380), min_size=5, max_size=9))
def test_looks_never_pass_what_has_too_few_runs(correct: list[int]) -> None:
    found = judge_all([measured(of(correct))], [COURSE], Policy(margin=2.5, looks=(3, 6)))
    one = only(found, "quality")
    assert numbers(one).n in (3, 6)
    assert numbers(one).n == 6 or one.outcome == "INCONCLUSIVE"
