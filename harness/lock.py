"""Locks: the right to run a cell, held by open files and so given back by the kernel whatever happens."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass
class CellLock:
    """The right to run one cell, held while any process holds `descriptor`: hand it to the child that runs."""

    descriptor: int

    def release(self) -> None:
        """Give up this process's share; a child that still holds its own keeps the cell locked."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def take_lock(path: Path, *, wait: bool) -> CellLock | None:
    """Lock a file, made where it is missing; None where another has it and `wait` is false. Raises OSError."""
    lock = CellLock(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644))
    try:
        fcntl.flock(lock.descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        lock.release()
        return None
    except BaseException:
        lock.release()
        raise
    return lock
