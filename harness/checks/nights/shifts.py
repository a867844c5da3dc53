"""Where a series of sessions changes its level: Apache Otava's change points, where it is installed."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Shift:
    """A level that changed: `at` is the place of the first value of the new one; means around it, and the p value."""

    at: int
    before: float
    after: float
    p: float


def shifts_known() -> bool:
    """Whether apache-otava, which finds them, is installed."""
    return importlib.util.find_spec("otava") is not None


def shifts(values: Sequence[float], most_p: float = 0.001) -> list[Shift]:
    """The change points of a series by E-divisive means with Student's test, as Apache Otava has them; deterministic.

    They are found looking back, with values on both sides: they draw a history, and gate nothing.

    Raises
    ------
    ImportError
        Without apache-otava.
    """
    from otava.analysis import compute_change_points

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # levels that repeat to the last bit have no spread
        found, _ = compute_change_points(list(values), max_pvalue=most_p)
    return [
        Shift(one.index, float(one.stats.mean_1), float(one.stats.mean_2), float(one.stats.pvalue)) for one in found
    ]
