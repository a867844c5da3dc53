"""A node of a cluster: an actor that runs jobs in children of its own warm hosts, and hands back what they leave."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from harness.errors import HarnessError, MaterialError
from harness.execution.attempt import Running
from harness.execution.cache import Scratch
from harness.execution.environment import MOST_REASON, Environment, machine_here, probe_environment
from harness.execution.executors.fabric import Lost
from harness.execution.executors.moved import apart, moved, strange_code
from harness.execution.executors.parcel import Parcel, unpacked
from harness.execution.executors.recipe import Recipe, build_here
from harness.execution.executors.station import Station
from harness.execution.health import HeldDevices
from harness.execution.host import Event, HostDied, Key
from harness.execution.outcome import clean_log
from harness.protocol import EXITED, FAILED, JOB, LOG, RESULT, STEP
from harness.record.meant import Machine
from harness.text import one_line

MOST_FILE: Final = 256 * 2**20
"""Bytes of a file that comes back: no record's part is so large."""
Asked = str | None | Recipe
"""An environment that a node is to have: an interpreter's path, the actor's own interpreter, or what is to be built."""


@dataclass(frozen=True)
class Seen:
    """What a node is: its machine, and its environments by label, or why they cannot be used."""

    machine: Machine
    environments: Mapping[str, Environment]
    problem: str = ""


@dataclass(frozen=True)
class Order:
    """A job to start: at which host, with how many devices of which need; `parcels` by their folders at the sender's.

    With `signal` a job to send that signal to; with neither a host to kill.
    """

    key: Key
    job: Mapping[str, Any] = field(default_factory=dict)
    devices: int = 0
    mib: int | None = None
    parcels: Mapping[str, Parcel] = field(default_factory=dict)
    signal: int | None = None


@dataclass(frozen=True)
class Left:
    """What a job left: its files by name, and what its machine says of it."""

    files: Mapping[str, bytes]
    oom_kills: int
    switches: Mapping[str, str]
    devices: HeldDevices


@dataclass
class Report:
    """What a node has to tell: of each host its events, or None and its last words where it died; what jobs left.

    `lost` are jobs that could not begin because an object that they need is gone.
    """

    heard: list[tuple[Key, list[Event] | None, str]] = field(default_factory=list)
    left: dict[str, Left] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)


class Node:
    """The actor. It answers one call at a time, from its main thread, to which its hosts' lives are tied."""

    def __init__(self, get: Callable[[Any], bytes] | None = None) -> None:
        self._get = get or _from_ray
        self._environments: dict[str, Environment] = {}
        self._station: Station | None = None
        self._scratch: Scratch | None = None
        self._queued: list[Order] = []

    def look(self, asked: Mapping[str, Asked], cpus: int) -> Seen:
        """Probe what is asked for here, by label; what is to be built is built first, once a node."""
        found: dict[str, Environment] = {}
        try:
            for label, one in asked.items():
                if isinstance(one, Recipe):
                    built = build_here(one, self._get)
                    there = replace(probe_environment(label, built.python), built=built.told())
                else:
                    there = probe_environment(label, one)
                found[label] = replace(there, offered=min(there.cores, cpus))
        except (HarnessError, OSError) as error:
            return Seen(machine_here(), {}, one_line(str(error), MOST_REASON))
        self._environments = found
        return Seen(machine_here(), found)

    def open(self, allow_busy: bool, slots: int) -> None:
        """Begin a run of so many ranks at once."""
        self.shut()
        self._scratch = Scratch.temporary()
        self._station = Station(self._environments, self._scratch.folder("hosts-"), allow_busy, slots)

    def turn(self, orders: Sequence[Order], timeout_s: float) -> Report:
        """Carry out orders, and listen: until something ends, or for so long."""
        assert self._station is not None
        report, end = Report(), time.monotonic() + timeout_s
        self._queued += orders
        queued, self._queued = self._queued, []
        for order in queued:
            self._carry_out(order, report)
        while not report.left and not report.lost and all(events is not None for _, events, _ in report.heard):
            left = end - time.monotonic()
            for key, events in self._station.heard(max(0.0, left)):
                self._hear(key, events, report)
            self._station.watch()
            if left <= 0:
                break
        return report

    def shut(self) -> None:
        """End the run: kill what still runs, and leave nothing."""
        if self._station is not None:
            self._station.close()
        if self._scratch is not None:
            self._scratch.close()
        self._station, self._scratch, self._queued = None, None, []

    def _carry_out(self, order: Order, report: Report) -> None:
        assert self._station is not None
        if order.signal is not None:
            self._queued = [one for one in self._queued if one.job.get("id") != order.job["id"]]
            running = self._station.running.get(order.job["id"])
            if running is not None:
                self._station.kill(running, order.signal)
        elif not order.job:
            self._station.destroy(order.key)
        else:
            self._start(order, report)

    def _start(self, order: Order, report: Report) -> None:
        assert self._station is not None
        assert self._scratch is not None
        devices = self._station.devices(order.key.environment, order.devices, order.mib)
        if devices is None:
            self._queued.append(order)  # they become free, or the pool loses its patience
            return
        try:
            places = {folder: unpacked(parcel, self._get) for folder, parcel in order.parcels.items()}
        except Lost:
            report.lost.append(order.job["id"])
            return
        folder = self._scratch.folder("cell-")
        job = {**moved(order.job, places), "folder": str(folder)}
        if problem := strange_code(job, self._environments[order.key.environment].python):
            self._refuse(order, problem, report)
            return
        job = apart(job)
        job["variables"] = {**job["variables"], "CUDA_VISIBLE_DEVICES": ",".join(devices.uuids)}
        key = order.key
        running = Running(job["id"], key.environment, key.spawned, folder, "", time.monotonic(), devices=devices)
        try:
            self._station.send(running, job)
        except HostDied:
            self._bury(running.host, report)

    @staticmethod
    def _refuse(order: Order, problem: str, report: Report) -> None:
        """End a job that cannot begin here as one that failed."""
        failure = {"type": MaterialError.__name__, "message": problem}
        said = json.dumps({"status": FAILED, "failure": failure}).encode()
        report.left[order.job["id"]] = Left({RESULT: said}, 0, {}, HeldDevices())
        report.heard.append((order.key, [{"event": EXITED, "id": order.job["id"], "status": 0}], ""))

    def _hear(self, key: Key, events: Sequence[Event] | None, report: Report) -> None:
        assert self._station is not None
        if events is None:
            self._bury(key, report)
            return
        for event in events:
            if event["event"] == EXITED and (running := self._station.running.get(event["id"])) is not None:
                report.left[running.job_id] = self._taken(running)
        report.heard.append((key, newest(events), ""))

    def _bury(self, key: Key, report: Report) -> None:
        """Let go of a dead host; what its children finished counts."""
        assert self._station is not None
        words = self._station.bury(key).words
        for running in [one for one in self._station.running.values() if one.host == key]:
            report.left[running.job_id] = self._taken(running)
        report.heard.append((key, None, words))

    def _taken(self, running: Running) -> Left:
        """What a job left, from its folder, which goes."""
        assert self._station is not None
        self._station.ended(running)
        with contextlib.suppress(OSError):
            clean_log(running.folder / LOG)
        files = {}
        for path in running.folder.iterdir():
            if path.is_file() and path.name != JOB and path.stat().st_size <= MOST_FILE:
                files[path.name] = path.read_bytes()
        shutil.rmtree(running.folder, ignore_errors=True)
        return Left(files, running.oom_kills, running.switches, running.devices)


def newest(events: Sequence[Event]) -> list[Event]:
    """All but those steps of a job that another one follows: they are there to be looked at."""
    last = {event["id"]: number for number, event in enumerate(events) if event["event"] == STEP}
    return [event for number, event in enumerate(events) if event["event"] != STEP or last[event["id"]] == number]


def _from_ray(reference: Any) -> bytes:
    import ray  # where an actor of Ray's runs, and nowhere else

    try:
        data: bytes = ray.get(reference)
    except ray.exceptions.RayError as error:
        raise Lost(str(error)) from error
    return data
