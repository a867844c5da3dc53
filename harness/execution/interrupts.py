"""Interrupts: Ctrl-C and SIGTERM are counted, so that the run can end its cells in order."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


class Interrupts:
    """`count` is how often the user has asked for the end, while they are heard; for the main thread."""

    def __init__(self) -> None:
        self.count = 0

    @contextlib.contextmanager
    def heard(self) -> Iterator[Interrupts]:
        """Within `with`, signals do no more than count."""
        before = {number: signal.signal(number, self._count) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _count(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
