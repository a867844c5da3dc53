"""Two runs side by side, step by step: how far apart is equal (docs/statistics.md), where one leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.checks.changes import same_hardware
from harness.checks.verdict import Fact
from harness.record.run import Run

Array = npt.NDArray[np.float64]

RELATIVE: Final[Mapping[str, float]] = {"fp32": 1e-5, "tf32": 2e-3, "fp16": 2e-3, "bf16": 1.6e-2}
"""By precision: about four unit roundoffs of the dtype that carries the products (tf32 has fp16's 10 bits)."""

FP32_STEPS: Final = 20
"""After so many steps rounding alone may have grown beyond the tolerance of fp32."""

NAMES: Final[Mapping[str, str]] = {
    "micro_loss": "the model's own loss",
    "loss": "logged loss",
    "grad_norm": "gradient norm",
    "learning_rate": "learning rate",
}
"""The series by step, as people call them, in the order in which one follows from the other within a step."""

RATE: Final = "learning_rate"

FLOORED: Final = frozenset({"grad_norm"})
FLOOR: Final = 0.1
"""A gradient norm below this part of the run's largest is judged as if it were that part.

Its rounding error is that of the summands that cancel, for whose size the largest norm stands: measured on
accumulated and distributed twins of a tiny BERT, at most 1e-7 of the largest norm, however small the norm itself.
With 1e-5 this allows 1e-6 of the largest, and still shows a factor of 2 on a norm 1,000 times smaller.
"""

STEADY: Final = 0.01
"""A ratio r is the same on every step where it stays within this part of r - 1."""


FACTOR: Final = 0.1
LEAP: Final = 30.0
"""Rounding grows step by step. A relative difference of FACTOR, LEAP times as large as any before it, is a jump."""


@dataclass(frozen=True)
class Tolerance:
    """`relative` 0 means equal to the last bit. Beyond the first `steps` steps a difference is only a warning."""

    relative: float
    steps: int | None = None


EXACT: Final = Tolerance(0.0)


@dataclass(frozen=True)
class Departure:
    """The first step (of the whole run, from 0) at which two series differ, and both values there.

    `ratio` is b / a, None where a is 0 or either is not finite. `steady`: every step that can tell has the same
    ratio. `steps` counts the steps compared, `differing` those that differ. `before` is the largest relative
    difference on the steps before a jump; None where it is none.
    """

    step: int
    a: float
    b: float
    ratio: float | None
    steady: bool
    steps: int
    differing: int
    before: float | None = None

    @property
    def where(self) -> Fact:
        """The step, with how far it goes."""
        if self.before is not None:
            return Fact.of("where.jump", step=self.step, before=self.before, differing=self.differing, steps=self.steps)
        return Fact.of("where", step=self.step, steady=self.steady, differing=self.differing, steps=self.steps)


def relative_tolerance(precision: str) -> float:
    """The relative tolerance of a precision; that of fp32 where it is not known: never too wide by accident."""
    return RELATIVE.get(precision, RELATIVE["fp32"])


def tolerance_between(a: Run, b: Run) -> Tolerance:
    """The tolerance of DESIGN section 5 for two runs that should be equal but for rounding.

    On the same machine in the same environment, both in fp32: 1e-5 for 20 steps. Otherwise the wider of both
    precisions' tolerances at step 0, later only a warning.
    """
    precisions = {a.record.asked.precision, b.record.asked.precision}
    if precisions == {"fp32"} and same_place(a, b):
        return Tolerance(RELATIVE["fp32"], FP32_STEPS)
    return Tolerance(max(relative_tolerance(precision) for precision in precisions), 1)


def same_place(a: Run, b: Run) -> bool:
    """Whether two runs shared environment and hardware, so that only rounding may part them."""
    if a.record.environment_id != b.record.environment_id:
        return False
    first, second = a.record.observed, b.record.observed
    if first is None or second is None:
        return False
    return same_hardware(first.machine, second.machine)


def unequal(a: Array, b: Array, relative: float, floor: Array | float = 0.0) -> npt.NDArray[np.bool_]:
    """Where two series differ, by position. Two NaN are equal; infinities only to themselves.

    |a - b| > relative x max(|a|, |b|, floor). The `floor` serves numbers that are themselves differences of larger
    ones: a gradient norm close to 0 comes of summands that cancel, and its rounding error is that of the summands.
    """
    return np.asarray(apart(a, b, floor) > relative)


def apart(a: Array, b: Array, floor: Array | float = 0.0) -> Array:
    """How far two series are apart, by position: |a - b| / max(|a|, |b|, floor); infinite where only one is finite."""
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        scale = np.maximum(np.maximum(np.abs(a), np.abs(b)), floor)
        far = np.where(np.isfinite(a) & np.isfinite(b), np.abs(a - b) / scale, np.inf)
    return np.asarray(np.where(same, 0.0, far), dtype=np.float64)


def common_steps(a: Run, b: Run, name: str) -> tuple[Array, Array, int] | None:
    """Both runs' values of one series on the steps that both have, and the first such step; None without any."""
    if name not in a.series or name not in b.series:
        return None
    first = max(a.first_step, b.first_step)
    x, y = a.series[name][first - a.first_step :], b.series[name][first - b.first_step :]
    length = min(len(x), len(y))
    if x.ndim != 1 or y.ndim != 1 or not length:
        return None
    if name == RATE and (np.isnan(x).all() or np.isnan(y).all()):
        return None  # nobody told the rate
    return x[:length].astype(np.float64), y[:length].astype(np.float64), first


def departure(a: Array, b: Array, first: int, relative: float, floored: bool = False) -> Departure | None:
    """Where series `b` leaves series `a` by more than a relative tolerance; None where it never does.

    Parameters
    ----------
    a, b
        Shape (steps,), of the same steps; `first` is the number of the first of them.
    floored
        Judge small values by the largest: see `FLOOR`.
    """
    largest = _largest(a, b)
    different = unequal(a, b, relative, FLOOR * largest if floored else 0.0)
    if not different.any():
        return None
    at = int(np.argmax(different))
    ratio = ratio_of(a[at], b[at])
    steady = False
    if ratio is not None:
        # Values close to 0 have no ratio worth the name.
        telling = (np.abs(a) >= FLOOR * _largest(a)) & (a != 0)
        with np.errstate(all="ignore"):
            apart = np.abs(b[telling] / a[telling] - ratio)
        steady = bool(len(apart) and (apart <= STEADY * abs(ratio - 1)).all())
    return Departure(at + first, float(a[at]), float(b[at]), ratio, steady, len(a), int(different.sum()))


def series_departure(a: Run, b: Run, name: str, tolerance: Tolerance) -> Departure | None:
    """`departure` of one series over the steps that two runs share."""
    both = common_steps(a, b, name)
    return None if both is None else departure(*both, tolerance.relative, name in FLOORED)


def jump(a: Array, b: Array, first: int, relative: float, floored: bool = False) -> Departure | None:
    """The first step at which two series part as rounding does not part them; None where there is none.

    Rounding begins within the tolerance and grows. Values that were equal to the last bit and then differ by more than
    it, that come to differ by a factor within a step (`FACTOR`, `LEAP`), or of which one is no number, have jumped.
    Parameters as those of `departure`.
    """
    far = apart(a, b, FLOOR * _largest(a, b) if floored else 0.0)
    before = np.concatenate([[0.0], np.maximum.accumulate(far)[:-1]])
    jumped = (before == 0) & (far > relative)
    jumped |= (far >= FACTOR) & (far >= LEAP * np.maximum(before, relative))
    jumped |= np.isinf(far) & np.isfinite(before)
    if not jumped.any():
        return None
    at = int(np.argmax(jumped))
    differing = int((far[at:] > relative).sum())
    left, right = float(a[at]), float(b[at])
    return Departure(at + first, left, right, ratio_of(left, right), False, len(a), differing, float(before[at]))


@dataclass(frozen=True)
class Spread:
    """How far two series are apart at most, relatively, and at which step; `since` is where their bits first differ."""

    largest: float
    step: int
    since: int


def spread(a: Run, b: Run, name: str) -> Spread | None:
    """The spread of one series over the steps that two runs share; None where it is equal to the last bit, or not
    recorded.
    """
    both = common_steps(a, b, name)
    if both is None:
        return None
    x, y, first = both
    far = apart(x, y, FLOOR * _largest(x, y) if name in FLOORED else 0.0)
    if not far.any():
        return None
    at = int(np.argmax(far))
    return Spread(float(far[at]), first + at, first + int(np.argmax(far > 0)))


def same_examples(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> bool:
    """Whether two steps saw the same examples, equally often, in whatever order."""
    return len(a) == len(b) and bool((np.sort(a) == np.sort(b)).all())


def first_other_examples(a: Run, b: Run, upto: int | None = None, ordered: bool = False) -> int | None:
    """The first common step whose examples differ; None where none does, or where the examples are not known.

    `ordered` asks for the same order within the step too. `upto` is the step to stop before.
    """
    for step in id_steps(a, b, upto):
        x, y = a.ids(step), b.ids(step)
        if x is None or y is None:
            return None
        if not (same_examples(x, y) and (not ordered or bool((x == y).all()))):
            return step
    return None


@dataclass(frozen=True)
class OtherExamples:
    """A step whose examples differ, which of them only one run has, and on how many steps examples differ."""

    only_a: list[int]
    only_b: list[int]
    differing: int
    steps: int


def other_examples(a: Run, b: Run, step: int) -> OtherExamples:
    """Compare the examples of a step that both runs know, and count the steps that differ."""
    steps = id_steps(a, b)
    known = {at: (x, y) for at in steps if (x := a.ids(at)) is not None and (y := b.ids(at)) is not None}
    only_a, only_b = (set(ids.tolist()) for ids in known[step])
    differing = sum(not same_examples(*ids) for ids in known.values())
    return OtherExamples(sorted(only_a - only_b), sorted(only_b - only_a), differing, len(steps))


def id_steps(a: Run, b: Run, upto: int | None = None) -> range:
    """The steps whose examples are known in both runs."""
    if any("example_ids" not in run.series or "example_offsets" not in run.series for run in (a, b)):
        return range(0)
    ends = [run.first_step + len(run.series["example_offsets"]) - 1 for run in (a, b)]
    end = min([*ends, *([] if upto is None else [upto])])
    return range(max(a.first_step, b.first_step), end)


def ratio_of(a: float, b: float) -> float | None:
    """The second over the first, where that is a number."""
    return float(b / a) if a and np.isfinite(a) and np.isfinite(b) else None


def _largest(*series: Array) -> float:
    finite = [np.abs(x[np.isfinite(x)]) for x in series]
    return float(max((x.max() for x in finite if len(x)), default=0.0))
