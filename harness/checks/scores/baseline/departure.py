"""Where two runs of a seed part, by what the accepted file keeps of each; and whether they are one run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from harness.checks.scores.baseline.file import SeedRun
from harness.checks.verdict import Fact, Finding
from harness.checks.verify.fields import HASHES

SCORES: Final = "scores"
"""What differs where scores do and no hash does: the evaluation."""

FACTS: Final = ("optimizer", "attention", "precision")

CAUSES: Final[Mapping[str, str]] = {SCORES: "evaluation"}
"""The cause of what differs (`report.phrases.causes`), where its code is not the name itself."""

Couple = tuple[SeedRun, SeedRun]
"""A's and B's run of a seed."""


def same_run(a: SeedRun, b: SeedRun) -> bool:
    """Whether two runs are known to be one attempt."""
    return a.started is not None and (a.cell_id, a.started) == (b.cell_id, b.started)


def departures(couples: Mapping[int, Couple]) -> tuple[Finding, ...]:
    """Facts that differ, then the first field that does, each with its seeds, causes before consequences.

    Nothing is held against any of it.
    """
    facts: dict[tuple[str, str, str], list[int]] = {}
    firsts: dict[str, list[int]] = {name: [] for name in (*(name for _, name in HASHES.values()), SCORES)}
    for seed, couple in couples.items():
        for name in FACTS:
            a, b = (getattr(run, name) for run in couple)
            if a != b and None not in (a, b):
                facts.setdefault((name, a, b), []).append(seed)
        if first := first_difference(*couple):
            firsts[first].append(seed)
    found = [(name, Fact.of("departure", item=name, seeds=tuple(at), a=a, b=b)) for (name, a, b), at in facts.items()]
    found += [(name, Fact.of("departure", item=name, seeds=tuple(at))) for name, at in firsts.items() if at]
    return tuple(Finding(name, "SKIP", fact, cause=CAUSES.get(name, name)) for name, fact in found)


def equal_bits(a: SeedRun, b: SeedRun) -> bool | None:
    """Whether two runs are known to be equal bit for bit; None where their final weights are not known."""
    if a.final_sha256 is None or b.final_sha256 is None:
        return None
    return first_difference(a, b) is None


def first_difference(a: SeedRun, b: SeedRun) -> str | None:
    """The first field that is known of both runs and differs; None where none does."""
    for name, (x, y) in known_hashes(a, b).items():
        # A hash may be kept with more digits by one side.
        if not (x.startswith(y) or y.startswith(x)):
            return name
    return SCORES if (a.status, a.scores) != (b.status, b.scores) else None


def known_hashes(a: SeedRun, b: SeedRun) -> dict[str, tuple[str, str]]:
    """The hashes that are known of both runs, by the name of their field."""
    known = ((name, getattr(a, field), getattr(b, field)) for field, (_, name) in HASHES.items())
    return {name: (x, y) for name, x, y in known if x is not None and y is not None}
