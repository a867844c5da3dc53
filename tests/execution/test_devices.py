"""Devices: which are there, visible, busy; a driver that does not answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import RequirementError
from harness.execution import health
from harness.execution.devices import (
    BUSY_MEMORY_MIB,
    BUSY_UTILISATION,
    Device,
    Driver,
    nvidia_devices,
    nvidia_driver,
    visible,
)

THREE = [Device(f"GPU-{letter * 8}-1111", f"card {letter}", 81559, 4, 0) for letter in "abc"]
A, B, C = THREE


@pytest.mark.parametrize(
    ("setting", "left"),
    [
        (None, THREE),
        ("", []),
        ("0", [A]),
        ("2,0", [C, A]),
        (" 1 , 2 ", [B, C]),
        ("-1", []),
        ("0,-1,1", [A]),
        ("1,7,0", [B]),
        ("0,x,1", [A]),
        ("0,,1", [A]),
        ("0,0", []),  # repeated: none at all
        ("1gpu", [B]),
        ("+2", [C]),
        ("²", []),
        ("99999999999999999999", []),
        ("GPU-bbbbbbbb-1111", [B]),
        ("GPU-b", [B]),
        ("GPU-", []),  # ambiguous
        ("GPU-c,GPU-a", [C, A]),
        ("GPU-c,GPU-c", []),
        ("GPU-c,GPU-cc", []),
        ("GPU-c,0", [C]),  # UUIDs and indices do not mix
        ("0,GPU-c", [A]),
        ("GPU-x,GPU-a", []),
        ("NoDevFiles", []),
    ],
)
def test_visible_devices_are_cudas(setting: str | None, left: list[Device]) -> None:
    assert visible(THREE, setting) == left


@given(st.text(st.sampled_from("0123,-+ GPU-abx²"), max_size=12))
def test_any_setting_is_read(setting: str) -> None:
    left = visible(THREE, setting)
    assert len(set(left)) == len(left) <= 3


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({}, None),
        ({"used_mib": BUSY_MEMORY_MIB}, None),
        ({"utilisation": BUSY_UTILISATION}, None),
        ({"used_mib": BUSY_MEMORY_MIB + 1}, "1025 MiB in use"),
        ({"utilisation": BUSY_UTILISATION + 1}, "21 % busy"),
        ({"processes": (11, 12)}, "process 11, 12"),
    ],
)
def test_busy(change: dict[str, Any], word: str | None) -> None:
    busy = replace(A, **change).busy
    if word is None:
        assert busy is None
    else:
        assert busy is not None
        assert word in busy
        assert A.uuid in busy


@dataclass
class FakeNvml:
    """As much of pynvml as is used; a board is a dict, `refuses` are the calls that it does not support."""

    boards: list[dict[str, Any]]
    error: int = 0
    opened: int = 0

    def nvmlInit(self) -> None:
        if self.error:
            raise pynvml.NVMLError(self.error)
        self.opened += 1

    def nvmlShutdown(self) -> None:
        self.opened -= 1

    def nvmlSystemGetDriverVersion(self) -> str:
        return "570.86.15"

    def nvmlDeviceGetCount(self) -> int:
        return len(self.boards)

    def nvmlSystemGetCudaDriverVersion_v2(self) -> int:
        return 12080

    def nvmlDeviceGetHandleByIndex(self, index: int) -> dict[str, Any]:
        if "lost" in self.boards[index]:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return self.boards[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> dict[str, Any]:
        return next(board for board in self.boards if board["uuid"] == uuid)

    def nvmlDeviceGetMigMode(self, handle: dict[str, Any]) -> list[int]:
        self._refuse(handle, "mig")
        return [int("slices" in handle), 0]

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: dict[str, Any]) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: dict[str, Any], index: int) -> dict[str, Any]:
        if index >= len(handle["slices"]):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return dict(handle["slices"][index])

    def nvmlDeviceGetMemoryInfo(self, handle: dict[str, Any], version: int | None = None) -> Any:
        self._refuse(handle, "memory" if version is None else "memory_v2")
        used = handle.get("used", 0) + (handle.get("reserve", 0) if version is None else 0)
        return SimpleNamespace(total=handle["total"] * 2**20, used=used * 2**20)

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: dict[str, Any]) -> int:
        self._refuse(handle, "power")
        return 700_000

    def nvmlDeviceGetPersistenceMode(self, handle: dict[str, Any]) -> int:
        return 1

    def nvmlDeviceGetComputeMode(self, handle: dict[str, Any]) -> int:
        return 3

    def nvmlDeviceGetUtilizationRates(self, handle: dict[str, Any]) -> Any:
        self._refuse(handle, "utilisation")
        return type("Rates", (), {"gpu": handle.get("utilisation", 0)})

    def nvmlDeviceGetComputeRunningProcesses(self, handle: dict[str, Any]) -> list[Any]:
        self._refuse(handle, "processes")
        return [type("Process", (), {"pid": pid}) for pid in handle.get("processes", ())]

    def nvmlDeviceGetUUID(self, handle: dict[str, Any]) -> str:
        return str(handle["uuid"])

    def nvmlDeviceGetName(self, handle: dict[str, Any]) -> str:
        return str(handle["name"])

    def _refuse(self, handle: dict[str, Any], call: str) -> None:
        if call in handle.get("refuses", ()):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> FakeNvml:
    fake = FakeNvml([])
    for name in dir(FakeNvml):
        if name.startswith("nvml"):
            monkeypatch.setattr(pynvml, name, getattr(fake, name))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return fake


def test_no_driver_is_no_device(nvml: FakeNvml) -> None:
    nvml.error = pynvml.NVML_ERROR_LIBRARY_NOT_FOUND
    assert nvidia_devices() == []
    assert nvidia_driver() == Driver()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (15, "GPU is lost (NVML error 15); a device fell off the bus: reboot"),
        (18, "RM has detected an NVML/RM version mismatch. (NVML error 18); it was upgraded while the old one runs"),
        (999, "Unknown Error (NVML error 999); in a container start that again"),
        (4, "Insufficient Permissions (NVML error 4); see what nvidia-smi says"),
    ],
)
def test_a_driver_that_does_not_answer_is_not_no_driver(
    nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch, error: int, words: str
) -> None:
    nvml.error = error
    with pytest.raises(RequirementError) as caught:
        nvidia_driver()
    assert caught.value.exit_code == 4
    assert str(caught.value).startswith(f"the NVIDIA driver does not answer: {words}")
    assert str(caught.value).endswith("; or set CUDA_VISIBLE_DEVICES= to run on the CPU")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # then it is not asked
    assert nvidia_driver() == Driver()


def test_a_driver_that_is_not_loaded_is_none_unless_it_was(
    nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nvml.error = pynvml.NVML_ERROR_DRIVER_NOT_LOADED
    monkeypatch.setattr(health, "DRIVER_NODE", tmp_path / "nvidiactl")
    assert nvidia_driver() == Driver()
    health.DRIVER_NODE.touch()
    with pytest.raises(RequirementError, match=r"Driver Not Loaded .*modprobe nvidia"):
        nvidia_driver()


def test_a_board_that_is_lost_is_left_out_and_named(nvml: FakeNvml) -> None:
    nvml.boards = [
        {"uuid": "GPU-1", "name": "H100", "total": 1},
        {"lost": True},
        {"uuid": "GPU-3", "name": "x", "total": 1},
    ]
    found = nvidia_driver()
    assert [device.uuid for device in found.devices] == ["GPU-1", "GPU-3"]
    assert found.left_out == ("NVIDIA device 1 does not answer and is left out: GPU is lost (NVML error 15)",)


def test_an_error_on_the_way_is_no_internal_one(nvml: FakeNvml) -> None:
    with pytest.raises(RequirementError, match="GPU is lost"), health.nvml():
        raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
    assert nvml.opened == 0


def test_memory_is_without_the_drivers_reserve_where_it_is_told_apart(nvml: FakeNvml) -> None:
    board = {"uuid": "GPU-1", "name": "x", "total": 9000, "used": 3, "reserve": 600}
    old, shared = {"refuses": ["memory_v2"]}, {"refuses": ["memory_v2", "memory"]}
    nvml.boards = [board, {**board, **old}, {**board, **shared}]
    found = [(device.memory_mib, device.used_mib) for device in nvidia_devices()]
    assert found == [(9000, 3), (9000, 603), (0, 0)]


def test_how_the_driver_has_set_devices(nvml: FakeNvml) -> None:
    nvml.boards = [{"uuid": "GPU-1"}, {"uuid": "GPU-2", "refuses": ["power"]}]
    assert health.settings(["GPU-1", "GPU-2"]) == {
        "driver": "570.86.15",
        "boards": {
            "mig": [False, False],
            "power_limit_watts": [700.0, None],
            "persistence": [True, True],
            "compute_mode": ["exclusive process"] * 2,
        },
    }
    assert health.settings([]) == {}


def test_devices_are_read_and_the_library_is_closed(nvml: FakeNvml) -> None:
    nvml.boards = [
        {"uuid": "GPU-1", "name": "H100", "total": 81559, "used": 2000, "utilisation": 50, "processes": [7, 8]},
        {"uuid": "GPU-2", "name": "old", "total": 4096, "refuses": ["utilisation", "processes", "mig"]},
    ]
    assert nvidia_devices() == [
        Device("GPU-1", "H100", 81559, 2000, 50, (7, 8)),
        Device("GPU-2", "old", 4096, 0, 0, ()),
    ]
    assert (nvidia_driver().version, nvidia_driver().cuda) == ("570.86.15", (12, 8))
    assert nvml.opened == 0


def test_hidden_devices_are_left_out(nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml.boards = [{"uuid": f"GPU-{n}", "name": "x", "total": 1} for n in range(4)]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    assert [device.uuid for device in nvidia_devices()] == ["GPU-3", "GPU-1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert nvidia_devices() == []


@pytest.mark.parametrize("setting", ["4", "GPU-x", "1,1", "x"])
def test_a_choice_of_nothing_is_said_and_no_wish_for_the_cpu(
    nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    nvml.boards = [{"uuid": f"GPU-{n}", "name": "x", "total": 1} for n in range(4)]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", setting)
    assert nvidia_driver().left_out == (f"CUDA_VISIBLE_DEVICES={setting} names no NVIDIA device (4 here)",)
    for word in ("", "-1", "NoDevFiles"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", word)
        assert nvidia_driver() == Driver()


def test_a_sliced_board_is_its_slices(nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch) -> None:
    slices = [
        {"uuid": f"MIG-{n}", "name": "H100 MIG 1g.10gb", "total": 9856, "refuses": ["utilisation"]} for n in (1, 2)
    ]
    nvml.boards = [{"uuid": "GPU-1", "name": "H100", "total": 81559, "slices": slices}]
    assert [(device.uuid, device.memory_mib) for device in nvidia_devices()] == [("MIG-1", 9856), ("MIG-2", 9856)]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-2")
    assert [device.uuid for device in nvidia_devices()] == ["MIG-2"]
    nvml.boards = [{"uuid": "GPU-1", "name": "H100", "total": 81559, "slices": []}]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert [device.uuid for device in nvidia_devices()] == ["GPU-1"]


# Handing out.
