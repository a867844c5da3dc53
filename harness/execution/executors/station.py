"""The hosts, devices and temporary folders of the machine that this process is on; and the executor that uses it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.execution.attempt import Running, wait_until_gone
from harness.execution.cache import Scratch
from harness.execution.devices import DevicePool
from harness.execution.environment import Environment
from harness.execution.executors.executor import Death, Place
from harness.execution.health import HeldDevices
from harness.execution.host import Event, HostDied, Hosts, Key
from harness.execution.outcome import oom_kill_count, switches
from harness.execution.plan import Plan, PlannedCell
from harness.grid.cell import Cell
from harness.protocol import STARTED, WINDOW


class Station:
    """Runs jobs in children of its hosts. From the main thread: the kernel ties a host's life to who started it.

    Parameters
    ----------
    environments
        By label, with interpreters of this machine.
    logs
        The folder of the hosts' own logs.
    slots
        Ranks at once: where they are more than devices, one is lent to several cells.
    """

    def __init__(self, environments: Mapping[str, Environment], logs: Path, allow_busy: bool, slots: int) -> None:
        self.running: dict[str, Running] = {}
        self._environments = environments
        self._pool = DevicePool(allow_busy, slots)
        self._temporary = Scratch.temporary()
        self._hosts = Hosts(environments, logs)

    def devices(self, environment: str, count: int, mib: int | None) -> HeldDevices | None:
        """Devices for a cell of this environment, None while they are taken; raises as :meth:`DevicePool.lend`."""
        if self._environments[environment].accelerator != "cuda":
            return HeldDevices()
        return self._pool.lend(count, self._held(), bool(self.running), mib)

    def send(self, running: Running, job: Mapping[str, Any], lock: int | None = None) -> None:
        """Start a job, with a place of its own for what is temporary."""
        self.running[running.job_id] = running
        running.temporary, running.oom_kills = self._temporary.folder(), oom_kill_count()
        variables = {**job["variables"], "TMPDIR": str(running.temporary)}
        self._hosts.started(running.host).run({**job, "variables": variables}, lock)

    def heard(self, timeout_s: float) -> Iterator[tuple[Key, Sequence[Event] | None]]:
        """What hosts have said within the time, but for what is the station's own; None from one that has died."""
        for key, events in self._hosts.heard(timeout_s):
            yield key, None if events is None else [event for event in events if not self._is_ours(event)]

    def bury(self, key: Key) -> Death:
        """Let go of a dead host."""
        return Death(self._hosts.remove_dead(key))

    def ended(self, running: Running) -> None:
        """Wait for what is left of a job, and note what this machine has to say of it."""
        self.running.pop(running.job_id, None)
        wait_until_gone(running)
        if running.temporary is not None:  # who was killed leaves what it had there
            shutil.rmtree(running.temporary, ignore_errors=True)
        running.oom_kills = oom_kill_count() - running.oom_kills
        running.switches = switches()
        running.devices.settle()

    def kill(self, running: Running, number: int) -> None:
        """Send a signal to a job's processes."""
        host = self._hosts.get(running.host)
        if host is not None:
            with contextlib.suppress(HostDied):  # then its end of file is next
                host.kill(running.job_id, number)

    def destroy(self, key: Key | None = None) -> None:
        """Kill a host, or all of them."""
        host = None if key is None else self._hosts.get(key)
        if host is not None:
            host.destroy()
        elif key is None:
            self._hosts.destroy()

    def watch(self) -> None:
        """Note why devices are slow now."""
        self._pool.watch(self._held())

    def close(self) -> None:
        """Hang up on all hosts; nothing of what they had is left."""
        self._hosts.close()
        self._temporary.close()

    def _held(self) -> list[HeldDevices]:
        return [running.devices for running in self.running.values()]

    def _is_ours(self, event: Event) -> bool:
        running = self.running.get(event.get("id", ""))
        if running is not None and event["event"] == STARTED:
            running.pid = event.get("pid")
        if event["event"] != WINDOW:
            return False
        if running is not None:
            running.devices.at_edge(event["edge"])
        return True


class Local(Station):
    """The executor of this machine. `admits` says whether a cell that needs so many slots may start beside so many."""

    def __init__(
        self, plan: Plan, logs: Path, allow_busy: bool, admits: Callable[[int, int], bool] | None = None
    ) -> None:
        super().__init__(plan.environments, logs, allow_busy, plan.slots)
        self._plan, self._admits = plan, admits or plan.fits

    def has_room(self) -> bool:
        """Whether a slot is free."""
        return self._taken() < self._plan.slots

    def fits(self, cell: Cell) -> bool:
        """Whether a cell may start beside what runs; a timing cell is alone, before and after."""
        if any(running.cell and running.cell.planned.cell.timed for running in self.running.values()):
            return False
        return self._admits(self._plan.needs(cell), self._taken())

    def lend(self, planned: PlannedCell, mib: int | None) -> Place | None:
        """Lend devices of this machine that are free."""
        devices = self.devices(planned.cell.environment, planned.cell.devices, mib)
        return None if devices is None else Place(devices=devices)

    def _taken(self) -> int:
        """The slots that what runs takes; a preparation takes one."""
        cells = (running.cell.planned.cell if running.cell else None for running in self.running.values())
        return sum(self._plan.needs(cell) if cell else 1 for cell in cells)
