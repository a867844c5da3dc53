"""The device pool: which devices the next cell gets."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Final

from harness.errors import RunFailed
from harness.execution.devices import nvidia_devices
from harness.execution.environment import Environment

PATIENCE_S: Final = 60.0
"""How long busy devices are waited for: the driver shows a process that has just ended for some seconds more."""


class DevicePool:
    """Hands out devices by UUID; what is taken is told to it, what others use it sees for itself."""

    def __init__(self, allow_busy: bool, patience_s: float = PATIENCE_S) -> None:
        self._allow_busy, self._patience_s = allow_busy, patience_s
        self._busy_since: float | None = None

    def free(self, environment: Environment, count: int, taken: Collection[str], waits: bool) -> list[str] | None:
        """UUIDs of `count` free devices, [] on a CPU, None while they are taken.

        Parameters
        ----------
        taken
            UUIDs that this run's own cells hold.
        waits
            Whether something of this run is still under way, so that asking again can help.

        Raises
        ------
        RunFailed
            Where others keep the devices busy for longer than the patience, and nothing of this run is left to
            wait for.
        """
        if environment.accelerator != "cuda":
            return []
        free = [device for device in nvidia_devices() if device.uuid not in taken]
        idle = free if self._allow_busy else [device for device in free if device.busy is None]
        if len(idle) >= count:
            self._busy_since = None
            return [device.uuid for device in idle[:count]]
        if waits:
            self._busy_since = None
            return None
        instant = time.monotonic()
        self._busy_since = self._busy_since or instant
        if instant - self._busy_since < self._patience_s:
            return None
        busy = "; ".join(str(device.busy) for device in free if device.busy)
        raise RunFailed(f"no idle device for the next cell: {busy or 'none left'} (--allow-busy runs all the same)")
