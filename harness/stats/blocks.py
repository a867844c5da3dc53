"""Noise within a process: how long steps depend on each other, and how many to take (statistics.md, section 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from harness.stats.decision import Interval

PROCESSES: Final = 10
RESAMPLES: Final = 2000


def autocorrelation_time(series: Sequence[float]) -> float:
    """Tau = 1 + 2 sum rho_k in steps, at least 1: so many steps carry as much as one independent step.

    The sum stops where two neighbouring rho no longer sum above 0 (Geyer's initial positive sequence, 1992).

    Raises
    ------
    ValueError
        For fewer than 4 steps, or a value that is not finite.
    """
    x = np.asarray(series, dtype=np.float64)
    if x.size < 4 or not np.isfinite(x).all():
        raise ValueError(f"series: {x.size} steps (allowed: at least 4, finite)")
    x = x - x.mean()
    power = float(x @ x)
    if power <= 1e-18:
        return 1.0
    rho = [float(x[: x.size - lag] @ x[lag:]) / power for lag in range(x.size)]
    total = 0.0
    for even in range(0, len(rho) - 1, 2):
        pair = rho[even] + rho[even + 1]
        if pair <= 0:
            break
        total += pair
    return max(1.0, 2 * total - 1)


def block_length(series: Sequence[float]) -> int:
    """Steps to resample together: twice the autocorrelation time, at most the whole series."""
    return min(len(series), math.ceil(2 * autocorrelation_time(series)))


def best_steps(process_cost: float, step_cost: float, process_sd: float, step_sd: float) -> float:
    """How many independent steps a process should run (Kalibera and Jones 2013).

    r* = sqrt((c_process / c_step) (sd_step^2 / sd_process^2)): a start of 40 s, steps of 0.1 s, 3 % against 1.5 %
    give 40. Steps that depend on each other: times the autocorrelation time.

    Raises
    ------
    ValueError
        For a cost or an sd that is not above 0.
    """
    if not min(process_cost, step_cost, process_sd, step_sd) > 0:
        raise ValueError("costs and sds: one is 0 or less (allowed: above 0)")
    return math.sqrt(process_cost / step_cost) * step_sd / process_sd


def hierarchical_ratio(
    a: Sequence[Sequence[float]], b: Sequence[Sequence[float]], seed: int = 0
) -> tuple[float, Interval]:
    """B's median rate over A's, 90 % interval: processes resampled with replacement, then their steps in blocks.

    Each series holds one process' rates after warm-up. The statistic is exp of the mean difference of log process
    medians, that of `throughput.compare_pairs`.

    Raises
    ------
    ValueError
        For fewer than 10 processes an arm (there the t over process medians covers better), a process of fewer than
        4 steps, or a rate that is not above 0.
    """
    if min(len(a), len(b)) < PROCESSES:
        raise ValueError(f"arms: {len(a)} and {len(b)} processes (allowed: at least {PROCESSES} each)")
    rates = [[np.asarray(each, dtype=np.float64) for each in arm] for arm in (a, b)]
    if not all((each > 0).all() and np.isfinite(each).all() for arm in rates for each in arm):
        raise ValueError("rates: one is 0 or less, or not finite (allowed: above 0 samples a second)")
    logs = [[np.log(each) for each in arm] for arm in rates]
    lengths = [[block_length(each.tolist()) for each in arm] for arm in logs]
    generator = np.random.default_rng(seed)

    def resampled(arm: int) -> float:
        picks = generator.integers(0, len(logs[arm]), len(logs[arm]))
        medians = []
        for pick in picks:
            series, length = logs[arm][pick], lengths[arm][pick]
            starts = generator.integers(0, series.size - length + 1, math.ceil(series.size / length))
            steps = (starts[:, None] + np.arange(length)).ravel()[: series.size]
            medians.append(float(np.median(series[steps])))
        return math.fsum(medians) / len(medians)

    draws = [resampled(1) - resampled(0) for _ in range(RESAMPLES)]
    first, second = (float(np.mean([np.median(each) for each in arm])) for arm in logs)
    low, high = np.quantile(draws, [0.05, 0.95])
    return math.exp(second - first), (math.exp(float(low)), math.exp(float(high)))
