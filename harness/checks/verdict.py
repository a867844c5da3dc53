"""A verdict: what one check says of one or several runs, and the findings that it rests on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

Outcome = Literal["PASS", "FAIL", "INCONCLUSIVE", "SKIP", "ERROR"]


@dataclass(frozen=True)
class Finding:
    """One thing that a check looked at.

    `item` names it ("gradient norm"); `text` says in one sentence what was found, with numbers. `step` is the
    optimizer step (from 0) where a difference first shows, `ratio` found over expected where that says something,
    `meaning` what such a difference usually means, `upstream` a known issue, as OWNER/REPOSITORY#NUMBER.
    """

    item: str
    outcome: Outcome
    text: str
    step: int | None = None
    ratio: float | None = None
    meaning: str | None = None
    upstream: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What a check says. `subject` names the runs for people; `findings` holds every item looked at, in order.

    `not_available` names what could not be seen: never a pass, and never hidden.
    """

    check: str
    subject: str
    outcome: Outcome
    summary: str
    findings: tuple[Finding, ...] = ()
    not_available: tuple[str, ...] = ()
    cell_ids: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that made it fail."""
        return tuple(finding for finding in self.findings if finding.outcome == "FAIL")


def exit_code(verdicts: Iterable[Verdict]) -> int:
    """The exit code of DESIGN section 5: 1 a FAIL, 4 an ERROR, 5 nothing judged, 3 INCONCLUSIVE, else 0."""
    outcomes = {verdict.outcome for verdict in verdicts}
    if "FAIL" in outcomes:
        return 1
    if "ERROR" in outcomes:
        return 4
    if not outcomes - {"SKIP"}:
        return 5
    return 3 if "INCONCLUSIVE" in outcomes else 0


ORDER: Final[tuple[Outcome, ...]] = ("FAIL", "ERROR", "INCONCLUSIVE", "SKIP", "PASS")
"""The worst first: how verdicts are listed."""
