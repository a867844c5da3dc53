"""The gate over 24 configurations: false alarms without any loss, and what becomes of one that has lost 4 points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import numpy as np

from benchmarks.statistics_draws import MAJORITY, TRUTH, Array, collapses, generator, rounded
from harness.references import Reference, find, registry
from harness.stats.decision import Decision, Estimate, Rule, decide
from harness.stats.family import Family, benjamini_hochberg, judge
from harness.stats.margin import automatic
from harness.stats.reference import Method, published_mean, published_sample, single
from harness.stats.sequential import nominal_alpha
from harness.stats.stability import gated
from harness.stats.variance import LEVENE, Sample, Sd, chosen, homogeneity, own, pooled, sample

CELLS = 24
SEEDS = 5
LOSS = -4.0
LOOKS = (5, 7, 10)

Against = Literal["sample of 25", "mean ± sd of 5", "single run"]
Spread = Literal["pooled", "own", "default"]
NAIVE = ("mean within 1 pt", "ref inside mean +-2 sd", "one seed within 1 pt of a published run")


@cache
def replication() -> Reference:
    """The registry's replication sample: published runs of the recipe behind the course's value."""
    found = registry().sample_of(find("hf-course-ch3"), "accuracy")
    if found is None:
        raise LookupError("the registry has no sample of the course's recipe")
    return found


@cache
def published() -> tuple[float, ...]:
    """Its accuracies, in points."""
    return tuple(100 * value for value in replication().metrics["accuracy"].every)


@dataclass(frozen=True)
class Variant:
    """One way to judge 24 configurations of 5 seeds.

    `spread` is the sd used: pooled over all configurations (their own where Levene's test forbids it), each
    configuration's own, or `variance.chosen`, own steadied by the other configurations. `sd` is the true one, by
    default that of the published runs. `rho` correlates configurations at the same seed. `looks` None: one look at 5
    seeds. `real`: our runs are drawn from the published runs themselves, which stay as they are; otherwise both are
    normal, and the reference is drawn anew each time. `wild` configurations have twice the sd. `alpha` is the level
    of the whole gate, `method` how a mean's sd meets ours, `weight` multiplies the number of gates.
    """

    label: str
    against: Against = "sample of 25"
    delta: float | None = None
    spread: Spread = "pooled"
    sd: float | None = None
    rho: float = 0.0
    looks: tuple[int, ...] | None = None
    collapse: float = 0.0
    real: bool = False
    wild: int = 0
    alpha: float = 0.05
    method: Method = "auto"
    weight: float = 1.0

    @property
    def margin(self) -> float:
        """The margin in points: by default what the published spread suggests."""
        return self.delta if self.delta is not None else automatic(float(np.std(published(), ddof=1)))

    @property
    def true_sd(self) -> float:
        """The spread from seed to seed, in points."""
        return self.sd if self.sd is not None else float(np.std(published(), ddof=1))


@dataclass
class Tally:
    """What happened in each gate: of the rule, and of rules it is compared with."""

    variant: Variant
    false_alarm: list[bool] = field(default_factory=list)
    caught: list[bool] = field(default_factory=list)
    passed_lost: list[bool] = field(default_factory=list)
    passed_clean: list[bool] = field(default_factory=list)
    seeds: list[float] = field(default_factory=list)
    uncorrected: list[bool] = field(default_factory=list)
    significant: list[bool] = field(default_factory=list)
    hochberg: list[bool] = field(default_factory=list)
    naive_alarm: dict[str, list[bool]] = field(default_factory=lambda: {name: [] for name in NAIVE})
    naive_caught: dict[str, list[bool]] = field(default_factory=lambda: {name: [] for name in NAIVE})


Runs = list[list[float | None]]
"""Of each configuration, by seed; None where the run collapsed."""


def study(variant: Variant, gates: int, number: int) -> Tally:
    """Judge `gates` clean families of 24, and the same ones with the first configuration 4 points lower."""
    rng = generator(9, number)
    tally = Tally(variant)
    for _ in range(gates):
        values, lost, reference = _draw(rng, variant)
        clean = [_visible(row, gone) for row, gone in zip(values.tolist(), lost.tolist(), strict=True)]
        family, raw, taken = _judged(clean, reference, variant)
        tally.false_alarm.append(family.outcome == "FAIL")
        tally.passed_clean.append(family.decisions[0].outcome == "PASS")
        tally.seeds.append(sum(taken) / CELLS)
        low = [_visible(rounded(values[0] + LOSS).tolist(), lost[0].tolist()), *clean[1:]]
        # Without further looks the other configurations are judged as before.
        first = _judged(low, reference, variant, None if variant.looks else raw)[0].decisions[0]
        tally.caught.append(first.outcome == "FAIL")
        tally.passed_lost.append(first.outcome == "PASS")
        if variant.looks is None:
            _uncorrected(tally, raw)
        shown = np.where(lost, MAJORITY, values)[:, :SEEDS]
        for shift, hits in ((0.0, tally.naive_alarm), (LOSS, tally.naive_caught)):
            for name, flags in _naive(shown, reference, shift).items():
                hits[name].append(bool(flags.any() if not shift else flags[0]))
    return tally


def _draw(rng: np.random.Generator, variant: Variant) -> tuple[Array, np.ndarray, Array]:
    """Scores (24, seeds), which of them collapsed, and the published runs."""
    most = variant.looks[-1] if variant.looks else SEEDS
    count = {"sample of 25": len(published()), "mean ± sd of 5": 5, "single run": 1}[variant.against]
    if variant.real:
        runs = np.asarray(published())
        values = rng.choice(runs, (CELLS, most))
        return values, np.zeros(values.shape, dtype=bool), runs
    noise = math.sqrt(1 - variant.rho) * rng.standard_normal((CELLS, most))
    noise += math.sqrt(variant.rho) * rng.standard_normal(most)
    noise[CELLS - variant.wild :] *= 2
    lost = rng.random((CELLS, most)) < variant.collapse
    runs = rounded(TRUTH + variant.true_sd * rng.standard_normal(count))
    return rounded(TRUTH + variant.true_sd * noise), lost, runs


def _visible(row: Sequence[float], gone: Sequence[bool]) -> list[float | None]:
    return [None if collapsed else value for value, collapsed in zip(row, gone, strict=True)]


def _judged(
    runs: Runs, reference: Array, variant: Variant, known: list[Decision] | None = None
) -> tuple[Family, list[Decision], list[int]]:
    """The family, the decisions that went into it, and the seeds that each configuration took.

    `known` are decisions of all configurations but the first.
    """
    looks = variant.looks or (SEEDS,)
    level = nominal_alpha(looks, CELLS, variant.alpha)
    taken = [looks[0]] * CELLS
    decisions = list(known or [])
    fresh = [0] if known else list(range(CELLS))
    for following in (*looks[1:], None):
        decisions = _decisions(runs, taken, reference, variant, level, decisions, fresh)
        family = judge(decisions, level)
        fresh = [index for index, each in enumerate(family.decisions) if each.outcome == "INCONCLUSIVE"]
        if following is None or not fresh:
            break
        for index in fresh:
            taken[index] = following
    return family, decisions, taken


def _decisions(
    runs: Runs,
    taken: list[int],
    reference: Array,
    variant: Variant,
    level: float,
    before: list[Decision],
    fresh: list[int],
) -> list[Decision]:
    """The decisions of the `fresh` configurations on the seeds they have taken; of the others those from before."""
    rule = Rule(variant.margin, alpha=level)
    cells = [[value for value in row[:n] if value is not None] for row, n in zip(runs, taken, strict=True)]
    seeds = [[s for s, value in enumerate(row[:n]) if value is not None] for row, n in zip(runs, taken, strict=True)]
    sds = _sds(cells, seeds, variant.spread, fresh)
    found = {}
    for index in fresh:
        cell, n = cells[index], taken[index]
        decision = decide(_estimate(sample(cell, sds[index]), reference, variant), rule)
        if variant.collapse:
            decision = gated(decision, collapses(n - len(cell), n, 0.02, level))
        found[index] = decision
    return [found[index] if index in found else before[index] for index in range(CELLS)]


def _sds(cells: list[list[float]], seeds: list[list[int]], spread: Spread, fresh: list[int]) -> dict[int, Sd | None]:
    """The sd that each of the `fresh` configurations is judged with."""
    if spread == "default":
        return {i: chosen(cells[i], cells[:i] + cells[i + 1 :], seeds[:i] + seeds[i + 1 :]) for i in fresh}
    if spread == "pooled":
        p = homogeneity(cells)
        if p is None or p >= LEVENE:
            return dict.fromkeys(fresh, pooled(cells, seeds))
    return {i: own(cells[i]) if len(cells[i]) > 1 else None for i in fresh}


def _estimate(mine: Sample, reference: Array, variant: Variant) -> Estimate:
    if variant.against == "single run":
        return single(mine, float(reference[0]))
    if variant.against == "sample of 25":
        return published_sample(mine, reference.tolist())
    sd = float(reference.std(ddof=1))
    return published_mean(mine, float(reference.mean()), len(reference), sd, variant.method)


def _uncorrected(tally: Tally, decisions: list[Decision]) -> None:
    """The same clean families without Holm."""
    ps = [decision.p_block if decision.p_block is not None else 1.0 for decision in decisions]
    fails = [decision.outcome == "FAIL" for decision in decisions]
    tally.uncorrected.append(any(fails))
    tally.significant.append(min(ps) < 0.05)
    adjusted = benjamini_hochberg(ps)
    tally.hochberg.append(any(fail and p < 0.05 for fail, p in zip(fails, adjusted, strict=True)))


def _naive(values: Array, reference: Array, shift: float) -> dict[str, np.ndarray]:
    """Which configurations the naive rules call different; all runs, collapsed ones too."""
    x = values + shift
    apart = np.abs(x.mean(axis=1) - reference.mean())
    flags = (apart > 1, apart > 2 * x.std(axis=1, ddof=1), np.abs(x[:, 0] - reference[0]) > 1)
    return dict(zip(NAIVE, flags, strict=True))
