"""Programs that are asked once: what one says within a time and a size. None outlives who asked."""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Final

MOST_SAID: Final = 4 * 2**20
"""Bytes that a program may say: of each package in an environment a name and a version."""
_PR_SET_PDEATHSIG: Final = 1


def ask(
    command: Sequence[str], seconds: float, *, said: str = "", variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; `said` is its standard input.

    Raises
    ------
    OSError
        Where it cannot be started.
    subprocess.SubprocessError
        Where it takes longer, or says more than `MOST_SAID`; it is then killed.
    """
    with tempfile.TemporaryFile() as words:
        words.write(said.encode())
        words.seek(0)
        process = subprocess.Popen(
            command, stdin=words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=variables, preexec_fn=_follow
        )
    try:
        heard = _heard(process, time.monotonic() + seconds)
    except BaseException:
        process.kill()
        raise
    finally:
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        status = process.wait()
    return subprocess.CompletedProcess(command, status, *heard)


def _heard(process: subprocess.Popen[bytes], end: float) -> list[str]:
    """What a program says on both its streams until it has closed them and left."""
    found = {process.stdout: bytearray(), process.stderr: bytearray()}
    with selectors.DefaultSelector() as selector:
        for stream in found:
            assert stream is not None
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            left = end - time.monotonic()
            if left <= 0:
                raise subprocess.SubprocessError("it takes too long")
            for key, _ in selector.select(left):
                data = os.read(key.fd, 1 << 16)
                found[key.fileobj] += data  # type: ignore[index]
                if not data:
                    selector.unregister(key.fileobj)
                if sum(map(len, found.values())) > MOST_SAID:
                    raise subprocess.SubprocessError(f"it says more than {MOST_SAID / 2**20:g} MiB")
    try:
        process.wait(max(0.0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise subprocess.SubprocessError("it takes too long") from None
    return [bytes(data).decode("utf-8", errors="replace") for data in found.values()]


def _follow() -> None:
    """In the new process: die with the one that asked (Linux), however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
