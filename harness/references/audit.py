"""The arithmetic audit: whether a published value can have come from the examples it claims, and from which instead.

That nothing fits the claimed split is a proof. That something fits another split or a shard is a hint, the weaker the
fewer decimals are printed: the more examples, the more of the printed values occur by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, get_args

from harness.references.model import SCORES, Published, Reference, Statistic
from harness.references.tables import (
    MAX_EXAMPLES,
    SPLITS,
    Ending,
    Examples,
    Printed,
    Table,
    fitting,
    nearest,
    shard_fits,
    shard_sizes,
    telling,
)

Verdict = Literal["unique", "several", "cut", "unattainable", "other split", "shard", "untestable"]
"""What the counts allow.

unique: one table of the claimed split; several: more than one; cut: some, if digits were dropped instead of rounded;
other split, shard: none of the claimed split, but there; unattainable: none anywhere; untestable: nothing to count.
"""

VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)
FITS: Final[frozenset[Verdict]] = frozenset({"unique", "several", "cut", "untestable"})
"""Verdicts that leave a value comparable."""


@dataclass(frozen=True)
class Audit:
    """What the audit of one value or pair found.

    `count` tables fit the split named by `split` (the claimed one, or the other it fits), `tables` are the first of
    them, `correct` the numbers of correct answers they have. `shards` are the sizes of parts of the claimed split
    that fit. `nearest` are the attainable neighbours of a value that is not.
    """

    verdict: Verdict
    split: str
    text: str
    count: int = 0
    tables: tuple[Table, ...] = ()
    correct: tuple[int, ...] = ()
    shards: tuple[int, ...] = ()
    nearest: tuple[Table, ...] = ()


def audit_values(
    accuracy: Printed | None = None,
    f1: Printed | None = None,
    *,
    split: str = "validation",
    statistic: Statistic = "single",
    n: int | None = None,
    devices: int | None = None,
    examples: Examples | None = None,
) -> Audit:
    """Audit one published accuracy, F1, or pair of both.

    Of a median, and of the best of several runs, each metric is tested alone: the two may be of different runs. Of a
    mean of n runs the accuracy is tested, as a count out of n times the examples; the F1 of a mean cannot be.

    Parameters
    ----------
    split
        "validation" or "test" of MRPC; any other is untestable.
    devices
        How many devices took part, None where unknown: decides which shards are looked at.
    examples
        The pairs that were scored, where they are not MRPC's.
    """
    claimed = examples or SPLITS.get(split)
    if claimed is None or (accuracy is None and f1 is None):
        return Audit("untestable", split, "no score" if claimed else "the split is not known")
    if statistic == "mean":
        return _mean(accuracy, claimed, n)
    if statistic in ("median", "best"):
        return _apart(accuracy, f1, claimed, n if statistic == "median" else 1, devices)
    count, tables, correct = fitting(claimed, accuracy, f1)
    if count:
        # A rank's share is likelier than a dropped batch, and one metric alone fits too many sizes by chance.
        share = -(-claimed.total // (devices or 1))
        pair = accuracy is not None and f1 is not None
        shards = (share,) if pair and share < claimed.total and shard_fits(claimed, share, accuracy, f1) else ()
        text = f"{_answers(correct, claimed)}; " + (str(tables[0]) if count == 1 else f"{count} tables")
        text += f"; a shard of {_or(shards)} pairs fits as well" if shards else ""
        return Audit("unique" if count == 1 else "several", split, text, count, tables, correct, shards)
    return _elsewhere(accuracy, f1, claimed, devices)


def _elsewhere(accuracy: Printed | None, f1: Printed | None, claimed: Examples, devices: int | None) -> Audit:
    none = f"no table of the {claimed.total} {claimed.name} pairs"
    cut: Ending = "cut"
    count, tables, correct = fitting(claimed, accuracy, f1, cut)
    if count:
        text = f"{none}, unless digits were cut off: {_answers(correct, claimed)}"
        return Audit("cut", claimed.name, text, count, tables, correct)
    for other in SPLITS.values() if claimed in SPLITS.values() else ():
        if other == claimed or not telling(other.total, accuracy, f1):
            continue
        if (found := fitting(other, accuracy, f1))[0]:
            count, tables, correct = found
            text = f"{none}; {_answers(correct, other)} on {other.name}, "
            text += str(tables[0]) if count == 1 else f"{count} tables"
            return Audit("other split", other.name, text, count, tables, correct)
    shards = _shards(claimed, accuracy, f1, devices)
    if shards:
        return Audit("shard", claimed.name, f"{none}; fits a shard of {_or(shards)} pairs", shards=shards)
    close = nearest(claimed, accuracy, f1)
    by_f1 = f1 is not None and (accuracy is None or fitting(claimed, accuracy, None)[0] > 0)
    digits = ((f1 if by_f1 else accuracy) or Printed(0)).decimals or 6
    values = _or([f"{table.f1 if by_f1 else table.accuracy:.{digits}f}" for table in close])
    text = f"{none}, of no other split and no shard looked at; nearest {'F1' if by_f1 else 'accuracy'} {values}"
    return Audit("unattainable", claimed.name, text, nearest=close)


def _shards(claimed: Examples, accuracy: Printed | None, f1: Printed | None, devices: int | None) -> tuple[int, ...]:
    sizes = [size for size in shard_sizes(claimed, devices) if telling(size, accuracy, f1)]
    return tuple(size for size in sizes if shard_fits(claimed, size, accuracy, f1))


def _mean(accuracy: Printed | None, claimed: Examples, n: int | None) -> Audit:
    if accuracy is None or n is None:
        why = "the number of runs is not known" if n is None else "a mean F1 has no common denominator"
        return Audit("untestable", claimed.name, why)
    # A mean accuracy is a count out of n times the examples; which of them are positive does not matter.
    runs = Examples(claimed.name, n * claimed.total, 0)
    if runs.total > MAX_EXAMPLES:
        return Audit("untestable", claimed.name, f"{n} runs: any value can be their mean")
    _, _, sums = fitting(runs, accuracy, None)
    if sums:
        text = f"{_or(sums[:3]) if len(sums) <= 3 else len(sums)} {'sums' if len(sums) > 3 else 'correct'} of {n} runs"
        return Audit("several", claimed.name, f"{text}, {runs.total} answers", len(sums), correct=sums)
    return Audit("unattainable", claimed.name, f"no sum of {n} runs of {claimed.total} {claimed.name} pairs")


def _apart(
    accuracy: Printed | None, f1: Printed | None, claimed: Examples, n: int | None, devices: int | None
) -> Audit:
    """Audit each metric alone; an even median, or one of an unknown number of runs, may lie between two counts."""
    between = n is None or n % 2 == 0
    halves = Examples(claimed.name, 2 * claimed.total, 0)
    parts = []
    for name, value in (("accuracy", accuracy), ("F1", f1)):
        if value is None or (name == "F1" and between):
            continue
        pair = (value, None) if name == "accuracy" else (None, value)
        found = audit_values(*pair, split=claimed.name, devices=devices, examples=claimed)
        if found.verdict not in FITS and between and (sums := fitting(halves, value, None)[2]):
            found = Audit("several", claimed.name, f"between two counts: {_or([k / 2 for k in sums])}", len(sums))
        if found.verdict not in FITS:
            return found
        parts.append(f"{name}: {found.text}")
    if not parts:
        return Audit("untestable", claimed.name, "a median F1 between two runs has no common denominator")
    return Audit("several", claimed.name, "each metric alone; " + "; ".join(parts))


def audit(reference: Reference, examples: Examples | None = None) -> Audit:
    """Audit a reference: its pair, or every run of a sample; on these `examples`, else on MRPC's."""
    if reference.task != "glue/mrpc" and examples is None:
        return Audit("untestable", reference.split, f"only glue/mrpc is counted, not {reference.task}")
    if "unnamed" in reference.metrics:
        return _unnamed(reference, reference.metrics["unnamed"])
    where = partial(audit_values, split=reference.split, devices=reference.devices, examples=examples)
    if reference.statistic == "sample":
        found = [audit(run, examples) for run in reference.runs] or [
            where(printed) for printed in _printed(reference.metrics.get("accuracy"))
        ]
        return _together(found, reference, examples or SPLITS.get(reference.split))
    accuracy, f1 = (next(iter(_printed(reference.metrics.get(name))), None) for name in ("accuracy", "f1"))
    return where(accuracy, f1, statistic=reference.statistic, n=reference.n)


def _printed(published: Published | None) -> list[Printed]:
    return [Printed(value, published.decimals) for value in published.every] if published is not None else []


def _unnamed(reference: Reference, published: Published) -> Audit:
    """Test the value as either metric; the counts may rule one of them out."""
    value = _printed(published)[0]
    can = [
        name
        for name, pair in (("accuracy", (value, None)), ("F1", (None, value)))
        if audit_values(*pair, split=reference.split).verdict in ("unique", "several")
    ]
    text = f"could be {_or(can)} of a single run" if can else "neither accuracy nor F1 of a single run"
    return Audit("untestable", reference.split, f"the source does not name the metric; {text}")


def _together(found: Sequence[Audit], reference: Reference, claimed: Examples | None) -> Audit:
    """Judge a sample by its worst run; a shard only where all runs share one."""
    if not found:
        return Audit("untestable", reference.split, "no accuracy")
    verdicts = {each.verdict for each in found}
    counted = f"{sum(each.verdict in FITS for each in found)} of {len(found)} runs fit"
    if verdicts <= {"unique"}:
        return Audit("unique", reference.split, f"each of the {len(found)} runs has one table", len(found))
    if verdicts <= FITS:
        return Audit("several", reference.split, f"each of the {len(found)} runs fits", len(found))
    assert claimed is not None  # or every run were untestable
    values = _printed(reference.metrics.get("accuracy"))
    shared = [
        size
        for size in shard_sizes(claimed, reference.devices)
        if not reference.runs and all(shard_fits(claimed, size, value, None) for value in values)
    ]
    if shared:
        text = f"{counted} the {claimed.total} {claimed.name} pairs; all fit a shard of {_or(shared)} pairs"
        return Audit("shard", reference.split, text, shards=tuple(shared))
    worst = next(each for verdict in reversed(VERDICTS) for each in found if each.verdict == verdict)
    return Audit("unattainable", reference.split, f"{counted}; {worst.text}", nearest=worst.nearest)


def comparable(reference: Reference) -> str | None:
    """Return why a reference must not be compared with runs on the validation split; None where it may be."""
    if reference.unusable is not None:
        return reference.unusable
    if not any(name in reference.metrics for name in SCORES):
        return "neither accuracy nor F1 is published"
    if "unnamed" in reference.metrics:
        return "the source does not say whether it is accuracy or F1"
    if reference.split != "validation":
        return "the split is not known" if reference.split == "unknown" else f"scored on the {reference.split} split"
    found = audit(reference)
    if found.verdict not in FITS:
        return f"{found.verdict}: {found.text}"
    if reference.n is None:
        return f"the number of runs behind the {reference.statistic} is not known"
    majority = SPLITS["validation"].positive / SPLITS["validation"].total
    accuracy = reference.metrics.get("accuracy") if reference.task == "glue/mrpc" else None
    if accuracy is not None and all(value <= majority + 1e-6 for value in accuracy.every):
        return "a failed run: no better than the majority class"
    return None


def _answers(correct: Sequence[int], examples: Examples) -> str:
    if len(correct) > 3:
        return f"{correct[0]} to {correct[-1]} of {examples.total} correct"
    return f"{_or(correct)} of {examples.total} correct"


def _or(values: Sequence[object]) -> str:
    return " or ".join(str(value) for value in values)
