"""Many comparisons, one job: Holm's correction of what could fail (docs/statistics.md)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

PART: Final = 0.5
"""Of alpha, for scores and for collapses each: two tests of every configuration, each at the whole, give .059."""


def holm(p: Sequence[float], limits: Sequence[float] | None = None) -> tuple[float, ...]:
    """Holm's adjusted p values, in the order given: running maximum of p_(i) (K - i + 1), at most 1.

    With `limits`, one a hypothesis, each counts only by the chance that it has to fail at such a p: the running
    maximum of sum min(p_(i), limit) over those whose p is not smaller. It is Holm's step-down for tests that cannot
    reach every p (Tarone 1990; Hommel and Krummenauer 1998); limits of 1 are Holm's own.

    Raises
    ------
    ValueError
        For a p or limit outside 0 to 1, or another number of limits.
    """
    most = [1.0] * len(p) if limits is None else list(limits)
    for name, values in (("p", p), ("limits", most)):
        for value in values:
            if math.isnan(value) or not 0 <= value <= 1:
                raise ValueError(f"{name}: {value} (allowed: 0 to 1)")
    order = sorted(range(len(p)), key=lambda index: p[index])
    left = np.array([most[index] for index in order])
    adjusted, highest = [0.0] * len(p), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, float(np.minimum(p[index], left[rank:]).sum())))
        adjusted[index] = highest
    return tuple(adjusted)


def apply_holm(
    p: Sequence[float | None], limits: Sequence[float] | None = None, part: float = 1.0
) -> tuple[float | None, ...]:
    """Adjust the p of each hypothesis that would fail, in the order given, for a comparison with the whole alpha.

    None is a hypothesis that does not fail, whatever the others are: it has no adjusted p, and counts by its limit,
    without `limits` not at all. (One that was planned and not measured: None, and the limit 1.) `part` is the share of
    alpha that the family has, of several that are tested together: p is divided by it.

    Raises
    ------
    ValueError
        As `holm`, or for a part that is no share.
    """
    if not 0 < part <= 1:
        raise ValueError(f"part: {part} (allowed: above 0, at most 1)")
    most = [float(value is not None) for value in p] if limits is None else limits
    adjusted = holm([1.0 if value is None else value for value in p], most)
    return tuple(None if mine is None else min(1.0, value / part) for mine, value in zip(p, adjusted, strict=True))
