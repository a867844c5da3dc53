"""Answers that change: between twins, between seeds, between reruns (statistics.md, section 3, items 3 and 4)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.checks.scores.pairing import Pair
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


@dataclass(frozen=True)
class Churn:
    """Changed answers a pair of runs, as a share of the examples, and over how many pairs."""

    share: float
    pairs: int
    examples: int

    def __str__(self) -> str:
        return f"{self.share * self.examples:.0f} of {self.examples} ({100 * self.share:.1f} %)"


def churn_of(pairs: Iterable[tuple[Array, Array]]) -> Churn | None:
    """Return the mean churn over pairs of runs; None without any pair that answers the same examples."""
    shares, examples = [], 0
    for a, b in pairs:
        if a.shape == b.shape and a.size:
            shares.append(float(np.mean(a != b)))
            examples = int(a.size)
    return Churn(sum(shares) / len(shares), len(shares), examples) if shares else None


def churn_evidence(
    pair: Pair, seeds: Sequence[int], predictions: Predictions, rerun: Configuration | None = None
) -> tuple[str, ...]:
    """Say what the difference changes beside what another seed, and a second run, change; McNemar by seed; phi."""
    base, twin = predictions.of(pair.base, seeds), predictions.of(pair.twin, seeds)
    common = [seed for seed in seeds if seed in base and seed in twin]
    between = churn_of((base[seed], twin[seed]) for seed in common)
    if between is None:
        return ()
    name = pair.name(pair.base)
    told = [f"{pair.name(pair.twin)} changes {between} answers of {name} at the same seed"]
    seeds_apart = churn_of((base[a], base[b]) for a, b in _couples(list(base)))
    if seeds_apart is not None:
        told.append(f"another seed of {name} changes {seeds_apart}")
    if rerun is not None:
        again = predictions.of(rerun, seeds)
        repeated = churn_of((base[seed], again[seed]) for seed in base if seed in again)
        if repeated is not None:
            told.append(f"a second run of {name} changes {repeated}")
    return (", ".join(told), *_mcnemar_evidence(pair, common, base, twin))


def _mcnemar_evidence(
    pair: Pair, seeds: Sequence[int], base: Mapping[int, Array], twin: Mapping[int, Array]
) -> Iterable[str]:
    tables = []
    first, second = _accuracies(pair.base), _accuracies(pair.twin)
    for seed in seeds:
        flips = discordant(base[seed], twin[seed], first.get(seed), second.get(seed))
        if flips is not None:
            tables.append((seed, mcnemar(*flips, int(base[seed].size))))
    if not tables:
        return
    each = ", ".join(f"seed {seed}: {t.b} lost, {t.c} won, p = {t.p:.3f}" for seed, t in tables[:10])
    yield f"exact McNemar ({each}{' ...' if len(tables) > 10 else ''}): two fitted models, no gate"
    couples = (discordant(base[a], base[b], first.get(a), first.get(b)) for a, b in _couples(list(base)))
    phi = overdispersion(flips for flips in couples if flips is not None)
    if phi is not None:
        reading = "flips come together, and McNemar's p is too small" if phi > 1.5 else "about as independent flips"
        yield f"phi = {phi:.2f} between seeds of {pair.name(pair.base)}: {reading}"


def _accuracies(one: Configuration) -> dict[int, float]:
    return {run.seed: run.accuracy for run in one.scores if run.accuracy is not None}


def _couples(seeds: Sequence[int]) -> list[tuple[int, int]]:
    """Every couple of seeds; of more than ten, neighbours only."""
    if len(seeds) > 10:
        return list(itertools.pairwise(seeds))
    return [(a, b) for place, a in enumerate(seeds) for b in seeds[place + 1 :]]
