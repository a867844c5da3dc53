"""Parity: whether two configurations that differ in one thing score and answer alike (docs/statistics.md)."""

from __future__ import annotations

import functools
import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.checks.scores.hypothesis import Answer, Family, because, judged, limit, side
from harness.checks.scores.pairing import Pair
from harness.checks.scores.policy import Policy
from harness.checks.scores.seeds_needed import median_seconds, outlook
from harness.checks.scores.stability import too_many
from harness.checks.verdict import Verdict
from harness.fact import Fact
from harness.record.attempts import LOST
from harness.record.configuration import GOOD, Configuration, Key, SeedScore
from harness.stats.decision import Decision, Rule, decide, withheld
from harness.stats.paired import Permutation, discordant, mcnemar, overdispersion, paired, sign_flip
from harness.stats.power import Design
from harness.stats.stability import compare_rates
from harness.stats.variance import LEAST

PAIRED: Final = Design("paired", rho=0.5)
"""Planned with the sd of the differences itself: a correlation of one half makes their factor sqrt(1/n)."""

FLIPPED: Final = 12
"""Pairs whose signs are flipped one by one; with more the test can reject, and costs more than it tells."""


@dataclass(frozen=True)
class ParityQuestion:
    """Whether a pair scores alike in a metric, paired by seed."""

    pair: Pair
    policy: Policy
    predictions: Predictions
    rerun: Configuration | None = None
    metric: str = "accuracy"

    family: Family = "scores"
    lasting: bool = True

    @property
    def gates(self) -> bool:
        """As the policy has it."""
        return self.metric in self.policy.gate_of(self.pair.base.task)

    @property
    def runs(self) -> int:
        """Seeds at which both runs ended."""
        return len(self._couples)

    def ask(self, first: int | None, alpha: float) -> Answer:
        """Paired t and TOST on the seeds where both runs are ok; no PASS where too many of either arm collapsed."""
        couples = self._couples[:first]
        good = _good(couples, self.metric)
        if self._equal_bits(couples):
            return self._identical(couples, good, first, alpha)
        base, twin = (self.pair.name(one) for one in (self.pair.base, self.pair.twin))
        waits = self.pair.base.waits or self.pair.twin.waits
        refused = self._refused(twin, base) if good else Fact.of("scores.no_pair", twin=twin, base=base)
        if refused is not None:
            return Answer(self._verdict(couples, refused), first, p_limit=limit(None, waits))
        a, b = _points(good, self.metric)
        same = a == b and self.predictions.identical(self.pair.base, self.pair.twin, [run.seed for run, _ in good])
        rule = Rule(self.policy.parity_margin, alpha, self.policy.direction, LEAST)
        decision = decide(paired(a, b, identical=same), rule)
        why, too = because(decision), None
        for name, lost in zip((base, twin), _lost(couples), strict=True):
            if decision.outcome == "PASS" and (found := too_many(lost, lost + len(good), self.policy.p0, alpha)):
                decision, too = withheld(decision), Fact.of("withheld.side", side=name, collapses=found)
        means = math.fsum(a) / len(a), math.fsum(b) / len(b)
        scores = Fact.of(
            "scores.pair", metric=self.metric, twin=twin, twin_mean=means[1], base=base, base_mean=means[0],
            seeds=len(good),
        )  # fmt: skip
        verdict = self._verdict(couples, judged(scores, why, too), means, decision)
        return Answer(verdict, first, decision.p_block, limit(decision, waits))

    def _refused(self, twin: str, base: str) -> Fact | None:
        """Why the two do not train the same thing, whatever they score; None where nothing says so."""
        kept = [one.weights for one in (self.pair.twin, self.pair.base)]
        if None in kept or kept[0] == kept[1]:
            return None
        return Fact.of("scores.other_weights", twin=twin, twin_dtype=kept[0], base=base, base_dtype=kept[1])

    def _equal_bits(self, couples: Sequence[tuple[SeedScore, SeedScore]]) -> bool:
        """Whether every run of both is known to be the same to the last bit, collapsed ones too."""
        same = all(replace(a, seed=b.seed) == b for a, b in couples)
        return same and self.predictions.equal_bits(self.pair.base, self.pair.twin, [run.seed for run, _ in couples])

    def _identical(
        self, couples: Sequence[tuple[SeedScore, SeedScore]], good: Sequence[Any], first: int | None, alpha: float
    ) -> Answer:
        """PASS, however few runs there are: what is equal needs no statistics, and no score either."""
        reason = Fact.of("runs.identical_at", seeds=len(couples), planned=len(self.pair.base.planned))
        if not good:
            return Answer(replace(self._verdict(couples, reason), outcome="PASS"), first)
        a, b = _points(good, self.metric)
        rule = Rule(self.policy.parity_margin, alpha, self.policy.direction, 2)
        decision = replace(decide(paired(a, b, identical=True), rule), outcome="PASS", barred=False)
        means = math.fsum(a) / len(a), math.fsum(b) / len(b)
        return Answer(self._verdict(couples, judged(because=reason), means, decision), first)

    def finish(self, verdict: Verdict, first: int | None) -> Verdict:
        """Add what more runs would bring, and notes."""
        couples, decision = self._couples[:first], verdict.numbers
        if not isinstance(decision, Decision):
            return replace(verdict, notes=tuple(self._left_out(couples)))
        good = _good(couples, self.metric)
        seconds = [median_seconds(one.entries) for one in (self.pair.base, self.pair.twin)]
        ahead = outlook(
            decision,
            PAIRED,
            n_min=LEAST,
            against=self.pair.name(self.pair.base),
            looks=self.policy.looks,
            run_seconds=sum(s for s in seconds if s is not None) if any(seconds) else None,
            both=True,
        )
        notes = list(_differences(good, self.metric))
        for other in self.pair.base.task.scored:
            if other not in (self.metric, *self.policy.judged(self.pair.base.task)):
                notes += _reported_difference(good, other)
        notes += self._left_out(couples)
        if (
            self.metric == self.pair.base.task.scored[0] and not self.pair.base.task.regression
        ):  # of answers, whatever metric is made of them
            notes += churn(self.pair, [run.seed for run, _ in good], self.predictions, self.rerun)
        if decision.identical:
            notes.append(Fact.of("pairs.identical"))
        return replace(
            verdict, detectable=ahead.detectable, more_seeds=ahead.more_seeds, todo=ahead.todo, notes=tuple(notes)
        )

    @functools.cached_property
    def _couples(self) -> tuple[tuple[SeedScore, SeedScore], ...]:
        """(base, twin) by seed, in the base's planned order."""
        theirs: Mapping[int, SeedScore] = {run.seed: run for run in self.pair.twin.ended}
        return tuple((run, theirs[run.seed]) for run in self.pair.base.ended if run.seed in theirs)

    def _verdict(
        self,
        couples: Sequence[tuple[SeedScore, SeedScore]],
        reason: Fact,
        means: tuple[float | None, float | None] = (None, None),
        decision: Decision | None = None,
    ) -> Verdict:
        base, twin = (
            side(one, mean=mean, collapsed=lost, ended=len(couples))
            for one, mean, lost in zip((self.pair.base, self.pair.twin), means, _lost(couples), strict=True)
        )
        return Verdict(
            check="parity",
            outcome=decision.outcome if decision else "INCONCLUSIVE",
            subject=twin,
            reason=reason,
            against=base,
            item=self.metric,
            gates=self.gates,
            numbers=decision,
            margin_from=Fact.of("margin.parity", points=self.policy.parity_margin),
        )

    def _left_out(self, couples: Sequence[tuple[SeedScore, SeedScore]]) -> Iterator[Fact]:
        """Name what is not in the comparison: collapses, and seeds that one side has not."""
        base, twin = (self.pair.name(one) for one in (self.pair.base, self.pair.twin))
        k1, k2 = _lost(couples)
        if k1 or k2:
            n = len(couples)
            rates = compare_rates(k1, n, k2, n)
            yield Fact.of(
                "pairs.collapsed", base=base, twin=twin, k1=k1, k2=k2, n=n, p=rates.p, can_reject=rates.can_reject()
            )
        paired_seeds = {run.seed for run, _ in self._couples}
        for one in (self.pair.base, self.pair.twin):
            alone = tuple(run.seed for run in one.ended if run.seed not in paired_seeds)
            if alone:
                yield Fact.of("pairs.left_out", side=self.pair.name(one), seeds=alone)


def _lost(couples: Sequence[tuple[SeedScore, SeedScore]]) -> tuple[int, int]:
    """Collapsed runs of the base and of the twin."""
    base, twin = (sum(couple[arm].status in LOST for couple in couples) for arm in (0, 1))
    return base, twin


def _points(good: Sequence[tuple[SeedScore, SeedScore]], metric: str) -> tuple[list[float], list[float]]:
    a, b = ([100 * (run.score(metric) or 0.0) for run in arm] for arm in zip(*good, strict=True))
    return a, b


def _good(couples: Sequence[tuple[SeedScore, SeedScore]], metric: str) -> list[tuple[SeedScore, SeedScore]]:
    return [couple for couple in couples if all(run.status in GOOD and run.score(metric) is not None for run in couple)]


def _differences(good: Sequence[tuple[SeedScore, SeedScore]], metric: str) -> Iterator[Fact]:
    """Correlation of the arms, and the sign-flip test."""
    a, b = _points(good, metric)
    if len(a) > 2 and min(a) < max(a) and min(b) < max(b):
        yield Fact.of("pairs.correlation", correlation=statistics.correlation(a, b))
    if len(a) <= FLIPPED:
        found = _sign_flip(tuple(sorted(y - x for x, y in zip(a, b, strict=True))))
        least = None if found.can_reject() else found.least_p
        yield Fact.of("pairs.sign_flip", p=found.p, pairs=len(a), least_p=least)


def _reported_difference(good: Sequence[tuple[SeedScore, SeedScore]], metric: str) -> Iterator[Fact]:
    both = ((x.score(metric), y.score(metric)) for x, y in good)
    found = [100 * (b - a) for a, b in both if a is not None and b is not None]
    if found and metric == "f1":
        yield Fact.of("pairs.f1", difference=math.fsum(found) / len(found))
    elif found:
        yield Fact.of("pairs.metric", metric=metric, difference=math.fsum(found) / len(found))


@functools.lru_cache(maxsize=4096)
def _sign_flip(differences: tuple[float, ...]) -> Permutation:
    return sign_flip(differences)


Array = npt.NDArray[Any]
Answers = Callable[[Configuration, int], Sequence[int] | Array | None]
"""(configuration, seed) -> the class predicted for each validation example, shape (examples,); None: not kept."""


Weights = Callable[[Configuration, int], str | None]
"""(configuration, seed) -> the hash of the trained weights; None: not kept."""


class Predictions:
    """Predicted classes by configuration and seed, each read once where it is asked for; whether runs are the same."""

    def __init__(self, answers: Answers | None, weights: Weights | None = None) -> None:
        self._answers, self._weights = answers, weights
        self._read: dict[tuple[Key, int], Array | None] = {}

    def of(self, one: Configuration, seeds: Iterable[int]) -> dict[int, Array]:
        """Return the answers of these seeds, those that are kept."""
        found = {seed: self._get(one, seed) for seed in seeds if seed in one.entry_of}
        return {seed: answers for seed, answers in found.items() if answers is not None}

    def identical(self, base: Configuration, twin: Configuration, seeds: Sequence[int]) -> bool:
        """Say whether both answer alike on every example at every one of these seeds; False where that is not known."""
        a, b = self.of(base, seeds), self.of(twin, seeds)
        return bool(seeds) and all(s in a and s in b and np.array_equal(a[s], b[s]) for s in seeds)

    def equal_bits(self, base: Configuration, twin: Configuration, seeds: Sequence[int]) -> bool:
        """Say whether both trained to the same weights, to the last bit, and answer alike at each of these seeds."""
        if self._weights is None or not seeds:
            return False
        known = ((self._weights(base, seed), self._weights(twin, seed)) for seed in seeds)
        return all(a is not None and a == b for a, b in known) and self.identical(base, twin, seeds)

    def _get(self, one: Configuration, seed: int) -> Array | None:
        if self._answers is None:
            return None
        key = (one.key, seed)
        if key not in self._read:
            found = self._answers(one, seed)
            self._read[key] = None if found is None else np.asarray(found)
        return self._read[key]


def changed_answers(pairs: Iterable[tuple[Array, Array]]) -> Fact | None:
    """The changed answers of a pair of runs, the mean over pairs; None without any that answers the same examples."""
    shares, examples = [], 0
    for a, b in pairs:
        if a.shape == b.shape and a.size:
            shares.append(float(np.mean(a != b)))
            examples = int(a.size)
    return Fact.of("changes", share=sum(shares) / len(shares), examples=examples) if shares else None


def churn(
    pair: Pair, seeds: Sequence[int], predictions: Predictions, rerun: Configuration | None = None
) -> tuple[Fact, ...]:
    """What the difference changes beside what another seed, and a second run, change; McNemar by seed; phi."""
    base, twin = predictions.of(pair.base, seeds), predictions.of(pair.twin, seeds)
    common = [seed for seed in seeds if seed in base and seed in twin]
    between = changed_answers((base[seed], twin[seed]) for seed in common)
    if between is None:
        return ()
    again = predictions.of(rerun, seeds) if rerun is not None else {}
    found = Fact.of(
        "churn",
        twin=pair.name(pair.twin),
        base=pair.name(pair.base),
        between=between,
        seeds=changed_answers((base[a], base[b]) for a, b in _seed_pairs(list(base))),
        rerun=changed_answers((base[seed], again[seed]) for seed in base if seed in again),
    )
    return (found, *_mcnemar(pair, common, base, twin))


def _mcnemar(pair: Pair, seeds: Sequence[int], base: Mapping[int, Array], twin: Mapping[int, Array]) -> Iterable[Fact]:
    tables = []
    first, second = _accuracies(pair.base), _accuracies(pair.twin)
    for seed in seeds:
        flips = discordant(base[seed], twin[seed], first.get(seed), second.get(seed))
        if flips is not None:
            test = mcnemar(*flips, int(base[seed].size))
            tables.append((seed, test.b, test.c, test.p))
    if not tables:
        return
    yield Fact.of("mcnemar", tables=tuple(tables))
    couples = (discordant(base[a], base[b], first.get(a), first.get(b)) for a, b in _seed_pairs(list(base)))
    phi = overdispersion(flips for flips in couples if flips is not None)
    if phi is not None:
        yield Fact.of("phi", phi=phi, base=pair.name(pair.base))


def _accuracies(one: Configuration) -> dict[int, float]:
    return {run.seed: accuracy for run in one.scores if (accuracy := run.score("accuracy")) is not None}


def _seed_pairs(seeds: Sequence[int]) -> list[tuple[int, int]]:
    """Every couple of seeds; of more than ten, neighbours only."""
    if len(seeds) > 10:
        return list(itertools.pairwise(seeds))
    return [(a, b) for place, a in enumerate(seeds) for b in seeds[place + 1 :]]
