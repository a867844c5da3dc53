"""NVIDIA's driver: whether it answers, how it has set devices, and their health while a cell holds them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from harness.errors import RequirementError

FINDINGS: Final = ("uncorrected ECC errors", "remapped rows", "row remappings that failed", "Xid")
"""What a sick device shows, in the order in which it is told."""


DRIVER_NODE: Final = Path("/dev/nvidiactl")
"""Where the driver is reached; there once its kernel module has been loaded."""
REMEDIES: Final[Mapping[int, str]] = {
    9: "load its kernel module (modprobe nvidia) or reboot",
    15: "a device fell off the bus: reboot, and look for Xid in the kernel's log",
    18: "it was upgraded while the old one runs: reboot",
    999: "in a container start that again, else see what nvidia-smi says and reboot",
}
"""By NVML's error: what helps."""
RUN_ON_CPU: Final = "set CUDA_VISIBLE_DEVICES= to run on the CPU"
COMPUTE_MODES: Final = ("default", "exclusive thread", "prohibited", "exclusive process")


@contextlib.contextmanager
def nvml() -> Iterator[Any]:
    """The driver's library (`pynvml`), initialised; None where there is no NVIDIA driver.

    It counts its users: what is asked while somebody holds it open costs no start.

    Raises
    ------
    RequirementError
        For a driver that does not answer, or no more: a machine with a GPU is not one without.
    """
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        absent = error.value == pynvml.NVML_ERROR_LIBRARY_NOT_FOUND
        absent |= error.value == pynvml.NVML_ERROR_DRIVER_NOT_LOADED and not DRIVER_NODE.exists()
        if not absent:
            raise RequirementError(_no_answer(error)) from error
        yield None
        return
    try:
        yield pynvml
    except pynvml.NVMLError as error:
        raise RequirementError(_no_answer(error)) from error
    finally:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _no_answer(error: Any) -> str:
    remedy = REMEDIES.get(error.value, "see what nvidia-smi says")
    return f"the NVIDIA driver does not answer: {nvml_words(error)}; {remedy}; or {RUN_ON_CPU}"


def nvml_words(error: Any) -> str:
    """What NVML calls an error, with its number."""
    return f"{error} (NVML error {error.value})"


def settings(uuids: Sequence[str]) -> dict[str, Any]:
    """The driver's version, and how it has set each device: what a timing depends on; empty without devices.

    `boards` has a value a device under each name. A slice has the power limit and the modes of its board; what is not
    told is None.
    """
    found: dict[str, Any] = {}
    with _while_it_answers(uuids) as driver:
        if driver is not None:
            boards = [_set(driver, uuid) for uuid in uuids]
            found["boards"] = {name: [board[name] for board in boards] for name in boards[0]}
            found["driver"] = str(driver.nvmlSystemGetDriverVersion())
    return found


@contextlib.contextmanager
def _while_it_answers(uuids: Sequence[str]) -> Iterator[Any]:
    """As `nvml`, where there are devices to ask for; what a driver that dies on the way does not say is left out.

    No run and no record is lost for it: whether the next cell can have a device is asked before that begins.
    """
    if not uuids:
        yield None
        return
    with contextlib.suppress(RequirementError), contextlib.ExitStack() as stack:
        driver = None
        with contextlib.suppress(RequirementError):
            driver = stack.enter_context(nvml())
        yield driver


def _set(driver: Any, uuid: str) -> dict[str, Any]:
    sliced = uuid.startswith("MIG-")
    found: dict[str, Any] = {"mig": sliced, "power_limit_watts": None, "persistence": None, "compute_mode": None}
    with contextlib.suppress(driver.NVMLError):
        board = driver.nvmlDeviceGetHandleByUUID(uuid)
        if sliced:
            board = driver.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(board)
        with contextlib.suppress(driver.NVMLError):
            found["power_limit_watts"] = driver.nvmlDeviceGetEnforcedPowerLimit(board) / 1e3
        with contextlib.suppress(driver.NVMLError):
            found["persistence"] = bool(driver.nvmlDeviceGetPersistenceMode(board))
        with contextlib.suppress(driver.NVMLError, IndexError):
            found["compute_mode"] = COMPUTE_MODES[driver.nvmlDeviceGetComputeMode(board)]
    return found


class HealthWatch:
    """Counts on some devices, from the moment it is made.

    A device whose count rises, whose rows were remapped or that raised an Xid (a critical error of the driver) may
    compute wrongly: its run's record says so.
    """

    def __init__(self, uuids: Sequence[str]) -> None:
        self._uuids = list(uuids)
        self._errors_before = {uuid: counts.get(FINDINGS[0], 0) for uuid, counts in self._read().items()}
        self._xids: list[str] = []
        self._events: Any = None
        self._listen()

    def findings(self) -> list[str]:
        """`uncorrected ECC errors: 3 (GPU-...)` for what is not 0, by now; closes the watch."""
        self._collect()
        found = []
        for uuid, counts in self._read().items():
            counts[FINDINGS[0]] = counts.get(FINDINGS[0], 0) - self._errors_before.get(uuid, 0)
            found += [f"{name}: {counts[name]} ({uuid})" for name in FINDINGS if counts.get(name)]
        return found + self._xids

    def _read(self) -> dict[str, dict[str, int]]:
        """Counts by device; what a device does not count is left out."""
        found: dict[str, dict[str, int]] = {}
        with _while_it_answers(self._uuids) as driver:
            for uuid in self._uuids if driver is not None else ():
                counts = found.setdefault(uuid, {})
                with contextlib.suppress(driver.NVMLError):
                    handle = driver.nvmlDeviceGetHandleByUUID(uuid)
                    with contextlib.suppress(driver.NVMLError):
                        counts[FINDINGS[0]] = driver.nvmlDeviceGetTotalEccErrors(
                            handle, driver.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, driver.NVML_VOLATILE_ECC
                        )
                    with contextlib.suppress(driver.NVMLError):
                        _, uncorrectable, _, failed = driver.nvmlDeviceGetRemappedRows(handle)
                        counts[FINDINGS[1]], counts[FINDINGS[2]] = uncorrectable, failed
        return found

    def _listen(self) -> None:
        """Ask the driver to keep the Xids of these devices; not every device has such events."""
        if not self._uuids:
            return
        import pynvml

        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlInit()  # stays open for the watch: an event set belongs to it
            self._events = pynvml.nvmlEventSetCreate()
            for uuid in self._uuids:
                with contextlib.suppress(pynvml.NVMLError):
                    handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
                    pynvml.nvmlDeviceRegisterEvents(handle, pynvml.nvmlEventTypeXidCriticalError, self._events)

    def _collect(self) -> None:
        """Take what has come, and close the watch."""
        if self._events is None:
            return
        import pynvml

        with contextlib.suppress(pynvml.NVMLError):  # ends with the timeout: there is no more
            while True:
                event = pynvml.nvmlEventSetWait_v2(self._events, 1)
                self._xids.append(f"{FINDINGS[3]}: {event.eventData}")
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlEventSetFree(self._events)
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()
        self._events = None


POWER_CAP: Final = "software power cap"
REASONS: Final = {
    0x4: POWER_CAP,
    0x8: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
}
"""NVML's `nvmlClocksEventReason*` bits that mean "slower than asked for"; idling and set clocks do not."""
COUNTED: Final = ("joules", "power", "heat")
"""What devices count from when the driver is loaded: energy, seconds held at the power limit, seconds held for heat."""

Counts = dict[str, dict[str, float]]
"""By device (UUID) and name."""


def throttle_reasons(uuids: Sequence[str]) -> set[str]:
    """The reasons that hold now on any of some devices; none where the driver does not say."""
    found: set[str] = set()
    with _while_it_answers(uuids) as driver:
        for uuid in uuids if driver is not None else ():
            with contextlib.suppress(driver.NVMLError):
                bits = driver.nvmlDeviceGetCurrentClocksThrottleReasons(driver.nvmlDeviceGetHandleByUUID(uuid))
                found.update(name for bit, name in REASONS.items() if bits & bit)
    return found


def counters(uuids: Sequence[str]) -> Counts:
    """What devices have counted until now, of `COUNTED`; what one does not count is left out."""
    found: Counts = {uuid: {} for uuid in uuids}
    with _while_it_answers(uuids) as driver:
        for uuid, counts in found.items() if driver is not None else ():
            with contextlib.suppress(driver.NVMLError):
                handle = driver.nvmlDeviceGetHandleByUUID(uuid)
                with contextlib.suppress(driver.NVMLError):  # older than Volta
                    counts["joules"] = driver.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3
                policies = {"power": driver.NVML_PERF_POLICY_POWER, "heat": driver.NVML_PERF_POLICY_THERMAL}
                for name, policy in policies.items():
                    with contextlib.suppress(driver.NVMLError):  # some boards, and slices of them
                        counts[name] = driver.nvmlDeviceGetViolationStatus(handle, policy).violationTime / 1e9
    return found


@dataclass
class HeldDevices:
    """Devices that a cell holds, by UUID, and what the driver says of them meanwhile; on a CPU there are none.

    `mib` is the memory that it is taken to need of its device, which others may share; None: it has its devices alone.
    `busy`: what else used them when they were lent; `throttled`: why they were slowed down since, `slowed` those of it
    in the timed window. Of that window too, None where they do not count it: `joules` that they took, seconds in which
    the most hindered of them was held at its power limit (`capped_s`) and back for its heat (`hot_s`).
    """

    uuids: list[str] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)
    health: HealthWatch | None = field(default=None, compare=False)
    mib: int | None = None
    throttled: set[str] = field(default_factory=set)
    slowed: set[str] = field(default_factory=set)
    joules: float | None = None
    capped_s: float | None = None
    hot_s: float | None = None
    settings: dict[str, Any] | None = None
    findings: list[str] = field(default_factory=list)
    _opened: Counts | None = None

    def at_edge(self, edge: str) -> None:
        """The window "opens" or "closes" now."""
        now = counters(self.uuids)
        if edge == "opens":
            self._opened = now
        self.look()
        if edge != "opens" and self._opened is not None:
            took, capped, hot = (_since(self._opened, now, name) for name in COUNTED)
            self.joules = sum(took) if took else None
            self.capped_s, self.hot_s = max(capped, default=None), max(hot, default=None)
            self._opened = None

    def settle(self) -> None:
        """The cell has ended: take what the driver says of its devices into `settings` and `findings`, once."""
        if self.settings is None:
            self.findings = self.health.findings() if self.health is not None else []
            self.health, self.settings = None, settings(self.uuids)

    def look(self) -> None:
        """Note why they are slow now."""
        found = throttle_reasons(self.uuids)
        self.throttled |= found
        if self._opened is not None:
            self.slowed |= found


def _since(before: Counts, now: Counts, name: str) -> list[float]:
    """What each device has counted between two readings; empty where one of them does not count it."""
    if not all(name in now[uuid] and name in before[uuid] for uuid in now):
        return []
    return [now[uuid][name] - before[uuid][name] for uuid in now]
