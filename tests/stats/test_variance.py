from __future__ import annotations

import math
import statistics
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import f, levene, t

from harness.fact import Fact
from harness.stats.variance import GUARD, Pool, Sd, gained, homogeneity, moderated, own, sample, satterthwaite

scores = st.integers(280, 380).map(lambda correct: 100 * correct / 408)
cells = st.lists(scores, min_size=2, max_size=8)


@given(cells)
def test_own(values: list[float]) -> None:
    sd = own(values)
    assert sd.value == pytest.approx(statistics.stdev(values), abs=1e-9)
    assert (sd.df, sd.source, sd.least_runs) == (len(values) - 1, "own", 5)


def test_rounding_is_no_spread() -> None:
    # The same difference of one example, computed from other scores: parted by the last bits only.
    differences = [100 * (k + 1) / 408 - 100 * k / 408 for k in (301, 347, 350, 222)]
    assert len(set(differences)) > 1
    assert own(differences).value == 0.0
    assert not sample(differences).varied
    assert own([85.0, 85.0 + 100 / 408]).value > 0.1


def test_a_sample_of_one_has_a_mean_and_no_sd() -> None:
    one = sample([85.0])
    assert (one.n, one.mean, one.sd, one.varied) == (1, 85.0, None, True)
    history = Sd(1.2, 16, "moderated", 3)
    assert sample([85.0], history).sd is history
    equal = sample([85.0, 85.0, 85.0], history)
    assert (equal.sd, equal.varied) == (history, False)


def by_seed(values: list[float], first: int = 1) -> dict[int, float]:
    return dict(enumerate(values, first))


@given(st.lists(cells, min_size=3, max_size=5))
def test_a_pool_is_the_residual_variance_of_a_one_way_layout(groups: list[list[float]]) -> None:
    # The second path: least squares on dummies of the other cells; no seed is shared.
    found = Pool([by_seed(each, 100 * number) for number, each in enumerate(groups)]).sd(0)
    mine, others = own(groups[0]), groups[1:]
    values = np.concatenate([np.asarray(each) for each in others])
    dummies = np.zeros((len(values), len(others)))
    dummies[np.arange(len(values)), np.repeat(np.arange(len(others)), [len(each) for each in others])] = 1
    residuals = values - dummies @ np.linalg.lstsq(dummies, values, rcond=None)[0]
    df = len(values) - len(others)
    assert found is not None
    p = homogeneity(groups)
    if p is not None and p < 0.01:
        assert (found.value, found.df, found.source) == (mine.value, mine.df, "own")
        assert found.note == Fact.of("spread.differs", p=p)
        return
    residual = math.sqrt(float(residuals @ residuals) / df)
    expected = moderated(mine, Sd(residual if residual > 1e-9 else 0.0, df, "pooled", len(others)))
    assert (found.value, found.df) == (pytest.approx(expected.value, abs=1e-6), expected.df)
    assert found.source == expected.source
    assert gained(found, len(groups[0])) == found.df - mine.df


def test_what_a_pool_gives_a_cell() -> None:
    values, past = [85.0, 86.0, 84.0], [[84.0, 85.5, 86.0], [83.0, 84.0, 84.4]]
    cells = [by_seed(each, 10 * number) for number, each in enumerate((values, *past))]
    assert Pool(cells[:1]).sd(0) == Pool(cells[:2]).sd(0) == own(values), "one other cell is no history"
    assert Pool([{1: 85.0}]).sd(0) is None
    alone = Pool([{1: 85.0}, *cells[1:]]).sd(0)
    assert alone is not None
    assert (alone.source, alone.df, gained(alone, 1)) == ("moderated", 4, 3)
    assert Pool([{1: 85.0}, by_seed([84.0, 84.0], 10), by_seed([85.0, 85.0], 20)]).sd(0) is None, "no spread at all"


def test_seeds_shared_by_correlated_cells_count_once() -> None:
    a, b, c = [84.0, 86.0, 85.0], [84.5, 86.5, 85.2], [84.2, 86.1, 85.4]
    together = Pool([by_seed(each) for each in (a, b, c)])
    assert together.correlation is not None
    assert together.correlation > 0.9
    found = together.sd(0)
    assert found is not None
    assert (found.df, found.source, found.cells) == (2, "pooled", 3)
    assert found.value == pytest.approx(math.sqrt(sum(own(each).value ** 2 for each in (a, b, c)) / 3))
    assert found.note == Fact.of("spread.shared_seeds", correlation=together.correlation)
    assert gained(found, 3) == 0
    # Other seeds, or the same without a correlation: they count fully.
    apart = Pool([by_seed(each, 10 * number) for number, each in enumerate((a, b, c))])
    assert apart.correlation is None
    assert apart.sd(0) == moderated(own(a), Sd(math.sqrt((own(b).value ** 2 + own(c).value ** 2) / 2), 4, "pooled", 2))
    turned = Pool([by_seed(each) for each in (a, [85.0, 85.0, 87.0], [85.0, 84.0, 84.1])])
    assert turned.correlation is not None
    assert turned.correlation < 0.3
    assert (turned.sd(0) or own(a)).df == 6
    # Two cells that share, one apart: (4 seeds - 1) + (2 - 1).
    linked = Pool([by_seed(a), {1: 84.5, 2: 86.5, 4: 85.2}, {7: 80.0, 8: 81.0}, {9: 85.0}]).sd(3)
    assert linked is not None
    assert linked.df == 4


def test_the_guard_holds_where_seeds_are_shared_too() -> None:
    near = [by_seed([84.0 + shift, 84.5 + shift, 84.2 + shift]) for shift in range(8)]
    far = Pool([*near, by_seed([84.0, 87.0, 85.2])])
    assert far.correlation is not None
    assert far.correlation > 0.3
    found = far.sd(8)
    assert found is not None
    assert found.value**2 > f.ppf(GUARD, 2, 16) * own([84.0, 84.5, 84.2]).value ** 2
    assert (found.df, found.source) == (2, "own")


@given(st.lists(st.lists(scores, min_size=3, max_size=8), min_size=2, max_size=4))
def test_levene_agrees_with_scipys(groups: list[list[float]]) -> None:
    distances = [np.abs(np.asarray(each) - np.median(each)) for each in groups]
    assume(any(each.std() > 1e-6 for each in distances))
    assert homogeneity(groups) == pytest.approx(levene(*groups, center="median").pvalue, abs=1e-9)


def test_levene_where_scipys_divides_by_zero() -> None:
    assert homogeneity([[85.0, 85.0, 85.0], [84.0, 84.0, 84.0]]) == 1.0
    assert homogeneity([[84.0, 86.0], [80.0, 90.0]]) is None
    assert homogeneity([[84.0, 86.0, 85.0]]) is None


@given(cells, st.floats(0.3, 3), st.integers(2, 40))
def test_moderated(values: list[float], s0: float, df0: int) -> None:
    mine, d0 = own(values), min(16, df0)
    found = moderated(mine, Sd(s0, df0, "pooled", 3))
    if mine.value**2 / s0**2 > f.ppf(0.90, mine.df, d0):
        assert (found.value, found.df, found.least_runs) == (mine.value, mine.df, 5)
        assert found.note == Fact.of("spread.larger", sd=mine.value, history=s0)
    else:
        assert found.df == d0 + mine.df
        assert found.value**2 == pytest.approx((d0 * s0**2 + mine.df * mine.value**2) / (d0 + mine.df))
        assert min(mine.value, s0) - 1e-9 <= found.value <= max(mine.value, s0) + 1e-9
        assert found.least_runs == 3


def test_moderated_is_the_posterior_mean_of_precision() -> None:
    # The second path (Smyth 2004): 1/sigma^2 ~ chi2_d0 / (d0 s0^2) beforehand; 1/s~^2 is its mean afterwards.
    s, d, s0, d0 = 1.1, 4.0, 0.9, 8.0
    precision = np.linspace(1e-4, 12, 200_001)
    log_posterior = (d0 / 2 - 1 + d / 2) * np.log(precision) - precision * (d0 * s0**2 + d * s**2) / 2
    weight = np.exp(log_posterior - log_posterior.max())
    posterior_mean = float(precision @ weight / weight.sum())
    assert moderated(Sd(s, d), Sd(s0, d0, "pooled", 2)).value ** -2 == pytest.approx(posterior_mean, rel=1e-6)


def test_what_is_no_history() -> None:
    mine = Sd(1.0, 4)
    assert moderated(mine, Sd(1.0, 9)).note == Fact.of("spread.unusable", cells=1)
    assert moderated(mine, Sd(0.0, 9, "pooled", 2)).note == Fact.of("spread.unusable", cells=2)
    alone = Fact.of("spread.history_alone")
    assert moderated(None, Sd(1.3, 40, "pooled", 5)) == Sd(1.3, 16, "moderated", 5, alone)
    with pytest.raises(ValueError, match="allowed"):
        moderated(None, Sd(1.3, 9))


def test_guard_keeps_a_wrong_history_in_check() -> None:
    # Section 1.3: true sd twice the prior (df 8), n = 5: t at .05 rejects about 16 % unguarded, 10 % guarded.
    generator = np.random.default_rng(7)
    draws = generator.normal(0, 2, (20_000, 5))
    history = Sd(1.0, 8, "pooled", 2)
    bound = {df: float(t.ppf(0.975, df)) for df in (4, 12)}
    rejected = {"guarded": 0, "unguarded": 0}
    for mean, s in zip(draws.mean(axis=1).tolist(), draws.std(axis=1, ddof=1).tolist(), strict=True):
        sd = moderated(Sd(s, 4), history)
        plain = math.sqrt((8 + 4 * s**2) / 12)
        rejected["guarded"] += abs(mean) > bound[sd.df] * sd.value / math.sqrt(5)
        rejected["unguarded"] += abs(mean) > bound[12] * plain / math.sqrt(5)
    assert rejected["guarded"] / 20_000 == pytest.approx(0.10, abs=0.015)
    assert rejected["unguarded"] / 20_000 == pytest.approx(0.16, abs=0.02)


def test_satterthwaite() -> None:
    assert satterthwaite(1.0, 4, 1.0, 4) == pytest.approx(8)
    assert satterthwaite(1.0, 4, 0.0, 9) == pytest.approx(4)
    with pytest.raises(ValueError, match="allowed"):
        satterthwaite(0.0, 4, 0.0, 4)


@given(st.floats(0.01, 5), st.integers(1, 20), st.floats(0.01, 5), st.integers(1, 20))
def test_satterthwaite_is_between_the_smaller_and_the_sum(a: float, da: int, b: float, db: int) -> None:
    assert min(da, db) - 1e-9 <= satterthwaite(a, da, b, db) <= da + db + 1e-9


@pytest.mark.parametrize(
    "call",
    [
        lambda: own([1.0]),
        lambda: own([1.0, math.nan]),
        lambda: sample([]),
        lambda: Sd(-1.0, 3),
        lambda: Sd(1.0, 0),
    ],
)
def test_nonsense_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        call()
