"""NVIDIA devices as the driver reports them (NVML): no CUDA context, no torch, nothing disturbed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

BUSY_MEMORY_MIB: Final = 1024
BUSY_UTILISATION: Final = 20


@dataclass(frozen=True)
class Device:
    """One device: memory in MiB, utilisation in percent, processes as PIDs (empty where the driver hides them)."""

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


def nvidia_devices() -> list[Device]:
    """The devices that `CUDA_VISIBLE_DEVICES` leaves, in its order; empty without driver or device."""
    with _nvml() as nvml:
        if nvml is None:
            return []
        found = [_device(nvml, nvml.nvmlDeviceGetHandleByIndex(i)) for i in range(nvml.nvmlDeviceGetCount())]
    return visible(found, os.environ.get("CUDA_VISIBLE_DEVICES"))


def nvidia_driver() -> str | None:
    """The driver's version, or None where there is no NVIDIA driver."""
    with _nvml() as nvml:
        return None if nvml is None else str(nvml.nvmlSystemGetDriverVersion())


def visible(devices: Sequence[Device], setting: str | None) -> list[Device]:
    """Apply a `CUDA_VISIBLE_DEVICES` setting: indices or UUID prefixes; the list ends at the first that is neither.

    That last rule is CUDA's own.
    """
    if setting is None:
        return list(devices)
    chosen: list[Device] = []
    for item in filter(None, (part.strip() for part in setting.split(","))):
        if item.isdigit() and int(item) < len(devices):
            chosen.append(devices[int(item)])
            continue
        match = [device for device in devices if device.uuid.startswith(item)]
        if len(match) != 1:
            break
        chosen.append(match[0])
    return chosen


@contextlib.contextmanager
def _nvml() -> Iterator[Any]:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield None
        return
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()


def _device(nvml: Any, handle: Any) -> Device:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    utilisation, processes = 0, ()
    with contextlib.suppress(nvml.NVMLError):  # not supported on MIG slices and some virtual devices
        utilisation = nvml.nvmlDeviceGetUtilizationRates(handle).gpu
    with contextlib.suppress(nvml.NVMLError):
        processes = tuple(process.pid for process in nvml.nvmlDeviceGetComputeRunningProcesses(handle))
    return Device(
        uuid=str(nvml.nvmlDeviceGetUUID(handle)),
        name=str(nvml.nvmlDeviceGetName(handle)),
        memory_mib=memory.total // 2**20,
        used_mib=memory.used // 2**20,
        utilisation=utilisation,
        processes=processes,
    )
