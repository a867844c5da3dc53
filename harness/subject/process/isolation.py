"""What makes a process one cell's own: its life, its threads, its random numbers, its output."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Collection
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent dies (Linux); exit at once if it already has."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, instead of the system's first process (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1)


def kill_orphans(children: Collection[int]) -> None:
    """Kill the processes that this one has come to be the parent of, which are not its own `children`."""
    for pid in own_children():
        if pid not in children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def own_children() -> list[int]:
    """The processes that this one is the parent of, those among them that have ended and were not yet waited for."""
    try:
        text = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
        return [int(word) for word in text.split()]
    except (OSError, ValueError):
        return []  # not Linux, or a kernel that does not tell


def tie_descendants() -> None:
    """Have every process that is forked from here on die with its parent: no data loader's worker may be left
    behind, which would keep its cell locked.
    """
    parent = [0]

    def note_parent() -> None:
        parent[0] = os.getpid()

    os.register_at_fork(before=note_parent, after_in_child=lambda: die_with_parent(parent[0]))


def set_threads(threads: int) -> None:
    """Have torch use so many threads."""
    import torch

    torch.set_num_threads(threads)


def fresh_randomness() -> None:
    """Reseed every global generator from the system, as a new interpreter would.

    A forked child inherits its host's generators: without this, what a recipe leaves unseeded (the course's
    classifier head) would be the same "random" draw in every cell of a host.
    """
    import random

    import numpy as np
    import torch

    random.seed()
    np.random.seed()
    torch.seed()


def redirect_output(log: Path) -> None:
    """Send this process's standard output and error, libraries' C code included, to the job's log file."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
