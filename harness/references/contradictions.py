"""Contradictions: references of the same checkpoint, split, metric and recipe that cannot well all be true.

Nothing is hidden by this: references that are unusable, or that the arithmetic rules out, take part.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, Literal

from harness.references.audit import comparable
from harness.references.model import Metric, Published, Reference
from harness.references.recipe import same_recipe, same_subject, today
from harness.references.registry import Registry, registry
from harness.task import METRICS

LIMIT: Final = 3.0
"""How many standard errors apart two centres may be: of the 300 or so pairs compared, less than one by chance."""

RANGE_RUNS: Final = 19
"""A further run falls outside the range of n runs with probability 2 / (n + 1): from 19 on at most one in ten."""

OWN_SD_RUNS: Final = 5
"""From so many runs on, the sd of a reference's own runs is used."""

COMPARED: Final[tuple[Metric, ...]] = METRICS


@dataclass(frozen=True)
class Contradiction:
    """Two references that disagree on a metric.

    apart: their centres lie more than three standard errors apart. outside: a single value lies outside the range of
    a sample. best: the best of several runs is not the largest of those runs. `difference` is first minus second, a
    fraction; `limit` what it may be at most; `known` why either is not compared with anyway, None where both are.
    """

    kind: Literal["apart", "outside", "best"]
    metric: Metric
    first: str
    second: str
    difference: float
    limit: float
    text: str
    known: str | None = None


def contradictions(known: Registry | None = None) -> list[Contradiction]:
    """Find every contradiction of a registry (the package's by default), in the order of its file."""
    source = known or registry()
    return [found for metric in COMPARED for found in _of_metric(source, metric)]


def _of_metric(source: Registry, metric: Metric) -> Iterator[Contradiction]:
    usable = [reference for reference in source.references if metric in reference.metrics]
    pooled = _Spread(usable, metric)
    for first, second in combinations(usable, 2):
        if same_subject(first, second) and same_recipe(first, second):
            found = _range(first, second, metric) or _apart(first, second, metric, pooled, source)
            if found is not None:
                yield found
    for reference in usable:
        if reference.of is not None and metric in (sample := source.find(reference.of)).metrics:
            found = _best(reference, sample, metric)
            if found is not None:
                yield found


def _range(first: Reference, second: Reference, metric: Metric) -> Contradiction | None:
    single, sample = (second, first) if first.statistic == "sample" else (first, second)
    values = sample.metrics[metric].every
    if single.statistic != "single" or sample.statistic != "sample" or len(values) < RANGE_RUNS:
        return None
    value, low, high = single.metrics[metric].every[0], min(values), max(values)
    if low <= value <= high or single.id in (sample.members or ()):
        return None
    bound = low if value < low else high
    span = f"{low:.4f} to {high:.4f}, the range of {len(values)} runs ({sample.id})"
    text = f"{single.id} {value:.4f} lies outside {span}"
    return Contradiction("outside", metric, single.id, sample.id, value - bound, 0.0, text, _why(single, sample))


def _apart(
    first: Reference, second: Reference, metric: Metric, pooled: _Spread, source: Registry
) -> Contradiction | None:
    if "best" in (first.statistic, second.statistic) or first.of == second.id or second.of == first.id:
        return None
    # A run of a sample is judged with its sample, and not against that sample.
    if any(reference.statistic == "single" and source.sample_with(reference) for reference in (first, second)):
        return None
    a, b = first.metrics[metric], second.metrics[metric]
    variances = [pooled.variance(first), pooled.variance(second)]
    if None in variances:
        return None
    limit = LIMIT * math.sqrt(sum(value for value in variances if value is not None))
    difference = _centre(a) - _centre(b)
    if abs(difference) <= limit:
        return None
    text = (
        f"{first.id} {_centre(a):.4f} ({_what(first)}) and {second.id} {_centre(b):.4f} ({_what(second)}) differ by "
        f"{abs(difference):.4f}, more than {LIMIT:g} standard errors ({limit:.4f})"
    )
    return Contradiction("apart", metric, first.id, second.id, difference, limit, text, _why(first, second))


def _best(reference: Reference, sample: Reference, metric: Metric) -> Contradiction | None:
    value, largest = reference.metrics[metric].every[0], max(sample.metrics[metric].every)
    limit = 10.0 ** -(reference.metrics[metric].decimals or 12) / 2 + 1e-12
    if abs(value - largest) <= limit:
        return None
    text = f"{reference.id} {value:.4f} is not the largest of the {sample.n} runs of {sample.id}, {largest:.4f}"
    return Contradiction("best", metric, reference.id, sample.id, value - largest, limit, text, _why(reference, sample))


class _Spread:
    """The seed variance behind a reference, from the samples of the registry."""

    def __init__(self, references: Sequence[Reference], metric: Metric) -> None:
        self.metric = metric
        self.samples = [
            reference
            for reference in references
            if reference.statistic == "sample" and reference.unusable is None and (reference.n or 0) > 2
        ]

    def variance(self, reference: Reference) -> float | None:
        """Return the variance of a reference's centre, None where no sample tells anything.

        Its own runs where there are five; else the samples of its recipe, of its checkpoint, of any: pooled,
        sum (n - 1) s^2 / sum (n - 1). The median of n normal values varies pi/2 times as much as their mean.
        """
        published, n = reference.metrics[self.metric], reference.n or 1
        if published.values is not None and n >= OWN_SD_RUNS:
            return statistics.variance(published.values) / n
        if published.sd is not None and n >= OWN_SD_RUNS:
            return published.sd**2 / n
        alike = [sample for sample in self.samples if same_subject(sample, reference)]
        for samples in (
            [sample for sample in alike if same_recipe(sample, reference) and (sample.n or 0) >= OWN_SD_RUNS],
            alike,
            [sample for sample in self.samples if today(sample.checkpoint) == today(reference.checkpoint)],
            self.samples,
        ):
            if samples:
                return _pooled(samples, self.metric) / n * (math.pi / 2 if reference.statistic == "median" else 1)
        return None


def _pooled(samples: Sequence[Reference], metric: Metric) -> float:
    values = [sample.metrics[metric].every for sample in samples]
    return sum(statistics.variance(each) * (len(each) - 1) for each in values) / sum(len(each) - 1 for each in values)


def _centre(published: Published) -> float:
    return statistics.fmean(published.every)


def _what(reference: Reference) -> str:
    if reference.statistic == "single":
        return "a single run"
    runs = "several" if reference.n is None else str(reference.n)
    return f"mean of {runs} runs" if reference.statistic in ("mean", "sample") else f"{reference.statistic} of {runs}"


def _why(first: Reference, second: Reference) -> str | None:
    reasons = [f"{each.id}: {reason}" for each in (first, second) if (reason := comparable(each)) is not None]
    return "; ".join(reasons) or None
