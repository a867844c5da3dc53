"""NVIDIA devices as the driver (NVML) reports them: what they are, which are free, and who is lent them."""

from __future__ import annotations

import contextlib
import math
import os
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.errors import RunFailed
from harness.execution.health import HealthWatch, HeldDevices, nvml, nvml_words
from harness.protocol import NO_GPU

BUSY_MEMORY_MIB: Final = 1024
BUSY_UTILISATION: Final = 20
_LEADING_INDEX: Final = re.compile(r"\+?[0-9]{1,9}")
"""CUDA reads an index as C's strtoul does: `1gpu` is 1."""


@dataclass(frozen=True)
class Device:
    """One device: memory in MiB (0: unknown), utilisation in percent, processes as PIDs (empty where hidden)."""

    uuid: str
    name: str
    memory_mib: int
    used_mib: int
    utilisation: int
    processes: tuple[int, ...] = ()

    @property
    def busy(self) -> str | None:
        """Why this device would spoil a run now, or None."""
        if self.processes:
            return f"{self.name} ({self.uuid}) is used by process {', '.join(map(str, self.processes))}"
        if self.used_mib > BUSY_MEMORY_MIB:
            return f"{self.name} ({self.uuid}) has {self.used_mib} MiB in use"
        if self.utilisation > BUSY_UTILISATION:
            return f"{self.name} ({self.uuid}) is {self.utilisation} % busy"
        return None


@dataclass(frozen=True)
class Driver:
    """What NVIDIA's driver says; all empty where there is none, or where it is not asked.

    `cuda` is the newest CUDA that it carries (major, minor), `left_out` says which boards do not answer, and why none
    is left.
    """

    version: str | None = None
    cuda: tuple[int, int] | None = None
    devices: tuple[Device, ...] = ()
    left_out: tuple[str, ...] = ()


def nvidia_driver() -> Driver:
    """Ask the driver: of its devices those that `CUDA_VISIBLE_DEVICES` leaves, in its order.

    Where that hides every device (see `harness.protocol.NO_GPU`) the driver is not asked: it may be broken, and the
    user wants the CPU.

    Raises
    ------
    RequirementError
        For a driver that does not answer.
    """
    setting = os.environ.get("CUDA_VISIBLE_DEVICES")
    if setting in NO_GPU:
        return Driver()
    found: list[Device] = []
    left_out = []
    with nvml() as driver:
        if driver is None:
            return Driver()
        for index in range(driver.nvmlDeviceGetCount()):
            try:
                board = driver.nvmlDeviceGetHandleByIndex(index)
                found += [_device(driver, handle) for handle in _slices(driver, board) or [board]]
            except driver.NVMLError as error:
                left_out.append(f"NVIDIA device {index} does not answer and is left out: {nvml_words(error)}")
        cuda = None
        with contextlib.suppress(driver.NVMLError):
            number = driver.nvmlSystemGetCudaDriverVersion_v2()
            cuda = (number // 1000, number % 1000 // 10)
        version = str(driver.nvmlSystemGetDriverVersion())
    chosen = visible(found, setting)
    if found and not chosen:
        left_out.append(f"CUDA_VISIBLE_DEVICES={setting} names no NVIDIA device ({len(found)} here)")
    return Driver(version, cuda, tuple(chosen), tuple(left_out))


def nvidia_devices() -> list[Device]:
    """The devices that cells may be lent; raises as `nvidia_driver` does."""
    return list(nvidia_driver().devices)


def visible(devices: Sequence[Device], setting: str | None) -> list[Device]:
    """Apply a `CUDA_VISIBLE_DEVICES` setting as CUDA does (and `torch.cuda._parse_visible_devices` writes down).

    Indices or prefixes of UUIDs, as the first item has it; the list ends at the first item that names no device,
    and a device named twice leaves none.
    """
    if setting is None:
        return list(devices)
    by_uuid = setting.startswith(("GPU-", "MIG-"))
    chosen: list[Device] = []
    for item in setting.split(","):
        if by_uuid:
            match = [device for device in devices if item.startswith(setting[:4]) and device.uuid.startswith(item)]
        else:
            index = _LEADING_INDEX.match(item.strip())
            match = list(devices[int(index[0]) :][:1]) if index else []
        if len(match) != 1:
            break
        if match[0] in chosen:
            return []
        chosen.append(match[0])
    return chosen


def _slices(driver: Any, board: Any) -> list[Any]:
    """The MIG slices of a board; empty where it is not sliced: CUDA then sees the board itself."""
    try:
        if not driver.nvmlDeviceGetMigMode(board)[0]:
            return []
    except driver.NVMLError:
        return []  # a board that knows no MIG
    slices = []
    for index in range(driver.nvmlDeviceGetMaxMigDeviceCount(board)):
        with contextlib.suppress(driver.NVMLError):  # no slice in this place
            slices.append(driver.nvmlDeviceGetMigDeviceHandleByIndex(board, index))
    return slices


def _device(driver: Any, handle: Any) -> Device:
    total, used = _memory(driver, handle)
    utilisation, processes = 0, ()
    with contextlib.suppress(driver.NVMLError):  # not supported on MIG slices and some virtual devices
        utilisation = driver.nvmlDeviceGetUtilizationRates(handle).gpu
    with contextlib.suppress(driver.NVMLError):
        processes = tuple(process.pid for process in driver.nvmlDeviceGetComputeRunningProcesses(handle))
    return Device(
        uuid=str(driver.nvmlDeviceGetUUID(handle)),
        name=str(driver.nvmlDeviceGetName(handle)),
        memory_mib=total // 2**20,
        used_mib=used // 2**20,
        utilisation=utilisation,
        processes=processes,
    )


def _memory(driver: Any, handle: Any) -> tuple[int, int]:
    """Bytes: all of it, and what is used but for the driver's own reserve where it tells them apart; 0 if unknown."""
    for version in (driver.nvmlMemory_v2, None):
        try:
            memory = driver.nvmlDeviceGetMemoryInfo(handle, version)
        except (driver.NVMLError_FunctionNotFound, driver.NVMLError_NotSupported):
            continue  # an old driver; a board that shares the machine's memory
        return memory.total, memory.used
    return 0, 0


INTERVAL_S: Final = 5.0
"""How often, at most, the driver is asked why devices are slow."""


PATIENCE_S: Final = 60.0
"""How long busy devices are waited for: the driver shows a process that has just ended for some seconds more."""


class DevicePool:
    """Lends devices and watches those that are held; what others use it sees for itself.

    `slots` is how many ranks may run at once: where they are more than devices, one is lent to several cells. Those on
    several devices share none: in collectives of two cells each would wait for ranks that wait for their turn.
    """

    def __init__(self, allow_busy: bool, slots: int = 1, patience_s: float = PATIENCE_S) -> None:
        self._allow_busy, self._slots, self._patience_s = allow_busy, slots, patience_s
        self._busy_since: float | None = None
        self._watched = 0.0

    def lend(self, count: int, held: Sequence[HeldDevices], waits: bool, mib: int | None = None) -> HeldDevices | None:
        """Devices that are free, else one that is shared, None while they are taken.

        Parameters
        ----------
        held
            What this run's own cells hold.
        waits
            Whether something of this run is still under way, so that asking again can help.
        mib
            What a cell is known to need of its device; None: unknown, or it is to be alone.

        Raises
        ------
        RunFailed
            Where others keep the devices busy for longer than the patience, and nothing of this run is left to
            wait for.
        """
        taken = {uuid for devices in held for uuid in devices.uuids}
        here = nvidia_devices()
        free = [device for device in here if device.uuid not in taken]
        idle = free if self._allow_busy else [device for device in free if device.busy is None]
        if len(idle) >= count:
            self._busy_since = None
            lent = idle[:count]
            uuids, busy = [device.uuid for device in lent], [device.busy for device in lent if device.busy]
            return HeldDevices(uuids, busy, HealthWatch(uuids), mib if count == 1 else None)
        if count == 1 and mib is not None and (shared := self._with_room(here, held, mib)) is not None:
            self._busy_since = None
            return HeldDevices([shared], health=HealthWatch([shared]), mib=mib)
        if waits:
            self._busy_since = None
            return None
        instant = time.monotonic()
        self._busy_since = self._busy_since or instant
        if instant - self._busy_since < self._patience_s:
            return None
        others = "; ".join(str(device.busy) for device in free if device.busy)
        raise RunFailed(f"no idle device for the next cell: {others or 'none left'} (--allow-busy runs all the same)")

    def _with_room(self, here: Sequence[Device], held: Sequence[HeldDevices], mib: int) -> str | None:
        """Of the devices that hold cells which share, the one with the fewest on which another one fits."""
        found = []
        for device in here:
            needs = [one.mib for one in held if device.uuid in one.uuids]
            known = [need for need in needs if need is not None]
            few = 0 < len(needs) == len(known) < math.ceil(self._slots / len(here))
            if few and sum(known) + mib <= device.memory_mib:
                found.append((len(known), device.uuid))
        return min(found, key=lambda each: each[0])[1] if found else None

    def watch(self, held: Iterable[HeldDevices]) -> None:
        """Note why devices are slow now; the driver is asked every few seconds at most."""
        instant = time.monotonic()
        watched = [devices for devices in held if devices.uuids]
        if not watched or instant - self._watched < INTERVAL_S:
            return
        self._watched = instant
        for devices in watched:
            devices.look()
