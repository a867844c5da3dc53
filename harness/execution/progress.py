"""What a run tells while it runs, as a live table or plain lines, and how it hears that it shall end."""

from __future__ import annotations

import contextlib
import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final

from harness.execution.plan import Plan
from harness.fact import Fact
from harness.grid.cell import Cell
from harness.record.attempts import ERRORED, LOST, OUTCOMES, Entry

_ASKED: Final[Mapping[int, str]] = {
    signal.SIGINT: "by the user",
    signal.SIGTERM: "by SIGTERM: another program ended it, as a scheduler or `timeout` does",
    signal.SIGHUP: "by SIGHUP: its terminal was closed",
}


class Reporter:
    """Hears what happens, in order; by itself it says nothing of it. None of it may raise."""

    def run_started(self, plan: Plan) -> None:
        """The plan that is about to run."""

    def note(self, text: str) -> None:
        """Something a person should know."""

    def found(self, fact: Fact) -> None:
        """Something is wrong with the data, a checkpoint or a run, and keeps nothing from running."""

    def preparing(self, what: str) -> None:
        """A checkpoint and task are being fetched and tokenized."""

    def cell_started(self, cell: Cell) -> None:
        """A cell's process has been started."""

    def cell_event(self, cell: Cell, event: Mapping[str, Any]) -> None:
        """A cell's own event: training (steps), step, evaluated (scores by name), predicting."""

    def cell_finished(self, cell: Cell, entry: Entry) -> None:
        """A cell's record is on the disk."""

    def close(self) -> None:
        """The run is over, after an error too."""


class Interrupts:
    """`count` is how often the end was asked for, while that is heard, at first by the signal `number`.

    For the main thread.
    """

    def __init__(self) -> None:
        self.count, self.number = 0, 0

    @property
    def why(self) -> str:
        """What asked for it first, in words that follow "interrupted"; empty before anything did."""
        return _ASKED.get(self.number, "")

    @contextlib.contextmanager
    def heard(self) -> Iterator[Interrupts]:
        """Within `with`, signals do no more than count; SIGHUP stays ignored where it is (`nohup`)."""
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            numbers.append(signal.SIGHUP)  # the terminal is closed
        before = {number: signal.signal(number, self._count) for number in numbers}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _count(self, number: int, frame: FrameType | None) -> None:
        self.count, self.number = self.count + 1, self.number or number


@dataclass
class Summary:
    """What a run did. `statuses` counts the records it wrote, `blocked` the cells that could not be begun by reason.

    `reused` are the attempts that counted before, or that another harness made meanwhile; `kept` those that errored
    before and were not to be tried again; `errors` those that errored now; `skipped` counts cells by reason.
    `missing` counts cells without an outcome: never begun, killed or interrupted; `interrupted_by` says what asked for
    the end, in words behind "interrupted".
    """

    cells: int = 0
    reused: list[Entry] = field(default_factory=list)
    kept: list[Entry] = field(default_factory=list)
    errors: list[Entry] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    blocked: Counter[str] = field(default_factory=Counter)
    missing: int = 0
    budget_spent: bool = False
    interrupted: bool = False
    interrupted_by: str = ""
    seconds: float = 0.0

    @classmethod
    def of(cls, plan: Plan) -> Summary:
        """What there is to say before a run of this plan."""
        return cls(
            cells=len(plan.cells),
            reused=[planned.entry for planned in plan.of("done") if planned.entry],
            kept=[planned.entry for planned in plan.of("errored") if planned.entry],
            skipped=Counter(planned.reason or "unknown" for planned in plan.of("skip")),
            blocked=Counter(planned.reason or "unknown" for planned in plan.of("blocked")),
        )

    @property
    def measured(self) -> int:
        """How many cells this run measured: those that now have an outcome by it."""
        return sum(self.statuses[status] for status in OUTCOMES)

    @property
    def lost(self) -> Counter[str]:
        """How many of the cells that count learned nothing, by status, those of before among them."""
        before = Counter(entry.status for entry in self.reused)
        return +Counter({status: self.statuses[status] + before[status] for status in sorted(LOST)})

    @property
    def exit_code(self) -> int:
        """The first that applies: 130, 4 (errored, missing), 5 (nothing measured), 3 (budget), 0."""
        if self.interrupted:
            return 130
        errored = len(self.kept) + sum(self.statuses[status] for status in ERRORED)
        if errored or self.blocked or (self.missing and not self.budget_spent):
            return 4
        if not self.reused and not self.measured:
            return 5
        return 3 if self.missing else 0
