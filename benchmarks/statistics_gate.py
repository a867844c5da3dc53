"""The gate of `harness check` over made-up grids: false alarms where nothing is lost, and what becomes of a loss."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.statistics_draws import ONE, Flags, generator
from benchmarks.statistics_grid import (
    COLLAPSED,
    COUNT,
    Against,
    Runs,
    Shape,
    draw,
    measured,
    published,
    references,
    spread_of_published,
)
from harness.checks.scores.gate import Policy, decided, judge_all
from harness.checks.verdict import Verdict, exit_code
from harness.references import Reference
from harness.stats.decision import Decision
from harness.stats.family import holm
from harness.stats.margin import automatic

ALPHA = 0.05
SEEDS = 5
LOSS = -4.0
LOOKS = (5, 7, 10)
NAIVE = ("mean within 1 pt", "ref inside mean +-2 sd", "one seed within 1 pt of a published run")


@dataclass(frozen=True)
class Variant:
    """A grid, the law of its runs, and the policy that it is judged by; all defaults are those of `harness check`.

    `against` is a reference for each checkpoint; `fits_all` False: it fits only runs of fp32 on one device. `sd` is
    the spread from seed to seed, by default that of the published runs; `rho` correlates configurations of one
    checkpoint at the same seed; `wild` configurations have twice the sd. `real`: runs are drawn from the published
    ones, which are then the reference as they are. `margin` None: what each drawn reference suggests. `collapse` is
    how often runs collapse (2 % are declared). `weight` multiplies the number of gates.
    """

    label: str
    shape: Shape = field(default_factory=Shape)
    against: Against = "sample of 25"
    fits_all: bool = True
    margin: float | None = field(default_factory=lambda: automatic(spread_of_published()))
    sd: float = field(default_factory=spread_of_published)
    rho: float = 0.0
    looks: tuple[int, ...] | None = None
    collapse: float = 0.02
    real: bool = False
    wild: int = 0
    weight: float = 1.0

    @property
    def policy(self) -> Policy:
        """What `harness check` goes by: precision and devices are declared harmless where references fit all."""
        harmless = frozenset({"precision", "devices"} if self.fits_all else ())
        return Policy(margin=self.margin, looks=self.looks, harmless=harmless)


@dataclass
class Tally:
    """What happened in each gate: of the gate, and of rules that it is compared with."""

    variant: Variant
    false_alarm: list[bool] = field(default_factory=list)
    green: list[bool] = field(default_factory=list)
    caught: list[bool] = field(default_factory=list)
    by_reference: list[bool] = field(default_factory=list)
    passed_lost: list[bool] = field(default_factory=list)
    passed_clean: list[bool] = field(default_factory=list)
    seeds: list[float] = field(default_factory=list)
    uncorrected: list[bool] = field(default_factory=list)
    significant: list[bool] = field(default_factory=list)
    plain_holm: list[bool] = field(default_factory=list)
    naive_alarm: dict[str, list[bool]] = field(default_factory=lambda: {name: [] for name in NAIVE})
    naive_caught: dict[str, list[bool]] = field(default_factory=lambda: {name: [] for name in NAIVE})


def study(variant: Variant, gates: int, number: int) -> Tally:
    """Judge clean grids, and the same ones with one configuration, another each time, 4 points lower."""
    rng = generator(9, number)
    tally, shape = Tally(variant), variant.shape
    blank = draw(rng, np.zeros((shape.size, SEEDS)), 0.0)
    plan = measured(shape, blank, [0] * shape.size).configurations
    names = [(one.configuration_id, one.label) for one in plan]
    for _ in range(gates):
        runs, theirs = _draw(rng, variant)
        lost = int(rng.integers(shape.size))
        refs = references(theirs, variant.against)
        found, taken = judged(variant, runs, refs)
        tally.false_alarm.append(exit_code(found) == 1)
        tally.green.append(exit_code(found) == 0)
        tally.seeds.append(sum(taken) / len(taken))
        _count_clean(tally, _quality(found))
        _count_lost(tally, judged(variant, runs.shifted(lost, LOSS), refs)[0], *names[lost])
        for shift, hits in ((0.0, tally.naive_alarm), (LOSS, tally.naive_caught)):
            for name, flags in _naive(runs, theirs, shape, shift).items():
                hits[name].append(bool(flags[lost] if shift else flags.any()))
    return tally


def judged(variant: Variant, runs: Runs, refs: list[Reference]) -> tuple[list[Verdict], list[int]]:
    """The verdicts, and the seeds that each configuration took: with looks only the undecided take more."""
    looks, size, seeds = variant.looks or (), variant.shape.size, runs.correct.shape[1]
    taken = [looks[0] if looks else seeds] * size
    while True:
        results = measured(variant.shape, runs, taken, looks)
        found = judge_all(results.configurations, refs, variant.policy)
        due = Counter(cell.configuration_id for cell in results.due(decided(found)))
        following = [due[one.configuration_id] for one in results.configurations]
        if following == taken:
            return found, taken
        taken = following


def _draw(rng: np.random.Generator, variant: Variant) -> tuple[Runs, Runs]:
    """Our runs (configurations, seeds), and the published ones (checkpoints, runs)."""
    shape, seeds = variant.shape, variant.looks[-1] if variant.looks else SEEDS
    own = rng.standard_normal((shape.size, seeds))
    shared = rng.standard_normal((shape.checkpoints, seeds))[shape.checkpoint_of]
    noise = math.sqrt(1 - variant.rho) * own + math.sqrt(variant.rho) * shared
    noise[shape.size - variant.wild :] *= 2
    runs = draw(rng, noise, variant.sd, variant.collapse)
    theirs = draw(rng, rng.standard_normal((shape.checkpoints, COUNT[variant.against])), variant.sd)
    if variant.real:
        correct = np.rint(np.array(published()) / ONE).astype(np.int64)
        runs = replace(runs, correct=rng.choice(correct, runs.correct.shape))
        theirs = replace(theirs, correct=np.tile(correct, (shape.checkpoints, 1)))
    return runs, theirs


def _quality(found: list[Verdict]) -> list[Verdict]:
    return [one for one in found if one.check == "quality" and one.item == "accuracy"]


def _count_clean(tally: Tally, quality: list[Verdict]) -> None:
    """How many pass, and what the same clean comparisons would say without this gate's families."""
    tally.passed_clean += [one.outcome == "PASS" for one in quality if not one.recipe_differences]
    decisions = [one.numbers for one in quality if isinstance(one.numbers, Decision)]
    decisions = [decision for decision in decisions if decision.p_diff is not None]
    chances = [one.p_diff for one in decisions if one.p_diff is not None]
    beyond = [one.p_block is not None for one in decisions]
    tally.significant.append(min(chances, default=1.0) < ALPHA)
    tally.uncorrected.append(any(far and p < ALPHA for far, p in zip(beyond, chances, strict=True)))
    tally.plain_holm.append(any(far and p < ALPHA for far, p in zip(beyond, holm(chances), strict=True)))


def _count_lost(tally: Tally, found: list[Verdict], configuration_id: str, label: str) -> None:
    """What the gate says of the configuration that lost, and of the others."""
    mine = [
        one
        for one in found
        if one.subject.configuration_id == configuration_id or (one.against and one.against.label == label)
    ]
    outcomes = {one.outcome for one in _quality(mine)}
    tally.caught.append(any(one.outcome == "FAIL" for one in mine if one.gates))
    tally.by_reference.append("FAIL" in outcomes)
    tally.passed_lost.append("PASS" in outcomes)


def _naive(runs: Runs, theirs: Runs, shape: Shape, shift: float) -> dict[str, Flags]:
    """Which configurations the naive rules call different; all runs count, collapsed ones too."""
    x = np.where(runs.lost, 100 * COLLAPSED["accuracy"], runs.points)[:, :SEEDS] + shift
    published_points = theirs.points[shape.checkpoint_of]
    apart = np.abs(x.mean(axis=1) - published_points.mean(axis=1))
    flags = (apart > 1, apart > 2 * x.std(axis=1, ddof=1), np.abs(x[:, 0] - published_points[:, 0]) > 1)
    return dict(zip(NAIVE, flags, strict=True))
