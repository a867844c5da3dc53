"""What a comparison over an axis comes to: pairs, differences, and the word for each (docs/statistics.md)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np

from harness.checks.scores.pairing import AxisPair, axis_pairs
from harness.checks.scores.parity import PAIRED, Answers, Predictions
from harness.checks.scores.policy import Policy
from harness.checks.scores.quality import points
from harness.fact import Fact
from harness.grid.cell import SEPARATOR
from harness.grid.grid import Grid
from harness.grid.tables import Compare
from harness.record.attempts import LOST
from harness.record.configuration import Configuration, Key, SeedScore
from harness.record.results import Results
from harness.stats.axis import LEAST, Arm, Difference, Said, Word, compare, influence, needed, right, words
from harness.stats.decision import Interval, Rule
from harness.stats.power import Design, planning_sd, seeds_to_pass
from harness.stats.sequential import nominal_alpha
from harness.task import EMBEDDED

ARMS: Final = Design("arms")
_ADDS: Final = {"accuracy": right, "f1": influence}
"""What an example adds to a metric, where a metric is made of that."""
Favoured = Literal["a", "b"]


@dataclass(frozen=True)
class Comparison:
    """B beside A in one metric: two configurations that differ in one axis. Points, but for p, df and counts.

    `place` are the other axes that vary. `within`: better or worse, but by less than the margin. `here` is the
    interval on these examples, of level 1 - 2 alpha (90 %), `anew` on new examples too, of level 1 - alpha (95 %); each
    None where it is not known. `p_here`, `p_anew` are adjusted by Holm over the `family` pairs of the comparison.
    `reason` is why there is no test, `todo` what would decide it. `best`: the side that is better than all `values`
    values of the axis but itself; chosen on the examples that it is reported on. `name_a`, `name_b` and `where` are the
    values and the place in the grid's words.
    """

    axis: str
    value_a: Any
    value_b: Any
    metric: str
    word: Word
    margin: float
    alpha: float
    family: int
    place: Mapping[str, Any] = field(default_factory=dict)
    within: bool = False
    paired: bool = False
    n_a: int = 0
    n_b: int = 0
    mean_a: float | None = None
    mean_b: float | None = None
    sd_a: float | None = None
    sd_b: float | None = None
    difference: float | None = None
    here: Interval | None = None
    anew: Interval | None = None
    se_here: float | None = None
    se_anew: float | None = None
    df_here: float | None = None
    df_anew: float | None = None
    p_here: float | None = None
    p_anew: float | None = None
    examples: int | None = None
    reason: Fact | None = None
    todo: tuple[Fact, ...] = ()
    best: Favoured | None = None
    values: int = 2
    expect: str | None = None
    label_a: str = ""
    label_b: str = ""
    configuration_a: str = ""
    configuration_b: str = ""
    name_a: str = ""
    name_b: str = ""
    where: str = ""


@dataclass(frozen=True)
class Measured:
    """A pair's runs in one metric: those judged, the difference between them, and why no word may be said of it."""

    runs: tuple[tuple[SeedScore, ...], tuple[SeedScore, ...]]
    arms: tuple[Arm, Arm] | None
    difference: Difference | None
    reason: Fact | None

    @property
    def lost(self) -> tuple[int, int]:
        """Collapsed runs of A and of B."""
        a, b = (sum(run.status in LOST for run in runs) for runs in self.runs)
        return a, b


class Compared:
    """One comparison of a grid: its pairs, what they come to, and the word for each, in the family of all of them."""

    def __init__(
        self,
        asked: Compare,
        configurations: Sequence[Configuration],
        policy: Policy,
        predictions: Predictions,
        truths: Predictions,
    ) -> None:
        every = axis_pairs(configurations, asked.axis, asked.against)
        self.asked, self.policy = asked, policy
        self.task = configurations[0].task if configurations else EMBEDDED
        self.pairs = [pair for pair in every if pair.measured]
        self.absent = sum(pair.expected for pair in every) - len(self.pairs)
        gate = policy.gate_of(self.task)
        self.metrics = sorted(self.task.scored, key=lambda metric: metric not in gate)
        self.margin = policy.parity_margin if asked.margin is None else asked.margin
        self._predictions, self._truths = predictions, truths
        self._arms: dict[tuple[Any, ...], tuple[Arm, Any]] = {}
        self._said: dict[tuple[str, int | None, float], tuple[Said | None, ...]] = {}
        self._measured: dict[tuple[str, int | None], list[Measured]] = {}

    def measured(self, metric: str, first: int | None = None) -> list[Measured]:
        """What the first runs of each pair come to."""
        if (metric, first) not in self._measured:
            self._measured[metric, first] = [self._measure(pair, metric, first) for pair in self.pairs]
        return self._measured[metric, first]

    def said(self, metric: str, first: int | None, alpha: float) -> tuple[Said | None, ...]:
        """The word for each pair; None where a second metric is not tested, for the first has not decided."""
        if (metric, first, alpha) not in self._said:
            self._said[metric, first, alpha] = self._words(metric, first, alpha)
        return self._said[metric, first, alpha]

    def _words(self, metric: str, first: int | None, alpha: float) -> tuple[Said | None, ...]:
        tested: Sequence[bool] = [True] * len(self.pairs)
        if metric != self.metrics[0]:
            tested = [one is not None and one.word != "undecided" for one in self.said(self.metrics[0], first, alpha)]
        found = [one for one, due in zip(self.measured(metric, first), tested, strict=True) if due]
        known = [one for one in found if one.difference is not None]
        absent = self.absent + len(found) - len(known) if metric == self.metrics[0] else 0
        said = words(
            [one.difference for one in known if one.difference is not None], self.margin, alpha,
            [one.reason is not None for one in known], absent,
        )  # fmt: skip
        of = {id(one): each for one, each in zip(known, said, strict=True)}
        return tuple(
            of.get(id(one), Said("undecided")) if due else None
            for one, due in zip(self.measured(metric, first), tested, strict=True)
        )

    def comparisons(self) -> list[Comparison]:
        """What is shown: the first metric of every pair, and after it the second of those that it decided."""
        looks = self.policy.looks
        alpha = self.policy.alpha if looks is None else nominal_alpha(looks, 1, self.policy.alpha)
        found = [
            (self._comparison(number, metric, alpha, said), (number, rank))
            for rank, metric in enumerate(self.metrics)
            for number, said in enumerate(self.said(metric, None, alpha))
            if said is not None and (rank == 0 or self.measured(metric)[number].difference is not None)
        ]
        found.sort(key=lambda each: each[1])
        return _favoured([one for one, _ in found])

    def family(self, metric: str, first: int | None, alpha: float) -> int:
        """How many pairs are corrected together."""
        tested = sum(one is not None for one in self.said(metric, first, alpha))
        return tested + self.absent if metric == self.metrics[0] else tested

    def todo(self, number: int, metric: str, first: int | None, alpha: float) -> tuple[Fact, ...]:
        """What would decide an undecided pair: seeds, examples, neither."""
        measured = self.measured(metric, first)[number]
        one = measured.difference
        if one is None or measured.reason is not None or one.here is None:
            return ()
        found = []
        due = needed(one, alpha / max(1, self.family(metric, first, alpha)))
        if one.anew is None:
            found.append(Fact.of("compare.unkept") if metric in _ADDS else Fact.of("compare.no_sum", metric=metric))
        if due.seeds is not None:
            found.append(Fact.of("compare.seeds", seeds=due.seeds, difference=one.value))
        elif due.examples is not None:
            found.append(Fact.of("compare.examples", examples=one.examples, more=due.examples))
        if abs(one.value) < self.margin and one.estimate.sd is not None and one.estimate.sd.value:
            sd = replace(one.estimate.sd, value=one.here.se * math.sqrt(min(one.n) / (1 if one.paired else 2)))
            rule = Rule(self.margin, alpha)
            seeds = seeds_to_pass(PAIRED if one.paired else ARMS, planning_sd(sd), rule)
            more = None if seeds is None else max(seeds, max(one.n) + 1)
            found.append(Fact.of("compare.equivalent", seeds=more, margin=self.margin))
        return tuple(found) or (Fact.of("compare.never"),)

    def _comparison(self, number: int, metric: str, alpha: float, said: Said) -> Comparison:
        pair, measured = self.pairs[number], self.measured(metric)[number]
        one, arms = measured.difference, measured.arms
        shown: dict[str, Any] = {}
        if one is not None and arms is not None:
            for letter, arm, count in zip("ab", arms, one.n, strict=True):
                sd = arm.sample.sd
                shown |= {f"n_{letter}": count, f"mean_{letter}": arm.sample.mean}
                shown |= {f"sd_{letter}": None if sd is None else sd.value}
            shown |= {"difference": one.value, "examples": one.examples}
            for name, spread, level in (("here", one.here, 1 - 2 * alpha), ("anew", one.anew, 1 - alpha)):
                if spread is not None:
                    shown |= {name: spread.interval(one.value, level), f"se_{name}": spread.se, f"df_{name}": spread.df}
        return Comparison(
            axis=pair.axis, value_a=pair.value_a, value_b=pair.value_b, metric=metric, word=said.word,
            margin=self.margin, alpha=alpha, family=self.family(metric, None, alpha), place=pair.place,
            within=said.within, paired=pair.by_seed, p_here=said.p_here, p_anew=said.p_anew, reason=measured.reason,
            todo=self.todo(number, metric, None, alpha) if said.word == "undecided" else (), expect=self.asked.expect,
            label_a=pair.a.label, label_b=pair.b.label, configuration_a=pair.a.configuration_id,
            configuration_b=pair.b.configuration_id, name_a=pair.a.namer.value(pair.axis, pair.value_a),
            name_b=pair.b.namer.value(pair.axis, pair.value_b),
            where=SEPARATOR.join(pair.a.namer.part(axis, value) for axis, value in pair.place.items()), **shown,
        )  # fmt: skip

    def _measure(self, pair: AxisPair, metric: str, first: int | None) -> Measured:
        a, b = pair.a.ended, pair.b.ended
        if pair.by_seed:
            theirs = {run.seed: run for run in b}
            a = tuple(run for run in a if run.seed in theirs)
            b = tuple(theirs[run.seed] for run in a)
        a, b = a[:first], b[:first]
        good_a, good_b = points(a, metric), points(b, metric)
        if pair.by_seed:
            good_a, good_b = ({seed: good[seed] for seed in good_a if seed in good_b} for good in (good_a, good_b))
        runs = (*a, *self._retried(pair.a)), (*b, *self._retried(pair.b))
        if not good_a or not good_b:
            return Measured(runs, None, None, Fact.of("compare.no_runs"))
        (arm_a, truth_a), (arm_b, truth_b) = self._arm(pair.a, good_a, metric), self._arm(pair.b, good_b, metric)
        if arm_a.values is None or arm_b.values is None or not np.array_equal(truth_a, truth_b):
            arm_a, arm_b = replace(arm_a, values=None), replace(arm_b, values=None)
        same = good_a == good_b and self._predictions.identical(pair.a, pair.b, list(good_a))
        found = compare(arm_a, arm_b, paired_by_seed=pair.by_seed, identical=same)
        return Measured(runs, (arm_a, arm_b), found, self._barred(pair, runs, found))

    @staticmethod
    def _retried(one: Configuration) -> tuple[SeedScore, ...]:
        return one.every[len(one.scores) :]

    def _barred(self, pair: AxisPair, runs: Sequence[Sequence[SeedScore]], found: Difference) -> Fact | None:
        """Why no word may be said, whatever the numbers; None where one may."""
        if pair.a.data and pair.b.data and pair.a.data.validation.sha256 != pair.b.data.validation.sha256:
            return Fact.of("compare.other_data")
        a, b = (sum(run.status in LOST for run in each) for each in runs)
        if a or b:
            return Fact.of("compare.collapsed", a=a, b=b)
        if found.estimate.identical:
            return None
        if min(found.n) < LEAST:
            return Fact.of("runs.few", n=min(found.n), least=LEAST)
        return Fact.of("runs.equal") if found.here is None else None

    def _arm(self, one: Configuration, good: Mapping[int, float], metric: str) -> tuple[Arm, Any]:
        """The runs with what each example adds to them, and the truth; without where answers are not kept of all."""
        key: tuple[Key, str, tuple[int, ...]] = (one.key, metric, tuple(good))
        if key not in self._arms:
            self._arms[key] = self._read(one, good, metric)
        return self._arms[key]

    def _read(self, one: Configuration, good: Mapping[int, float], metric: str) -> tuple[Arm, Any]:
        scores = tuple(good.values())
        predicted, truths = self._predictions.of(one, good), self._truths.of(one, good)
        truth = next(iter(truths.values()), None)
        if truth is None or predicted.keys() != good.keys() or truths.keys() != good.keys():
            return Arm(scores), None
        every = [*predicted.values(), *truths.values()]
        if any(each.shape != truth.shape for each in every) or any((t != truth).any() for t in truths.values()):
            return Arm(scores), None
        adds = _ADDS.get(metric)
        if adds is None:
            return Arm(scores), None  # no sum over examples
        values = adds(np.stack([predicted[seed] for seed in good]), truth)
        if values is None or not np.allclose(values.mean(axis=1), scores, rtol=0, atol=1e-3):
            return Arm(scores), None  # scores of other answers
        return Arm(scores, values), truth


def compared(
    configurations: Sequence[Configuration], policy: Policy, answers: Answers | None, truths: Answers | None
) -> list[Compared]:
    """Every comparison that the policy names, of these configurations."""
    predictions, known = Predictions(answers), Predictions(truths)
    # Scores of several tasks are no family: a grid with that axis has each comparison once a task.
    tasks: dict[str, list[Configuration]] = {}
    for one in configurations:
        tasks.setdefault(one.task.name, []).append(one)
    every = list(tasks.values()) or [[]]
    return [Compared(one, each, policy, predictions, known) for one in policy.compare for each in every]


def compare_grid(grid: Grid, results: Results, policy: Policy) -> tuple[Comparison, ...]:
    """What the comparisons of a grid come to, in its order."""
    if not grid.compare:
        return ()
    every = compared(results.configurations, policy, results.predicted, results.truth)
    return tuple(one for each in every for one in each.comparisons())


def _favoured(every: Sequence[Comparison]) -> list[Comparison]:
    """Mark the side that is better than all other values in its place and metric, where there is one."""
    groups: dict[str, list[Comparison]] = {}
    for one in every:
        groups.setdefault(repr((one.axis, one.metric, sorted(one.place.items()))), []).append(one)
    found: dict[int, Comparison] = {}
    for group in groups.values():
        values = dict.fromkeys(repr(value) for one in group for value in (one.value_a, one.value_b))
        best = [value for value in values if _beats(group, value) == len(values) - 1]
        for one in group:
            favoured: Favoured | None = None
            if best:
                favoured = "a" if repr(one.value_a) == best[0] else "b" if repr(one.value_b) == best[0] else None
            found[id(one)] = replace(one, best=favoured, values=len(values))
    return [found[id(one)] for one in every]


def _beats(group: Sequence[Comparison], value: str) -> int:
    """How many others a value is better than, by test."""
    return sum(
        (one.word == "better" and repr(one.value_b) == value) or (one.word == "worse" and repr(one.value_a) == value)
        for one in group
    )
