"""Two runs side by side, step by step: where one series leaves the other, by what ratio, and whether it stays so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.checks.verify.tolerance import Array, Tolerance, unequal
from harness.record.run import Run

SERIES: Final = ("micro_loss", "loss", "grad_norm", "learning_rate")
"""By step, in the order in which one follows from the other within a step."""

FLOORED: Final = frozenset({"grad_norm"})
FLOOR: Final = 0.1
"""A gradient norm below this part of the run's largest is judged as if it were that part.

Its rounding error is that of the summands that cancel, for whose size the largest norm stands: measured on
accumulated and distributed twins of a tiny BERT, at most 1e-7 of the largest norm, however small the norm itself.
With 1e-5 this allows 1e-6 of the largest, and still shows a factor of 2 on a norm 1,000 times smaller.
"""

STEADY: Final = 0.01
"""A ratio r is the same on every step where it stays within this part of r - 1."""


@dataclass(frozen=True)
class Departure:
    """The first step (of the whole run, from 0) at which two series differ, and both values there.

    `ratio` is b / a, None where a is 0 or either is not finite. `steady`: every step that can tell has the same
    ratio. `steps` counts the steps compared, `differing` those that differ.
    """

    step: int
    a: float
    b: float
    ratio: float | None
    steady: bool
    steps: int
    differing: int

    @property
    def where(self) -> str:
        """The step for people, with how far it goes."""
        if self.steps == 1:
            return f"at step {self.step}, the only one"
        if self.steady:
            return f"at step {self.step}, and on every step"
        return f"first at step {self.step}, on {self.differing} of {self.steps} steps"


def common_steps(a: Run, b: Run, name: str) -> tuple[Array, Array, int] | None:
    """Both runs' values of one series on the steps that both have, and the first such step; None without any."""
    if name not in a.series or name not in b.series:
        return None
    first = max(a.first_step, b.first_step)
    x, y = a.series[name][first - a.first_step :], b.series[name][first - b.first_step :]
    length = min(len(x), len(y))
    if x.ndim != 1 or y.ndim != 1 or not length:
        return None
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


def same_examples(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> bool:
    """Whether two steps saw the same examples, equally often, in whatever order."""
    return len(a) == len(b) and bool((np.sort(a) == np.sort(b)).all())


def first_other_examples(a: Run, b: Run, upto: int | None = None, ordered: bool = False) -> int | None:
    """The first common step whose examples differ; None where none does, or where the examples are not known.

    `ordered` asks for the same order within the step too. `upto` is the step to stop before.
    """
    for step in id_steps(a, b, upto):
        x, y = a.ids(step - a.first_step), b.ids(step - b.first_step)
        if x is None or y is None:
            return None
        if not (same_examples(x, y) and (not ordered or bool((x == y).all()))):
            return step
    return None


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
