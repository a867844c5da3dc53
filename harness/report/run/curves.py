"""Curves of training small enough to draw: smoothed, then mean and range over seeds, then thinned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.report.run.model import Curve

Array = npt.NDArray[np.float64]

POINTS: Final = 120
"""At most this many points of a curve are kept."""

_WINDOWS: Final = 40
"""The smoothing window is one part in this many of the run."""


def curve_of(label: str, configuration_id: str, environment_id: str, series: Sequence[npt.ArrayLike]) -> Curve | None:
    """Condense per-step losses, or norms, of several seeds; None where there is no step at all.

    Smoothing is a centred moving average per seed, its window cut off at both ends of the run. Values that
    are not finite make gaps and are counted, never averaged over.
    """
    runs = [run for run in (np.asarray(one, dtype=np.float64).ravel() for one in series) if run.size]
    if not runs:
        return None
    length = max(run.size for run in runs)
    window = max(1, length // _WINDOWS) | 1
    smooth = np.full((len(runs), length), np.nan)
    for row, run in zip(smooth, runs, strict=True):
        row[: run.size] = _moving_average(run, window)
    at = np.unique(np.linspace(0, length - 1, min(length, POINTS)).round().astype(np.int64))
    kept = smooth[:, at]
    seen = np.isfinite(kept)
    some = seen.any(axis=0)
    count = np.maximum(seen.sum(axis=0), 1)
    mean = np.where(some, np.where(seen, kept, 0.0).sum(axis=0) / count, np.nan)
    low = np.where(some, np.where(seen, kept, np.inf).min(axis=0), np.nan)
    high = np.where(some, np.where(seen, kept, -np.inf).max(axis=0), np.nan)
    return Curve(
        label=label,
        configuration_id=configuration_id,
        environment_id=environment_id,
        seeds=len(runs),
        length=length,
        window=window,
        nonfinite=int(sum((~np.isfinite(run)).sum() for run in runs)),
        steps=tuple(int(step) + 1 for step in at),
        mean=_rounded(mean),
        low=_rounded(low),
        high=_rounded(high),
    )


def _moving_average(run: Array, window: int) -> Array:
    """Centred mean over `window` (odd) steps, cut off at the ends; NaN wherever it holds a value not finite."""
    finite = np.isfinite(run)
    sums = np.concatenate([[0.0], np.cumsum(np.where(finite, run, 0.0))])
    bad = np.concatenate([[0], np.cumsum(~finite)])
    # A symmetric window would shrink to single, noisy steps at the ends: the last point would seem to jump.
    half, at = window // 2, np.arange(run.size)
    first, last = np.maximum(at - half, 0), np.minimum(at + half + 1, run.size)
    average: Array = (sums[last] - sums[first]) / (last - first)
    average[bad[last] != bad[first]] = np.nan
    return average


def _rounded(values: Any) -> tuple[float, ...]:
    # Six digits draw the same picture, and keep the last bit of a machine's summation out of published files.
    return tuple(float(f"{value:.6g}") for value in values)
