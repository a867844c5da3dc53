"""A job under way in a child: a cell's attempt, or a preparation."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from harness.disk import CellLock
from harness.execution.energy import Energy
from harness.execution.plan import PlannedCell
from harness.protocol import BEACON, JOB, RANK_FILES, RESULT, TRAINER
from harness.record.model import Status
from harness.record.store import Attempt


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
    energy: Energy = field(default_factory=Energy)


@dataclass
class Running:
    """A job in a child. `started` is the record's time, `start` the monotonic clock's, in seconds.

    `start` counts from the sending until the host has begun the job, then from there: a host's own imports are
    no part of a cell's time.
    """

    job_id: str
    environment: str
    spawned: bool  # by a host that starts interpreters
    folder: Path
    started: str
    start: float
    cell: RunningCell | None = None
    preparation: str = ""  # its key, where it is one
    begun: bool = False
    verdict: tuple[Status, str] | None = None  # why we killed it, where we did
    oom_kills: int = field(default=0)  # the kernel's count when it began

    @property
    def host(self) -> tuple[str, bool]:
        """Which host has it: its environment's that forks, or the one that starts interpreters."""
        return self.environment, self.spawned

    @property
    def slots(self) -> int:
        """Slots that it takes: one a rank."""
        return self.cell.planned.cell.devices if self.cell else 1


def laggards(folder: Path, ranks: int) -> str:
    """Say which rank of an attempt is behind the others, as far as their beacons tell; "" for a single rank.

    Ranks wait for each other in every step: the one that has come least far is the one that hangs.
    """
    if ranks == 1:
        return ""
    counts, words = [], []
    for rank in range(ranks):
        try:
            count, _, text = (folder / BEACON.format(rank)).read_text(encoding="ascii").strip().partition(" ")
            counts.append(int(count))
            words.append(text)
        except (OSError, ValueError):
            counts.append(0)
            words.append("not begun")
    if len(set(counts)) == 1:
        return f"all {ranks} ranks: {words[0]}"
    behind, ahead = counts.index(min(counts)), counts.index(max(counts))
    return f"rank {behind} hangs: {words[behind]}, while rank {ahead} is {words[ahead]}"


def tidy(folder: Path) -> None:
    """Leave the record, the series and the log of an attempt; the rest was scaffolding."""
    with contextlib.suppress(OSError):  # what stays is in nobody's way
        for path in (folder / RESULT, folder / JOB, *folder.glob("*.tmp"), *folder.glob(RANK_FILES)):
            path.unlink(missing_ok=True)
    shutil.rmtree(folder / TRAINER, ignore_errors=True)
