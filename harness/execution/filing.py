"""Filing: who may run a cell, and a record for every attempt at it, whatever happened to the attempt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from harness.disk import CellLock
from harness.errors import StoreError
from harness.execution.outcome import (
    Identity,
    death,
    disk_trouble,
    failed_record,
    finished_record,
    oom_kill_count,
)
from harness.execution.plan import Plan, PlannedCell
from harness.execution.running import Running, RunningCell, laggards, tidy
from harness.record.entry import Entry
from harness.record.model import Provenance
from harness.record.provenance import now
from harness.record.results import Results
from harness.record.store import Attempt, Store

HostMode = Literal["fork", "spawn"]


class Filing:
    """Files the attempts of one run in a store."""

    def __init__(self, store: Store, plan: Plan, provenance: Provenance) -> None:
        self._store, self._plan, self._provenance = store, plan, provenance
        self._made: set[str] = set()  # paths of this run's own records

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
        return self._store.begin(planned.cell.cell_id, self._identity(planned).environment_id)

    def finish(self, running: Running, cell: RunningCell, status: int, result: Mapping[str, Any] | None) -> Entry:
        """File how an attempt ended and give its lock back; `status` as from `os.waitstatus_to_exitcode`.

        Raises
        ------
        StoreError
            Where the record cannot be written, or the child could not write its results.
        """
        planned, attempt = cell.planned, cell.attempt
        filed = (planned.cell, self._identity(planned), attempt, running.started)
        trouble = disk_trouble(status, result)
        # A verdict may have crossed a result on its way: what was finished by then counts.
        came_first = result is not None and (running.verdict is None or result["status"] in ("ok", "nonfinite"))
        try:
            if trouble is not None:
                record = failed_record(*filed, "killed", trouble)
            elif result is not None and came_first and "died" in result:
                gone = result["died"]
                death_of_rank, words = death(gone["status"], oom_kill_count() - running.oom_kills)
                record = failed_record(*filed, death_of_rank, f"rank {gone['rank']}: {words}")
            elif result is not None and came_first:
                host: HostMode = "spawn" if running.spawned else "fork"
                record = finished_record(*filed, result, host, cell.busy, cell.throttled, cell.energy.joules)
            else:
                ended, words = running.verdict or death(status, oom_kill_count() - running.oom_kills)
                behind = laggards(attempt.folder, planned.cell.devices) if ended == "timeout" else ""
                record = failed_record(*filed, ended, f"{words}; {behind}" if behind else words)
            entry = self._store.write(record, attempt)
        finally:
            cell.lock.release()
        self._made.add(entry.path)
        tidy(attempt.folder)
        if trouble is not None:
            raise StoreError(f"{attempt.folder}: {trouble}; run the same command again: finished cells are kept")
        return entry

    def skip(self, planned: PlannedCell) -> None:
        """A skipped cell leaves a record with its reason; the same reason twice leaves one."""
        identity, reason = self._identity(planned), planned.reason or ""
        lock = self._store.lock(planned.cell.cell_id)
        if lock is None:
            return
        try:
            here = [e for e in self._store.adopt(planned.cell.cell_id) if e.environment_id == identity.environment_id]
            if here and here[-1].status == "skipped" and here[-1].error == f"skipped: {reason}":
                return
            attempt = self.begin(planned)
            self._store.write(failed_record(planned.cell, identity, attempt, now(), "skipped", reason), attempt)
        finally:
            lock.release()

    def _settled(self, planned: PlannedCell) -> Entry | None:
        """A final record that neither the plan nor this run knows of; files the attempts that have no record."""
        cell, identity = planned.cell, self._identity(planned)
        for attempt in self._store.unfinished(cell.cell_id):
            # An attempt of another environment is of other contents too, for all that is known.
            here = attempt.folder.parent.name
            owner = identity
            if here != identity.environment_id:
                owner = replace(identity, environment_id=here, content_id=None)
            message = "the harness was killed while this attempt ran"
            self._store.write(failed_record(cell, owner, attempt, now(), "killed", message), attempt)
            tidy(attempt.folder)
        place = (cell.cell_id, identity.environment_id, identity.content_id)
        final = Results(self._store.adopt(cell.cell_id)).counting.get(place)
        known = self._made | ({planned.entry.path} if planned.entry else set())
        return final if final is not None and final.path not in known else None

    def _identity(self, planned: PlannedCell) -> Identity:
        label = planned.cell.environment
        environment = self._plan.environments[label].environment_id
        content = None if planned.state == "skip" else self._plan.materials[label].content_id(planned.cell)
        return Identity(self._store.grid, environment, content, self._provenance)
