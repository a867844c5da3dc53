"""Whether a loss trajectory is one of ours, across environments (statistics.md, section 3.1, T2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from harness.stats.t import Array

EPSILON: Final = 1e-12


@dataclass(frozen=True)
class Drift:
    """A candidate's largest departure in MADs of the others, those of the base runs, and its rank p.

    `least_p` = 1/(R+1): with fewer than 19 base runs (R) nothing can be significant, and a check may only warn.
    """

    score: float
    base_scores: tuple[float, ...]
    p: float
    least_p: float

    def can_reject(self, alpha: float = 0.05) -> bool:
        """Whether so many base runs could make any candidate significant: 19 at .05 (p = .05 counts)."""
        return self.least_p <= alpha


def drift(base: Sequence[Sequence[float]], candidate: Sequence[float], epsilon: float = EPSILON) -> Drift:
    """Score = max over steps of |L - median| / (MAD + epsilon), median and MAD of all the *other* runs.

    p = (1 + #{base score >= candidate's}) / (R + 1). Base runs and candidate are scored in the same way, each against
    the R others, so that of runs of one law each is equally likely to be the worst: p is exact.

    Raises
    ------
    ValueError
        For fewer than 3 base runs, trajectories of different lengths, or a loss that is not finite.
    """
    runs = [np.asarray(each, dtype=np.float64) for each in (*base, candidate)]
    if len(base) < 3:
        raise ValueError(f"base: {len(base)} runs (allowed: at least 3)")
    if len({each.shape for each in runs}) > 1 or not runs[0].size or not np.isfinite(np.stack(runs)).all():
        raise ValueError("losses: of different lengths, none, or not finite (allowed: as many of each)")
    stacked: Array = np.stack(runs)
    *scores, own = (_score(run, np.delete(stacked, index, axis=0), epsilon) for index, run in enumerate(stacked))
    worse = sum(score >= own for score in scores)
    return Drift(own, tuple(scores), (1 + worse) / (len(base) + 1), 1 / (len(base) + 1))


def _score(run: npt.NDArray[np.float64], others: Array, epsilon: float) -> float:
    median = np.median(others, axis=0)
    mad = np.median(np.abs(others - median), axis=0)
    return float(np.max(np.abs(run - median) / (mad + epsilon)))
