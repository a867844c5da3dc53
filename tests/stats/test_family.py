from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, norm

from harness.stats.decision import Decision, Estimate, Rule, decide
from harness.stats.family import benjamini_hochberg, holm, job, judge
from harness.stats.sequential import nominal_alpha
from harness.stats.stability import gated, stability
from harness.stats.variance import Sd

ps = st.lists(st.floats(0, 1), min_size=1, max_size=6)


@given(ps)
def test_holm_is_the_closed_test_of_bonferroni(p: list[float]) -> None:
    # The second path: a hypothesis falls where Bonferroni rejects every set that holds it.
    for index, adjusted in enumerate(holm(p)):
        others = [i for i in range(len(p)) if i != index]
        sets = itertools.chain.from_iterable(itertools.combinations(others, size) for size in range(len(p)))
        closed = max(min(1.0, (len(more) + 1) * min(p[i] for i in (index, *more))) for more in sets)
        assert adjusted == pytest.approx(closed, abs=1e-12)


@given(ps)
def test_benjamini_hochberg_agrees_with_scipy(p: list[float]) -> None:
    assert benjamini_hochberg(p) == pytest.approx(false_discovery_control(p), abs=1e-12)


@given(ps, st.randoms())
def test_order_does_not_matter(p: list[float], random: object) -> None:
    order = sorted(range(len(p)), key=lambda _: random.random())  # type: ignore[attr-defined]
    for adjust in (holm, benjamini_hochberg):
        shuffled = adjust([p[i] for i in order])
        assert [shuffled[order.index(i)] for i in range(len(p))] == pytest.approx(adjust(p))
        assert all(adjusted >= given - 1e-15 for adjusted, given in zip(adjust(p), p, strict=True))


@pytest.mark.parametrize("bad", [[0.5, 1.1], [-0.1], [float("nan")]])
def test_what_is_no_p_is_refused(bad: list[float]) -> None:
    for adjust in (holm, benjamini_hochberg):
        with pytest.raises(ValueError, match="allowed"):
            adjust(bad)


def cell(difference: float, n: int = 5, se: float = 0.6) -> Decision:
    return decide(Estimate(n, difference, se, se, 20, Sd(1.2, 20, "pooled", 5)), Rule(1.0))


def test_holm_unmakes_a_failure_that_one_of_many_would_have_anyway() -> None:
    weak = cell(-1.5)
    assert weak.outcome == "FAIL"
    assert judge([weak]).outcome == "FAIL"
    many = judge([weak, *[cell(0.1)] * 9])
    assert many.outcome == "INCONCLUSIVE"
    assert "after Holm over 10" in many.decisions[0].why
    strong = judge([cell(-4.0), *[cell(0.1)] * 9])
    assert (strong.outcome, strong.decisions[0].outcome) == ("FAIL", "FAIL")


def test_a_pass_of_the_job_is_a_pass_of_every_cell() -> None:
    assert job(["PASS", "PASS"]) == "PASS"
    assert job(["PASS", "INCONCLUSIVE"]) == "INCONCLUSIVE"
    assert job(["PASS", "FAIL", "INCONCLUSIVE"]) == "FAIL"
    assert job([]) == "INCONCLUSIVE", "nothing judged is no success"
    assert judge([]).outcome == "INCONCLUSIVE"
    good = cell(0.0, se=0.2)
    assert judge([good] * 3).outcome == "PASS"


def test_cells_that_could_not_block_do_not_dilute() -> None:
    barred = cell(-8.0, n=2)
    assert barred.barred
    found = judge([cell(-1.5), barred, barred])
    assert found.adjusted[1:] == (None, None)
    assert found.adjusted[0] == cell(-1.5).p_diff
    assert found.outcome == "FAIL"


def test_collapses_block_too() -> None:
    blocked = gated(cell(0.0), stability(3, 8))
    found = judge([blocked, cell(0.1), cell(0.2)])
    assert found.outcome == "FAIL"
    assert found.adjusted[0] == pytest.approx(3 * stability(3, 8).p)


def test_looks_share_the_family_s_level() -> None:
    level = nominal_alpha((3, 5, 7, 10), family=4)
    found = judge([cell(-1.8), *[cell(0.0)] * 3], level)
    assert found.adjusted[0] is not None
    assert level < found.adjusted[0] < 0.05
    assert found.outcome == "INCONCLUSIVE"


def test_the_family_keeps_its_level() -> None:
    # 24 correlated cells without any effect: Holm holds any false alarm at 5 %.
    generator = np.random.default_rng(10)
    alarms = {"holm": 0, "each": 0}
    for _ in range(3000):
        z = np.sqrt(0.5) * generator.standard_normal() + np.sqrt(0.5) * generator.standard_normal(24)
        p = (2 * norm.sf(np.abs(z))).tolist()
        alarms["holm"] += min(holm(p)) < 0.05
        alarms["each"] += min(p) < 0.05
    assert alarms["holm"] / 3000 <= 0.05 + 0.012
    assert alarms["each"] / 3000 > 0.3
