from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.collapse import is_collapsed, run_status

Confusion = tuple[int, int, int, int]


def scores(tp: int, fp: int, fn: int, tn: int) -> tuple[dict[str, float | None], tuple[int, int]]:
    n = tp + fp + fn + tn
    return {"accuracy": (tp + tn) / n, "f1": 2 * tp / max(2 * tp + fp + fn, 1)}, (fp + tn, tp + fn)


def collapsed(confusion: Confusion) -> bool:
    tp, fp, fn, tn = confusion
    return is_collapsed([[tn, fp], [fn, tp]])


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
    assert collapsed(confusion) == (status == "collapsed")


@pytest.mark.parametrize(("counts", "limit"), [
    ((129, 279), 0.72),
    ((100, 100), 0.5572),  # balanced: 0.72 is a good score
    ((100, 900), 0.9114),  # nine in ten: 0.72 is far below a constant answer
    ((30, 40, 30), 0.4687),
])  # fmt: skip
def test_suspect_is_little_above_the_data_s_own_majority(counts: tuple[int, ...], limit: float) -> None:
    majority = max(counts) / sum(counts)
    assert run_status({"accuracy": majority}, counts) == "collapsed"
    assert run_status({"accuracy": majority + 1e-6}, counts) == "suspect"
    assert run_status({"accuracy": limit - 1e-4}, counts) == "suspect"
    assert run_status({"accuracy": limit + 1e-4}, counts) == "ok"
    assert run_status({"accuracy": limit - 1e-4}, None) == "ok", "unknown counts have no limit"


def test_without_an_accuracy_a_correlation_is_held_against_a_constant_s() -> None:
    for value, status in ((-0.2, "collapsed"), (0.0, "collapsed"), (0.05, "suspect"), (0.2, "ok"), (1.0, "ok")):
        assert run_status({"matthews_correlation": value}, (30, 70)) == status
    # A constant has no correlation with numbers; one that is below 0 is no constant.
    for value, status in ((-0.2, "suspect"), (0.05, "suspect"), (0.2, "ok")):
        assert run_status({"pearson": value, "spearmanr": 0.9}, None) == status


@pytest.mark.parametrize("f1", [None, 0.0])
def test_all_right_on_a_split_of_one_class_is_no_collapse(f1: float | None) -> None:
    assert run_status({"accuracy": 1.0, "f1": f1}, (20, 0)) == "ok"
    assert not collapsed((0, 0, 0, 20))
    assert not collapsed((20, 0, 0, 0))
    assert run_status({"accuracy": 0.95, "f1": f1}, (20, 0)) == "collapsed", "less than a constant answer has"


@given(st.tuples(*[st.integers(0, 300)] * 4).filter(any))
def test_collapsed_is_no_better_than_a_constant(confusion: Confusion) -> None:
    tp, fp, fn, tn = confusion
    right = not (fp or fn)
    assert collapsed(confusion) == (tp + tn <= max(tp + fn, tn + fp) and not right)
    if (tp + fp == 0 or tn + fn == 0) and not right:
        assert collapsed(confusion), "one constant answer"
    found, counts = scores(*confusion)
    assert (run_status(found, counts) == "collapsed") >= collapsed(confusion)
    # Without the counts only the scores of one class are proof.
    assert (run_status(found, None) == "collapsed") == ((found["accuracy"] or 0) < 1 and (not tp or not tn))


def test_it_stays_light() -> None:
    # Every record's status asks it: neither numpy nor scipy for that.
    code = "import sys, harness.stats.collapse; print('numpy' in sys.modules, 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split() == ["False"] * 2


def test_exact_tests_need_no_scipy_stats() -> None:
    # Slow to import, and every check asks one.
    code = (
        "import sys; from harness.stats import descriptive, order_statistic, paired, stability;"
        "descriptive.rate(1, 5), order_statistic.count_below([1.0], 2.0), paired.mcnemar(1, 2, 9),"
        "stability.stability(1, 5), stability.compare_rates(1, 5, 2, 5); print('scipy.stats' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split() == ["False"]
