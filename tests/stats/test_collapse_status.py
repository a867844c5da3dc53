from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.collapse import is_collapsed, run_status

Confusion = tuple[int, int, int, int]


@pytest.mark.parametrize(("confusion", "status"), [
    ((260, 39, 19, 90), "ok"),
    ((279, 129, 0, 0), "collapsed"),  # every answer positive: F1 .812 looks healthy
    ((0, 0, 279, 129), "collapsed"),
    ((270, 120, 9, 9), "collapsed"),  # 279 right: no better than the majority
    ((270, 119, 9, 10), "suspect"),  # accuracy .686
    ((279, 110, 0, 19), "suspect"),  # accuracy .730, but 95.3 % positive
    ((158, 1, 121, 128), "suspect"),  # accuracy .701
    ((240, 74, 39, 55), "ok"),  # accuracy .723
    ((180, 15, 99, 114), "ok"),
])  # fmt: skip
def test_status_of_confusion_counts(confusion: Confusion, status: str) -> None:
    assert run_status(confusion) == status


def test_the_first_that_applies() -> None:
    good = (260, 39, 19, 90)
    assert run_status(None) == "crashed"
    assert run_status(good, crashed=True, nonfinite=True) == "crashed"
    assert run_status(good, nonfinite=True) == "nonfinite"
    assert run_status(None, nonfinite=True) == "nonfinite"
    # Few positive answers are suspect by themselves where accuracy is not.
    assert run_status((150, 0, 80, 178), suspect_accuracy=0.7) == "suspect"
    assert run_status((150, 0, 80, 178), suspect_accuracy=0.7, suspect_positive=(0.3, 0.95)) == "ok"


@given(st.tuples(*[st.integers(0, 300)] * 4).filter(any))
def test_collapsed_means_no_better_than_a_constant(confusion: Confusion) -> None:
    tp, fp, fn, tn = confusion
    best_constant = max(tp + fn, tn + fp)
    collapsed = run_status(confusion) == "collapsed"
    assert collapsed == is_collapsed(*confusion)
    assert collapsed >= (tp + tn <= best_constant)
    if collapsed and tp + tn > best_constant:
        assert tp + fp == 0 or tn + fn == 0


@pytest.mark.parametrize("confusion", [(0, 0, 0, 0), (-1, 2, 3, 4)])
def test_nonsense_is_refused(confusion: Confusion) -> None:
    with pytest.raises(ValueError, match="allowed"):
        run_status(confusion)


def test_it_stays_light() -> None:
    # Every record's status asks it: neither numpy nor scipy for that.
    code = "import sys, harness.stats.collapse; print('numpy' in sys.modules, 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split() == ["False"] * 2
