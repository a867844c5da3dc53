"""The executor of a cluster: cells on its nodes, preparations here, and what a lost node or object means."""

from __future__ import annotations

import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from harness.errors import RunFailed
from harness.execution.attempt import Running
from harness.execution.executors.cluster import Cluster, Member, files_below
from harness.execution.executors.executor import Death, Place
from harness.execution.executors.fabric import Lost
from harness.execution.executors.node import Left, Order, Report
from harness.execution.executors.parcel import Parcel, pack
from harness.execution.executors.station import Station
from harness.execution.health import HeldDevices
from harness.execution.host import Event, Key
from harness.execution.plan import Plan, PlannedCell
from harness.grid.cell import Cell
from harness.protocol import CHECKPOINT_FILES, EXITED, SERIES

MUSTER_S: Final = 5.0
"""How often it is looked for nodes that are new, or that were lost and are back."""
TURN_S: Final = 0.5
"""How long a node listens before it tells that all goes on."""
SILENT_S: Final = 30.0
"""How long a node may be busy when one of its hosts is to be killed: then its actor is killed with all that it has."""
LEAVING_S: Final = 20.0
DESERTED_S: Final = 120.0
"""How long a run waits for a first node once all are lost."""
SENT_AGAIN: Final = 3
MOST_PREPARED: Final = 4
"""Preparations at once, which run here."""


class Spread:
    """Runs a plan's cells on the nodes of a cluster. Only this process writes the store: files come back as bytes."""

    def __init__(self, cluster: Cluster, plan: Plan, folder: Path, allow_busy: bool) -> None:
        self._cluster, self._plan, self._allow_busy = cluster, plan, allow_busy
        self._results = folder.parent
        self._here = Station(cluster.local, folder / "hosts", allow_busy=True, slots=MOST_PREPARED)
        self._members: list[Member] = []
        self._beside: dict[str, list[Member]] = defaultdict(list)  # by machine, of which each may have several
        self._parcels: dict[str, Parcel] = {}
        self._left: dict[str, Left] = {}
        self._deaths: dict[Key, Death] = {}
        self._sent: Counter[str] = Counter()
        self._timing: Member | None = None
        self._mustered, self._deserted = 0.0, 0.0
        self._muster()

    def has_room(self) -> bool:
        """Whether a node has a free slot."""
        return any(member.taken < member.slots for member in self._members)

    def fits(self, cell: Cell) -> bool:
        """Whether a node could take the cell now."""
        return len(self._here.running) < MOST_PREPARED and self._node_for(cell) is not None

    def lend(self, planned: PlannedCell, mib: int | None) -> Place | None:
        """The node with most room; which of its devices the cell gets, that node says."""
        member = self._node_for(planned.cell)
        if member is None:
            return None
        if planned.cell.timed:
            self._timing = member
        return Place(member.node, HeldDevices(mib=mib))

    def send(self, running: Running, job: Mapping[str, Any], lock: int | None = None) -> None:
        """Start a job at its node, with the next turn; a preparation here. The lock stays with this process."""
        if running.cell is None:
            self._here.send(running, job, lock)
            return
        member, cell = self._member(running.node), running.cell.planned.cell
        order = Order(running.host, job, cell.devices, running.devices.mib, self._parcels_of(job))
        member.jobs[running.job_id] = (running, order)
        member.taken += self._needs(member, cell)
        member.timing += cell.timed
        member.orders.append(order)

    def heard(self, timeout_s: float) -> Iterator[tuple[Key, Sequence[Event] | None]]:
        """What nodes and the hosts here have said within the time."""
        if self._here.running:
            yield from self._here.heard(min(timeout_s, 0.05))
            timeout_s = min(timeout_s, 0.05)
        self._muster()
        instant, fabric = time.monotonic(), self._cluster.fabric
        for member in self._members:
            if member.turn is None and (member.orders or member.jobs):
                member.turn, member.turned = fabric.call(member.actor, "turn", member.orders, TURN_S), instant
                member.orders = []
        turns = {member.turn: member for member in self._members if member.turn is not None}
        if not turns:
            self._wait_for_a_node(timeout_s)
            return
        for reference in fabric.ready(list(turns), timeout_s):
            member = turns[reference]
            member.turn = None
            try:
                report: Report = fabric.result(reference)
            except Lost as lost:
                yield from self._lose(member, str(lost))
                continue
            yield from self._told(member, report)

    def bury(self, key: Key) -> Death:
        """Let go of a dead host."""
        return self._here.bury(key) if not key.node else self._deaths.pop(key, Death(""))

    def ended(self, running: Running) -> None:
        """Write what came back of a job into its folder."""
        if running.cell is None:
            self._here.ended(running)
            return
        for member in self._members:
            if member.node == running.node and member.jobs.pop(running.job_id, None) is not None:
                member.taken -= self._needs(member, running.cell.planned.cell)
                member.timing -= running.cell.planned.cell.timed
        left = self._left.pop(running.job_id, None)
        if left is not None:
            running.oom_kills, running.switches, running.devices = left.oom_kills, left.switches, left.devices
            for name, data in left.files.items():
                with (running.folder / name).open("wb") as file:
                    file.write(data)
                    if name == SERIES:  # a record is worth nothing without them; a log and a result may be lost
                        file.flush()
                        os.fsync(file.fileno())

    def kill(self, running: Running, number: int) -> None:
        """Send a signal to a job's processes, with the node's next turn."""
        if running.cell is None:
            self._here.kill(running, number)
            return
        for member in self._members:
            if member.node == running.node:
                member.orders.append(Order(running.host, {"id": running.job_id}, signal=number))

    def destroy(self, key: Key | None = None) -> None:
        """Kill a host, or everything: then the nodes' actors."""
        if key is None:
            self._here.destroy()
            for member in self._members:
                self._cluster.fabric.stop(member.actor)
        elif not key.node:
            self._here.destroy(key)
        else:
            for member in self._members:
                if member.node == key.node and member.turn and time.monotonic() - member.turned > SILENT_S:
                    self._cluster.fabric.stop(member.actor)
                elif member.node == key.node:
                    member.orders.append(Order(key))

    def watch(self) -> None:
        """Nothing: each node watches its own devices."""

    def close(self) -> None:
        """Have every node end what it has, and wait for that."""
        self._here.close()
        fabric = self._cluster.fabric
        shut = {fabric.call(member.actor, "shut"): member for member in self._members}
        end = time.monotonic() + LEAVING_S
        while shut and (left := end - time.monotonic()) > 0:
            for reference in fabric.ready(list(shut), left):
                member = shut.pop(reference)
                try:
                    fabric.result(reference)
                except Lost:
                    self._cluster.drop(member)
        for member in shut.values():
            self._cluster.drop(member)
        for member in self._members:
            member.turn, member.orders, member.taken, member.timing = None, [], 0, 0
            member.jobs.clear()

    # Nodes.

    def _muster(self) -> None:
        """Take in the nodes that are ready and are not in the run yet."""
        instant = time.monotonic()
        if self._mustered and instant - self._mustered < MUSTER_S:
            return
        self._mustered = instant
        for member in self._cluster.ready():
            if member not in self._members:
                # Calls are answered in order: before its first turn.
                self._cluster.fabric.call(member.actor, "open", self._allow_busy, member.slots)
                self._members.append(member)
                assert member.seen is not None
                self._beside[member.seen.machine.id].append(member)

    def _member(self, node: str) -> Member:
        return next(member for member in self._members if member.node == node)

    def _node_for(self, cell: Cell) -> Member | None:
        best, most = None, float("-inf")
        for member in self._members:  # few of a thousand nodes need be looked at closely
            free = member.slots - member.taken
            if free > most and self._fits_on(member, cell):
                best, most = member, free
        return best

    def _fits_on(self, member: Member, cell: Cell) -> bool:
        """Whether a cell may run at a node now. Timing cells run one by one, all on one machine, alone on it."""
        assert member.seen is not None
        environment = member.seen.environments[cell.environment]
        if cell.devices > (len(environment.devices) or environment.cores):
            return False
        beside = self._beside[member.seen.machine.id]
        if cell.timed:
            others = self._timing is not None and self._timing in self._members and self._timing is not member
            return not others and not any(one.taken for one in beside)
        if member.taken and member.taken + self._needs(member, cell) > member.slots:
            return False
        return not any(one.timing for one in beside)

    def _needs(self, member: Member, cell: Cell) -> int:
        return member.slots if cell.timed else self._plan.needs(cell)

    def _wait_for_a_node(self, timeout_s: float) -> None:
        if self._members:
            self._deserted = 0.0
            if not self._here.running:
                time.sleep(min(timeout_s, 0.05))
            return
        instant = time.monotonic()
        self._deserted = self._deserted or instant
        if instant - self._deserted > DESERTED_S:
            raise RunFailed(f"{self._cluster.name}: every node is lost, and none has come for {DESERTED_S:.0f} s")
        time.sleep(timeout_s)

    def _lose(self, member: Member, words: str) -> Iterator[tuple[Key, Sequence[Event] | None]]:
        """A node's actor is gone, and all that ran there; tell it of each of its hosts."""
        self._members.remove(member)
        assert member.seen is not None
        self._beside[member.seen.machine.id].remove(member)
        self._cluster.drop(member)
        for key in {running.host for running, _ in member.jobs.values()}:
            self._deaths[key] = Death(words, f"node {member.info.name}")
            yield key, None

    # What they tell.

    def _told(self, member: Member, report: Report) -> Iterator[tuple[Key, Sequence[Event] | None]]:
        self._left.update(report.left)
        if report.left:
            self._cluster.strikes[member.node] = 0
        for job_id in report.lost:
            yield from self._send_again(member, job_id)
        for key, events, words in report.heard:
            here = key._replace(node=member.node)
            if events is None:
                self._deaths[here] = Death(words)
            yield here, events

    def _send_again(self, member: Member, job_id: str) -> Iterator[tuple[Key, Sequence[Event] | None]]:
        """An object that a job needs is lost: it is put into the cluster again, some times."""
        if job_id not in member.jobs:
            return
        running, order = member.jobs[job_id]
        self._sent[job_id] += 1
        if self._sent[job_id] > SENT_AGAIN:
            yield running.host, [{"event": EXITED, "id": job_id, "status": None}]
            return
        for folder in order.parcels:
            self._parcels.pop(folder, None)
        again = Order(order.key, order.job, order.devices, order.mib, self._parcels_of(order.job))
        member.jobs[job_id] = (running, again)
        member.orders.append(again)

    def _parcels_of(self, job: Mapping[str, Any]) -> dict[str, Parcel]:
        """The folders that a job needs, each packed once."""
        folders = [job["checkpoint"]["path"]]
        folders += [job["dataset"]] if job["dataset"] is not None else []
        if "subject" in job or any(":" in name for name in job["task"].get("metrics") or ()):
            folders.append(job["task_folder"])
        for folder in folders:
            if folder not in self._parcels:
                self._parcels[folder] = self._packed(Path(folder), job)
        return {folder: self._parcels[folder] for folder in folders}

    def _packed(self, folder: Path, job: Mapping[str, Any]) -> Parcel:
        if str(folder) == job["checkpoint"]["path"]:
            paths = [path for pattern in CHECKPOINT_FILES for path in folder.glob(pattern)]
        elif str(folder) == job["dataset"]:
            paths = list(folder.rglob("*"))
        else:
            paths = files_below(folder, self._results)
        return pack(folder, [path for path in paths if path.is_file()], self._cluster.fabric.put)
