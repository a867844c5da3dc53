"""Comparisons over an axis: on these examples, and on new examples too (docs/statistics.md).

A configuration is an arm: a score a run, and what each example adds to it. Paired where the axis leaves weights and
order alike, Welch's otherwise: which it is follows from the axis, never from the data. D = B - A. Units: points, and
points squared for variances.
"""

from __future__ import annotations

import bisect
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from harness.stats.decision import Estimate, Interval
from harness.stats.family import holm
from harness.stats.paired import independent, paired
from harness.stats.t import Array, quantile, tail
from harness.stats.variance import Sample, sample

Word = Literal["better", "worse", "equivalent", "identical", "undecided"]

LEAST: Final = 3
"""Runs on each side for a word."""

MOST: Final = 1000
"""More seeds than this are "no number of seeds"."""

Classes = npt.NDArray[Any]


def right(predicted: Classes, truth: Classes) -> Array:
    """What each example adds to accuracy, in points, shape of `predicted` (runs, examples): 100 where it is right."""
    values: Array = np.multiply(100.0, predicted == truth)
    return values


def influence(predicted: Classes, truth: Classes) -> Array | None:
    """What each example adds to F1 of class 1, in points, shape (runs, examples); None where a run has no F1.

    F + (2 tp_i - F (2 tp_i + err_i)) / mean(2 tp + err): the first-order influence, whose mean over examples is F.
    """
    twice = 2.0 * ((predicted == 1) & (truth == 1))
    whole = twice + ((predicted == 1) != (truth == 1))
    size = whole.mean(axis=-1, keepdims=True)
    if not (size > 0).all():
        return None
    f1 = twice.mean(axis=-1, keepdims=True) / size
    values: Array = 100.0 * (f1 + (twice - f1 * whole) / size)
    return values


@dataclass(frozen=True, eq=False)
class Arm:
    """The runs of one configuration that are judged: at least one.

    `scores` in points, one a run; `values` (runs, examples) what each example adds, whose mean over the examples is the
    score (`right`, `influence`), None where the answers were not kept. Of a pair that is paired both arms have the same
    seeds in the same order.
    """

    scores: tuple[float, ...]
    values: Array | None = None

    @functools.cached_property
    def sample(self) -> Sample:
        """Runs, mean and their own sd: never pooled over the family, for unequal sds break the level."""
        return sample(self.scores)

    @functools.cached_property
    def by_example(self) -> Array | None:
        """The mean over runs, an example each."""
        return None if self.values is None else self.values.mean(axis=0)

    @functools.cached_property
    def residual(self) -> float:
        """What of `by_example`'s variance over the examples is of the runs: MSres / (S N), of two-way residuals."""
        return 0.0 if self.values is None else _residual(self.values)


@dataclass(frozen=True)
class Spread:
    """The variance of a difference, in points squared, and the degrees of freedom of its t."""

    variance: float
    df: float

    @property
    def se(self) -> float:
        """The standard error, in points."""
        return math.sqrt(self.variance)

    def p(self, difference: float) -> float:
        """Two-sided."""
        return 2 * tail(abs(difference) / self.se, self.df)

    def interval(self, difference: float, level: float) -> Interval:
        """Two-sided, of that level."""
        half = quantile(0.5 + level / 2, self.df) * self.se
        return difference - half, difference + half


@dataclass(frozen=True)
class Difference:
    """B - A, in points, and how well it is known.

    `estimate` is what `decide` takes. `here` is of these examples, `anew` of new examples too; None where it
    cannot be known: too few runs, no spread, answers not kept. `examples` is N. `lasting` is the variance that no
    number of seeds takes away, max(v_e - v_r, 0).
    """

    estimate: Estimate
    n: tuple[int, int]
    paired: bool
    here: Spread | None = None
    anew: Spread | None = None
    examples: int | None = None
    lasting: float = 0.0

    @property
    def value(self) -> float:
        """Points."""
        return self.estimate.difference


def compare(a: Arm, b: Arm, *, paired_by_seed: bool = False, identical: bool = False) -> Difference:
    """B - A over the runs of both; `identical` where the answers of every run are known to be equal.

    V1 = s_A^2/S_A + s_B^2/S_B with Welch's df, or var_s(d)/S with S - 1 df where `paired_by_seed`.
    V2 = max(V1 + v_e - v_r, V1, v_e), v_e the variance over examples of the mean difference over N, v_r what of it is
    the runs' (MSres / (S N)); df by Satterthwaite, at least min(S_A, S_B) - 1 and at most N - 1.

    Raises
    ------
    ValueError
        Where an arm is empty, or paired arms differ in their number of runs.
    """
    n = len(a.scores), len(b.scores)
    estimate = paired(a.scores, b.scores, identical=identical) if paired_by_seed else independent(a.sample, b.sample)
    if identical and not paired_by_seed:
        estimate = Estimate(min(n), 0.0, None, None, None, None, identical=True)
    if not estimate.se_diff or not estimate.df:
        return Difference(estimate, n, paired_by_seed)
    here = Spread(estimate.se_diff**2, estimate.df)
    if a.values is None or b.values is None or a.values.shape[1] != b.values.shape[1]:
        return Difference(estimate, n, paired_by_seed, here)
    assert a.by_example is not None
    assert b.by_example is not None
    examples = a.values.shape[1]
    if examples < 2:
        return Difference(estimate, n, paired_by_seed, here, examples=examples)
    over = float((b.by_example - a.by_example).var(ddof=1)) / examples
    if paired_by_seed:
        runs = [(n[0], here.variance, _residual(b.values - a.values))]
    else:
        runs = [(len(arm.scores), _squared_error(arm.sample), arm.residual) for arm in (a, b)]
    of_runs = math.fsum(residual for _, _, residual in runs)
    variance = max(here.variance + over - of_runs, here.variance, over)
    parts = [over**2 / (examples - 1)]
    parts += [square**2 / (s - 1) for s, square, _ in runs]
    parts += [residual**2 / ((s - 1) * (examples - 1)) for s, _, residual in runs]
    df = max(min(variance**2 / math.fsum(parts), examples - 1), min(n) - 1)
    anew = Spread(variance, min(df, examples - 1))
    return Difference(estimate, n, paired_by_seed, here, anew, examples, max(over - of_runs, 0.0))


@dataclass(frozen=True)
class Said:
    """The word for one difference of a family; `within`: better or worse, but by less than the margin.

    `p_here` and `p_anew` are adjusted by Holm over the family; None where there was no test.
    """

    word: Word
    within: bool = False
    p_here: float | None = None
    p_anew: float | None = None


def words(
    differences: Sequence[Difference],
    margin: float,
    alpha: float = 0.05,
    barred: Sequence[bool] = (),
    absent: int = 0,
) -> tuple[Said, ...]:
    """The word for each difference of one family.

    Better or worse: adjusted p below alpha in both questions. Equivalent: the interval of level 1 - 2 alpha of the
    first question inside the margin, each pair at its own alpha. Identical answers in all runs are identical, without
    a test. `barred` are those that are undecided whatever their numbers (collapsed runs), and so is whatever has fewer
    than 3 runs on a side. `absent` pairs were planned and not measured: they count, as all without a test do, with
    p = 1.
    """
    shut = [
        stop or min(one.n) < LEAST or one.estimate.identical
        for one, stop in zip(differences, barred or [False] * len(differences), strict=True)
    ]
    spreads = [(None, None) if stop else (one.here, one.anew) for one, stop in zip(differences, shut, strict=True)]
    adjusted = [
        holm(
            [
                *(1.0 if of is None else of.p(one.value) for one, of in zip(differences, each, strict=True)),
                *[1.0] * absent,
            ]
        )
        for each in ([here for here, _ in spreads], [anew for _, anew in spreads])
    ]
    found = []
    for number, (one, (here, anew)) in enumerate(zip(differences, spreads, strict=True)):
        p_here = None if here is None else adjusted[0][number]
        p_anew = None if anew is None else adjusted[1][number]
        if one.estimate.identical:
            found.append(Said("identical"))
            continue
        inside = here is not None and max(map(abs, here.interval(one.value, 1 - 2 * alpha))) < margin
        word: Word = "equivalent" if inside else "undecided"
        if p_here is not None and p_anew is not None and max(p_here, p_anew) < alpha:
            word = "better" if one.value > 0 else "worse"
        found.append(Said(word, inside and word in ("better", "worse"), p_here, p_anew))
    return tuple(found)


@dataclass(frozen=True)
class Needed:
    """What would tell an undecided pair apart if its difference is as it was found: seeds on each side, or examples.

    Both None: nothing would, or not even 1,000 seeds.
    """

    seeds: int | None = None
    examples: int | None = None


def needed(one: Difference, alpha: float = 0.05) -> Needed:
    """What would decide at a level: seeds, unless |D| <= 1.96 sqrt(max(v_e - v_r, 0)): then more examples only.

    Then no number of seeds decides on N examples, and N 1.96^2 (v_e - v_r) / D^2 examples would, with seeds enough.
    Of one whose second question is not known seeds are counted for the first.
    """
    d = abs(one.value)
    if one.here is None or not d:
        return Needed()
    z = 1.96
    if one.examples and d <= z * math.sqrt(one.lasting):
        return Needed(examples=math.ceil(one.examples * z * z * one.lasting / d**2))
    now = max(one.n)
    scale = one.here.variance * (one.n[0] if one.paired else 2 / (1 / one.n[0] + 1 / one.n[1]))

    def decides(seeds: int) -> bool:
        first = scale / seeds
        df = seeds - 1 if one.paired else 2 * (seeds - 1)
        both = first + one.lasting
        parts = first**2 / df + (one.lasting**2 / (one.examples - 1) if one.examples and one.examples > 1 else 0.0)
        return Spread(first, df).p(d) < alpha and Spread(both, both**2 / parts).p(d) < alpha

    seeds = range(now + 1, MOST + 1)
    place = bisect.bisect_left(seeds, True, key=decides)
    return Needed(seeds=seeds[place]) if place < len(seeds) else Needed()


def _residual(values: Array) -> float:
    """MSres / (S N) of (runs, examples): the squares of what rows and columns leave, over (S - 1)(N - 1)."""
    s, n = values.shape
    if s < 2 or n < 2:
        return 0.0
    rest = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    return float(np.square(rest).sum() / ((s - 1) * (n - 1) * s * n))


def _squared_error(one: Sample) -> float:
    return 0.0 if one.sd is None else one.sd.value**2 / one.n
