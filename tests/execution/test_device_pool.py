"""Who is lent which device: idle ones first, busy ones waited for, one shared by what is known to fit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.errors import RunFailed
from harness.execution import devices
from harness.execution.devices import Device, DevicePool
from harness.execution.health import HeldDevices

IDLE = Device("GPU-a", "H200", 1000, 0, 0)
BUSY = Device("GPU-b", "H200", 1000, 900_000, 0)


@pytest.fixture
def pool_devices(monkeypatch: pytest.MonkeyPatch) -> list[Device]:
    found = [IDLE, BUSY]
    monkeypatch.setattr(devices, "nvidia_devices", lambda: list(found))
    return found


@pytest.mark.usefixtures("pool_devices")
def test_idle_devices_are_handed_out_and_taken_ones_are_not() -> None:
    pool = DevicePool(allow_busy=False)
    assert pool.lend(1, [], waits=False) == HeldDevices(["GPU-a"])
    assert pool.lend(1, [HeldDevices(["GPU-a"])], waits=True) is None
    assert pool.lend(2, [], waits=True) is None
    assert DevicePool(allow_busy=True).lend(2, [], waits=False) == HeldDevices(["GPU-a", "GPU-b"], [str(BUSY.busy)])


def test_busy_devices_are_waited_for_and_then_named(pool_devices: list[Device]) -> None:
    patient = DevicePool(allow_busy=False, patience_s=3600)
    assert patient.lend(1, [HeldDevices(["GPU-a"])], waits=False) is None
    pool_devices[1] = replace(BUSY, used_mib=0)
    assert patient.lend(1, [HeldDevices(["GPU-a"])], waits=False) == HeldDevices(["GPU-b"])
    pool_devices[1] = BUSY
    hasty = DevicePool(allow_busy=False, patience_s=0)
    with pytest.raises(RunFailed, match=r"GPU-b.*900000 MiB in use.*--allow-busy"):
        hasty.lend(1, [HeldDevices(["GPU-a"])], waits=False)


# Sharing.

BOARD = Device("GPU-a", "H100", 80_000, 4, 0)


@pytest.mark.parametrize(
    ("slots", "holds", "mib", "lent"),
    [
        (4, [30_000], 30_000, True),
        (4, [30_000, 30_000], 20_000, True),
        (4, [30_000, 30_000], 20_001, False),  # no room
        (2, [10_000, 10_000], 10_000, False),  # as many as are to run at once
        (1, [10_000], 10_000, False),
        (4, [None], 10_000, False),  # it has the device alone
        (4, [10_000, None], 10_000, False),
        (4, [10_000], None, False),  # and this one is to
    ],
)
def test_a_device_is_shared_by_what_is_known_to_fit(
    pool_devices: list[Device], slots: int, holds: list[int | None], mib: int | None, lent: bool
) -> None:
    pool_devices[:] = [replace(BOARD, processes=(7,), utilisation=99)]  # busy with our own cells
    held = [HeldDevices(["GPU-a"], mib=need) for need in holds]
    found = DevicePool(allow_busy=False, slots=slots).lend(1, held, True, mib)
    assert found == (HeldDevices(["GPU-a"], mib=mib) if lent else None)


def test_idle_devices_go_before_shared_ones_and_those_with_few_cells_before_others(
    pool_devices: list[Device],
) -> None:
    pool_devices[:] = [BOARD, replace(BOARD, uuid="GPU-b"), replace(BOARD, uuid="GPU-c")]
    pool, held = DevicePool(allow_busy=False, slots=6), list[HeldDevices]()
    for _ in range(6):
        lent = pool.lend(1, held, True, 1000)
        assert lent is not None
        held.append(lent)
    assert [one.uuids[0][-1] for one in held] == list("abcabc")
    assert pool.lend(1, held, True, 1000) is None


def test_cells_on_several_devices_share_none(pool_devices: list[Device]) -> None:
    pool_devices[:] = [BOARD, replace(BOARD, uuid="GPU-b"), replace(BOARD, uuid="GPU-c")]
    pool = DevicePool(allow_busy=False, slots=12)
    both = pool.lend(2, [], False, 1000)
    assert both == HeldDevices(["GPU-a", "GPU-b"])
    last = pool.lend(1, [both], True, 1000)
    assert last == HeldDevices(["GPU-c"], mib=1000)
    assert pool.lend(1, [both, last], True, 1000) == HeldDevices(["GPU-c"], mib=1000)  # not one of the two
    assert pool.lend(2, [last], True, 1000) == HeldDevices(["GPU-a", "GPU-b"])
    assert pool.lend(2, [HeldDevices(["GPU-a"], mib=1000), last], True, 1000) is None


def test_another_s_device_is_not_shared(pool_devices: list[Device]) -> None:
    """One of two devices is somebody else's: cells that were to have one each do not crowd the other."""
    pool_devices[:] = [BOARD, replace(BOARD, uuid="GPU-b", processes=(9,))]
    held = [HeldDevices(["GPU-a"], mib=1000)]
    assert DevicePool(allow_busy=False, slots=2).lend(1, held, True, 1000) is None
