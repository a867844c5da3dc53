"""What the model received, a column at a time: as the tokenizer made it, and the same in two runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from harness.checks.verdict import Fact
from harness.checks.verify.findings import Findings
from harness.grid.keys import LONGEST, batches_of
from harness.record.model import Asked
from harness.record.parts.fingerprint import Fingerprint
from harness.record.parts.observed import Observed
from harness.record.run import Run

Array = npt.NDArray[Any]
Part = Literal["training", "evaluation"]

_SERIES: Final[dict[Part, str]] = {"training": "inputs.", "evaluation": "evaluation_inputs."}
SEGMENTS: Final = 2
"""Every task has pairs of sentences: so many segments it has."""


@dataclass(frozen=True)
class ColumnDifference:
    """A column that the model received otherwise in two runs, paired by example.

    Attributes
    ----------
    step
        The first optimizer step with such a row, of the whole run, from 0; None in an evaluation, and where the rows
        that differ were not kept one by one.
    example
        The id of that row's example; in an evaluation that is its row where ids are not recorded.
    differing, rows
        How many of the rows that could be paired differ. A column that only one run has differs in all.
    only
        "a" or "b" where the other run's model was not given the column.
    hashes
        Of all rows of the column, in both runs.
    """

    part: Part
    column: str
    step: int | None
    example: int | None
    differing: int
    rows: int
    only: Literal["a", "b"] | None = None
    hashes: tuple[str | None, str | None] = (None, None)

    @property
    def where(self) -> Fact | None:
        """The first row that differs, and how many do; None where that is not known."""
        if self.example is None:
            return None
        return Fact.of("inputs.where", step=self.step, example=self.example, differing=self.differing, rows=self.rows)

    @property
    def fact(self) -> Fact:
        """The difference; it names its column itself."""
        return Fact.of(
            "inputs.differ", item=self.column, part=self.part, step=self.step, example=self.example,
            differing=self.differing, rows=self.rows, only=self.only,
        )  # fmt: skip


def column_differences(a: Run, b: Run) -> list[ColumnDifference] | None:
    """The columns that differ, training before evaluation and by step; None where a run did not record its inputs.

    A resumed run is compared over the steps that both have.
    """
    first, second = a.fingerprint, b.fingerprint
    if first is None or second is None or not first.inputs or not second.inputs:
        return None
    whole = a.first_step == b.first_step and _trained(a) == _trained(b)
    found = [
        *_of("training", a, b, first.inputs, second.inputs, whole),
        *_of("evaluation", a, b, first.evaluation_inputs or {}, second.evaluation_inputs or {}, _in_one_order(a, b)),
    ]
    return sorted(found, key=lambda one: (one.part != "training", one.step or 0))


def _in_one_order(a: Run, b: Run) -> bool:
    """Whether two runs evaluated in one order, by what is known: else the hashes of all rows say nothing."""
    ids = [run.series.get("evaluated_ids") for run in (a, b)]
    return ids[0] is None or ids[1] is None or bool(np.array_equal(ids[0], ids[1]))


def changed_examples(a: Run, b: Run, part: Part) -> tuple[list[int], int] | None:
    """The ids of examples of which the model received something else, and of how many that is known.

    None where it is known of none. Of an example that came several times each row counts.
    """
    keys = [_keys(part, run) for run in (a, b)]
    if keys[0] is None or keys[1] is None:
        return None
    _, x, y = np.intersect1d(_pairs(keys[0][0]), _pairs(keys[1][0]), return_indices=True)
    columns = [name for name in a.series if name.startswith(_SERIES[part]) and name in b.series]
    ids = keys[0][0][x]
    if not len(ids) or not columns:
        return None
    wrong = np.any([a.series[name][x] != b.series[name][y] for name in columns], axis=0)
    return np.unique(ids[wrong]).tolist(), len(np.unique(ids))


def _trained(run: Run) -> str | None:
    return run.fingerprint.data_order_sha256 if run.fingerprint else None


def _of(
    part: Part, a: Run, b: Run, first: dict[str, str], second: dict[str, str], whole: bool
) -> list[ColumnDifference]:
    if not first or not second:  # a run that was stopped before it evaluated
        return []
    keys = [_keys(part, run) for run in (a, b)]
    if keys[0] is None or keys[1] is None:
        rows = [(None, None, None)] * 2
        common: Array = np.zeros(0)
    else:
        common, x, y = np.intersect1d(_pairs(keys[0][0]), _pairs(keys[1][0]), return_indices=True)
        order = np.argsort(x)
        rows = [(x[order], *keys[0]), (y[order], *keys[1])]  # type: ignore[list-item]
    found = []
    for column in dict.fromkeys([*first, *second]):
        hashes = first.get(column), second.get(column)
        if None in hashes:
            only: Literal["a", "b"] = "a" if column in first else "b"
            found.append(_first_row(part, column, rows[0], np.ones(len(common), bool), hashes, only))
            continue
        u, v = (run.series.get(_SERIES[part] + column) for run in (a, b))
        wrong = np.zeros(0, bool)
        if u is not None and v is not None and len(common):
            wrong = u[rows[0][0]] != v[rows[1][0]]
        if wrong.any() or (whole and hashes[0] != hashes[1]):
            found.append(_first_row(part, column, rows[0], wrong, hashes))
    return found


def _first_row(
    part: Part,
    column: str,
    rows: Any,
    wrong: Array,
    hashes: tuple[str | None, str | None],
    only: Literal["a", "b"] | None = None,
) -> ColumnDifference:
    differing = int(wrong.sum())
    if not differing:
        return ColumnDifference(part, column, None, None, 0, len(wrong), only, hashes)
    at, ids, steps = rows
    row = at[int(np.argmax(wrong))]
    step = None if steps is None else int(steps[row])
    return ColumnDifference(part, column, step, int(ids[row]), differing, len(wrong), only, hashes)


def _keys(part: Part, run: Run) -> tuple[Array, Array | None] | None:
    """The example of each row that is kept, and its step; None where they are not known."""
    columns = [array for name, array in run.series.items() if name.startswith(_SERIES[part])]
    kept = min(columns, key=len, default=None)  # what is known of a row is known of it in each column
    if kept is None:
        return None
    if part == "evaluation":
        ids = run.series.get("evaluated_ids")
        return (np.arange(len(kept)) if ids is None or len(ids) != len(kept) else ids), None
    ids, offsets = run.series.get("example_ids"), run.series.get("example_offsets")
    if ids is None or offsets is None or len(ids) < len(kept):
        return None
    steps = run.first_step + np.searchsorted(offsets, np.arange(len(kept)), side="right") - 1
    return ids[: len(kept)], steps


def _pairs(ids: Array) -> Array:
    """A number for each row: its example, and the how manieth time that comes."""
    order = np.argsort(ids, kind="stable")
    ranked = ids[order]
    begins = np.r_[0, np.flatnonzero(np.diff(ranked)) + 1] if len(ranked) else np.zeros(0, int)
    times = np.arange(len(ranked)) - np.repeat(begins, np.diff(np.r_[begins, len(ranked)]))
    numbers = np.zeros(len(ids), np.int64)
    numbers[order] = ranked.astype(np.int64) + times * (1 << 32)
    return numbers


def as_tokenized(findings: Findings, run: Run, fingerprint: Fingerprint) -> None:
    """Training gave the model, in every row and column, what the tokenizer had made of the example."""
    if fingerprint.altered is None:
        findings.missing("inputs")
        return
    wrong = {column: seen for column, seen in fingerprint.altered.items() if seen.rows}
    if not wrong:
        rows = max((seen.of for seen in fingerprint.altered.values()), default=0)
        findings.note("inputs", "PASS", Fact.of("inputs.right", columns=list(fingerprint.altered), rows=rows))
        return
    facts = [
        Fact.of(
            "inputs.altered", column=column, rows=seen.rows, of=seen.of, example=seen.example,
            step=run.first_step + (seen.step or 0), absent=column not in (fingerprint.inputs or {}),
        )
        for column, seen in wrong.items()
    ]  # fmt: skip
    step = min(fact.values["step"] for fact in facts)
    findings.note("inputs", "FAIL", Fact.of("several", facts=facts), step=step, cause="inputs")


def segments(findings: Findings, run: Run, observed: Observed, fingerprint: Fingerprint) -> None:
    """Of two texts a model that knows two segments is told which is which; else there is nothing to be told."""
    if len(run.record.task.texts) < SEGMENTS:
        return
    known, told = observed.model.get("segments"), fingerprint.segments
    if told is None or "segments" not in observed.model:
        findings.missing("segments")
        return
    if known is None or known < SEGMENTS:
        return
    seen = Fact.of("segments.seen", known=known, told=told)
    findings.judge("segments", told == SEGMENTS, seen, Fact.of("segments.wrong", known=known, told=told))


def widths(findings: Findings, asked: Asked, fingerprint: Fingerprint) -> None:
    """Batches are as wide as the recipe's padding and truncation make them; of a recipe that is silent on them all."""
    batches, item = batches_of(asked.recipe), "batch widths"
    if batches == batches_of({}):
        return
    seen = fingerprint.widths
    if seen is None:
        findings.missing(item)
        return
    multiple, length = batches["pad_to_multiple_of"] or 1, batches["max_length"]
    most = None if length is None else -(-length // multiple) * multiple
    constant = batches["padding"] != LONGEST
    good = seen.divisor % multiple == 0 and (not constant or seen.least == seen.most)
    good = good and (most is None or (seen.most == most if constant else seen.most <= most))
    passed = Fact.of("widths.seen", least=seen.least, most=seen.most)
    failed = Fact.of("widths.wrong", seen=passed, constant=constant, multiple=multiple, length=most)
    findings.judge(item, good, passed, failed)
