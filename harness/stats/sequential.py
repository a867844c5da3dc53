"""Looking at the results more than once, as planned (docs/statistics.md)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Final

CALIBRATED: Final[Mapping[tuple[int, ...], float]] = {
    (3, 5, 7, 10): 0.0163,
    (5, 7, 10): 0.0226,
    (5, 10): 0.028,
}
"""The nominal alpha of every look that keeps the whole at .05, by simulation with own degrees of freedom."""

WHOLE: Final = 0.05


def nominal_alpha(looks: tuple[int, ...], family: int = 1, alpha: float = WHOLE) -> float:
    """The level of each look. For one comparison at .05 the calibrated table; else alpha / L (Bonferroni over looks).

    A family with Holm at every look takes alpha / L: the table was calibrated in the .05 tail, not in .05 / K. So do
    plans that the table does not have. A single look has the whole alpha.

    Raises
    ------
    ValueError
        Where the looks do not rise from 2 or more, or the family is empty.
    """
    if not looks or looks[0] < 2 or any(b <= a for a, b in itertools.pairwise(looks)):
        raise ValueError(f"looks: {looks} (allowed: rising numbers of runs from 2)")
    if family < 1 or not 0 < alpha < 0.5:
        raise ValueError(f"family, alpha: {family}, {alpha} (allowed: 1 or more, between 0 and 0.5)")
    if family == 1 and alpha == WHOLE and looks in CALIBRATED:
        return CALIBRATED[looks]
    return alpha / len(looks)


def next_look(n: int, looks: tuple[int, ...]) -> int | None:
    """The first planned look at more than n runs; None where none is left."""
    return next((look for look in looks if look > n), None)


def smoke_floor(reference: float, sd: float, delta: float) -> float:
    """The score, in points, below which one smoke run may block: reference - max(4 sd, 2 delta)."""
    if not (sd >= 0 and delta > 0):
        raise ValueError(f"sd, delta: {sd}, {delta} (allowed: 0 or more, above 0)")
    return reference - max(4 * sd, 2 * delta)
