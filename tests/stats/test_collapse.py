from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.collapse import is_collapsed, run_status

Confusion = tuple[int, int, int, int]


def scores(tp: int, fp: int, fn: int, tn: int) -> tuple[float, float, tuple[int, int]]:
    n = tp + fp + fn + tn
    return (tp + tn) / n, 2 * tp / max(2 * tp + fp + fn, 1), (n, tp + fn)


@pytest.mark.parametrize(("confusion", "status"), [
    ((260, 39, 19, 90), "ok"),
    ((279, 129, 0, 0), "collapsed"),  # every answer positive: F1 .812 looks healthy
    ((0, 0, 279, 129), "collapsed"),
    ((270, 120, 9, 9), "collapsed"),  # 279 right: no better than the majority
    ((270, 119, 9, 10), "suspect"),  # accuracy .686
    ((158, 1, 121, 128), "suspect"),  # accuracy .701
    ((240, 74, 39, 55), "ok"),  # accuracy .723
    ((180, 15, 99, 114), "ok"),
])  # fmt: skip
def test_the_status_of_mrpc_s_scores(confusion: Confusion, status: str) -> None:
    assert run_status(*scores(*confusion)) == status
    assert is_collapsed(*confusion) == (status == "collapsed")


@given(st.tuples(*[st.integers(0, 300)] * 4).filter(any))
def test_collapsed_is_no_better_than_a_constant(confusion: Confusion) -> None:
    tp, fp, fn, tn = confusion
    assert is_collapsed(*confusion) == (tp + tn <= max(tp + fn, tn + fp))
    if tp + fp == 0 or tn + fn == 0:
        assert is_collapsed(*confusion), "one constant answer"
    accuracy, f1, counts = scores(*confusion)
    assert (run_status(accuracy, f1, counts) == "collapsed") >= is_collapsed(*confusion)
    # Without the counts only the scores of one class are proof.
    assert (run_status(accuracy, f1, None) == "collapsed") == (accuracy < 1 and (not tp or not tn))


def test_it_stays_light() -> None:
    # Every record's status asks it: neither numpy nor scipy for that.
    code = "import sys, harness.stats.collapse; print('numpy' in sys.modules, 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split() == ["False"] * 2
