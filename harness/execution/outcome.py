"""From what a child left (or did not leave) to a record."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import ValidationError

from harness.errors import StoreError
from harness.execution.health import POWER_CAP, HeldDevices
from harness.grid.cell import Cell
from harness.protocol import CANNOT_WRITE, FAILED, NONFINITE, OK, OOM, RESULT
from harness.record.integrity import answers_problem, scores_problem
from harness.record.model import SERIES, Failure, Provenance, Record, Status, asked_of, record_of
from harness.record.parts.built import BuiltFrom
from harness.record.parts.measured import Measured
from harness.record.parts.observed import Observed
from harness.record.parts.timing import MOST_HELD
from harness.record.provenance import now
from harness.record.store import LOG, Attempt
from harness.secret import masked
from harness.stats.collapse import is_collapsed
from harness.validation import first_problem

DETAILS_CHARACTERS: Final = 4000
MOST_RESULT: Final = 16 * 2**20
"""Characters of a child's result: a thousand times what a record may have."""
MOST_LOG: Final = 8 * 2**20
"""Bytes of an attempt's log that are kept: an hour of a line a second has less than one."""
INVALID: Final = "InvalidResult"
LEAST_ENERGY_S: Final = 5.0
"""Of a shorter window no energy is told: the counter moves in tens of ms, and its edges are heard of that late too."""
VARIABLES: Final = ("CUBLAS_", "NVIDIA_", "PYTORCH_", "TORCHINDUCTOR_", "TORCH_", "TRITON_")
"""What the names of variables begin with that torch, cuBLAS and Triton are set by, for cells to have and to record."""
MOST_VARIABLE: Final = 200
"""Characters of a variable's value that are kept."""
_SAID: Final = (OK, NONFINITE, FAILED, OOM)
NO_DEVICES: Final = HeldDevices()
NO_SWITCHES: Final[Mapping[str, str]] = {}
HostMode = Literal["fork", "spawn"]


@dataclass(frozen=True)
class Heading:
    """What the record of an attempt begins with, whatever its end."""

    cell: Cell
    grid: str
    environment_id: str
    content_id: str | None
    provenance: Provenance
    attempt: Attempt
    started: str
    measurement: int = 1
    built: BuiltFrom | None = None

    def record(self, status: Status, **parts: Any) -> Record:
        """The record of the attempt, which ends now."""
        return Record(
            grid=self.grid,
            cell_id=self.cell.cell_id,
            configuration_id=self.cell.configuration_id,
            environment_id=self.environment_id,
            content_id=self.content_id,
            attempt=self.attempt.number,
            measurement=self.measurement,
            asked=asked_of(self.cell),
            provenance=self.provenance,
            status=status,
            started=self.started,
            finished=now(),
            built=self.built,
            **parts,
        )


def finished_record(
    heading: Heading,
    result: Mapping[str, Any],
    host: HostMode,
    devices: HeldDevices = NO_DEVICES,
    variables: Mapping[str, str] = NO_SWITCHES,
) -> Record:
    """The record of an attempt whose child wrote its `result.json`.

    Of its devices the parent adds what the driver said, of its machine the `variables` that :func:`switches` found.
    """
    series = heading.attempt.folder / SERIES
    arrays = series.read_bytes() if series.is_file() else None
    digest = None if arrays is None else hashlib.sha256(arrays).hexdigest()
    try:
        record = heading.record(
            **_parts(_with_variables(result, variables), host, devices),
            series=result.get("series", {}) if digest else {},
            series_sha256=digest,
        )
        record_of(record.to_json().encode(), RESULT)
    except (ValueError, TypeError, LookupError, RecursionError, StoreError) as error:
        # The subject and the harness disagree about the form of a result: a defect of ours, kept as such.
        problem = first_problem(error) if isinstance(error, ValidationError) else f"{error!s:.400}"
        return heading.record("failed", failure=Failure(type=INVALID, message=_text(problem)), series_sha256=digest)
    inconsistent = scores_problem(record) or (None if arrays is None else answers_problem(record, arrays))
    if inconsistent is None:
        return record
    failure = Failure(type=INVALID, message=inconsistent)
    return heading.record("failed", observed=record.observed, failure=failure)


def _parts(result: Mapping[str, Any], host: HostMode, devices: HeldDevices) -> dict[str, Any]:
    """The parts of a record, of a child's result; whatever it raises for a result of another form."""
    observed = measured = failure = None
    status: Status = result["status"]
    if result.get("observed"):
        devices.settle()
        seen = {**result["observed"], "machine": {**result["observed"]["machine"], **(devices.settings or {})}}
        observed = Observed(**seen, host=host, device_busy=devices.busy, device_health=devices.findings)
    if result.get("measured"):
        measured = Measured(**_with_driver(result["measured"], devices))
    if result.get("failure"):
        failure = Failure(**{name: masked(text) for name, text in result["failure"].items()})
    if status == OK and not (measured and (measured.metrics or measured.timing)):
        raise ValueError("measured: got neither scores nor a timing; allowed status ok only with either")
    if status == OK and measured and _has_collapsed(measured):
        status = "collapsed"
    return {"status": status, "observed": observed, "measured": measured, "failure": failure}


def _has_collapsed(measured: Measured) -> bool:
    """Whether nothing was learned: one constant answer, unless it is right, or none better than a constant's."""
    if measured.confusion is not None:
        return is_collapsed(measured.confusion.counts)
    return bool(measured.constant) and measured.metrics.get("accuracy", 0.0) < 1


def switches() -> dict[str, str]:
    """Those of `VARIABLES` that are set on this machine, for its cells to have."""
    return {
        name: masked(value)[:MOST_VARIABLE] for name, value in sorted(os.environ.items()) if name.startswith(VARIABLES)
    }


def _with_variables(result: Mapping[str, Any], found: Mapping[str, str]) -> Mapping[str, Any]:
    """The result with what its parent found set among its switches; as the parent has them: torch sets some."""
    if not found or not result.get("observed"):
        return result
    observed = result["observed"]
    return {**result, "observed": {**observed, "determinism": {**observed["determinism"], "variables": dict(found)}}}


def _with_driver(measured: Mapping[str, Any], devices: HeldDevices) -> dict[str, Any]:
    """What was measured with what the driver said: a device that was slowed down, or not alone, was not quiet.

    Held at its power limit many a device is whenever it works: that is recorded, and no reason by itself.
    """
    found, timing = {**measured, "throttle_reasons": sorted(devices.throttled)}, measured.get("timing")
    if timing is not None:
        seconds = timing["seconds"]
        slow = [f"the device was slowed down: {why}" for why in sorted(devices.slowed - {POWER_CAP})]
        if devices.hot_s is not None and devices.hot_s > MOST_HELD * seconds:
            slow.append(f"the device was held back for its heat for {devices.hot_s:.2f} s")
        noise = {**timing["noise"], "reasons": [*timing["noise"]["reasons"], *slow, *devices.busy]}
        capped = None if devices.capped_s is None else devices.capped_s / seconds
        joules = devices.joules if seconds >= LEAST_ENERGY_S else None
        found["timing"] = {**timing, "energy_joules": joules, "power_capped": capped, "noise": noise}
    return found


def failed_record(heading: Heading, status: Status, message: str) -> Record:
    """The record of an attempt that left no result: killed, timed out, interrupted, skipped, or out of memory."""
    details = log_tail(heading.attempt.folder / LOG) if status not in ("skipped", "interrupted") else ""
    return heading.record(status, failure=Failure(type=status, message=masked(message), details=masked(details)))


def read_result(folder: Path) -> Mapping[str, Any] | None:
    """The child's result; None where it left none (it is renamed into place, so never half).

    One that says nothing that can be used is a failure of the attempt, which says so.
    """
    try:
        with (folder / RESULT).open(encoding="utf-8", errors="replace") as file:
            text = file.read(MOST_RESULT + 1)
    except OSError:
        return None
    try:
        if len(text) > MOST_RESULT:
            raise ValueError(f"longer than {MOST_RESULT / 2**20:g} MiB")
        value = json.loads(text)
        problem = _unusable(value)
    except (ValueError, RecursionError) as error:
        problem = f"{type(error).__name__}: {error!s:.80}"
    if problem is None:
        return value  # type: ignore[no-any-return]
    return {"status": FAILED, "failure": {"type": INVALID, "message": f"{RESULT}: {problem}"}}


def _unusable(value: Any) -> str | None:
    """Why nothing can be told from a child's result; None where it can. Its other parts are read by their models."""
    if not isinstance(value, dict):
        return f"got {value!r:.80}; allowed a table"
    status, failure, died = value.get("status"), value.get("failure"), value.get("died")
    if status not in _SAID:
        return f"status: got {status!r:.80}; allowed {', '.join(_SAID)}"
    if failure is not None and not (isinstance(failure, dict) and _has(failure, type=str, message=str)):
        return f"failure: got {failure!r:.80}; allowed a type and a message"
    if "died" in value and not (isinstance(died, dict) and _has(died, rank=int, status=int)):
        return f"died: got {died!r:.80}; allowed a rank and a status"
    if status in (FAILED, OOM) and failure is None and died is None:
        return f"failure: missing; required where the status is {status}"
    return None


def _has(table: Mapping[str, Any], **kinds: type) -> bool:
    return all(isinstance(table.get(name), kind) for name, kind in kinds.items())


def _text(text: str) -> str:
    return text.encode("utf-8", errors="backslashreplace").decode("utf-8")


def death(status: int | None, oom_kills: int) -> tuple[Status, str]:
    """Name a death without a result: `status` as from `os.waitstatus_to_exitcode`; None of who died with its host."""
    if status is None:
        # Whatever became of the host, memory or not, says nothing of the cells beside it.
        return "killed", "killed with its host process"
    if status >= 0:
        return "failed", f"the process left with status {status} and no result"
    name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
    if -status == signal.SIGKILL and oom_kills:
        return "oom", "killed by the kernel: the machine (or its memory limit) ran out of memory"
    if -status in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        return "killed", f"killed by {name}"
    return "failed", f"crashed with {name}"


def disk_trouble(status: int | None, result: Mapping[str, Any] | None) -> str | None:
    """Say that a child could not write its files, where that is why it failed: no fault of its cell's."""
    if status == CANNOT_WRITE and result is None:
        return "its process could not write its result: the disk is full or cannot be written"
    if result is None or not result.get("disk_full") or result.get("failure") is None:
        return None
    return f"its process met a full disk ({result['failure']['type']}: {result['failure']['message']})"


def oom_kill_count() -> int:
    """How many processes the kernel has killed for memory: here, else on the machine; 0 where it does not say."""
    for path in (*_cgroup_counters(), Path("/proc/vmstat")):
        try:
            for line in path.read_text(encoding="ascii").splitlines():
                key, _, value = line.partition(" ")
                if key == "oom_kill":
                    return int(value)
        except (OSError, ValueError):
            continue
    return 0


def _cgroup_counters() -> list[Path]:
    """Where this process's control groups (version 2, then 1) would count their kills."""
    found = []
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                found.append(Path("/sys/fs/cgroup") / path.lstrip("/") / "memory.events")
            elif "memory" in controllers.split(","):
                found.append(Path("/sys/fs/cgroup/memory") / path.lstrip("/") / "memory.oom_control")
    return found


def clean_log(path: Path) -> None:
    """Keep the beginning and the end of a log that is longer than `MOST_LOG`, and of that no secret. Raises OSError."""
    _shorten(path)
    found = path.read_bytes()
    clean = masked(found)
    if clean != found:
        path.write_bytes(clean)


def _shorten(path: Path) -> None:
    """Cut out the middle of a log that is too long, and say so there."""
    size, half = path.stat().st_size, MOST_LOG // 2
    if size <= MOST_LOG:
        return
    with path.open("r+b") as file:
        file.seek(size - half)
        end = file.read(half)
        file.seek(half)
        file.write(f"\n[... {size - MOST_LOG} bytes cut here ...]\n".encode() + end)
        file.truncate()


def log_tail(path: Path) -> str:
    """The end of a job's log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4 * DETAILS_CHARACTERS))
            return file.read().decode("utf-8", errors="replace")[-DETAILS_CHARACTERS:]
    except OSError:
        return ""
