"""What `diff` says of two runs, in short."""

from __future__ import annotations

from typing import Any

from harness.checks.verdict import Verdict
from harness.checks.verify.diff.difference import difference
from harness.checks.verify.series import Tolerance
from harness.record.run import Run
from harness.report.phrases.causes import CAUSES

WITHIN = Tolerance(1e-5, 20)
NOISE = 1 + 3e-7


def told(a: Run, b: Run, tolerance: Tolerance = WITHIN) -> Verdict:
    verdict = difference(a, b, tolerance)
    assert {finding.cause for finding in verdict.findings} - {None} <= set(CAUSES)
    return verdict


def first(verdict: Verdict) -> tuple[Any, ...]:
    """Where a difference shows first: item, step, ratio, the code of what that means."""
    assert (verdict.outcome, verdict.reason.code) == ("FAIL", "diff.different")
    finding = verdict.findings[0]
    return finding.item, finding.step, None if finding.ratio is None else round(finding.ratio, 3), finding.cause


def cause(verdict: Verdict) -> Any:
    """The field or item that explains it, by the first cause's own fields; a known defect's is what was done for it."""
    found = [fact for fact in verdict.reason.values["causes"] if fact.code not in ("cause.scaling", "cause.jump")]
    return next((fact.values.get("item") or fact.values["field"] for fact in found), None)


def scaled(run: Run, since: int, ratio: float, *names: str) -> dict[str, Any]:
    """Series multiplied by a ratio from a step on."""
    found = {name: run.series[name].copy() for name in names}
    for array in found.values():
        array[since:] = array[since:] * array.dtype.type(ratio)
    return found
