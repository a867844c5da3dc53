"""The margin: the largest difference, in points, that counts as equal (statistics.md, section 0; DESIGN, section 4)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

DEFAULT: Final[Mapping[str, float]] = {"accuracy": 2.5, "f1": 1.75}
"""Ten of MRPC's 408 examples, and the F1 that goes with them."""

STRICT: Final[Mapping[str, float]] = {"accuracy": 1.5, "f1": 1.0}
"""Needs about ten seeds at an ordinary spread."""

PARITY: Final = 1.5
"""Between precisions or device counts, paired by seed (section 3); 2.5 where few seeds are all there is."""

STEP: Final = 0.25
"""About one example of 408."""


def automatic(sd: float | None, metric: str = "accuracy", default: Mapping[str, float] = DEFAULT) -> float:
    """The margin that a reference's own spread suggests: 2.4 sd to the nearest 0.25 points, at least 0.25.

    Without a spread (None) the default of the metric: accuracy 2.5, F1 1.75.

    Raises
    ------
    ValueError
        Where the sd is negative or not finite, or the metric has no default.
    """
    if sd is None:
        if metric not in default:
            raise ValueError(f"metric: {metric!r} has no default margin (allowed: {', '.join(sorted(default))})")
        return default[metric]
    if not (math.isfinite(sd) and sd >= 0):
        raise ValueError(f"sd: {sd} (allowed: 0 or more)")
    return max(STEP, STEP * math.floor(2.4 * sd / STEP + 0.5))


def half_ulp(printed: str, scale: float = 100.0) -> float:
    """Half a unit of the last place of a printed value, times `scale`: what rounding may have hidden (section 2).

    "0.8578" is a fraction: 0.005 points. For a value printed in points ("85.8") give `scale=1`: 0.05 points.

    Raises
    ------
    ValueError
        Where `printed` is not a finite decimal number.
    """
    try:
        exponent = Decimal(printed.strip()).as_tuple().exponent
    except InvalidOperation:
        raise ValueError(f"printed: {printed!r} (allowed: a decimal number as it was published)") from None
    if not isinstance(exponent, int):
        raise ValueError(f"printed: {printed!r} (allowed: a finite number)")
    return scale * float(Decimal(5).scaleb(exponent - 1))
