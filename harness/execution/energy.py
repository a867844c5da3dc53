"""The energy that devices took between a window's two edges, by the driver's own counter."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from harness.execution.devices import nvml


class Energy:
    """One window: told of its edges, it knows the joules between them; None without a device that counts them."""

    def __init__(self) -> None:
        self._opened: float | None = None
        self.joules: float | None = None

    def edge(self, edge: str, devices: Sequence[str]) -> None:
        """The window "opens" or "closes" now, on devices given by UUID."""
        now = _total(devices)
        if edge == "opens":
            self._opened = now
        elif now is not None and self._opened is not None:
            self.joules = now - self._opened


def _total(devices: Sequence[str]) -> float | None:
    if not devices:
        return None
    with nvml() as driver:
        if driver is None:
            return None
        with contextlib.suppress(driver.NVMLError):  # older than Volta: not counted
            handles = [driver.nvmlDeviceGetHandleByUUID(uuid) for uuid in devices]
            return float(sum(driver.nvmlDeviceGetTotalEnergyConsumption(handle) for handle in handles)) / 1e3
    return None
