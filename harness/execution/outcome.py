"""From what a child left (or did not leave) to a record."""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.cell import Cell
from harness.provenance import now
from harness.record import Failure, Measured, Observed, Provenance, Record, Status, asked_of
from harness.stats.collapse import is_collapsed
from harness.store import LOG, SERIES, Attempt

DETAILS_CHARACTERS = 4000


@dataclass(frozen=True)
class Identity:
    """The ids under which a cell's record is filed."""

    grid: str
    environment_id: str
    content_id: str | None
    provenance: Provenance


def finished_record(
    cell: Cell,
    identity: Identity,
    attempt: Attempt,
    started: str,
    result: Mapping[str, Any],
    host: str,
    busy: list[str],
) -> Record:
    """The record of an attempt whose child wrote its `result.json`."""
    observed = measured = failure = None
    status: Status = result["status"]
    try:
        if result.get("observed"):
            observed = Observed(**result["observed"], host=host, device_busy=busy)
        if result.get("measured"):
            measured = Measured(**result["measured"])
        if result.get("failure"):
            failure = Failure(**result["failure"])
    except ValidationError as error:
        # The subject and the harness disagree about the form of a result: a defect of ours, kept as such.
        failure = Failure(type="InvalidResult", message=str(error.errors()[0])[:500])
        observed = measured = None
        status = "failed"
    if status == "ok" and measured and measured.confusion:
        counts = measured.confusion
        if is_collapsed(counts.tp, counts.fp, counts.fn, counts.tn):
            status = "collapsed"
    series = attempt.folder / SERIES
    digest = hashlib.sha256(series.read_bytes()).hexdigest() if series.is_file() else None
    return Record(
        **_filed(cell, identity, attempt),
        status=status,
        started=started,
        finished=now(),
        observed=observed,
        measured=measured,
        failure=failure,
        series=result.get("series", {}) if digest else {},
        series_sha256=digest,
    )


def failed_record(
    cell: Cell, identity: Identity, attempt: Attempt, started: str, status: Status, message: str
) -> Record:
    """The record of an attempt that left no result: killed, timed out, interrupted, skipped, or out of memory."""
    details = log_tail(attempt.folder / LOG) if status not in ("skipped", "interrupted") else ""
    return Record(
        **_filed(cell, identity, attempt),
        status=status,
        started=started,
        finished=now(),
        failure=Failure(type=status, message=message, details=details),
    )


def read_result(folder: Path) -> Mapping[str, Any] | None:
    """The child's `result.json`; None where it left none (it is renamed into place, so never half)."""
    try:
        value = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def death(status: int, oom_kills: int) -> tuple[Status, str]:
    """Name a death without a result: `status` as from `os.waitstatus_to_exitcode`."""
    if status >= 0:
        return "failed", f"the process left with status {status} and no result"
    name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
    if -status == signal.SIGKILL and oom_kills:
        return "oom", "killed by the kernel: the machine (or its memory limit) ran out of memory"
    if -status in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        return "killed", f"killed by {name}"
    return "failed", f"crashed with {name}"


def oom_kill_count() -> int:
    """How many processes the kernel has killed for memory in this control group; 0 where it does not say."""
    for path in (Path("/sys/fs/cgroup/memory.events"), Path("/sys/fs/cgroup/memory/memory.oom_control")):
        try:
            for line in path.read_text(encoding="ascii").splitlines():
                key, _, value = line.partition(" ")
                if key == "oom_kill":
                    return int(value)
        except (OSError, ValueError):
            continue
    return 0


def log_tail(path: Path) -> str:
    """The end of a job's log."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")[-DETAILS_CHARACTERS:]
    except OSError:
        return ""


def _filed(cell: Cell, identity: Identity, attempt: Attempt) -> dict[str, Any]:
    return {
        "grid": identity.grid,
        "cell_id": cell.cell_id,
        "configuration_id": cell.configuration_id,
        "environment_id": identity.environment_id,
        "content_id": identity.content_id,
        "attempt": attempt.number,
        "asked": asked_of(cell),
        "provenance": identity.provenance,
    }
