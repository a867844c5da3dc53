"""A job under way in a child: a cell's attempt, or a preparation."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from harness.execution.plan import PlannedCell
from harness.lock import CellLock
from harness.record import Status
from harness.store import Attempt


@dataclass
class RunningCell:
    """What only a cell's job has: its place in the plan, its attempt and lock, its devices by UUID."""

    planned: PlannedCell
    attempt: Attempt
    lock: CellLock
    devices: list[str]
    busy: list[str]
    throttled: set[str] = field(default_factory=set)  # why its devices were slowed down while it ran
    stepped: bool = False


@dataclass
class Running:
    """A job in a child. `started` is the record's time, `start` the monotonic clock's, in seconds.

    `start` counts from the sending until the host has begun the job, then from there: a host's own imports are
    no part of a cell's time.
    """

    job_id: str
    environment: str
    folder: Path
    started: str
    start: float
    cell: RunningCell | None = None
    preparation: str = ""  # its key, where it is one
    begun: bool = False
    verdict: tuple[Status, str] | None = None  # why we killed it, where we did
    oom_kills: int = field(default=0)  # the kernel's count when it began


def tidy(folder: Path) -> None:
    """Leave the record, the series and the log of an attempt; the rest was scaffolding."""
    with contextlib.suppress(OSError):  # what stays is in nobody's way
        for path in (folder / "result.json", folder / "job.json", *folder.glob("*.tmp")):
            path.unlink(missing_ok=True)
    shutil.rmtree(folder / "trainer", ignore_errors=True)
