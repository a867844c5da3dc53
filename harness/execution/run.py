"""Run a plan: hosts, slots, locks, timeouts, and one record for every attempt, whatever happens to it."""

from __future__ import annotations

import contextlib
import selectors
import shutil
import signal
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final, Literal

from harness.errors import RunFailed
from harness.execution import jobs
from harness.execution.devices import nvidia_devices
from harness.execution.host import HostDied, HostProcess
from harness.execution.material import IDENTITY_FILES, files_sha256
from harness.execution.outcome import (
    Identity,
    death,
    failed_record,
    finished_record,
    oom_kill_count,
    read_result,
)
from harness.execution.plan import Plan, PlannedCell
from harness.execution.progress import Reporter, Summary
from harness.provenance import now, provenance
from harness.record import ERRORED, FINAL, SCORED, Record, Status
from harness.store import Attempt, CellLock, Store

HostMode = Literal["fork", "spawn"]
TICK_S: Final = 0.2
HOST_DEATHS_ALLOWED: Final = 3
INTERRUPT_GRACE_S: Final = 10.0


@dataclass(frozen=True)
class RunOptions:
    """How to run. Times in seconds; `retries` counts further attempts at an errored cell within this run."""

    host: HostMode = "fork"
    timeout_s: float = 4 * 3600.0
    first_step_timeout_s: float = 600.0
    max_s: float | None = None
    retries: int = 0
    allow_busy: bool = False


@dataclass
class _Running:
    """A job in a child: a cell's (`planned`, `attempt`, `lock`) or a preparation's."""

    job_id: str
    environment: str
    folder: Path
    started: str
    start: float
    planned: PlannedCell | None = None
    attempt: Attempt | None = None
    lock: CellLock | None = None
    key: str = ""
    devices: list[str] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)
    stepped: bool = False
    verdict: tuple[Status, str] | None = None  # why we killed it, where we did
    oom_kills: int = 0


class Runner:
    """Runs the plan's cells that are to do; one instance a run, used from the main thread."""

    def __init__(self, store: Store, plan: Plan, folder: Path, options: RunOptions, reporter: Reporter) -> None:
        self._store, self._plan, self._options, self._reporter = store, plan, options, reporter
        self._provenance = provenance(folder)
        self._waiting: deque[PlannedCell] = deque(plan.of("to do"))
        self._elsewhere: deque[PlannedCell] = deque()
        self._running: dict[str, _Running] = {}
        self._hosts: dict[str, HostProcess] = {}
        self._host_deaths = 0
        self._prepared: dict[str, Mapping[str, Any]] = {}
        self._unpreparable: dict[str, str] = {}
        self._tries: dict[str, int] = {}
        self._selector = selectors.DefaultSelector()
        self._scratch = Path(tempfile.mkdtemp(prefix="finetune-harness-"))
        self._interrupts = 0
        self._killed_at: float | None = None
        self._start = time.monotonic()
        self.summary = Summary(
            done_before=len(plan.of("done")),
            scored_before=sum(1 for p in plan.of("done") if p.entry and p.entry.status in SCORED),
            errored_before=sum(1 for p in plan.of("done") if p.entry and p.entry.status in ERRORED),
        )
        for planned in plan.of("blocked"):
            self._block(planned.reason or "unknown")

    def run(self) -> Summary:
        """Run to the end, an interrupt or the budget; every attempt has its record when this returns."""
        self._reporter.run_started(self._plan)
        with self._signals():
            try:
                for planned in self._plan.of("skip"):
                    self._record_skip(planned)
                while self._running or ((self._waiting or self._elsewhere) and not self._stopping()):
                    self._fill_slots()
                    self._listen()
                    self._check_clock()
            finally:
                self._close()
        self.summary.missing = len(self._waiting) + len(self._elsewhere)
        self.summary.interrupted = self._interrupts > 0
        self.summary.seconds = time.monotonic() - self._start
        self._reporter.run_finished(self.summary)
        return self.summary

    # Starting.

    def _fill_slots(self) -> None:
        if self._stopping():
            return
        index = 0  # cells before it wait for something, in their order
        while len(self._running) < self._plan.slots and index < len(self._waiting):
            if self._try_start(self._waiting[index]):
                del self._waiting[index]
            else:
                index += 1
        if not self._running and not self._waiting and self._elsewhere:
            # All that is left is in other hands: look again, a harness may have died.
            self._waiting.extend(self._elsewhere)
            self._elsewhere.clear()
            time.sleep(TICK_S)

    def _try_start(self, planned: PlannedCell) -> bool:
        """Start a cell, or what must come before it; False where it stays in the queue."""
        cell = planned.cell
        environment = self._plan.environments[cell.environment]
        key = jobs.preparation_key(cell, environment, self._plan.materials[cell.environment])
        if key in self._unpreparable:
            self._block(self._unpreparable[key])
            return True
        if key not in self._prepared:
            if all(running.key != key for running in self._running.values()):
                self._start_preparation(key, planned)
            return False
        devices = self._free_devices(cell.environment, cell.devices)
        if devices is None:
            return False
        lock = self._store.lock(cell.cell_id)
        if lock is None:
            self._elsewhere.append(planned)
            return True
        if self._settled_meanwhile(planned, lock):
            return True
        self._start_cell(planned, lock, key, devices)
        return True

    def _settled_meanwhile(self, planned: PlannedCell, lock: CellLock) -> bool:
        """Whether another harness has finished this cell since the plan; also files what a killed one left."""
        cell = planned.cell
        identity = self._identity(planned)
        for attempt in self._store.unfinished(cell.cell_id, identity.environment_id):
            message = "the harness was killed while this attempt ran"
            record = failed_record(cell, identity, attempt, now(), "killed", message)
            self._store.write(record, attempt)
        if self._tries.get(cell.cell_id) or planned.entry is not None:
            return False  # a retry: its final record is why it runs
        entries = self._store.cell_entries(cell.cell_id)
        wanted = (cell.cell_id, identity.environment_id, identity.content_id)
        done = [e for e in entries if (e.cell_id, e.environment_id, e.content_id) == wanted and e.status in FINAL]
        if not done:
            return False
        lock.release()
        self.summary.done_elsewhere += 1
        self.summary.scored_before += done[-1].status in SCORED
        self.summary.errored_before += done[-1].status in ERRORED
        self._reporter.cell_finished(cell, done[-1])
        return True

    def _start_preparation(self, key: str, planned: PlannedCell) -> None:
        cell = planned.cell
        self._reporter.preparing(f"{cell.checkpoint.name} on {cell.task}")
        folder = Path(tempfile.mkdtemp(prefix="prepare-", dir=self._scratch))
        job = jobs.preparation_job(key, cell, self._plan.materials[cell.environment], folder)
        running = _Running(job["id"], cell.environment, folder, now(), time.monotonic(), key=key)
        self._running[running.job_id] = running
        self._send(running, job, None)

    def _start_cell(self, planned: PlannedCell, lock: CellLock, key: str, devices: list[str]) -> None:
        cell = planned.cell
        environment = self._plan.environments[cell.environment]
        attempt = self._store.begin(cell.cell_id, environment.environment_id)
        materials = self._plan.materials[cell.environment]
        job = jobs.cell_job(cell, attempt, environment, materials, self._prepared[key], devices)
        running = _Running(
            job["id"], cell.environment, attempt.folder, now(), time.monotonic(), planned, attempt, lock, devices=devices
        )
        running.busy = [d.busy for d in nvidia_devices() if d.uuid in devices and d.busy] if devices else []
        running.oom_kills = oom_kill_count()
        self._running[running.job_id] = running
        self._reporter.cell_started(cell, attempt.number)
        self._send(running, job, lock.descriptor)

    def _send(self, running: _Running, job: Mapping[str, Any], lock: int | None) -> None:
        try:
            self._host(running.environment).run(job, lock)
        except HostDied:
            self._bury(running.environment)

    def _host(self, label: str) -> HostProcess:
        if label not in self._hosts:
            host = HostProcess(
                self._plan.environments[label],
                spawn=self._options.host == "spawn",
                log=self._store.folder / "hosts" / f"{label}.log",
            )
            self._hosts[label] = host
            self._selector.register(host, selectors.EVENT_READ, label)
        return self._hosts[label]

    def _free_devices(self, label: str, count: int) -> list[str] | None:
        """UUIDs of `count` free devices, [] on a CPU, None while they are taken."""
        environment = self._plan.environments[label]
        if environment.accelerator != "cuda":
            return []
        taken = {uuid for running in self._running.values() for uuid in running.devices}
        free = [device for device in nvidia_devices() if device.uuid not in taken]
        idle = free if self._options.allow_busy else [device for device in free if device.busy is None]
        if len(idle) >= count:
            return [device.uuid for device in idle[:count]]
        if not self._running:
            busy = "; ".join(str(device.busy) for device in free if device.busy)
            raise RunFailed(f"no idle device for the next cell: {busy or 'none left'} (--allow-busy runs all the same)")
        return None

    # Hearing.

    def _listen(self) -> None:
        for key, _ in self._selector.select(timeout=TICK_S):
            label = key.data
            host = self._hosts[label]
            events = host.events()
            if events is None:
                self._bury(label)
                continue
            for event in events:
                self._hear(event)

    def _hear(self, event: Mapping[str, Any]) -> None:
        running = self._running.get(event.get("id", ""))
        if running is None:
            return
        if event["event"] == "exited":
            self._host_deaths = 0
            self._finish(running, event["status"])
            return
        if event["event"] == "step":
            running.stepped = True
        if running.planned is not None:
            self._reporter.cell_event(running.planned.cell, event)

    def _bury(self, label: str) -> None:
        """A host has died: its children with it. What they finished counts; the rest was killed."""
        host = self._hosts.pop(label)
        self._selector.unregister(host)
        words = host.last_words()
        host.close()
        self._host_deaths += 1
        for running in [r for r in self._running.values() if r.environment == label]:
            self._finish(running, -signal.SIGKILL)
        if self._host_deaths >= HOST_DEATHS_ALLOWED:
            raise RunFailed(f"the host process of environment {label} died {self._host_deaths} times; it said:\n{words}")
        self._reporter.note(f"the host process of environment {label} died; a new one takes over")

    def _finish(self, running: _Running, status: int) -> None:
        del self._running[running.job_id]
        result = read_result(running.folder)
        if running.planned is None:
            self._finish_preparation(running, status, result)
            return
        assert running.attempt is not None
        assert running.lock is not None
        identity = self._identity(running.planned)
        cell = running.planned.cell
        if result is not None and running.verdict is None:
            record = finished_record(
                cell, identity, running.attempt, running.started, result, self._options.host, running.busy
            )
        else:
            why = running.verdict or death(status, oom_kill_count() - running.oom_kills)
            record = failed_record(cell, identity, running.attempt, running.started, *why)
        try:
            entry = self._store.write(record, running.attempt)
        finally:
            running.lock.release()
        _tidy(running.folder)
        self._reporter.cell_finished(cell, entry)
        tries = self._tries.get(cell.cell_id, 0)
        if record.status in ERRORED and tries < self._options.retries and not self._stopping():
            self._tries[cell.cell_id] = tries + 1
            self._waiting.append(running.planned)
        else:
            self.summary.statuses[record.status] += 1

    def _finish_preparation(self, running: _Running, status: int, result: Mapping[str, Any] | None) -> None:
        if result is None and self._host_deaths and not self._stopping():
            return  # its host died: the next cell that needs it asks again
        if result is not None and result["status"] == "ok":
            digest = files_sha256(Path(result["checkpoint"]), IDENTITY_FILES)
            self._prepared[running.key] = {**result, "checkpoint_sha256": digest}
        elif not self._stopping():
            failure = (result or {}).get("failure") or {"type": "", "message": death(status, 0)[1]}
            self._unpreparable[running.key] = f"{failure['type']}: {failure['message']}".removeprefix("MaterialError: ")

    # The clock, interrupts, and the end.

    def _check_clock(self) -> None:
        instant = time.monotonic()
        for running in list(self._running.values()):
            if running.verdict is not None:
                continue
            spent, options = instant - running.start, self._options
            if spent > options.timeout_s:
                self._kill(running, "timeout", f"still running after {options.timeout_s:.0f} s", signal.SIGKILL)
            elif running.planned and not running.stepped and spent > options.first_step_timeout_s:
                message = f"no training step within {options.first_step_timeout_s:.0f} s"
                self._kill(running, "timeout", message, signal.SIGKILL)
        if self._interrupts and self._killed_at is None:
            self._killed_at = instant
            for running in list(self._running.values()):
                self._kill(running, "interrupted", "interrupted by the user", signal.SIGTERM)
        if self._interrupts and (self._interrupts > 1 or instant - (self._killed_at or 0) > INTERRUPT_GRACE_S):
            for running in list(self._running.values()):
                self._kill(running, "interrupted", "interrupted by the user", signal.SIGKILL)

    def _kill(self, running: _Running, status: Status, message: str, number: int) -> None:
        running.verdict = (status, message)
        host = self._hosts.get(running.environment)
        if host is not None:
            with contextlib.suppress(HostDied):  # then its end of file is next
                host.kill(running.job_id, number)

    def _stopping(self) -> bool:
        spent = time.monotonic() - self._start
        self.summary.budget_spent = self._options.max_s is not None and spent > self._options.max_s
        return self._interrupts > 0 or self.summary.budget_spent

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        def interrupted(number: int, frame: FrameType | None) -> None:
            self._interrupts += 1

        before = {number: signal.signal(number, interrupted) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _close(self) -> None:
        for host in self._hosts.values():
            host.close()
        self._hosts.clear()
        self._selector.close()
        # Only after an error: what still ran has been killed with its host.
        for running in list(self._running.values()):
            if running.lock is not None:
                running.lock.release()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _block(self, reason: str) -> None:
        self.summary.blocked[reason] = self.summary.blocked.get(reason, 0) + 1

    def _identity(self, planned: PlannedCell) -> Identity:
        label = planned.cell.environment
        environment = self._plan.environments[label].environment_id
        content = None if planned.state == "skip" else self._plan.materials[label].content_id(planned.cell)
        return Identity(self._store.grid, environment, content, self._provenance)

    def _record_skip(self, planned: PlannedCell) -> None:
        """A skipped cell leaves a record with its reason; the same reason twice leaves one."""
        identity = self._identity(planned)
        self.summary.statuses["skipped"] += 1
        reason = planned.reason or ""
        lock = self._store.lock(planned.cell.cell_id)
        if lock is None:
            return
        try:
            for entry in reversed(self._store.cell_entries(planned.cell.cell_id)):
                if entry.environment_id == identity.environment_id:
                    if entry.status == "skipped" and entry.error == f"skipped: {reason}":
                        return
                    break
            attempt = self._store.begin(planned.cell.cell_id, identity.environment_id)
            record: Record = failed_record(planned.cell, identity, attempt, now(), "skipped", reason)
            self._store.write(record, attempt)
        finally:
            lock.release()


def _tidy(folder: Path) -> None:
    """Leave the record, the series and the log; the rest was scaffolding."""
    for name in ("result.json", "job.json"):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / "trainer", ignore_errors=True)
