"""What a run tells while it runs. The command line shows it: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.execution.plan import Plan
from harness.grid.cell import Cell
from harness.record.attempts import ERRORED, SCORED, Entry


class Reporter:
    """Hears what happens, in order; by itself it says nothing of it. None of it may raise."""

    def run_started(self, plan: Plan) -> None:
        """The plan that is about to run."""

    def note(self, text: str) -> None:
        """Something a person should know."""

    def preparing(self, what: str) -> None:
        """A checkpoint and task are being fetched and tokenized."""

    def cell_started(self, cell: Cell, attempt: int) -> None:
        """A cell's process has been started."""

    def cell_event(self, cell: Cell, event: Mapping[str, Any]) -> None:
        """A cell's own event: training (steps), step, evaluated (accuracy, f1), predicting."""

    def cell_finished(self, cell: Cell, entry: Entry) -> None:
        """A cell's record is on the disk."""

    def close(self) -> None:
        """The run is over, after an error too."""


@dataclass
class Summary:
    """What a run did. `statuses` counts the records it wrote, `blocked` the cells that could not be begun by reason.

    `missing` counts cells without a final record: never begun, killed or interrupted.
    """

    done_before: int = 0
    done_elsewhere: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    scored_before: int = 0
    errored_before: int = 0
    blocked: Counter[str] = field(default_factory=Counter)
    missing: int = 0
    budget_spent: bool = False
    interrupted: bool = False
    seconds: float = 0.0

    @classmethod
    def of(cls, plan: Plan) -> Summary:
        """What there is to say before a run of this plan."""
        done = [planned.entry.status for planned in plan.of("done") if planned.entry]
        return cls(
            done_before=len(plan.of("done")),
            scored_before=sum(status in SCORED for status in done),
            errored_before=sum(status in ERRORED for status in done),
            blocked=Counter(planned.reason or "unknown" for planned in plan.of("blocked")),
        )

    @property
    def exit_code(self) -> int:
        """The first that applies: 130, 4 (errored, missing), 5 (nothing measured), 3 (budget), 0."""
        if self.interrupted:
            return 130
        errored = self.errored_before + sum(self.statuses[status] for status in ERRORED)
        if errored or self.blocked or (self.missing and not self.budget_spent):
            return 4
        if not self.scored_before and not any(self.statuses[status] for status in SCORED):
            return 5
        return 3 if self.missing else 0
