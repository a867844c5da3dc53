"""Reproducibility: the same cell, twice, in the same place: bit for bit the same (DESIGN section 5, check 2)."""

from __future__ import annotations

from typing import Final

from harness.checks.verdict import Outcome, Verdict
from harness.checks.verify.diff import Comparison, Difference, compare
from harness.checks.verify.explain import name_of
from harness.checks.verify.findings import Sheet, unfinished
from harness.record.model import Observed
from harness.record.run import Run
from harness.text import listed

CHECK: Final = "reproducibility"
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
    stopped = unfinished(CHECK, first, second)
    if stopped is not None:
        return stopped
    runs, sheet = (first, second), Sheet()
    comparison = compare(first, second)
    other = [found for found in comparison.of("asked", "environment") if not found.field.startswith("machine.memory")]
    if other or first.record.environment_id != second.record.environment_id:
        names = listed((found.field for found in other), 8) or "the environment"
        text = f"not the same run twice: {names} differ"
        sheet.note("conditions", "INCONCLUSIVE", text)
        return sheet.verdict(CHECK, runs, text)
    claim = claimed(first) and claimed(second)
    outcome: Outcome = "FAIL" if claim else "INCONCLUSIVE"
    found = [*comparison.of("exact", "trajectory", "outcome"), *_others(first, second, comparison)]
    for one in found:
        sheet.note(name_of(one.field), outcome, one.text, step=one.step, ratio=one.ratio, meaning=one.meaning or None)
    for name in comparison.not_available:
        sheet.missing(name)
    if not found:
        steps = f"{len(comparison.steps)} steps" if comparison.steps else "every hash"
        text = f"equal to the last bit: {steps}, weights before and after, answers and scores"
        sheet.note("fingerprint", "PASS", text)
        return sheet.verdict(CHECK, runs, text)
    start = found[0]
    where = f" at step {start.step}" if start.step is not None else ""
    later = [name_of(one.field) for one in (*found[1:], *comparison.consequences)]
    also = f"; then {listed(later, 6)}" if later else ""
    claim_text = "" if claim else "not claimed (CUDA without deterministic algorithms): "
    return sheet.verdict(CHECK, runs, f"{claim_text}first difference: {name_of(start.field)}{where}{also}")


def _others(first: Run, second: Run, comparison: Comparison) -> list[Difference]:
    """Whatever else of the fingerprint or the series differs, so that nothing is missed by not having a name above."""
    if comparison.of("exact", "trajectory", "outcome"):
        return []
    found = []
    for name in dict.fromkeys([*first.series, *second.series]):
        if name in TIMES:
            continue
        x, y = first.series.get(name), second.series.get(name)
        if x is None or y is None:
            found.append(Difference("outcome", f"series {name}", _there(x), _there(y)))
        elif x.dtype != y.dtype or x.tobytes() != y.tobytes():
            found.append(Difference("outcome", f"series {name}", "one set of values", "another"))
    a, b = (_fingerprint(run.record.observed) for run in (first, second))
    found += [Difference("outcome", name, a.get(name), b.get(name)) for name in a if a[name] != b.get(name)]
    return found


def _there(array: object) -> str:
    return "missing" if array is None else "there"


def _fingerprint(observed: Observed | None) -> dict[str, object]:
    # As JSON text: NaN is equal to itself there.
    if observed is None or observed.fingerprint is None:
        return {}
    return {name: repr(value) for name, value in observed.fingerprint.model_dump().items()}
