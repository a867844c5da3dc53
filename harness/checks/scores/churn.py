"""Answers that change: between twins, between seeds, between reruns (statistics.md, section 3, items 3 and 4)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.checks.scores.pairing import Pair
from harness.fact import Fact
from harness.record.configuration import Configuration, Key
from harness.stats.mcnemar import discordant, mcnemar, overdispersion

Array = npt.NDArray[Any]
Answers = Callable[[Configuration, int], Sequence[int] | Array | None]
"""(configuration, seed) -> the class predicted for each validation example, shape (examples,); None: not kept."""


class Predictions:
    """Predicted classes by configuration and seed; each read once, and only where it is asked for."""

    def __init__(self, answers: Answers | None) -> None:
        self._answers = answers
        self._read: dict[tuple[Key, int], Array | None] = {}

    def of(self, one: Configuration, seeds: Iterable[int]) -> dict[int, Array]:
        """Return the answers of these seeds, those that are kept."""
        found = {seed: self._get(one, seed) for seed in seeds if seed in one.entry_of}
        return {seed: answers for seed, answers in found.items() if answers is not None}

    def identical(self, base: Configuration, twin: Configuration, seeds: Sequence[int]) -> bool:
        """Say whether both answer alike on every example at every one of these seeds; False where that is not known."""
        a, b = self.of(base, seeds), self.of(twin, seeds)
        return bool(seeds) and all(s in a and s in b and np.array_equal(a[s], b[s]) for s in seeds)

    def _get(self, one: Configuration, seed: int) -> Array | None:
        if self._answers is None:
            return None
        key = (one.key, seed)
        if key not in self._read:
            found = self._answers(one, seed)
            self._read[key] = None if found is None else np.asarray(found)
        return self._read[key]


def changes(pairs: Iterable[tuple[Array, Array]]) -> Fact | None:
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
    between = changes((base[seed], twin[seed]) for seed in common)
    if between is None:
        return ()
    again = predictions.of(rerun, seeds) if rerun is not None else {}
    found = Fact.of(
        "churn",
        twin=pair.name(pair.twin),
        base=pair.name(pair.base),
        between=between,
        seeds=changes((base[a], base[b]) for a, b in _couples(list(base))),
        rerun=changes((base[seed], again[seed]) for seed in base if seed in again),
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
    couples = (discordant(base[a], base[b], first.get(a), first.get(b)) for a, b in _couples(list(base)))
    phi = overdispersion(flips for flips in couples if flips is not None)
    if phi is not None:
        yield Fact.of("phi", phi=phi, base=pair.name(pair.base))


def _accuracies(one: Configuration) -> dict[int, float]:
    return {run.seed: run.accuracy for run in one.scores if run.accuracy is not None}


def _couples(seeds: Sequence[int]) -> list[tuple[int, int]]:
    """Every couple of seeds; of more than ten, neighbours only."""
    if len(seeds) > 10:
        return list(itertools.pairwise(seeds))
    return [(a, b) for place, a in enumerate(seeds) for b in seeds[place + 1 :]]
