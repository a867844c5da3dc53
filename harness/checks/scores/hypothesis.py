"""A question that the gate asks of scores: asked at a look, answered with a verdict and the p it could block with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from harness.checks.verdict import Verdict

Family = Literal["scores", "collapses"]
"""What is corrected together: each family has its part of alpha (`stats.family.PART`)."""


@dataclass(frozen=True)
class Answer:
    """What the first `first` runs say (None: all of them).

    `p` is the one that a FAIL would rest on; None where it does not fail, whatever the others say. Above `p_limit` it
    could not have failed: 0 where no number could have made it FAIL. `final` once a look has decided it.
    """

    verdict: Verdict
    first: int | None
    p: float | None = None
    p_limit: float = 0.0
    final: bool = False


class Question(Protocol):
    """One check of one configuration; the gate knows of it no more than this."""

    @property
    def runs(self) -> int:
        """How many runs ended that planned looks count."""

    @property
    def family(self) -> Family:
        """The family that its p belongs to."""

    @property
    def gates(self) -> bool:
        """Whether its FAIL can block; otherwise it is reported only."""

    @property
    def lasting(self) -> bool:
        """Whether a PASS at a planned look stands, whatever later runs say."""

    def ask(self, first: int | None, alpha: float) -> Answer:
        """Judge the first runs at a level."""

    def finish(self, verdict: Verdict, first: int | None) -> Verdict:
        """Add what does not decide: what more runs would bring, and notes."""
