"""Where the runs of two sides part first: by the hashes that a baseline keeps of what each run did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from harness.baselines.model import SeedRun
from harness.checks.verify.explain import meaning_of
from harness.text import listed

Pairs = Mapping[int, tuple[SeedRun, SeedRun]]
"""Both sides' runs by seed, ours second."""

FINAL: Final = "final_sha256"
LAYERS: Final[Mapping[str, str]] = {
    "init_sha256": "initial weights",
    "data_order_sha256": "data order",
    "loss_sha256": "losses of the first steps",
    "trajectory_sha256": "trajectory",
    FINAL: "final weights",
}
"""Causes before consequences: where one differs, all below it usually differ too."""

SCORES: Final = "scores"
FACTS: Final = ("optimizer", "attention", "precision")
_MEANINGS: Final[Mapping[str, str]] = {
    "losses of the first steps": f"{meaning_of('micro_loss')}; or {meaning_of('loss')}",
    "trajectory": f"{meaning_of('grad_norm')}; or {meaning_of('learning_rate')}; or losses after the first 20 steps",
    SCORES: "the evaluation: another metric, other validation examples, another way to predict; or an edited file",
}
SHOWN: Final = 12


@dataclass(frozen=True)
class Departure:
    """One layer or fact that differs at some seeds, and what that usually means; `change` for a fact: `A -> B`."""

    layer: str
    seeds: tuple[int, ...]
    meaning: str
    change: str = ""

    @property
    def text(self) -> str:
        """One sentence for people."""
        at = f"at seed{'' if len(self.seeds) == 1 else 's'} {listed(self.seeds, SHOWN)}"
        what = f"{self.layer} {self.change}" if self.change else f"first difference: {self.layer}"
        return f"{what} {at}" + (f"; usually means: {self.meaning}" if self.meaning else "")


def departures(pairs: Pairs) -> tuple[Departure, ...]:
    """Facts that differ, then the first layer that differs, each with its seeds, in the order of `LAYERS`."""
    facts: dict[tuple[str, str], list[int]] = {}
    firsts: dict[str, list[int]] = {}
    for seed, (a, b) in pairs.items():
        for name in FACTS:
            x, y = getattr(a, name), getattr(b, name)
            if x != y and None not in (x, y):
                facts.setdefault((name, f"{x} -> {y}"), []).append(seed)
        layer = first_layer(a, b)
        if layer is not None:
            firsts.setdefault(layer, []).append(seed)
    return (
        *(Departure(name, tuple(seeds), meaning_of(name), change) for (name, change), seeds in facts.items()),
        *(
            Departure(layer, tuple(firsts[layer]), _MEANINGS.get(layer) or meaning_of(layer))
            for layer in (*LAYERS.values(), SCORES)
            if layer in firsts
        ),
    )


def first_layer(a: SeedRun, b: SeedRun) -> str | None:
    """The first layer that is known of both runs and differs; None where none does."""
    for field, name in LAYERS.items():
        x, y = getattr(a, field), getattr(b, field)
        # A hash may be kept with more digits by one side.
        if x is not None and y is not None and not (x.startswith(y) or y.startswith(x)):
            return name
    return SCORES if (a.status, a.accuracy, a.f1) != (b.status, b.accuracy, b.f1) else None


def identical(a: SeedRun, b: SeedRun) -> bool:
    """Whether two runs are known to be equal bit for bit: the final weights of both are known, and nothing differs."""
    return a.final_sha256 is not None and b.final_sha256 is not None and first_layer(a, b) is None


def unknown(pairs: Pairs) -> tuple[int, ...]:
    """Seeds at which no layer is known of both runs."""
    return tuple(
        seed
        for seed, (a, b) in pairs.items()
        if not any(getattr(a, field) is not None and getattr(b, field) is not None for field in LAYERS)
    )
