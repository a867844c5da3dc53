"""The margin: the largest difference, in points, that counts as equal (docs/statistics.md; DESIGN, section 4)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

DEFAULT: Final[Mapping[str, float]] = {"accuracy": 2.5, "f1": 1.75}
"""Ten of MRPC's 408 examples, and the F1 that goes with them."""

PARITY: Final = 1.5
"""Between precisions or device counts, paired by seed; 2.5 where few seeds are all there is."""

STEP: Final = 0.25
"""About one example of 408."""


def automatic(sd: float | None, metric: str = "accuracy") -> float:
    """The margin that a reference's own spread suggests: 2.4 sd to the nearest 0.25 points, at least 0.25.

    Without a spread (None) the default of the metric: F1 1.75, accuracy and any other 2.5.

    Raises
    ------
    ValueError
        Where the sd is negative or not finite.
    """
    if sd is None:
        return DEFAULT.get(metric, DEFAULT["accuracy"])
    if not (math.isfinite(sd) and sd >= 0):
        raise ValueError(f"sd: {sd} (allowed: 0 or more)")
    return max(STEP, STEP * math.floor(2.4 * sd / STEP + 0.5))


def half_ulp(decimals: int | None) -> float:
    """Half a unit of the last place, in points, of a fraction printed with so many decimals: what rounding may hide.

    0.8578, four decimals: 0.005 points. None (the value in full): 0.
    """
    return 0.0 if decimals is None else 50 * 10.0**-decimals
