"""What the driver says of devices while a cell holds them: why they are slow, and what they count in the window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from harness.execution.devices import DevicePool
from harness.execution.health import HeldDevices, counters, throttle_reasons
from harness.execution.outcome import _with_driver

COOL, CAPPED, HOT, BRAKED = 0x1, 0x4, 0x40, 0x80


@dataclass
class Board:
    """Why it is slow now, and what it has counted: energy in mJ, nanoseconds at the power limit and too hot."""

    bits: int = COOL
    energy: int = 0
    power: int = 0
    heat: int = 0
    refuses: tuple[str, ...] = ()


@dataclass
class CountingNvml:
    """As much of pynvml as is asked of devices that are held."""

    boards: dict[str, Board] = field(default_factory=dict)

    def nvmlInit(self) -> None:
        pass

    def nvmlShutdown(self) -> None:
        pass

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Board:
        if uuid not in self.boards:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return self.boards[uuid]

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, board: Board) -> int:
        return board.bits

    def nvmlDeviceGetTotalEnergyConsumption(self, board: Board) -> int:
        return self._counted(board, "energy")

    def nvmlDeviceGetViolationStatus(self, board: Board, policy: int) -> Any:
        name = {pynvml.NVML_PERF_POLICY_POWER: "power", pynvml.NVML_PERF_POLICY_THERMAL: "heat"}[policy]
        return SimpleNamespace(referenceTime=1, violationTime=self._counted(board, name))

    def _counted(self, board: Board, name: str) -> int:
        if name in board.refuses:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return int(getattr(board, name))


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> CountingNvml:
    fake = CountingNvml({"GPU-a": Board(), "GPU-b": Board()})
    for name in dir(CountingNvml):
        if name.startswith("nvml"):
            monkeypatch.setattr(pynvml, name, getattr(fake, name))
    return fake


@pytest.fixture
def timed() -> Callable[..., dict[str, Any]]:
    """What comes of a window of 10 seconds in which the devices' state is what `meanwhile` made it."""

    def make(driver: CountingNvml, seconds: float = 10.0, **meanwhile: int) -> dict[str, Any]:
        held = HeldDevices(["GPU-a", "GPU-b"])
        held.at_edge("opens")
        board = driver.boards["GPU-b"]
        for name, value in meanwhile.items():
            setattr(board, name, value)
        held.at_edge("closes")
        measured = {"timing": {"seconds": seconds, "noise": {"reasons": []}}}
        return dict(_with_driver(measured, held)["timing"])

    return make


def test_reasons_are_named_and_idling_is_none(driver: CountingNvml) -> None:
    driver.boards["GPU-a"].bits = HOT | CAPPED
    assert throttle_reasons(["GPU-a", "GPU-b"]) == {"software power cap", "hardware thermal slowdown"}
    assert throttle_reasons(["GPU-b"]) == throttle_reasons(["GPU-lost"]) == throttle_reasons([]) == set()


def test_what_is_not_counted_is_left_out(driver: CountingNvml) -> None:
    driver.boards["GPU-a"] = Board(energy=5_000, power=2_000_000_000, heat=1_000_000_000)
    driver.boards["GPU-b"] = Board(energy=1_000, refuses=("power", "heat"))
    assert counters(["GPU-a", "GPU-b", "GPU-lost"]) == {
        "GPU-a": {"joules": 5.0, "power": 2.0, "heat": 1.0}, "GPU-b": {"joules": 1.0}, "GPU-lost": {},
    }  # fmt: skip


def test_a_power_cap_is_recorded_and_no_noise(driver: CountingNvml, timed: Callable[..., Any]) -> None:
    found = timed(driver, bits=CAPPED, power=9_500_000_000)
    assert found["power_capped"] == pytest.approx(0.95)  # of the most hindered device
    assert found["noise"]["reasons"] == []


@pytest.mark.parametrize(
    ("meanwhile", "reasons"),
    [
        ({"heat": 90_000_000}, []),  # less than 1 % of the window
        ({"heat": 200_000_000}, ["the device was held back for its heat for 0.20 s"]),
        ({"bits": BRAKED | CAPPED}, ["the device was slowed down: hardware power brake"]),
        ({"bits": HOT}, ["the device was slowed down: hardware thermal slowdown"]),
    ],
)
def test_heat_and_hardware_are_noise(
    driver: CountingNvml, timed: Callable[..., Any], meanwhile: dict[str, int], reasons: list[str]
) -> None:
    assert timed(driver, **meanwhile)["noise"]["reasons"] == reasons


def test_only_the_window_counts_and_the_record_has_all(driver: CountingNvml) -> None:
    held = HeldDevices(["GPU-a"])
    driver.boards["GPU-a"].bits = HOT
    pool = DevicePool(allow_busy=False)
    pool.watch([held])
    driver.boards["GPU-a"].bits = COOL
    held.at_edge("opens")
    held.at_edge("closes")
    driver.boards["GPU-a"].bits = BRAKED
    held.look()
    found = _with_driver({"timing": {"seconds": 10.0, "noise": {"reasons": []}}}, held)
    assert found["throttle_reasons"] == ["hardware power brake", "hardware thermal slowdown"]
    assert found["timing"]["noise"]["reasons"] == []


def test_energy_is_told_of_five_seconds_or_more(driver: CountingNvml, timed: Callable[..., Any]) -> None:
    assert timed(driver, energy=3_000_000)["energy_joules"] == 3000.0
    assert timed(driver, seconds=4.9, energy=6_000_000)["energy_joules"] is None


def test_a_device_that_counts_nothing(driver: CountingNvml, timed: Callable[..., Any]) -> None:
    driver.boards["GPU-a"].refuses = ("energy", "power", "heat")
    found = timed(driver, energy=1, power=1, heat=10**10)
    assert (found["energy_joules"], found["power_capped"], found["noise"]["reasons"]) == (None, None, [])
