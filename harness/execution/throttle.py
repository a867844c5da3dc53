"""Why a device ran slower than it can: the driver's own throttle reasons, sampled while cells run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from harness.execution.devices import nvml

INTERVAL_S: Final = 5.0
REASONS: Final[Mapping[int, str]] = {
    0x4: "software power cap",
    0x8: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
}
"""NVML's `nvmlClocksEventReason*` bits that mean "slower than asked for"; idling and set clocks do not."""


class ThrottleWatch:
    """Remembers, for each device by UUID, the reasons seen so far; asks the driver at most every few seconds."""

    def __init__(self) -> None:
        self._last = 0.0

    def sample(self, running: Iterable[tuple[list[str], set[str]]]) -> None:
        """For each (device UUIDs, reasons) add to the reasons what holds now."""
        instant = time.monotonic()
        watched = [(uuids, reasons) for uuids, reasons in running if uuids]
        if not watched or instant - self._last < INTERVAL_S:
            return
        self._last = instant
        with nvml() as driver:
            if driver is None:
                return
            for uuids, reasons in watched:
                for uuid in uuids:
                    reasons.update(throttle_reasons(driver, uuid))


def throttle_reasons(driver: Any, uuid: str) -> list[str]:
    """The reasons that hold now on one device; empty where the driver does not say."""
    with contextlib.suppress(driver.NVMLError):
        bits = driver.nvmlDeviceGetCurrentClocksThrottleReasons(driver.nvmlDeviceGetHandleByUUID(uuid))
        return [name for bit, name in REASONS.items() if bits & bit]
    return []
