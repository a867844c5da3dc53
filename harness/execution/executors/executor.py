"""What a run asks of the machines that its cells run on, and what it hears of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness.execution.attempt import Running
from harness.execution.health import HeldDevices
from harness.execution.host import Event, Key
from harness.execution.plan import PlannedCell
from harness.grid.cell import Cell


@dataclass(frozen=True)
class Place:
    """Where a cell is to run: a node ("": this machine), and which of its devices it is lent, if that is known."""

    node: str = ""
    devices: HeldDevices = field(default_factory=HeldDevices)


@dataclass(frozen=True)
class Death:
    """A host that is gone: its last `words`. With `machine` it went with its node, through no fault of any cell."""

    words: str
    machine: str = ""


class Executor(Protocol):
    """Starts jobs, hears them and kills them. The run decides what starts when, and what its end means.

    For one thread. A job is known to its executor from :meth:`send` to :meth:`ended`.
    """

    def has_room(self) -> bool:
        """Whether any further cell may start at all."""

    def fits(self, cell: Cell) -> bool:
        """Whether a cell may start beside what runs; a timing cell has its machine alone, before and after."""

    def lend(self, planned: PlannedCell, mib: int | None) -> Place | None:
        """A place for a cell that fits, None while there is none. `mib`: what it is known to need of its device.

        Raises
        ------
        RunFailed
            Where there will be none.
        """

    def send(self, running: Running, job: Mapping[str, Any], lock: int | None = None) -> None:
        """Start a job; a child on this machine shares `lock`'s open file and so keeps its cell locked while it lives.

        Raises
        ------
        HostDied
            Where its host is gone, as :meth:`heard` would say it.
        """

    def heard(self, timeout_s: float) -> Iterator[tuple[Key, Sequence[Event] | None]]:
        """What hosts have said within the time: events, or None from one that has died."""

    def bury(self, key: Key) -> Death:
        """Let go of a dead host."""

    def ended(self, running: Running) -> None:
        """Of a job that has ended, or whose host has: when this returns all that it left lies in its folder."""

    def kill(self, running: Running, number: int) -> None:
        """Send a signal to a job's processes."""

    def destroy(self, key: Key | None = None) -> None:
        """Kill a host and so its children, or all of them; their deaths are heard like any other."""

    def watch(self) -> None:
        """Note why devices are slow now."""

    def close(self) -> None:
        """Hang up on all hosts, and wait for their ends."""
