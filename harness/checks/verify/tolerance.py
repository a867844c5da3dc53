"""How far two numbers may be apart and still count as equal (statistics.md 3.1, T0 and T1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from harness.record.run import Run

Array = npt.NDArray[np.float64]

RELATIVE: Final[Mapping[str, float]] = {"fp32": 1e-5, "tf32": 2e-3, "fp16": 2e-3, "bf16": 1.6e-2}
"""By precision: about four unit roundoffs of the dtype that carries the products (tf32 has fp16's 10 bits)."""

FP32_STEPS: Final = 20
"""After so many steps rounding alone may have grown beyond the tolerance of fp32."""


@dataclass(frozen=True)
class Tolerance:
    """`relative` 0 means equal to the last bit. Beyond the first `steps` steps a difference is only a warning."""

    relative: float
    steps: int | None = None


EXACT: Final = Tolerance(0.0)


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
    return all(first.machine.get(key) == second.machine.get(key) for key in ("cpu", "architecture", "accelerators"))


def unequal(a: Array, b: Array, relative: float, floor: Array | float = 0.0) -> npt.NDArray[np.bool_]:
    """Where two series differ, by position. Two NaN are equal; infinities only to themselves.

    |a - b| > relative x max(|a|, |b|, floor). The `floor` serves numbers that are themselves differences of larger
    ones: a gradient norm close to 0 comes of summands that cancel, and its rounding error is that of the summands.
    """
    same: npt.NDArray[np.bool_] = (a == b) | (np.isnan(a) & np.isnan(b))
    if relative == 0:
        return np.logical_not(same)
    with np.errstate(invalid="ignore", over="ignore"):
        scale = np.maximum(np.maximum(np.abs(a), np.abs(b)), floor)
        near: npt.NDArray[np.bool_] = np.isfinite(a) & np.isfinite(b) & (np.abs(a - b) <= relative * scale)
    return np.logical_not(same | near)
