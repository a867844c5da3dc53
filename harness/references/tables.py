"""Which integer confusion tables print as a published pair of accuracy and F1. Exact: integers only, no tolerance.

The idea is GRIM's (Brown and Heathers 2017): a rate over n examples is a fraction with denominator n, so most printed
values cannot occur. Accuracy is (TP + TN) / n and F1 is 2 TP / (2 TP + FP + FN). A table fits a value v printed with d
decimals where |fraction - v| <= 10^-d / 2; both sides are multiplied out, so nothing is rounded on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from harness.references.model import MAX_DECIMALS

Counts = NDArray[np.int64]
Ending = Literal["rounded", "cut"]
"""How the digits that are not printed were dropped."""

MAX_EXAMPLES: Final = 100_000
"""Keeps every product within 64 bits: 2 * 10^12 * 2 n."""


@dataclass(frozen=True)
class Examples:
    """The pairs that were scored: how many, and how many of them are positive."""

    name: str
    total: int
    positive: int

    @property
    def negative(self) -> int:
        """How many of them are negative."""
        return self.total - self.positive

    @property
    def constant(self) -> int:
        """How many the best constant answer has right."""
        return max(self.positive, self.negative)

    def negatives_right(self, accuracy: float, f1: float) -> float | None:
        """How many negatives must be right for both scores (fractions) of one run; None where F1 does not say.

        With e wrong answers F1 = 2 TP / (2 TP + e), so TP = e F1 / (2 (1 - F1)), and the other right answers are TN.
        """
        if not 0 <= f1 < 1:
            return None
        return accuracy * self.total - (1 - accuracy) * self.total * f1 / (2 * (1 - f1))


SPLITS: Final = {
    "validation": Examples("validation", 408, 279),
    "test": Examples("test", 1725, 1147),
}
"""The labelled splits of GLUE MRPC on which values are published; the test labels are those of the original corpus."""


@dataclass(frozen=True)
class Printed:
    """A fraction as printed: its value and its decimals, None where a float was printed whole."""

    value: float
    decimals: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.value <= 1:
            raise ValueError(f"value: {self.value} (allowed: a fraction from 0 to 1)")
        if self.decimals is not None and not 1 <= self.decimals <= MAX_DECIMALS:
            raise ValueError(f"decimals: {self.decimals} (allowed: 1 to {MAX_DECIMALS}, or none)")

    @property
    def scale(self) -> int:
        """10 to the number of decimals that are compared.

        Twelve are enough to tell any two fractions of fewer than 700,000 examples apart, and leave room for the last
        bits of a float.
        """
        return int(10 ** (self.decimals or MAX_DECIMALS))

    @property
    def units(self) -> tuple[int, int]:
        """The value in units of the last decimal, and the allowed deviation in half units.

        One half unit is rounding. A value that has more digits than decimals (a float printed whole, or single
        precision) was itself rounded to get here: two.
        """
        scaled = Decimal(repr(float(self.value))) * self.scale
        nearest = int(scaled.to_integral_value())
        return nearest, 1 if scaled == nearest else 2

    def fits(self, numerator: Counts, denominator: Counts, ending: Ending = "rounded") -> NDArray[np.bool_]:
        """Say which fractions print as this value; `cut` takes digits that were dropped, not rounded."""
        value, halves = self.units
        if ending == "cut":
            value = int((Decimal(repr(float(self.value))) * self.scale).to_integral_value(ROUND_FLOOR))
            rest: Counts = self.scale * numerator - value * denominator
            return np.asarray((rest >= 0) & (rest < denominator))
        return np.asarray(np.abs(2 * self.scale * numerator - 2 * value * denominator) <= halves * denominator)


@dataclass(frozen=True, order=True)
class Table:
    """A confusion table of counts."""

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def total(self) -> int:
        """How many examples it counts."""
        return self.tp + self.fp + self.fn + self.tn

    @property
    def correct(self) -> int:
        """How many of them were answered correctly."""
        return self.tp + self.tn

    @property
    def accuracy(self) -> float:
        """Its accuracy, a fraction."""
        return self.correct / self.total

    @property
    def f1(self) -> float:
        """Its F1 of the positive class, a fraction; 0 where there is no positive example and no positive answer."""
        return 2 * self.tp / max(2 * self.tp + self.fp + self.fn, 1)

    def __str__(self) -> str:
        return f"TP {self.tp} FP {self.fp} FN {self.fn} TN {self.tn}"


@lru_cache(maxsize=1024)
def fitting(
    examples: Examples, accuracy: Printed | None, f1: Printed | None, ending: Ending = "rounded"
) -> tuple[int, tuple[Table, ...], tuple[int, ...]]:
    """Enumerate TP in 0..positive and TN in 0..negative; keep what prints as the values given.

    Returns
    -------
    The number of tables that fit, the first of them (at most 64), and the numbers of correct answers that occur.
    """
    if examples.total > MAX_EXAMPLES:
        raise ValueError(f"examples: {examples.total} (allowed: up to {MAX_EXAMPLES})")
    if accuracy is not None:
        # Most values that do not fit are found out here, without the tables.
        every = np.arange(examples.total + 1, dtype=np.int64)
        if not accuracy.fits(every, np.full_like(every, examples.total), ending).any():
            return 0, (), ()
    tp = np.arange(examples.positive + 1, dtype=np.int64)[:, None]
    tn = np.arange(examples.negative + 1, dtype=np.int64)[None, :]
    fits = np.ones((tp.size, tn.size), dtype=np.bool_)
    if accuracy is not None:
        fits &= accuracy.fits(tp + tn, np.int64(examples.total) + np.zeros_like(tp), ending)
    if f1 is not None:
        # 2 TP + FP + FN = TP + positive + negative - TN; never 0 where there are positives.
        whole = np.maximum(tp + examples.total - tn, 1)
        fits &= f1.fits(2 * tp + np.zeros_like(tn), whole, ending)
    rows, columns = np.nonzero(fits)
    tables = tuple(
        Table(tp=int(row), fp=examples.negative - int(column), fn=examples.positive - int(row), tn=int(column))
        for row, column in zip(rows[:64], columns[:64], strict=True)
    )
    return len(rows), tables, tuple(int(k) for k in np.unique(rows + columns))


def shard_sizes(examples: Examples, devices: int | None) -> tuple[int, ...]:
    """Return how many examples a part of the split may have that was scored alone, smallest first.

    One rank's share under a distributed sampler, for the devices known, else 2, 4, 8 and 16 of them; and what a
    loader keeps that drops its last, incomplete batch of 16, 32, 64, 128 or 256.
    """
    worlds = (2, 4, 8, 16) if devices is None else (devices,)
    shares = {-(-examples.total // world) for world in worlds if world > 1}
    kept = {examples.total - examples.total % batch for batch in (16, 32, 64, 128, 256)}
    return tuple(sorted((shares | kept) - {0, examples.total}))


def telling(total: int, accuracy: Printed | None, f1: Printed | None) -> bool:
    """Say whether a fit with `total` other examples tells anything: at most one printed value in four occurs there.

    An accuracy over n examples takes n + 1 values of the 10^d printed ones; an F1 alone one for each pair of true
    positives and errors, n^2 / 2 at most.
    """
    if accuracy is not None:
        return 4 * (total + 1) <= accuracy.scale
    return f1 is not None and 2 * total**2 <= f1.scale


@lru_cache(maxsize=1024)
def shard_fits(examples: Examples, total: int, accuracy: Printed | None, f1: Printed | None) -> bool:
    """Say whether some `total` of the examples, whichever they are, can print as the values given."""
    fewest = max(0, total - examples.negative)
    most = min(total, examples.positive)
    return any(
        fitting(Examples(f"{total} pairs", total, positive), accuracy, f1)[0] > 0
        for positive in (range(fewest, most + 1) if f1 is not None else (most,))
    )


def nearest(examples: Examples, accuracy: Printed | None, f1: Printed | None) -> tuple[Table, ...]:
    """Return the attainable neighbours of an unattainable value: the next below and the next above, where they exist.

    Of a pair whose accuracy can occur, the neighbours have that accuracy and the nearest F1; otherwise those of the
    first value given, whatever the other.
    """
    tp, tn = np.divmod(np.arange((examples.positive + 1) * (examples.negative + 1)), examples.negative + 1)
    kept = np.ones(tp.shape, dtype=np.bool_)
    by_f1 = accuracy is None
    if accuracy is not None and f1 is not None:
        matching = accuracy.fits(tp + tn, np.full_like(tp, examples.total))
        if matching.any():
            kept, by_f1 = matching, True
    target = f1 if by_f1 else accuracy
    if target is None:
        return ()
    tp, tn = tp[kept], tn[kept]
    values = 2 * tp / np.maximum(tp + examples.total - tn, 1) if by_f1 else (tp + tn) / examples.total
    found = []
    for side in (values <= target.value, values > target.value):
        if side.any():
            index = np.flatnonzero(side)[np.argmin(np.abs(values[side] - target.value))]
            a, d = int(tp[index]), int(tn[index])
            found.append(Table(tp=a, fp=examples.negative - d, fn=examples.positive - a, tn=d))
    return tuple(found)
