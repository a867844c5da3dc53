from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from scipy.stats import t as student

from harness.stats.decision import Estimate, Rule, decide
from harness.stats.family import apply_holm, holm
from harness.stats.variance import Sd

ps = st.lists(st.floats(0, 1), min_size=1, max_size=6)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=6))
def test_holm_is_the_closed_test_of_bonferroni(pairs: list[tuple[float, float]]) -> None:
    # The second path: a hypothesis falls where every set that holds it is rejected. A set is, at the least p in it, by
    # the sum of the chances that its members have to be as small.
    p, limits = zip(*pairs, strict=True)
    for index, adjusted in enumerate(holm(p, limits)):
        others = [i for i in range(len(p)) if i != index]
        sets = itertools.chain.from_iterable(itertools.combinations(others, size) for size in range(len(p)))
        chances = []
        for more in sets:
            members = (index, *more)
            least = min(p[i] for i in members)
            chances.append(min(1.0, sum(min(least, limits[i]) for i in members)))
        assert adjusted == pytest.approx(max(chances), abs=1e-12)


@given(ps)
def test_limits_of_one_are_holm_s_own(p: list[float]) -> None:
    assert holm(p, [1.0] * len(p)) == holm(p)
    order = sorted(range(len(p)), key=lambda i: p[i])
    running = list(itertools.accumulate((min(1.0, p[i] * (len(p) - rank)) for rank, i in enumerate(order)), max))
    assert [holm(p)[i] for i in order] == pytest.approx(running, abs=1e-12)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=6), st.randoms())
def test_order_does_not_matter(pairs: list[tuple[float, float]], random: object) -> None:
    p, limits = zip(*pairs, strict=True)
    order = sorted(range(len(p)), key=lambda _: random.random())  # type: ignore[attr-defined]
    shuffled = holm([p[i] for i in order], [limits[i] for i in order])
    assert [shuffled[order.index(i)] for i in range(len(p))] == pytest.approx(holm(p, limits))


@given(ps)
def test_who_does_not_fail_counts_by_its_limit(p: list[float]) -> None:
    assert apply_holm([*p, None]) == (*holm(p), None), "without limits: no part in the family"
    assert apply_holm([*p, None], [1.0] * (len(p) + 1))[:-1] == holm([*p, 1.0])[:-1], "planned, and not measured"
    halves = apply_holm(p, part=0.5)
    assert halves == pytest.approx([min(1.0, 2 * each) for each in holm(p)])


@pytest.mark.parametrize(
    "call",
    [
        lambda: holm([0.5, 1.1]),
        lambda: holm([-0.1]),
        lambda: holm([math.nan]),
        lambda: holm([0.5], [1.5]),
        lambda: apply_holm([0.5], part=0.0),
    ],
)
def test_what_is_no_p_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        call()


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


@pytest.mark.parametrize("margin", [0.3, 1.0, 1.2, 1.5])
def test_the_family_keeps_its_level_where_margins_keep_most_from_failing(margin: float) -> None:
    """24 cells of 5 runs without any effect, se 0.45: how often any FAIL stands, and what others would have cost."""
    generator = np.random.default_rng(int(10 * margin))
    rule, alarms, sizes = Rule(margin), 0, []
    for _ in range(1500):
        runs = generator.standard_normal((24, 5))
        found = [
            decide(Estimate(5, float(each.mean()), se, se, 4, Sd(se * math.sqrt(5), 4)), rule)
            for each in runs
            if (se := float(each.std(ddof=1)) / math.sqrt(5))
        ]
        adjusted = apply_holm([one.p_block for one in found], [one.p_limit for one in found])
        alarms += any(one.outcome == "FAIL" and p < 0.05 for one, p in zip(found, adjusted, strict=True) if p)
        sizes.append(sum(min(0.05, one.p_limit) for one in found) / 0.05)
    assert alarms / 1500 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1500)
    # As many as all where the margin is small, and less than one where it is 3.4 standard errors.
    assert np.mean(sizes) == pytest.approx({0.3: 23.9, 1.0: 6.5, 1.2: 2.6, 1.5: 0.3}[margin], rel=0.25)


def test_a_loss_is_found_among_many_that_could_not_fail() -> None:
    lost = decide(Estimate(5, -4.0, 0.6, 0.6, 4, Sd(1.3, 4)), Rule(2.5))
    clean = decide(Estimate(5, 0.1, 0.5, 0.5, 4, Sd(1.1, 4)), Rule(2.5))
    wide = decide(Estimate(5, 0.1, 2.0, 2.0, 4, Sd(4.5, 4)), Rule(2.5))
    p = 2 * student.sf(4 / 0.6, 4)
    assert (clean.p_block, clean.p_limit) == (None, 0.0)
    for others, counted in ((clean, 1), (wide, 24)):
        family = [lost, *[others] * 23]
        adjusted = apply_holm([one.p_block for one in family], [one.p_limit for one in family])
        assert adjusted[0] == pytest.approx(counted * p)
        assert adjusted[1:] == (None,) * 23
