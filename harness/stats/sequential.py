"""Looking at the results more than once, as planned (statistics.md, sections 0 and 5)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

CALIBRATED: Final[Mapping[tuple[int, ...], float]] = {
    (3, 5, 7, 10): 0.0163,
    (5, 7, 10): 0.0226,
    (5, 10): 0.028,
}
"""The nominal alpha of every look that keeps the whole at .05, by simulation with own degrees of freedom."""

WHOLE: Final = 0.05
CAP: Final = 10


@dataclass(frozen=True)
class Look:
    """One planned look: the `index`-th (from 0) of `of`, at `n` runs; `alpha` is its nominal level.

    `following` is the n of the next look, None at the last: an INCONCLUSIVE then opens a ticket.
    """

    n: int
    index: int
    of: int
    alpha: float
    following: int | None


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


def look_at(n: int, looks: tuple[int, ...], family: int = 1, alpha: float = WHOLE) -> Look | None:
    """The look that n runs are; None where n is not one that was planned, and nothing may be decided yet.

    `n` counts the runs of the plan that ended, ok or collapsed. Beyond the last look nothing is left to decide with:
    None as well.

    Raises
    ------
    ValueError
        As `nominal_alpha`.
    """
    level = nominal_alpha(looks, family, alpha)
    if n not in looks:
        return None
    index = looks.index(n)
    return Look(n, index, len(looks), level, looks[index + 1] if index + 1 < len(looks) else None)


def next_look(n: int, looks: tuple[int, ...]) -> int | None:
    """The first planned look at more than n runs; None where none is left."""
    return next((look for look in looks if look > n), None)


def anytime_half_width(sd: float, n: int, alpha: float = WHOLE, rho2: float = 0.8) -> float:
    """Half width, in the unit of `sd`, of an interval for the mean that holds at every n at once (Robbins' mixture).

    sd sqrt(2 (n rho2 + 1) / (n^2 rho2) log(sqrt(n rho2 + 1) / alpha)); `sd` is an upper bound of the true one. At
    n = 10 it is 1.55 times the fixed one: only for looks that nobody planned.

    Raises
    ------
    ValueError
        For an sd or rho2 not above 0, n below 1, or alpha not between 0 and 1.
    """
    if not (sd > 0 and rho2 > 0 and n >= 1 and 0 < alpha < 1):
        raise ValueError(
            f"sd, n, alpha, rho2: {sd}, {n}, {alpha}, {rho2} (allowed: above 0, 1 or more, 0 to 1, above 0)"
        )
    grown = n * rho2 + 1
    return sd * math.sqrt(2 * grown / (n * n * rho2) * math.log(math.sqrt(grown) / alpha))


def smoke_floor(reference: float, sd: float, delta: float) -> float:
    """The score, in points, below which one smoke run may block: reference - max(4 sd, 2 delta) (section 5)."""
    if not (sd >= 0 and delta > 0):
        raise ValueError(f"sd, delta: {sd}, {delta} (allowed: 0 or more, above 0)")
    return reference - max(4 * sd, 2 * delta)
