"""What a check writes its findings on, and how it begins: with runs that finished, or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.checks.verdict import Finding, Outcome, Verdict
from harness.record.model import ERRORED, Record
from harness.record.run import Run
from harness.text import show


class Sheet:
    """Findings in the order in which they were made, and what could not be seen."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.not_available: list[str] = []

    def judge(self, item: str, good: bool, passed: str, failed: str, **more: Any) -> None:
        """Note a PASS or a FAIL with its sentence; `more` are fields of a `Finding` that only a FAIL needs."""
        self.note(item, "PASS", passed) if good else self.note(item, "FAIL", failed, **more)

    def note(self, item: str, outcome: Outcome, text: str, **more: Any) -> None:
        """Note a finding."""
        self.findings.append(Finding(item, outcome, text, **more))

    def equal(self, item: str, expected: Any, got: Any, what: str = "") -> None:
        """Note whether a value is the one expected; `what` says whose value it is."""
        name = what or item
        self.judge(
            item, expected == got, f"{name} is {show(got)}", f"{name} is {show(got)} instead of {show(expected)}"
        )

    def missing(self, item: str, why: str = "") -> None:
        """Note what cannot be seen."""
        self.not_available.append(f"{item} ({why})" if why else item)

    def outcome(self) -> Outcome:
        """The worst finding's outcome; INCONCLUSIVE where nothing was found at all."""
        found = {finding.outcome for finding in self.findings}
        order: tuple[Outcome, ...] = ("FAIL", "ERROR", "INCONCLUSIVE", "PASS", "SKIP")
        return next((outcome for outcome in order if outcome in found), "INCONCLUSIVE")

    def verdict(self, check: str, runs: Iterable[Run], summary: str) -> Verdict:
        """Close the sheet."""
        every = tuple(runs)
        return Verdict(
            check, subject_of(every), self.outcome(), summary, tuple(self.findings), tuple(self.not_available),
            tuple(run.record.cell_id for run in every),
        )  # fmt: skip


def subject_of(runs: Iterable[Run]) -> str:
    """The runs' names for people, each once."""
    return " / ".join(dict.fromkeys(run.record.label for run in runs))


def unfinished(check: str, *runs: Run) -> Verdict | None:
    """ERROR or SKIP where a run has nothing to judge, with its own words; else None. An error outweighs a skip."""
    found = [
        (("ERROR" if run.record.status in ERRORED and not refused(run.record) else "SKIP"), run)
        for run in runs
        if not finished(run.record)
    ]
    if not found:
        return None
    outcome, run = min(found, key=lambda pair: pair[0])
    failure, status = run.record.failure, run.record.status
    why = f"{failure.type}: {failure.message}" if failure else "it left no reason"
    if status == "nonfinite" and not failure:
        why = "losses or logits are not finite"
    text = why if outcome == "SKIP" else f"the run is {status}: {why}"
    name = f"{run.record.label}: " if len(runs) > 1 else ""
    worst: Outcome = "ERROR" if outcome == "ERROR" else "SKIP"
    ids = tuple(one.record.cell_id for one in runs)
    return Verdict(check, subject_of(runs), worst, f"{name}{text}", (Finding("run", worst, text),), (), ids)


def refused(record: Record) -> bool:
    """Whether a plain loop said that it does not do what the recipe asks for: nothing failed, nothing to compare."""
    return record.asked.engine != "trainer" and record.failure is not None and record.failure.type == "SpecError"


def finished(record: Record) -> bool:
    """Whether a record is of a run that trained to its end and told what it was."""
    return record.status in ("ok", "collapsed") and record.observed is not None and record.measured is not None
