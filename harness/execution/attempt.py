"""An attempt at a cell: who may make it, what it is while it runs, and the record of it, whatever happened."""

from __future__ import annotations

import contextlib
import fnmatch
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

from harness.disk import CellLock
from harness.errors import StoreError
from harness.execution.health import HeldDevices
from harness.execution.host import Key
from harness.execution.outcome import (
    Heading,
    HostMode,
    clean_log,
    death,
    disk_trouble,
    failed_record,
    finished_record,
)
from harness.execution.plan import Plan, PlannedCell
from harness.protocol import BEACON, JOB, LOG, NONFINITE, OK, RANK_FILES, RANK_PID, RESULT, TRAINER
from harness.record.attempts import Entry
from harness.record.model import Provenance, Status
from harness.record.provenance import now
from harness.record.results import Results
from harness.record.store import Attempt, Store

GONE_S: Final = 5.0
"""How long is waited for what is dying; the kernel needs milliseconds, a process that waits for a disk more."""


class Filing:
    """Files the attempts of one run in a store."""

    def __init__(self, store: Store, plan: Plan, provenance: Provenance) -> None:
        self._store, self._plan, self._provenance = store, plan, provenance
        self._made: set[str] = set()  # paths of this run's own records
        self._contents: dict[str, str] = {}  # by configuration, whose cells share theirs

    def take(self, planned: PlannedCell) -> CellLock | Entry | None:
        """Take the right to run a cell, and file what a killed harness left of it.

        Returns
        -------
        CellLock or Entry or None
            The lock; the final record that another harness has made since the plan; None while another has the cell.
        """
        lock = self._store.lock(planned.cell.cell_id)
        if lock is None:
            return None
        try:
            entry = self._settled(planned)
        except BaseException:
            lock.release()
            raise
        if entry is None:
            return lock
        lock.release()
        return entry

    def begin(self, planned: PlannedCell) -> Attempt:
        """Open the next attempt; the caller holds the cell's lock."""
        return self._store.begin(planned.cell.cell_id, self._ids(planned)[0])

    def finish(
        self, running: Running, cell: RunningCell, status: int | None, result: Mapping[str, Any] | None
    ) -> Entry:
        """File how an attempt ended and give its lock back; `status` is its process's, as :func:`death` reads it.

        Raises
        ------
        StoreError
            Where the record cannot be written, or the child could not write its results.
        """
        attempt = cell.attempt
        heading = self._heading(cell.planned, attempt, running.started)
        trouble = disk_trouble(status, result)
        # A verdict may have crossed a result on its way: what was finished by then counts.
        came_first = result is not None and (running.verdict is None or result["status"] in (OK, NONFINITE))
        try:
            if trouble is not None:
                record = failed_record(heading, "killed", trouble)
            elif result is not None and came_first and "died" in result:
                gone = result["died"]
                death_of_rank, words = death(gone["status"], running.oom_kills)
                record = failed_record(heading, death_of_rank, f"rank {gone['rank']}: {words}")
            elif result is not None and came_first:
                mode: HostMode = "spawn" if running.spawned else "fork"
                record = finished_record(heading, result, mode, running.devices, running.switches)
            else:
                ended, words = running.verdict or death(status, running.oom_kills)
                behind = laggards(attempt.folder, cell.planned.cell.devices) if ended == "timeout" else ""
                record = failed_record(heading, ended, f"{words}; {behind}" if behind else words)
            tidy(attempt.folder)  # before the record: an attempt that has one is never looked at again
            entry = self._store.write(record, attempt)
        finally:
            cell.lock.release()
        self._made.add(entry.path)
        if trouble is not None:
            raise StoreError(f"{attempt.folder}: {trouble}; run the same command again: finished cells are kept")
        return entry

    def without(self, planned: PlannedCell, status: Literal["skipped", "failed"]) -> None:
        """A cell that cannot begin leaves a record with its reason; the same reason twice leaves one.

        It is skipped, or failed where its environment could not be built.
        """
        cell, reason = planned.cell, planned.reason or ""
        environment_id, _ = self._ids(planned)
        lock = self._store.lock(cell.cell_id)
        if lock is None:
            return
        try:
            here = [entry for entry in self._store.adopt(cell.cell_id) if entry.environment_id == environment_id]
            if here and here[-1].status == status:
                failure = self._store.record(here[-1]).failure
                if failure is not None and failure.message == reason:
                    return
            attempt = self.begin(planned)
            self._store.write(failed_record(self._heading(planned, attempt, now()), status, reason), attempt)
        finally:
            lock.release()

    def _settled(self, planned: PlannedCell) -> Entry | None:
        """An outcome that neither the plan nor this run knows of; files the attempts that have no record."""
        cell = planned.cell
        for attempt in self._store.unfinished(cell.cell_id):
            heading, here = self._heading(planned, attempt, now()), attempt.folder.parent.name
            if here != heading.environment_id:
                # An attempt of another environment is of other contents too, for all that is known.
                heading = replace(heading, environment_id=here, content_id=None, measurement=1)
            message = "the harness was killed while this attempt ran"
            tidy(attempt.folder)
            self._store.write(failed_record(heading, "killed", message), attempt)
        found = self._store.adopt(cell.cell_id)
        place = Results(found).place(cell.configuration_id, *self._ids(planned)) if found else None
        if place is None or place.measurement < planned.measurement:
            return None  # what there is belongs to a measurement that is over
        outcome = place.cell(cell.cell_id).final
        return outcome if outcome is not None and outcome.path not in self._made else None

    def _ids(self, planned: PlannedCell) -> tuple[str, str | None]:
        """Those of a cell's environment and of its content; a skipped cell's content may be unknown."""
        cell, content = planned.cell, None
        if planned.state not in ("skip", "blocked"):
            content = self._contents.get(cell.configuration_id)
            if content is None:
                content = self._plan.materials[cell.environment].content_id(cell)
                self._contents[cell.configuration_id] = content
        return self._plan.environments[cell.environment].environment_id, content

    def _heading(self, planned: PlannedCell, attempt: Attempt, started: str) -> Heading:
        built = self._plan.environments[planned.cell.environment].built
        ids, number = self._ids(planned), planned.measurement
        return Heading(planned.cell, self._store.grid, *ids, self._provenance, attempt, started, number, built)


@dataclass
class RunningCell:
    """What only a cell's job has: its place in the plan, its attempt and lock."""

    planned: PlannedCell
    attempt: Attempt
    lock: CellLock
    stepped: bool = False


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
    pid: int | None = None  # of its process, once its host has told it
    verdict: tuple[Status, str] | None = None  # why we killed it, where we did
    killed: float | None = None  # when its host was told to kill it, by the monotonic clock in seconds
    devices: HeldDevices = field(default_factory=HeldDevices)  # a preparation has none
    node: str = ""  # where it runs; "": on this machine
    oom_kills: int = 0  # the kernel's count when it began; once it has ended, how many were killed meanwhile
    switches: Mapping[str, str] = field(default_factory=dict)  # variables of its machine, once it has ended
    temporary: Path | None = None  # where its processes put their temporary files

    @property
    def host(self) -> Key:
        """Which host has it: its environment's that forks, or the one that starts interpreters."""
        return Key(self.environment, self.spawned, self.node)


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


def wait_until_gone(running: Running) -> None:
    """Wait for a job's process and ranks, which are dying: what they wrote after it was filed would stay for ever."""
    pids = [] if running.pid is None else [running.pid]
    for path in running.folder.glob(RANK_PID.format("*")):
        with contextlib.suppress(OSError, ValueError):
            pids.append(int(path.read_text(encoding="ascii")))
    end = time.monotonic() + GONE_S
    while any(_is_alive(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.005)


def _is_alive(pid: int) -> bool:
    """Whether a process is there and can still write; one that has ended and was not yet waited for cannot."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except (OSError, IndexError):
        return False  # gone, or no Linux: there nothing dies with its parent, and waiting is in vain


def tidy(folder: Path) -> None:
    """Leave the record, the series and the log of an attempt; the rest was scaffolding."""
    with contextlib.suppress(OSError):  # what stays is in nobody's way
        for path in list(folder.iterdir()):
            if any(fnmatch.fnmatchcase(path.name, one) for one in (RESULT, JOB, "*.tmp", RANK_FILES)):
                path.unlink(missing_ok=True)
    shutil.rmtree(folder / TRAINER, ignore_errors=True)
    with contextlib.suppress(OSError):
        clean_log(folder / LOG)
