"""Devices are handed out once, idle ones first, and busy ones are waited for before they stop a run."""

from __future__ import annotations

import dataclasses

import pytest

from harness.errors import RunFailed
from harness.execution import device_pool
from harness.execution.device_pool import DevicePool
from harness.execution.devices import Device, throttle_reasons
from harness.execution.environment import Environment

FACTS = {"packages": {}, "missing": [], "torch": {"cuda_available": True, "devices": [{}, {}]}}
CUDA = Environment("current", "python", "e", FACTS, ())
CPU = dataclasses.replace(CUDA, facts={**FACTS, "torch": {"cuda_available": False, "devices": []}})
IDLE = Device("GPU-a", "H200", 1000, 0, 0)
BUSY = Device("GPU-b", "H200", 1000, 900_000, 0)


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> list[Device]:
    found = [IDLE, BUSY]
    monkeypatch.setattr(device_pool, "nvidia_devices", lambda: list(found))
    return found


def test_a_processor_needs_no_device(devices: list[Device]) -> None:
    assert DevicePool(False).free(CPU, 1, [], waits=False) == []


def test_idle_devices_are_handed_out_and_taken_ones_are_not(devices: list[Device]) -> None:
    pool = DevicePool(allow_busy=False)
    assert pool.free(CUDA, 1, [], waits=False) == ["GPU-a"]
    assert pool.free(CUDA, 1, ["GPU-a"], waits=True) is None
    assert pool.free(CUDA, 2, [], waits=True) is None
    assert DevicePool(allow_busy=True).free(CUDA, 2, [], waits=False) == ["GPU-a", "GPU-b"]


def test_busy_devices_are_waited_for_and_then_named(devices: list[Device]) -> None:
    patient = DevicePool(allow_busy=False, patience_s=3600)
    assert patient.free(CUDA, 1, ["GPU-a"], waits=False) is None
    devices[1] = dataclasses.replace(BUSY, used_mib=0)
    assert patient.free(CUDA, 1, ["GPU-a"], waits=False) == ["GPU-b"]
    devices[1] = BUSY
    hasty = DevicePool(allow_busy=False, patience_s=0)
    with pytest.raises(RunFailed, match=r"GPU-b.*900000 MiB in use.*--allow-busy"):
        hasty.free(CUDA, 1, ["GPU-a"], waits=False)


class FakeDriver:
    class NVMLError(Exception):
        pass

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        return uuid

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: str) -> int:
        if handle == "GPU-lost":
            raise self.NVMLError
        return {"GPU-idle": 0x1, "GPU-hot": 0x40 | 0x4}[handle]


def test_throttle_reasons_are_named_and_idling_is_none() -> None:
    assert throttle_reasons(FakeDriver(), "GPU-hot") == ["software power cap", "hardware thermal slowdown"]
    assert throttle_reasons(FakeDriver(), "GPU-idle") == []
    assert throttle_reasons(FakeDriver(), "GPU-lost") == []
