"""The spread from seed to seed, and where it was learned (statistics.md, section 1.3). Units: points."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import scipy

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

    `cells` counts the cells that it was estimated in; `note` says in words what the reader must know of it.
    """

    value: float
    df: float
    source: Source = "own"
    cells: int = 1
    note: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and self.value >= 0):
            raise ValueError(f"sd: {self.value} (allowed: 0 or more)")
        if not (math.isfinite(self.df) and self.df > 0):
            raise ValueError(f"df: {self.df} (allowed: above 0)")

    @property
    def least_runs(self) -> int:
        """How few ok runs may be judged with this sd: 5, or 3 where other cells or history helped (section 0)."""
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


def pooled(cells: Sequence[Sequence[float]], seeds: Sequence[Sequence[int]] | None = None) -> Sd:
    """The sd common to cells of one checkpoint and recipe: s_p^2 = sum (n_g-1) s_g^2 / sum (n_g-1).

    The same seed in several cells makes them correlated: with `seeds` (one a value), and a residual correlation
    above 0.3, each seed counts once: degrees of freedom = distinct seeds - 1, for each group of cells that share
    some. Ask `homogeneity` first.

    Raises
    ------
    ValueError
        Where no cell has two values, or seeds and values do not match.
    """
    kept = [index for index, cell in enumerate(cells) if len(cell) > 1]
    if not kept:
        raise ValueError("cells: none has two values (allowed: at least one that has)")
    parts = [own(cells[index]) for index in kept]
    df = math.fsum(part.df for part in parts)
    value = math.sqrt(math.fsum(part.df * part.value**2 for part in parts) / df)
    result = Sd(value, df, "pooled" if len(parts) > 1 else "own", len(parts))
    if seeds is None:
        return result
    if [len(each) for each in seeds] != [len(cell) for cell in cells] or any(
        len(set(each)) < len(each) for each in seeds
    ):
        raise ValueError("seeds: do not match the values (allowed: one a value, no seed twice in a cell)")
    correlation = _residual_correlation([cells[i] for i in kept], [seeds[i] for i in kept])
    if correlation is None or correlation <= SHARED:
        return result
    once = sum(len(group) - 1 for group in _joined([set(seeds[i]) for i in kept]))
    return replace(result, df=float(once), note=f"seeds shared by cells count once (correlation {correlation:.2f})")


def homogeneity(cells: Sequence[Sequence[float]]) -> float | None:
    """The p that cells have one sd (Levene, centred at medians); below 0.01 they are not to be pooled.

    None where it cannot be tested: fewer than two cells of three values (two values always lie equally far from
    their median).
    """
    testable = [np.asarray(_finite(cell)) for cell in cells if len(cell) > 2]
    if len(testable) < 2:
        return None
    # By hand and not scipy.stats.levene: equal distances within every cell are 0/0 there.
    distances = [np.abs(cell - np.median(cell)) for cell in testable]
    within = math.fsum(float(((d - d.mean()) ** 2).sum()) for d in distances)
    everything = np.concatenate(distances)
    between = math.fsum(len(d) * float(d.mean() - everything.mean()) ** 2 for d in distances)
    total = within + between
    if total <= 1e-18 * max(1.0, float(np.max(np.abs(np.concatenate(testable)))) ** 2):
        return 1.0
    first, second = len(testable) - 1, len(everything) - len(testable)
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
    useless = "history of a single cell" if history.cells < 2 else "history without spread" if not history.value else ""
    if mine is None:
        if useless:
            raise ValueError(f"history: {useless} (allowed: at least 2 cells that vary)")
        return Sd(history.value, d0, "moderated", history.cells, "history alone")
    if useless:
        return replace(mine, note=f"{useless}, not used")
    if mine.value**2 > history.value**2 * float(scipy.special.fdtri(mine.df, d0, GUARD)):
        return replace(mine, note=f"sd larger than history ({mine.value:.2f}, history {history.value:.2f})")
    df = d0 + mine.df
    value = math.sqrt((d0 * history.value**2 + mine.df * mine.value**2) / df)
    return Sd(value, df, "moderated", history.cells, history.note)


def chosen(
    values: Sequence[float],
    history: Sequence[Sequence[float]] = (),
    seeds: Sequence[Sequence[int]] | None = None,
) -> Sd | None:
    """The sd that the defaults of section 0 judge `values` with; None where nothing is known of it.

    The own sd, steadied by the cells of `history` (same checkpoint and recipe; `seeds` as in `pooled`) unless these
    are fewer than two, or disagree among themselves (Levene, p < .01). No history: the own sd only.
    """
    mine = own(values) if len(values) > 1 else None
    if sum(len(cell) > 1 for cell in history) < 2:
        return mine
    p = homogeneity(history)
    if p is not None and p < LEVENE:
        note = f"history not pooled: its cells differ in sd (Levene p = {p:.4f})"
        return None if mine is None else replace(mine, note=note)
    past = pooled(history, seeds)
    return None if mine is None and not past.value else moderated(mine, past)


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


def _residual_correlation(cells: list[Sequence[float]], seeds: list[Sequence[int]]) -> float | None:
    """Correlation of residuals at seeds that two cells share, over all pairs of cells; None where none is shared."""
    residuals = [
        {seed: value - math.fsum(cell) / len(cell) for seed, value in zip(each, cell, strict=True)}
        for each, cell in zip(seeds, cells, strict=True)
    ]
    products, first, second = [], [], []
    for index, a in enumerate(residuals):
        for b in residuals[index + 1 :]:
            for seed in a.keys() & b.keys():
                products.append(a[seed] * b[seed])
                first.append(a[seed] ** 2)
                second.append(b[seed] ** 2)
    scale = math.sqrt(math.fsum(first) * math.fsum(second))
    return math.fsum(products) / scale if scale else None


def _joined(groups: list[set[int]]) -> list[set[int]]:
    """Unite sets that share a member, until none does."""
    result: list[set[int]] = []
    for group in groups:
        touching = [other for other in result if other & group]
        result = [other for other in result if not other & group]
        result.append(group.union(*touching))
    return result
