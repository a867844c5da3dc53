"""Run a plan: hosts, slots, timeouts, interrupts, and one record for every attempt, whatever happens to it."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from harness.checks.selection import selection
from harness.disk import CellLock
from harness.errors import RunFailed
from harness.execution.attempt import Filing, Running, RunningCell
from harness.execution.cache import sweep
from harness.execution.executors.executor import Executor, Place
from harness.execution.executors.spread import Spread
from harness.execution.executors.station import Local
from harness.execution.health import nvml
from harness.execution.host import HostDied, Key
from harness.execution.job import Preparations, cell_job
from harness.execution.outcome import HostMode, read_result
from harness.execution.packing import MemoryNeeds
from harness.execution.plan import PlannedCell
from harness.execution.progress import Interrupts, Reporter, Summary
from harness.execution.session import Session
from harness.fact import Fact
from harness.grid.cell import Cell
from harness.protocol import EXITED, FAILED, STARTED, STEP
from harness.record.attempts import ERRORED, RETRIED, SCORED, Entry
from harness.record.model import Status
from harness.record.provenance import now, provenance
from harness.text import short_hash

TICK_S: Final = 0.2
HOST_DEATHS_ALLOWED: Final = 3
LOSSES_ALLOWED: Final = 3
"""How often a run begins a cell again whose machine was lost; a later run does so anew."""
HOST_START_S: Final = 600.0
"""How long a host may take for its imports: minutes on a cold network disk, never this long."""
INTERRUPT_GRACE_S: Final = 10.0
KILL_GRACE_S: Final = 10.0
"""How long a host may take to tell the end of a job that it was told to kill: a stopped or hanging one never does."""


@dataclass(frozen=True)
class RunOptions:
    """What the user wishes of a run. `retries` counts further attempts in it at a cell that crashed or timed out.

    After the `deadline`, by the monotonic clock in seconds, no further cell begins.
    """

    host: HostMode = "fork"
    deadline: float | None = None
    retries: int = 0
    allow_busy: bool = False

    @property
    def seconds_left(self) -> float | None:
        """Until the deadline; None where there is none."""
        return None if self.deadline is None else self.deadline - time.monotonic()


class Runner:
    """Runs a session's cells that are to do; one instance a run, used from the main thread.

    On this machine `admits` says whether a cell that needs so many slots may start while so many are taken; the plan,
    where not given.
    """

    def __init__(
        self,
        session: Session,
        options: RunOptions,
        reporter: Reporter,
        admits: Callable[[int, int], bool] | None = None,
    ) -> None:
        plan = session.plan
        self._store, self._plan, self._options, self._reporter = session.store, plan, options, reporter
        self._limits = session.grid.execution
        self._filing = Filing(session.store, plan, provenance(session.grid.folder))
        sweep()
        self._preparations = Preparations(plan)
        self._needs = MemoryNeeds(session.store)
        self._executor: Executor
        if session.wishes.on is not None:
            self._executor = Spread(session.wishes.on, plan, session.store.folder, options.allow_busy)
        else:
            self._executor = Local(plan, session.store.folder / "hosts", options.allow_busy, admits)
        self._waiting: list[PlannedCell] = plan.of("to do")
        self._elsewhere: list[PlannedCell] = []  # another harness has them
        self._running: dict[str, Running] = {}
        self._session, self._timed = secrets.token_hex(6), 0
        self._host_deaths = 0
        self._tries: dict[str, int] = {}
        self._losses: Counter[str] = Counter()
        self._told: set[str] = set()
        self._looked_at: set[str] = set()  # configurations
        self._interrupts = Interrupts()
        self._interrupted_at: float | None = None
        self._start = time.monotonic()
        self.summary = Summary.of(plan)

    def run(self) -> Summary:
        """Run to the end, an interrupt or the budget; every attempt has its record when this returns."""
        self._reporter.run_started(self._plan)
        cuda = any(environment.accelerator == "cuda" for environment in self._plan.environments.values())
        # The driver's library stays open: what it is asked meanwhile costs no start of its own.
        with self._interrupts.heard(), nvml() if cuda else contextlib.nullcontext():
            try:
                for planned in self._plan.of("skip"):
                    self._filing.without(planned, "skipped")
                    self.summary.statuses["skipped"] += 1
                for planned in self._plan.unbuilt():
                    self._filing.without(planned, "failed")
                while self._running or ((self._waiting or self._elsewhere) and not self._stopping()):
                    self._fill_slots()
                    self._listen()
                    self._check_clock()
            finally:
                self._close()
        # What ended without a final record is as much to do as what never began.
        unsettled = sum(self.summary.statuses[status] for status in ("killed", "interrupted"))
        self.summary.missing = len(self._waiting) + len(self._elsewhere) + unsettled
        self.summary.interrupted = self._interrupts.count > 0
        self.summary.interrupted_by = self._interrupts.why
        self.summary.seconds = time.monotonic() - self._start
        for path, problem in self._store.unreadable.items():
            self._reporter.note(f"{path}: its record is unreadable and counts for nothing: {problem}")
        return self.summary

    # Starting.

    def _fill_slots(self) -> None:
        if self._stopping():
            return
        stuck: set[tuple[str, int, bool]] = set()  # what cells wait for: those behind one that waits need not be asked
        index = 0
        while index < len(self._waiting) and self._executor.has_room():
            planned = self._waiting[index]
            key = self._preparations.key(planned.cell)
            need = (key, self._plan.needs(planned.cell), planned.cell.timed)
            if need not in stuck and self._executor.fits(planned.cell) and self._try_start(planned, key):
                del self._waiting[index]
            else:
                stuck.add(need)
                index += 1
        if not self._running and not self._waiting and self._elsewhere:
            # All that is left is in other hands: look again, a harness may have died.
            self._waiting, self._elsewhere = self._elsewhere, []
            time.sleep(TICK_S)

    def _try_start(self, planned: PlannedCell, key: str) -> bool:
        """Start a cell, or what must come before it; False where it stays in the queue."""
        problem = self._preparations.problem(key, planned.cell)
        if problem is not None:
            self.summary.blocked[problem] += 1
            return True
        if key not in self._preparations.ready:
            if all(running.preparation != key for running in self._running.values()):
                self._start_preparation(planned.cell, key)
            return False
        if planned.cell.configuration_id not in self._looked_at:  # what is found is of all its cells
            self._looked_at.add(planned.cell.configuration_id)
            for fact in self._preparations.findings(key, planned.cell):
                self._tell(fact)
        environment = self._plan.environments[planned.cell.environment]
        mib = self._needs.of(planned, environment) if environment.accelerator == "cuda" else None
        place = self._executor.lend(planned, mib)
        if place is None:
            return False
        taken = self._filing.take(planned)
        if taken is None:
            self._elsewhere.append(planned)
        elif isinstance(taken, Entry):
            self._note_done_elsewhere(planned, taken)
        else:
            self._start_cell(planned, taken, key, place)
        return True

    def _tell(self, fact: Fact) -> None:
        """Tell what was found, once a run."""
        if str(fact) not in self._told:
            self._told.add(str(fact))
            self._reporter.found(fact)

    def _note_done_elsewhere(self, planned: PlannedCell, entry: Entry) -> None:
        self.summary.reused.append(entry)
        self._reporter.cell_finished(planned.cell, entry)

    def _start_preparation(self, cell: Cell, key: str) -> None:
        self._reporter.preparing(f"{cell.checkpoint.name} on {cell.task}")
        job = self._preparations.job(key, cell)
        self._send(replace(self._job_of(cell, job), preparation=key), job)

    def _start_cell(self, planned: PlannedCell, lock: CellLock, key: str, place: Place) -> None:
        cell = planned.cell
        environment, materials = self._plan.environments[cell.environment], self._plan.materials[cell.environment]
        attempt = self._filing.begin(planned)
        self._timed += cell.timed
        # Only those of one machine make pairs: each has a session of its own.
        turn = (short_hash([self._session, place.node])[:12] if place.node else self._session, self._timed)
        uuids = place.devices.uuids
        job = cell_job(cell, attempt, environment, materials, self._preparations.ready[key], uuids, *turn)
        self._reporter.cell_started(cell)
        running = replace(self._job_of(cell, job), node=place.node, devices=place.devices)
        running.cell = RunningCell(planned, attempt, lock)
        self._send(running, job, lock.descriptor)

    def _send(self, running: Running, job: Mapping[str, Any], lock: int | None = None) -> None:
        self._running[running.job_id] = running
        try:
            self._executor.send(running, job, lock)
        except HostDied:
            self._lose_host(running.host)

    def _job_of(self, cell: Cell, job: Mapping[str, Any]) -> Running:
        """A cell's job, begun now; each timing replicate gets a fresh interpreter."""
        spawned = cell.timed or self._options.host == "spawn"
        return Running(job["id"], cell.environment, spawned, Path(job["folder"]), now(), time.monotonic())

    # Hearing.

    def _listen(self) -> None:
        with self._store.together():
            for key, events in self._executor.heard(TICK_S):
                if events is None:
                    self._lose_host(key)
                    continue
                for event in events:
                    self._hear(event)

    def _hear(self, event: Mapping[str, Any]) -> None:
        running = self._running.get(event.get("id", ""))
        if running is None:
            return
        if event["event"] == STARTED:
            running.begun, running.start = True, time.monotonic()
        elif event["event"] == EXITED:
            self._host_deaths = 0
            self._finish(running, event["status"])
        elif running.cell is not None:
            running.cell.stepped = running.cell.stepped or event["event"] == STEP
            self._reporter.cell_event(running.cell.planned.cell, event)

    def _lose_host(self, key: Key) -> None:
        """A host has died: its children with it. What they finished counts; the rest was killed."""
        death, label = self._executor.bury(key), key.environment
        self._host_deaths += not death.machine
        for running in [r for r in self._running.values() if r.host == key]:
            if running.cell is None:
                del self._running[running.job_id]  # the next cell that needs it asks again
            else:
                self._finish(running, None, death.machine)
        if self._interrupts.count:
            return
        if death.machine:
            self._reporter.note(f"{death.machine} is lost; what ran there begins again elsewhere: {death.words}")
            return
        if self._host_deaths >= HOST_DEATHS_ALLOWED:
            raise RunFailed(
                f"the host process of environment {label} died {self._host_deaths} times; it said:\n{death.words}"
            )
        self._reporter.note(f"the host process of environment {label} died; a new one takes over")

    def _finish(self, running: Running, status: int | None, machine: str = "") -> None:
        """File how a job ended; with `machine`, a node of that name was lost with it."""
        del self._running[running.job_id]
        self._executor.ended(running)
        result = read_result(running.folder)
        if running.cell is None:
            self._preparations.finish(running, status, result)
            return
        planned = running.cell.planned
        if result is not None and result["status"] == FAILED and self._preparations.lost(planned.cell):
            what = "what was prepared for it in the cache is gone, or is not as it was"
            running.verdict = running.verdict or ("killed", what)
        if machine:
            running.verdict = running.verdict or ("killed", f"killed with its machine: {machine} was lost")
        entry = self._filing.finish(running, running.cell, status, result)
        self._needs.hear(planned.cell, entry)
        self._reporter.cell_finished(planned.cell, entry)
        if entry.status in SCORED and planned.cell.recipe.get("load_best_model_at_end"):
            found = selection(self._store.record(entry))
            if found is not None and found.code == "selection.other":
                self._reporter.found(Fact.of("selection.cell", cell=planned.cell.label, found=found))
        # Of a cell that had errored before the run, its first attempt in it is the first further one.
        tries = self._tries.get(entry.cell_id, int(planned.errored))
        if self._stopping():
            again = False
        elif machine and entry.status == "killed":
            self._losses[entry.cell_id] += 1
            again = self._losses[entry.cell_id] <= LOSSES_ALLOWED
        else:
            again = entry.status in RETRIED and tries < self._options.retries
            self._tries[entry.cell_id] = tries + again
        if again:
            self._waiting.append(planned)
        else:
            self.summary.statuses[entry.status] += 1
            if entry.status in ERRORED:
                self.summary.errors.append(entry)

    # The clock, interrupts, and the end.

    def _check_clock(self) -> None:
        instant = time.monotonic()
        limit_s, first_step_s = 60 * self._limits.timeout_minutes, 60 * self._limits.first_step_timeout_minutes
        self._executor.watch()
        for running in list(self._running.values()):
            spent = instant - running.start
            overdue = running.killed is not None and instant - running.killed > KILL_GRACE_S
            if overdue or (not running.begun and spent > HOST_START_S):
                self._executor.destroy(running.host)  # its death is heard like any other
            if running.verdict is not None or not running.begun:
                continue
            if spent > limit_s:
                self._kill(running, "timeout", f"still running after {limit_s:g} s", signal.SIGKILL)
            elif running.cell and not running.cell.stepped and spent > first_step_s:
                self._kill(running, "timeout", f"no training step within {first_step_s:g} s", signal.SIGKILL)
        if self._interrupts.count and self._interrupted_at is None:
            self._interrupted_at = instant
            for running in list(self._running.values()):
                if running.cell is None or not running.begun:
                    self._withdraw(running)
                else:
                    self._kill(running, "interrupted", f"interrupted {self._interrupts.why}", signal.SIGTERM)
        elif self._interrupts.count > 1 or instant - (self._interrupted_at or instant) > INTERRUPT_GRACE_S:
            self._executor.destroy()

    def _withdraw(self, running: Running) -> None:
        """Forget a job that leaves no record: a preparation, or a cell not begun. It ends with its host."""
        del self._running[running.job_id]
        if running.cell is not None:
            running.cell.lock.release()
            shutil.rmtree(running.cell.attempt.folder, ignore_errors=True)
            self._waiting.append(running.cell.planned)

    def _kill(self, running: Running, status: Status, message: str, number: int) -> None:
        running.verdict = running.verdict or (status, message)
        running.killed = time.monotonic() if number == signal.SIGKILL else None
        self._executor.kill(running, number)

    def _stopping(self) -> bool:
        left = self._options.seconds_left
        self.summary.budget_spent = left is not None and left < 0
        return self._interrupts.count > 0 or self.summary.budget_spent

    def _close(self) -> None:
        self._executor.close()
        # Only after an error: what still ran has been killed with its host.
        for running in self._running.values():
            if running.cell is not None:
                running.cell.lock.release()
        self._preparations.close()
