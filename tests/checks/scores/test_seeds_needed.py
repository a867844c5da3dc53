"""What more runs would bring; the numbers by simulation and by scipy's noncentral t."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from harness.checks.scores.seeds_needed import detectable_here, outlook
from harness.checks.scores.target import OfBareMean, OfOrder
from harness.checks.verdict import Fact
from harness.stats.decision import Estimate, Rule, decide
from harness.stats.order_statistic import expected
from harness.stats.power import Design
from harness.stats.reference import published_mean, single
from harness.stats.variance import sample
from tests.checks.made_up_scores import values

RUNS = [84.0, 85.5, 86.2, 84.7, 86.9]
RULE = Rule(2.5)


def test_the_smallest_detectable_difference_has_a_power_of_80_percent() -> None:
    for estimate in (single(sample(RUNS), 85.0), published_mean(sample(RUNS), 85.0, 5, 1.1)):
        decision = decide(estimate, RULE)
        found = detectable_here(decision)
        assert found is not None
        assert estimate.se_diff is not None
        nc, crit = found / estimate.se_diff, stats.t.ppf(0.975, estimate.df)
        power = stats.nct.sf(crit, estimate.df, nc) + stats.nct.cdf(-crit, estimate.df, nc)
        assert power == pytest.approx(0.8, abs=1e-4)


def test_a_one_sided_rule_detects_smaller_losses() -> None:
    both, lower = (
        detectable_here(decide(single(sample(RUNS), 85.0), Rule(2.5, direction=d))) for d in ("both", "lower")
    )  # type: ignore[arg-type]
    assert both is not None
    assert lower is not None
    assert lower < both


def test_an_undecided_comparison_says_how_many_more_and_what_no_number_shows() -> None:
    decision = decide(single(sample(RUNS), 87.5), RULE)
    assert decision.outcome == "INCONCLUSIVE"
    found = outlook(decision, Design("single"), against="a single run", run_seconds=120)
    assert decision.sd is not None
    planned = 0.05 * math.ceil(decision.sd.value * math.sqrt(4 / stats.chi2.ppf(0.2, 4)) / 0.05)
    assert found.more_seeds is not None
    assert values(found.todo, "seeds.more") == {
        "more": found.more_seeds, "sd": pytest.approx(planned), "both": False, "seconds": 120 * found.more_seeds
    }  # fmt: skip
    rng = np.random.default_rng(0)
    powers = {}
    for n in (5 + found.more_seeds, 5 + found.more_seeds - 1):
        runs = planned * rng.standard_normal((40_000, n))
        half = stats.t.ppf(0.95, n - 1) * runs.std(axis=1, ddof=1) / math.sqrt(n)
        powers[n] = np.mean(np.abs(runs.mean(axis=1)) + half < 2.5)
    assert powers[5 + found.more_seeds] > 0.79
    assert powers[5 + found.more_seeds - 1] < 0.81
    floor = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * decision.sd.value
    assert values(found.todo, "seeds.floor") == {"points": pytest.approx(floor), "against": "a single run"}


def test_a_margin_that_the_reference_drowns_has_no_number_of_seeds() -> None:
    decision = decide(published_mean(sample(RUNS), 85.0, 2, 1.3), Rule(0.5))
    found = outlook(decision, Design("mean", m=2), against="the mean of 2 runs")
    assert found.more_seeds is None
    nothing = values(found.todo, "seeds.none")
    assert (nothing["margin"], nothing["against"]) == (0.5, "the mean of 2 runs")


def test_a_decided_comparison_needs_no_more() -> None:
    decision = decide(single(sample([85.0, 85.2, 84.9, 85.1, 85.3]), 85.0), RULE)
    found = outlook(decision, Design("single"), against="a single run")
    assert (decision.outcome, found.more_seeds) == ("PASS", None)
    assert found.todo == (Fact.of("seeds.detectable", points=found.detectable),)


def test_without_a_spread_only_the_least_number_can_be_named() -> None:
    one = decide(Estimate(1, 0.3, None, None, None, None), RULE)
    least = Fact.of("seeds.least", more=4, both=False)
    assert outlook(one, Design("single"), against="a single run").todo == (least,)
    equal = decide(single(sample([85.0] * 5), 85.0), RULE)
    assert outlook(equal, Design("single"), against="a single run").todo == (Fact.of("seeds.equal"),)


def test_planned_looks_are_named() -> None:
    decision = decide(single(sample(RUNS), 87.5), RULE)
    looks = (5, 7, 10)
    found = outlook(decision, Design("single"), against="a single run", looks=looks)
    assert values(found.todo, "seeds.next_look") == {"look": 7}
    last = decide(single(sample(RUNS * 2), 87.9), RULE)
    assert last.outcome == "INCONCLUSIVE"
    found = outlook(last, Design("single"), against="a single run", looks=looks)
    assert Fact.of("seeds.no_look") in found.todo


def test_designs_of_bare_means_and_order_statistics() -> None:
    assert OfBareMean("mean", m=5, history=3).df(6) == 8
    best = OfOrder("single", luck=expected(5, 5))
    assert best.se_eq(5) == pytest.approx(math.sqrt(1 / 5 + 1.162964**2 / 8), abs=1e-6)
