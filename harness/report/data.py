"""What `harness data` says of a task's data: what is odd in them first, then the splits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from harness.fact import Fact
from harness.record.parts.data import Data, Split, Twice
from harness.report.format.width import listing
from harness.report.phrases.recipe import many
from harness.report.phrases.say import say
from harness.text import one_line

HEADS: Final = ("split", "examples", "repeated", "other label", "empty", "words p50", "p95", "max")
MOST_CLASSES: Final = 6
"""Classes that are told of a split; the others are counted."""


def data_lines(task: str, data: Data, faults: Sequence[Fact]) -> Iterator[str]:
    """The answer in one line, a line for each fault, a table with a row a split, and how many there are of each class.

    `words` are those of an example's texts together: how many half, 95 % and all of the examples have at most.
    """
    audit, splits = data.audit, {"training": data.train, "validation": data.validation, **data.more}
    whole = ", ".join(f"{split.examples:,} {name}" for name, split in splits.items())
    odd = many(len(faults), "warning") if faults else "nothing odd found"
    yield one_line(f"{task}: {odd} in {whole} examples")
    yield from (f"warning: {say(fact)}" for fact in faults)
    twice = {"training": audit.train, "validation": audit.validation} if audit else {}
    rows = [_row(name, split, twice.get(name)) for name, split in splits.items()]
    yield listing(HEADS, rows)
    for name, split in splits.items():
        if split.labels:
            yield one_line(f"{name}: {_classes(split, data.classes)}")
    if audit is not None:
        yield f"validation examples in training: {audit.in_training:,}, with another label {audit.other_label:,}"


def _classes(split: Split, classes: Sequence[str] | None) -> str:
    counts = split.labels or []
    names = classes or [str(number) for number in range(len(counts))]
    told = [
        f"{name} {count:,} ({100 * count / split.examples:.1f} %)"
        for name, count in zip(names[:MOST_CLASSES], counts, strict=False)
    ]
    more = [f"{len(counts) - MOST_CLASSES} more"] if len(counts) > MOST_CLASSES else []
    return ", ".join([*told, *more])


def _row(name: str, split: Split, twice: Twice | None) -> list[str]:
    if twice is None:
        return [name, f"{split.examples:,}", *["-"] * (len(HEADS) - 2)]
    words = twice.words or {}
    counts = (split.examples, twice.duplicates, twice.other_label, twice.empty or 0)
    return [name, *(f"{count:,}" for count in counts), *(str(words.get(key, "-")) for key in ("p50", "p95", "max"))]
