"""References that a grid writes out: which of their values no run can have, and what the registry has against them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from harness.fact import Fact
from harness.references import Reference, Registry, audit, contradictions, registry
from harness.references.audit import FITS, Audit
from harness.references.model import SCORES
from harness.references.tables import Examples

MOST_TABLES: Final = 10**7
"""Confusion tables that are enumerated: some 0.3 GB of memory. A larger split has nearly every printed value."""


def examples_of(counts: tuple[int, int] | None) -> Examples | None:
    """The validation split as the audit counts it, of (examples, positives); None where it is unknown or too large."""
    if counts is None or (counts[1] + 1) * (counts[0] - counts[1] + 1) > MOST_TABLES:
        return None
    return Examples("validation", *counts)


def written_doubts(references: Sequence[Reference], examples: Examples | None) -> Iterator[Fact]:
    """A fact for each value, or pair of both metrics of one reference, that cannot be of `examples`, or is no better
    than a constant answer; and for each contradiction with the registry.
    """
    known = registry()
    written = [reference for reference in references if reference not in known.references]
    if examples is not None:
        for reference in _whole(written):
            found = audit(reference, examples)
            if found.verdict not in FITS:
                yield _impossible(reference, found, examples)
            elif (accuracy := _no_better(reference, examples)) is not None:
                yield Fact.of(
                    "reference.constant", reference=reference.id, accuracy=accuracy, constant=examples.constant,
                    examples=examples.total,
                )  # fmt: skip
    ids = {reference.id for reference in written}
    if ids:
        for each in contradictions(Registry((*known.references, *written))):
            if {each.first, each.second} & ids:
                yield Fact.of("reference.contradicted", text=each.text)


def _whole(written: Sequence[Reference]) -> Iterator[Reference]:
    """The references, those of one id, and so of both metrics, as one: of one run each metric alone may be possible,
    and the pair not.
    """
    found: dict[tuple[str, str | None, str, str, int | None], Reference] = {}
    for one in written:
        key = (one.id, one.row, one.checkpoint, one.statistic, one.n)
        metrics = {**found[key].metrics, **one.metrics} if key in found else one.metrics
        found[key] = one.model_copy(update={"metrics": metrics})
    yield from found.values()


def _no_better(reference: Reference, examples: Examples) -> float | None:
    """The best accuracy of a reference, where a constant answer has as much."""
    accuracy = reference.metrics.get("accuracy")
    best = max(accuracy.every, default=1.0) if accuracy is not None else 1.0
    return best if round(best * examples.total) <= examples.constant else None


def _negatives(scores: Mapping[str, Sequence[float]], statistic: str, examples: Examples) -> Sequence[int]:
    """(right, there): the negatives that one run with both scores must have right, where that is none or too many."""
    if statistic != "single" or any(len(scores.get(name, ())) != 1 for name in ("accuracy", "f1")):
        return ()
    needed = examples.negatives_right(scores["accuracy"][0], scores["f1"][0])
    if needed is None or 0 <= round(needed) <= examples.negative:
        return ()
    return round(needed), examples.negative


def _impossible(reference: Reference, found: Audit, examples: Examples) -> Fact:
    scores = {name: reference.metrics[name].every for name in SCORES if name in reference.metrics}
    # Of a pair whose accuracy can be, the neighbours have that accuracy, and another F1.
    accuracy = reference.metrics.get("accuracy")
    alone = None if accuracy is None else reference.model_copy(update={"metrics": {"accuracy": accuracy}})
    by_f1 = "f1" in scores and (alone is None or audit(alone, examples).verdict in FITS)
    return Fact.of(
        "reference.impossible",
        reference=reference.id,
        scores=scores,
        runs=reference.n if reference.statistic == "mean" else 1,
        negatives=_negatives(scores, reference.statistic, examples),
        examples=examples.total,
        positives=examples.positive,
        elsewhere=found.split if found.verdict == "other split" else None,
        shards=list(found.shards),
        metric="f1" if by_f1 else "accuracy",
        nearest=[table.f1 if by_f1 else table.accuracy for table in found.nearest],
    )
