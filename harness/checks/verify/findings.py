"""What a check notes its findings in, and how it begins: with runs that finished, or not at all."""

from __future__ import annotations

from typing import Any

from harness.checks.verdict import Check, Fact, Finding, Outcome, Side, Verdict
from harness.record.attempts import ERRORED, LOST
from harness.record.model import Record
from harness.record.run import Run


class Findings:
    """Findings in the order in which they were made, and what could not be seen."""

    def __init__(self) -> None:
        self.made: list[Finding] = []
        self.not_available: list[Fact] = []

    def judge(self, item: str, good: bool, passed: Fact, failed: Fact, **more: Any) -> None:
        """Note a PASS or a FAIL with its fact; `more` are fields of a `Finding` that only a FAIL needs."""
        self.note(item, "PASS", passed) if good else self.note(item, "FAIL", failed, **more)

    def note(self, item: str, outcome: Outcome, fact: Fact, **more: Any) -> None:
        """Note a finding."""
        self.made.append(Finding(item, outcome, fact, **more))

    def equal(self, item: str, expected: Any, got: Any) -> None:
        """Note whether a value is the one expected."""
        passed = Fact.of("value.right", item=item, got=got)
        self.judge(item, expected == got, passed, Fact.of("value.wrong", item=item, got=got, expected=expected))

    def missing(self, item: str, why: Fact | None = None) -> None:
        """Note what cannot be seen."""
        self.not_available.append(Fact.of("missing", item=item, why=why))

    def outcome(self) -> Outcome:
        """The worst finding's outcome; INCONCLUSIVE where nothing was found at all."""
        found = {finding.outcome for finding in self.made}
        order: tuple[Outcome, ...] = ("FAIL", "ERROR", "INCONCLUSIVE", "PASS", "SKIP")
        return next((outcome for outcome in order if outcome in found), "INCONCLUSIVE")

    def verdict(self, check: Check, reason: Fact, subject: Run, against: Run | None = None, item: str = "") -> Verdict:
        """The verdict that the findings come to."""
        return Verdict(
            check,
            self.outcome(),
            side_of(subject),
            reason,
            against=None if against is None else side_of(against),
            item=item,
            findings=tuple(self.made),
            not_available=tuple(self.not_available),
        )


def side_of(run: Run) -> Side:
    """One run as a side of a verdict."""
    record = run.record
    return Side(record.label, record.configuration_id, record.environment_id, record.content_id, (record.cell_id,))


def unfinished(check: Check, subject: Run, against: Run | None = None, item: str = "") -> Verdict | None:
    """ERROR or SKIP where a run has nothing to judge, with its own words; else None. An error outweighs a skip."""
    runs = [subject] if against is None else [against, subject]
    stopped = [(_stopped(run.record), run) for run in runs if not finished(run.record)]
    return _stopping(check, stopped, subject, against, item) if stopped else None


def stopped_early(check: Check, subject: Run, against: Run) -> Verdict | None:
    """ERROR where one of two runs left no result to compare; else None: losses that are no numbers compare too."""
    stopped: list[tuple[Outcome, Run]] = [
        ("ERROR", run) for run in (against, subject) if run.record.observed is None or run.record.measured is None
    ]
    return _stopping(check, stopped, subject, against, "") if stopped else None


def _stopping(
    check: Check, stopped: list[tuple[Outcome, Run]], subject: Run, against: Run | None, item: str
) -> Verdict:
    outcome, run = min(stopped, key=lambda pair: pair[0])
    fact = _why(run.record)
    if outcome == "ERROR":
        fact = Fact.of("run.errored", status=run.record.status, why=fact)
    findings = Findings()
    findings.note("run", outcome, fact)
    reason = fact if against is None else Fact.of("run.of_pair", run=run.record.label, why=fact)
    return findings.verdict(check, reason, subject, against, item)


def refused(record: Record) -> bool:
    """Whether an engine said that it cannot do what it is asked for: nothing failed, nothing to compare.

    A plain loop says so of what it does not know; an older `Trainer` of a work-around that is none there.
    """
    asked, failure = record.asked, record.failure
    elsewhere = asked.engine != "trainer" or asked.accepts_loss_kwargs is False or asked.subject is not None
    return elsewhere and failure is not None and failure.type == "SpecError"


def finished(record: Record) -> bool:
    """Whether a record is of a run that trained to its end and told what it was."""
    return record.status in ("ok", "collapsed") and record.observed is not None and record.measured is not None


def _stopped(record: Record) -> Outcome:
    return "ERROR" if record.status in ERRORED | LOST and not refused(record) else "SKIP"


def _why(record: Record) -> Fact:
    if record.failure is not None:
        return Fact.of("run.failure", type=record.failure.type, message=record.failure.message)
    return Fact.of("run.nonfinite") if record.status == "nonfinite" else Fact.of("run.no_reason")
