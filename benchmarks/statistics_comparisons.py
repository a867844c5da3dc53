"""Comparisons over an axis, simulated by what `harness check` calls: coverage, false "better", power; case by case.

Answers are drawn and not scores: an example is answered rightly where its ease (shared by all configurations), what a
configuration makes of it, the run's luck and the run's luck with that example come out above 0 (probit). So both
questions have a known truth: on these examples what the runs give on average over seeds, on new examples that of the
law.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import binomtest

from benchmarks.statistics_draws import Array, generator
from benchmarks.statistics_rows import binomial_error
from harness.report.format.table import table
from harness.stats.axis import Arm, compare, right, words

DRAWS: Final = 1_000
LUCK: Final = 0.3
"""Of a run with an example, beside an ease of sd 1."""
ACCURACY: Final = 0.85
MARGIN: Final = 1.5
LEVEL: Final = 5.0
"""Per cent of families in which a false "better" may stand."""
TWINS: Final = 0.05
"""Configurations whose answers differ by less than this, in sds of ease, are near twins."""


@dataclass(frozen=True)
class Case:
    """A family: configurations, seeds, examples, what a configuration makes of an example, and the sd of a run's luck.

    `apart` and `luck` in sds of ease. `points`: by how much the last configuration is better than all others.
    """

    configurations: int
    seeds: int
    examples: int
    apart: float
    luck: float
    points: float = 0.0

    @property
    def noise(self) -> float:
        """What seeds add to an example's ease, as a variance."""
        return self.luck**2 + LUCK**2

    def bar(self, points: float = 0.0) -> float:
        """The ease that gives the accuracy, and so many points more."""
        return math.sqrt(1 + self.apart**2 + self.noise) * float(ndtri(ACCURACY + points / 100))


CASES: Final = tuple(
    Case(configurations, seeds, examples, apart, luck)
    for configurations, seeds in itertools.product((2, 4, 6), (5, 10))
    for examples, apart, luck in (
        (200, 0.4, 0.02), (200, 0.2, 0.11), (408, 0.2, 0.05), (408, TWINS, 0.05), (1000, 0.4, 0.02), (1000, 0.2, 0.11),
    )
)  # fmt: skip
"""The last is the hard one: seed sd 2.5 points, 1,000 examples, at 6 configurations and 5 seeds too."""

POWER: Final = tuple(
    Case(configurations, seeds, examples, 0.2, 0.05, points)
    for configurations, seeds, examples, points in itertools.product((2, 6), (5, 10), (408, 1000), (2.0, 4.0))
)


@dataclass(frozen=True)
class Tally:
    """What was counted of a case: intervals that hold the truth, of all pairs; families with a false word; finds."""

    case: Case
    draws: int
    pairs: int
    here: int
    anew: int
    false: int
    found: int
    sd: float

    def error(self, covered: int) -> float:
        """Of a coverage, in per cent: pairs share their arms, and are as many as there are other configurations."""
        independent = self.draws * (self.case.configurations - 1)
        return binomial_error(round(covered * independent / self.pairs), independent)

    @property
    def worst(self) -> float:
        """The lower end of the false alarms' 95 % interval, in per cent."""
        return 100 * float(binomtest(self.false, self.draws).proportion_ci(0.95, "exact").low)

    @property
    def holds(self) -> bool:
        """Whether coverage is 93 to 97 % (near twins: to 99), and false words at most 5 %, but for the draws' error."""
        high = 99.0 if self.case.apart <= TWINS else 97.0
        error = 3 * self.error(self.anew)
        cover = 93 - error <= 100 * self.anew / self.pairs <= high + error
        return cover and self.worst <= LEVEL


def draw(case: Case, rng: np.random.Generator) -> tuple[list[Arm], Array]:
    """One family: its arms, and by how much each is right on these examples on average over seeds, in points."""
    ease = rng.standard_normal(case.examples)
    arms, truth = [], []
    for number in range(case.configurations):
        bar = case.bar(case.points if number == case.configurations - 1 else 0.0)
        mine = bar + ease + case.apart * rng.standard_normal(case.examples)
        lucky = mine + case.luck * rng.standard_normal((case.seeds, 1))
        told = lucky + LUCK * rng.standard_normal((case.seeds, case.examples)) > 0
        values = right(told, np.ones(case.examples, bool))
        arms.append(Arm(tuple(values.mean(axis=1).tolist()), values))
        truth.append(100 * float(ndtr(mine / math.sqrt(case.noise)).mean()))
    return arms, np.array(truth)


def tally(case: Case, draws: int, number: int) -> Tally:
    """Count a case; `number` is that of its random stream."""
    rng, count = generator(90, number), Counter[str]()
    spreads = []
    for _ in range(draws):
        arms, truth = draw(case, rng)
        pairs = list(itertools.combinations(range(case.configurations), 2))
        found = [compare(arms[a], arms[b]) for a, b in pairs]
        said = words(found, MARGIN)
        spreads += [arm.sample.sd.value**2 for arm in arms if arm.sample.sd is not None]
        false, finds = False, []
        for (a, b), one, word in zip(pairs, found, said, strict=True):
            best = case.points if b == case.configurations - 1 else 0.0
            count["pairs"] += 1
            for name, spread, real in (("here", one.here, truth[b] - truth[a]), ("anew", one.anew, best)):
                # All runs equal: no interval, and nothing said. It covers nothing.
                low, high = spread.interval(one.value, 0.95) if spread is not None else (math.nan, math.nan)
                count[name] += low <= real <= high
            if best:
                finds.append(word.word == "better")
            false |= word.word == "worse" or (word.word == "better" and not best)
        count["false"] += false
        count["found"] += bool(finds) and all(finds)
    mean = math.sqrt(math.fsum(spreads) / len(spreads))
    return Tally(case, draws, count["pairs"], count["here"], count["anew"], count["false"], count["found"], mean)


def study(draws: int = DRAWS) -> tuple[list[Tally], list[Tally]]:
    """All cases without a difference, and those with one."""
    # Families of two are the cheapest, and nearest to the level.
    clean = [tally(case, draws * (3 if case.configurations == 2 else 1), number) for number, case in enumerate(CASES)]
    power = [tally(case, max(20, draws // 2), 1000 + number) for number, case in enumerate(POWER)]
    return clean, power


def render(clean: Sequence[Tally], power: Sequence[Tally], made: object, command: str) -> str:
    """The report; `made` says when and by what."""
    return "\n\n".join([
        "# What a comparison over an axis promises, simulated",
        _result(clean, power),
        f"```sh\n{command}\n```",
        f"{made} {clean[-1].draws:,} families a case, {clean[0].draws:,} of two configurations; every case "
        "counted. Each calls `compare` and `words`, what `harness check` calls: all pairs of a family, at alpha .05 "
        "after Holm in both questions. The truth is known: answers are drawn from a probit law with "
        f"{100 * ACCURACY:g} % right, in which an example's ease is shared, a configuration makes of each example what "
        "it does, a run has its luck, and its luck with each example. Configurations have the same accuracy in law, so "
        "that any better or worse is false. ± is the Monte Carlo "
        "standard error; pairs share their arms, so that it is that of one interval for each other configuration.",
        "## Coverage, and false words",
        _clean(clean),
        "Apart: what a configuration makes of an example, in sds of ease; at 0.05 they are near twins. Seed sd: the sd "
        "of scores over seeds, root mean square over the draws. Holds: coverage on new examples between 93 and 97 % "
        "(near twins: 99 %) to within three errors, and the 95 % interval of false words begins at 5 % or below.",
        "## Power",
        "One configuration is better than all others by so many points in law; found where it is said to be better "
        "than each of them.",
        _power(power),
    ]) + "\n"  # fmt: skip


def _result(clean: Sequence[Tally], power: Sequence[Tally]) -> str:
    twins = [one for one in clean if one.case.apart <= TWINS]
    others = [one for one in clean if one.case.apart > TWINS]
    worst = max(clean, key=lambda one: one.false / one.draws)
    hard = next(one for one in clean if one.case == HARD)
    over = sum(100 * one.false / one.draws > LEVEL for one in clean)
    best = next(one for one in power if one.case == replace(POWER[0], configurations=2, examples=408, points=4.0))
    kept = "hold" if all(one.holds for one in clean) else "DO NOT HOLD"
    return (
        f"Over {len(clean)} families without a difference the two questions {kept} what they promise: the 95 % "
        f"interval on new examples covers in {_range([one.anew / one.pairs for one in others])} % (near twins: "
        f"{_range([one.anew / one.pairs for one in twins])} %), that on these examples in "
        f"{_range([one.here / one.pairs for one in clean])} %, and a false better stands in at most "
        f"{100 * worst.false / worst.draws:.1f} % of a case's {worst.draws:,} families (95 % interval from "
        f"{worst.worst:.1f} %; {over} of {len(clean)} cases are found above 5 %), in the hard case in "
        f"{100 * hard.false / hard.draws:.1f} % of {hard.draws:,}. Two configurations that are 4 points apart are told "
        f"apart in {_share(best.found, best.draws)} % of {best.draws:,} with 5 seeds on 408 examples."
    )


HARD: Final = Case(6, 5, 1000, 0.2, 0.11)
"""Seed sd 2.5 points, 1,000 examples, 6 configurations, 5 seeds."""


def _range(shares: Sequence[float]) -> str:
    return f"{100 * min(shares):.1f} to {100 * max(shares):.1f}"


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.1f} ± {binomial_error(count, total):.1f}"


CASE: Final = "configurations × seeds × examples"


def _clean(every: Sequence[Tally]) -> str:
    rows = [
        [
            _case(one),
            f"{one.sd:.1f} ({one.case.apart:g})",
            *(f"{100 * covered / one.pairs:.1f} ± {one.error(covered):.1f}" for covered in (one.here, one.anew)),
            _share(one.false, one.draws),
            "yes" if one.holds else "NO",
        ]
        for one in every
    ]
    heads = [CASE, "seed sd (apart)", "covers, these", "covers, new", "false", "holds"]
    return table(heads, rows, "rrrrrl")


def _power(every: Sequence[Tally]) -> str:
    rows = [
        [
            _case(one),
            f"{one.case.points:g}",
            f"{one.sd:.1f}",
            _share(one.found, one.draws),
            _share(one.false, one.draws),
        ]
        for one in every
    ]
    return table([CASE, "points", "seed sd", "found", "false"], rows, "rrrrr")


def _case(one: Tally) -> str:
    return f"{one.case.configurations} × {one.case.seeds} × {one.case.examples:,}"
