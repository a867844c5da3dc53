"""The spread from seed to seed, and where it was learned (docs/statistics.md). Units: points."""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import scipy

from harness.fact import Fact
from harness.stats.descriptive import describe

Source = Literal["own", "pooled", "moderated"]

MOST_HISTORY: Final = 16.0
"""Degrees of freedom that history may bring: more, and a wrong history would rule."""

GUARD: Final = 0.90
LEVENE: Final = 0.01
SHARED: Final = 0.3
ROUNDING: Final = 1e-10
LEAST: Final = 5
LEAST_WITH_HISTORY: Final = 3


@dataclass(frozen=True)
class Sd:
    """A standard deviation (ddof 1, points), its degrees of freedom, and where it comes from.

    `cells` counts the cells that it was estimated in; `note` is what the reader must know of it.
    """

    value: float
    df: float
    source: Source = "own"
    cells: int = 1
    note: Fact | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and self.value >= 0):
            raise ValueError(f"sd: {self.value} (allowed: 0 or more)")
        if not (math.isfinite(self.df) and self.df > 0):
            raise ValueError(f"df: {self.df} (allowed: above 0)")

    @property
    def least_runs(self) -> int:
        """How few ok runs may be judged with this sd: 5, or 3 where other cells or history helped."""
        return LEAST if self.source == "own" else LEAST_WITH_HISTORY


@dataclass(frozen=True)
class Sample:
    """The ok runs of one configuration: how many, their mean in points, and the sd to judge them with.

    `varied` is False where two runs or more all have the same score: whatever history says, such runs may not have
    been independent.
    """

    n: int
    mean: float
    sd: Sd | None
    varied: bool = True


def own(values: Iterable[float]) -> Sd:
    """The sd of one cell's runs, n - 1 degrees of freedom; exactly 0 where they differ by rounding only.

    Raises
    ------
    ValueError
        For fewer than two values, or a value that is not finite.
    """
    given = _finite(values)
    if len(given) < 2:
        raise ValueError(f"values: {len(given)} of them say nothing of their spread (allowed: at least 2)")
    return Sd(_spread(given), len(given) - 1)


def sample(values: Iterable[float], sd: Sd | None = None) -> Sample:
    """Describe ok runs; their own sd where none is given, None for a single run.

    Raises
    ------
    ValueError
        For no values, or a value that is not finite.
    """
    given = _finite(values)
    mean = describe(given).mean
    if mean is None:
        raise ValueError("values: none (allowed: at least 1)")
    mine = own(given) if len(given) > 1 else None
    return Sample(len(given), mean, sd or mine, mine is None or mine.value > 0)


def homogeneity(cells: Sequence[Sequence[float]]) -> float | None:
    """The p that cells have one sd (Levene, centred at medians); below 0.01 they are not to be pooled.

    None where it cannot be tested: fewer than two cells of three values (two values always lie equally far from
    their median).
    """
    testable = [_finite(cell) for cell in cells if len(cell) > 2]
    if len(testable) < 2:
        return None
    # By hand and not scipy.stats.levene: equal distances within every cell are 0/0 there.
    medians = [statistics.median(cell) for cell in testable]
    distances = [[abs(value - m) for value in cell] for cell, m in zip(testable, medians, strict=True)]
    means = [math.fsum(each) / len(each) for each in distances]
    count = sum(map(len, distances))
    whole = math.fsum(len(each) * mean for each, mean in zip(distances, means, strict=True)) / count
    within = math.fsum((d - mean) ** 2 for each, mean in zip(distances, means, strict=True) for d in each)
    between = math.fsum(len(each) * (mean - whole) ** 2 for each, mean in zip(distances, means, strict=True))
    total = within + between
    if total <= 1e-18 * max(1.0, *(abs(value) for cell in testable for value in cell)) ** 2:
        return 1.0
    first, second = len(testable) - 1, count - len(testable)
    # P(F > W), W = (between / first) / (within / second), as an incomplete beta function: no division by within = 0.
    return float(scipy.special.betainc(second / 2, first / 2, within / total))


def moderated(mine: Sd | None, history: Sd) -> Sd:
    """The own sd, steadied by history: s~^2 = (d0 s0^2 + d s^2) / (d0 + d), df = d0 + d, d0 = min(16, history's df).

    (limma; Smyth 2004.) The guard: where s^2/s0^2 is above the 90 % point of F(d, d0), the own sd alone, and a note
    that says so. History of a single cell is none: d0 is earned from at least two. `mine` None (a single run so
    far): history alone.

    Raises
    ------
    ValueError
        Without own sd, where history cannot serve either.
    """
    d0 = min(MOST_HISTORY, history.df)
    useless = history.cells < 2 or not history.value
    if mine is None:
        if useless:
            got = f"{history.cells} cells with sd {history.value:g}"
            raise ValueError(f"history: {got} (allowed: at least 2 cells that vary)")
        return Sd(history.value, d0, "moderated", history.cells, Fact.of("spread.history_alone"))
    if useless:
        return replace(mine, note=Fact.of("spread.unusable", cells=history.cells))
    if mine.value**2 > history.value**2 * _guard(mine.df, d0):
        return replace(mine, note=_larger(mine, history))
    df = d0 + mine.df
    value = math.sqrt((d0 * history.value**2 + mine.df * mine.value**2) / df)
    return Sd(value, df, "moderated", history.cells, history.note)


class Pool:
    """The cells of one checkpoint and recipe, each points by seed: what each learns of its spread from the others.

    s_p^2 = sum (n_g-1) s_g^2 / sum (n_g-1) over the others steadies the own sd (`moderated`), unless these are fewer
    than two, or the cells disagree (Levene, p < .01). The same seed in several cells makes them correlated: above a
    residual correlation of 0.3 each seed counts once, degrees of freedom = distinct seeds - 1 for each group of cells
    that share some, and the sd is that of all cells: where its own runs share their luck with the history's, that
    brings no degrees of freedom of its own. All at one cost: sums over cells, less the own; Levene's test and the
    correlation are of all cells, the judged one among them.
    """

    def __init__(self, cells: Sequence[Mapping[int, float]]) -> None:
        self._own = [own(cell.values()) if len(cell) > 1 else None for cell in cells]
        kept = [cell for cell in cells if len(cell) > 1]
        known = [sd for sd in self._own if sd is not None]
        self._squares = math.fsum(sd.value**2 * sd.df for sd in known)
        self._df = sum(sd.df for sd in known)
        self._count = len(known)
        self._p = homogeneity([list(cell.values()) for cell in kept])
        self.correlation = residual_correlation(kept)
        self._distinct = _distinct_df(kept)

    def sd(self, index: int) -> Sd | None:
        """The sd to judge a cell with, by its number; None where nothing is known of it."""
        alone = self._own[index]
        others = self._count - (alone is not None)
        if others < 2:
            return alone
        if self._p is not None and self._p < LEVENE:
            return replace(alone, note=Fact.of("spread.differs", p=self._p)) if alone else None
        df = self._df - (alone.df if alone else 0)
        squares = max(0.0, self._squares - (alone.value**2 * alone.df if alone else 0.0))
        past = Sd(math.sqrt(squares / df), df, "pooled", others)
        if self.correlation is None or self.correlation <= SHARED:
            return moderated(alone, past) if alone or past.value else None
        note = Fact.of("spread.shared_seeds", correlation=self.correlation)
        if alone is None:
            return moderated(None, replace(past, df=float(self._distinct), note=note)) if past.value else None
        if alone.value**2 > past.value**2 * _guard(alone.df, past.df):
            return replace(alone, note=_larger(alone, past))
        value = math.sqrt(self._squares / self._df)
        return Sd(value, float(max(self._distinct, alone.df)), "pooled", self._count, note)


def gained(sd: Sd | None, n: int) -> float:
    """Degrees of freedom that other configurations brought to the sd of n runs."""
    return max(0.0, sd.df - max(1, n - 1)) if sd is not None else 0.0


def residual_correlation(cells: Sequence[Mapping[int, float]]) -> float | None:
    """Correlation of residuals at seeds that two cells share, over all pairs of cells; None where none is shared.

    Sum over pairs of r_a r_b, over sum of (r_a^2 + r_b^2) / 2: by seed ((sum r)^2 - sum r^2) / ((m - 1) sum r^2) of m
    cells, so that its cost grows with the cells and not with their pairs.
    """
    by_seed: dict[int, list[float]] = {}
    for cell in cells:
        mean = math.fsum(cell.values()) / len(cell)
        for seed, value in cell.items():
            by_seed.setdefault(seed, []).append(value - mean)
    shared = [residuals for residuals in by_seed.values() if len(residuals) > 1]
    squares = [math.fsum(r * r for r in residuals) for residuals in shared]
    scale = math.fsum((len(r) - 1) * square for r, square in zip(shared, squares, strict=True))
    products = math.fsum(math.fsum(r) ** 2 - square for r, square in zip(shared, squares, strict=True))
    return products / scale if scale > 1e-18 else None


def satterthwaite(a: float, df_a: float, b: float, df_b: float) -> float:
    """Degrees of freedom of a + b, two independent squared standard errors (Welch 1938, Satterthwaite 1946).

    Raises
    ------
    ValueError
        Where both are 0.
    """
    if not (a >= 0 and b >= 0 and a + b > 0):
        raise ValueError(f"squared errors: {a} and {b} (allowed: 0 or more, not both 0)")
    return (a + b) ** 2 / (a**2 / df_a + b**2 / df_b)


def _finite(values: Iterable[float]) -> list[float]:
    given = [float(value) for value in values]
    for value in given:
        if not math.isfinite(value):
            raise ValueError(f"values: {value} among them (allowed: finite numbers; count the others apart)")
    return given


def _spread(values: list[float]) -> float:
    sd = describe(values).sd or 0.0
    # Differences of equal scores leave rounding behind; a t statistic would make certainty of it.
    return 0.0 if sd <= max(ROUNDING, 1e-12 * max(abs(value) for value in values)) else sd


def _distinct_df(cells: Sequence[Mapping[int, float]]) -> int:
    """Distinct seeds less one, for each group of cells that share some."""
    groups: list[set[int]] = []
    for cell in cells:
        seeds = set(cell)
        touching = [group for group in groups if group & seeds]
        groups = [group for group in groups if not group & seeds]
        groups.append(seeds.union(*touching))
    return sum(len(group) - 1 for group in groups)


@functools.lru_cache(maxsize=1024)
def _guard(df: float, d0: float) -> float:
    """The 90 % point of F: how many times history's variance the own may be before history is not believed."""
    return float(scipy.special.fdtri(df, d0, GUARD))


def _larger(mine: Sd, history: Sd) -> Fact:
    return Fact.of("spread.larger", sd=mine.value, history=history.value)
