"""The spread from seed to seed that a configuration is judged with, steadied by those of its checkpoint and recipe."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import scipy

from harness.stats.variance import GUARD, LEVENE, SHARED, Sd, homogeneity, moderated, own

SHARED_NOTE: Final = "seeds shared by cells count once"


@dataclass(frozen=True)
class Scores:
    """Points by seed of one configuration's ok runs."""

    by_seed: Mapping[int, float]

    @property
    def values(self) -> list[float]:
        """The points, seeds in the order given."""
        return list(self.by_seed.values())


class Spread:
    """The cells of one checkpoint and recipe: what each learns of its spread from the others.

    As `stats.variance.chosen`, but for all cells at one cost: sums over cells, less the own. Levene's test and the
    correlation of residuals at shared seeds are of all cells together, the judged one among them: where its own runs
    share their luck with the history's, that brings no degrees of freedom of its own.
    """

    def __init__(self, cells: Sequence[Scores]) -> None:
        kept = [cell for cell in cells if len(cell.by_seed) > 1]
        self._squares = math.fsum(own(cell.values).value ** 2 * (len(cell.by_seed) - 1) for cell in kept)
        self._df = sum(len(cell.by_seed) - 1 for cell in kept)
        self._count = len(kept)
        self._p = homogeneity([cell.values for cell in kept]) if len(kept) > 1 else None
        self.correlation = residual_correlation(kept)
        self._distinct = _distinct_df(kept)

    def of(self, mine: Scores) -> Sd | None:
        """Return the sd to judge one of the cells with; None where nothing is known of it."""
        many = len(mine.by_seed) > 1
        alone = own(mine.values) if many else None
        others = self._count - many
        if others < 2:
            return alone
        if self._p is not None and self._p < LEVENE:
            note = f"not pooled: configurations of this recipe differ in sd (Levene p = {self._p:.4f})"
            return replace(alone, note=note) if alone else None
        df = self._df - (alone.df if alone else 0)
        squares = max(0.0, self._squares - (alone.value**2 * alone.df if alone else 0.0))
        past = Sd(math.sqrt(squares / df), df, "pooled", others)
        if self.correlation is None or self.correlation <= SHARED:
            return moderated(alone, past) if alone or past.value else None
        note = f"{SHARED_NOTE} (correlation {self.correlation:.2f})"
        if alone is None:
            return moderated(None, replace(past, df=float(self._distinct), note=note)) if past.value else None
        if alone.value**2 > past.value**2 * float(scipy.special.fdtri(alone.df, past.df, GUARD)):
            return replace(alone, note=f"sd larger than history ({alone.value:.2f}, history {past.value:.2f})")
        value = math.sqrt(self._squares / self._df)
        return Sd(value, float(max(self._distinct, alone.df)), "pooled", self._count, note)


def gained(sd: Sd | None, n: int) -> float:
    """Degrees of freedom that other configurations brought to the sd of n runs."""
    return max(0.0, sd.df - max(1, n - 1)) if sd is not None else 0.0


def residual_correlation(cells: Sequence[Scores]) -> float | None:
    """Correlation of residuals at seeds that two cells share, over all pairs of cells; None where none is shared.

    Sum over pairs of r_a r_b, over sum of (r_a^2 + r_b^2) / 2: by seed ((sum r)^2 - sum r^2) / ((m - 1) sum r^2) of m
    cells, so that its cost grows with the cells and not with their pairs.
    """
    by_seed: dict[int, list[float]] = {}
    for cell in cells:
        mean = math.fsum(cell.values) / len(cell.by_seed)
        for seed, value in cell.by_seed.items():
            by_seed.setdefault(seed, []).append(value - mean)
    shared = [residuals for residuals in by_seed.values() if len(residuals) > 1]
    squares = [math.fsum(r * r for r in residuals) for residuals in shared]
    scale = math.fsum((len(r) - 1) * square for r, square in zip(shared, squares, strict=True))
    products = math.fsum(math.fsum(r) ** 2 - square for r, square in zip(shared, squares, strict=True))
    return products / scale if scale > 1e-18 else None


def _distinct_df(cells: Sequence[Scores]) -> int:
    """Distinct seeds less one, for each group of cells that share some."""
    groups: list[set[int]] = []
    for cell in cells:
        seeds = set(cell.by_seed)
        touching = [group for group in groups if group & seeds]
        groups = [group for group in groups if not group & seeds]
        groups.append(seeds.union(*touching))
    return sum(len(group) - 1 for group in groups)
