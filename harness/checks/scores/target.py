"""What a configuration's scores are held against: a reference's value by its statistic, and the margin around it."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from harness.checks.page import read_page
from harness.checks.scores.recipe import UNSTATED
from harness.fact import Fact
from harness.grid.grid import Grid
from harness.grid.names import OPTIONS
from harness.grid.tables import Reference as Written
from harness.references import Published, Reference, contradictions, find, registry
from harness.references.model import MAX_DECIMALS, Metric, Statistic
from harness.references.recipe import DECISIVE, settings
from harness.stats import margin
from harness.stats.decision import Decision, Estimate, Rule, decide
from harness.stats.descriptive import describe
from harness.stats.order_statistic import expected
from harness.stats.power import Design
from harness.stats.reference import best_of, median_of, published_mean, published_sample, single, unknown
from harness.stats.variance import Sample, own
from harness.validation import name_of

STATED: Final = ("config", "engine", *OPTIONS)
"""What of a cell a reference states beside its recipe."""

FEW: Final = 5
"""A spread of fewer runs is too uncertain to make a margin wider than the default."""

WIDE: Final = 2.5
"""Points: an sd above this is of runs of which some failed, rather than of one recipe that works."""

_KINDS_OF_RUNS: Final = frozenset({"course", "log", "notebook", "sample"})
"""Kinds of sources whose single numbers are those of single runs."""


@dataclass(frozen=True)
class Target:
    """A published value of one metric, in points; `values` are the runs of a sample, `sd` that of a published mean.

    `half_ulp` is what rounding may hide. `provenance_known` is False for a number of which neither seed nor recipe
    is told.
    """

    reference: str
    metric: Metric
    statistic: Statistic
    value: float
    n: int
    sd: float | None = None
    values: tuple[float, ...] = ()
    half_ulp: float = 0.0
    provenance_known: bool = True

    @functools.cached_property
    def fact(self) -> Fact:
        """The value and its statistic, with the spread that is published of it, or that its runs have."""
        sd = self.sd if self.sd is not None else describe(self.values).sd
        return Fact.of(
            "target", value=self.value, statistic=self.statistic, n=self.n, sd=sd, known=self.provenance_known
        )

    @property
    def place(self) -> tuple[int, int] | None:
        """(j, k) where the value is one run, order statistic j of k; None for means and medians between two runs."""
        if self.statistic == "single":
            return 1, 1
        if self.statistic == "best":
            return self.n, self.n
        return ((self.n + 1) // 2, self.n) if self.statistic == "median" and self.n % 2 else None

    def decide(self, ours: Sample, rule: Rule) -> Decision:
        """Judge a sample of ours by the statistic that this value is; the margin widened by what rounding hides."""
        rule = rule.widened(self.half_ulp)
        if not self.provenance_known:
            return unknown(ours, self.value, rule)
        return decide(self.estimate(ours), rule)

    def estimate(self, ours: Sample) -> Estimate:
        """The difference and its standard errors by the statistic that this value is."""
        if self.statistic == "sample":
            return published_sample(ours, self.values)
        if self.statistic == "mean":
            return published_mean(ours, self.value, self.n, self.sd)
        if self.statistic == "median":
            return median_of(ours, self.value, self.n)
        return best_of(ours, self.value, self.n) if self.statistic == "best" else single(ours, self.value)

    def design(self, history: float = 0.0) -> Design:
        """The design to plan seeds with; `history` are the degrees of freedom that other configurations add."""
        if self.statistic in ("median", "best"):
            return OfOrder("single", history=history, luck=expected(*self.place) if self.place else 0.0)
        if self.statistic == "single":
            return Design("single", history=history)
        known = self.sd is not None or bool(self.values)
        return (Design if known else OfBareMean)("mean", m=self.n, history=history)


@dataclass(frozen=True)
class OfBareMean(Design):
    """Against a mean that was published without its sd: the degrees of freedom are ours alone."""

    def df(self, n: int) -> float:
        """Ours, and history's."""
        return n - 1 + self.history


@dataclass(frozen=True)
class OfOrder(Design):
    """Against an order statistic: its expected place, `luck` sd above the mean, is known only as well as the sd."""

    luck: float = 0.0

    def se_eq(self, n: int) -> float:
        """As `reference.best_of` has it: sqrt(1/n + luck^2 / (2 df))."""
        return math.sqrt(1 / n + self.luck**2 / (2 * self.df(n)))


def read_target(reference: Reference, metric: Metric) -> Target | None:
    """Read a reference's value of a metric; None where it has none."""
    published = reference.metrics.get(metric)
    if published is None or reference.n is None:
        return None
    values = tuple(100 * value for value in published.every)
    return Target(
        reference=reference.id,
        metric=metric,
        statistic=reference.statistic,
        value=math.fsum(values) / len(values),
        n=reference.n,
        sd=100 * published.sd if published.sd is not None else None,
        values=values if reference.statistic == "sample" else (),
        half_ulp=margin.half_ulp(published.decimals),
        provenance_known=_provenance_known(reference),
    )


def margin_of(reference: Reference, target: Target, declared: float | None = None) -> tuple[float, Fact]:
    """Return the margin in points before rounding widens it, and where it comes from, with what rounding adds.

    `declared` None: 2.4 sd of the reference, to 0.25 points; of a value without spread the sd of the largest sample
    of its recipe; else the metric's default.
    """
    points, origin = _margin_of(reference, target, declared)
    half = target.half_ulp
    return points, Fact.of("margin.rounded", margin=origin, half_ulp=half) if half else origin


def _margin_of(reference: Reference, target: Target, declared: float | None) -> tuple[float, Fact]:
    if declared is not None:
        return declared, Fact.of("margin.declared", points=declared)
    default = margin.automatic(None, target.metric)
    sd, n, whose = _spread(reference, target)
    if sd is None:
        return default, Fact.of("margin.default", points=default)
    found = margin.automatic(sd, target.metric)
    if n < FEW and found > default:
        return default, Fact.of("margin.few", points=default, least=FEW, sd=sd, runs=n, whose=whose)
    return found, Fact.of("margin.spread", points=found, sd=sd, runs=n, whose=whose)


def contradicting(reference: Reference, metric: Metric) -> tuple[Fact, ...]:
    """Return what the registry has against a reference, a fact for each contradiction."""
    return _contradicting().get((reference.id, metric), ())


def written_references(grid: Grid) -> list[Reference]:
    """Return the references of a grid in full: looked up by id, or as they are written out.

    One that is written out without a checkpoint is of whichever is judged, and one of a checkpoint that the grid
    defines by its name of that. Its decimals are those in the file. A published report is a reference a row.

    Raises
    ------
    SpecError
        For an id that the registry does not have, and a report that cannot be read.
    """
    sources = {name: spec.source for name, spec in grid.checkpoint.items()}
    found: list[Reference] = []
    for number, written in enumerate(grid.reference):
        if written.report is not None:
            where = f"{name_of(grid.path)}: reference[{number}]"
            found += read_page(grid.folder / written.report, written.name, written.row, where)
        else:
            found.append(_in_full(written, written.task or grid.task, sources))
    return found


def _in_full(written: Written, task: str, sources: Mapping[str, str]) -> Reference:
    if written.statistic is None or written.metric is None:
        return find(written.name)
    every = written.values or [value for value in (written.value,) if value is not None]
    decimals = max(_decimals(value) for value in every)
    published = Published(
        value=written.value, values=written.values, sd=written.sd, decimals=decimals if decimals <= 9 else None
    )
    runs = len(written.values) if written.values else 1 if written.statistic == "single" else written.n
    return Reference(
        id=written.name,
        # A log's word is taken: who writes a grid says what the value is.
        kind="log",
        task=task,
        checkpoint=sources.get(written.checkpoint, written.checkpoint) if written.checkpoint else UNSTATED,
        split="validation",
        statistic=written.statistic,
        n=runs,
        metrics={written.metric: published},
        recipe=dict(written.recipe),
        precision=written.precision,
        selection=written.selection,
        source=written.source or written.name,
        devices=written.devices,
        setup={name: value for name in STATED if (value := getattr(written, name)) is not None},
    )


def _decimals(value: float) -> int:
    text = f"{value!r}"
    return MAX_DECIMALS if "e" in text else max(1, min(MAX_DECIMALS, len(text.partition(".")[2])))


def _provenance_known(reference: Reference) -> bool:
    """A single number is taken for a single run where a seed, the recipe or a log stands behind it."""
    if reference.statistic != "single" or reference.seed is not None or reference.kind in _KINDS_OF_RUNS:
        return True
    known = settings(reference)
    return all(name in known for name in DECISIVE)


def _spread(reference: Reference, target: Target) -> tuple[float | None, int, str]:
    if target.values:
        return _sd(target.values), target.n, target.reference
    if target.sd is not None:
        return target.sd, target.n, target.reference
    found = registry().sample_of(reference, target.metric)
    if found is None:
        return None, 0, ""
    values = tuple(100 * value for value in found.metrics[target.metric].every)
    return _sd(values), len(values), found.id


@functools.lru_cache(maxsize=1024)
def _sd(values: tuple[float, ...]) -> float:
    return own(values).value


def spread_alarm(reference: Reference, target: Target) -> Fact | None:
    """Return a warning where a spread is so wide that failed runs are likely among those it was taken of."""
    sd, n, whose = _spread(reference, target)
    if sd is None or sd <= WIDE:
        return None
    return Fact.of("reference.wide", sd=sd, runs=n, whose=whose)


@functools.cache
def _contradicting() -> dict[tuple[str, Metric], tuple[Fact, ...]]:
    found: dict[tuple[str, Metric], tuple[Fact, ...]] = {}
    for each in contradictions():
        fact = Fact.of("reference.contradicted", text=each.text)
        for name in (each.first, each.second):
            found[name, each.metric] = (*found.get((name, each.metric), ()), fact)
    return found
