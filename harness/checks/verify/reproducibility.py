"""Reproducibility: the same cell, twice, in the same place: bit for bit the same (DESIGN section 5, check 2)."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy.typing as npt

from harness.checks.verdict import Fact, Outcome, Verdict
from harness.checks.verify.diff.compare import Difference, compare
from harness.checks.verify.fields import DONE
from harness.checks.verify.findings import Findings, unfinished
from harness.record.run import Run

TIMES: Final = ("step_seconds", "data_seconds")
"""Series that no two runs share."""


def claimed(run: Run) -> bool:
    """Whether a run says that its kernels repeat: on a CPU they do, on CUDA only deterministic algorithms do."""
    observed = run.record.observed
    if observed is None:
        return False
    on_cuda = str(observed.model.get("device", "cpu")).startswith("cuda")
    return not on_cuda or bool(observed.determinism.get("deterministic_algorithms"))


def reproducibility(first: Run, second: Run) -> Verdict:
    """Compare two runs of one cell bit by bit: every hash, every count, every series but the times.

    A difference is a FAIL, and INCONCLUSIVE ("not claimed") where CUDA ran without deterministic algorithms. Runs of
    different cells, environments or thread counts are not repetitions of each other: INCONCLUSIVE.
    """
    stopped = unfinished("reproducibility", second, first)
    if stopped is not None:
        return stopped
    findings, comparison = Findings(), compare(first, second)
    other = [one.field for one in comparison.of("asked", "environment") if not one.field.startswith("machine.memory")]
    if other or first.record.environment_id != second.record.environment_id:
        reason = Fact.of("repeat.other", fields=other)
        findings.note("conditions", "INCONCLUSIVE", reason)
        return findings.verdict("reproducibility", reason, second, first)
    claim = claimed(first) and claimed(second)
    outcome: Outcome = "FAIL" if claim else "INCONCLUSIVE"
    findings.made += [one.finding(outcome) for one in comparison.of(*DONE)]
    if comparison.equal:
        for difference in _unnamed(first, second):
            findings.note(difference.field, outcome, difference.fact)
    findings.not_available += comparison.missing
    if findings.made:
        start, *later = findings.made
        names = [*(one.item for one in later), *(one.item for one in comparison.consequences)]
        reason = Fact.of("repeat.first_difference", item=start.item, step=start.step, later=names, claimed=claim)
    else:
        reason = Fact.of("repeat.equal", steps=len(comparison.steps))
        findings.note("fingerprint", "PASS", reason)
    return findings.verdict("reproducibility", reason, second, first)


def _unnamed(first: Run, second: Run) -> list[Difference]:
    """Whatever else of the fingerprint or the series differs, so that nothing is missed for want of a name."""
    names = [name for name in dict.fromkeys([*first.series, *second.series]) if name not in TIMES]
    pairs = [(f"series {name}", _hash(first.series.get(name)), _hash(second.series.get(name))) for name in names]
    a, b = (_fingerprint(run) for run in (first, second))
    pairs += [(name, a[name], b.get(name)) for name in a]
    return [Difference("outcome", name, x, y) for name, x, y in pairs if x != y]


def _hash(array: npt.NDArray[Any] | None) -> str | None:
    return None if array is None else hashlib.sha256(str(array.dtype).encode() + array.tobytes()).hexdigest()


def _fingerprint(run: Run) -> dict[str, str]:
    # As text: NaN is equal to itself there.
    return {name: repr(value) for name, value in run.fingerprint.model_dump().items()} if run.fingerprint else {}
