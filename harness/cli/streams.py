"""Standard output and error: where one is missing, full or gone, what a command does goes on without it."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, Final, TextIO

NAMES: Final = ("stdin", "stdout", "stderr")


def open_missing_streams() -> None:
    """Open the null device in the place of what was closed (`harness ... >&-`), so that no file takes its number."""
    for number, name in enumerate(NAMES):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
        if getattr(sys, name) is None:
            setattr(sys, name, io.TextIOWrapper(io.FileIO(number, "r" if number == 0 else "w", closefd=False)))


class Muting:
    """A text stream that falls silent where it cannot be written to: the reader has left, the disk is full."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or drop what cannot be written and all that follows."""
        try:
            return self._stream.write(text)
        except OSError:
            self._mute()
            return len(text)

    def flush(self) -> None:
        """Flush, or drop what cannot be written and all that follows."""
        try:
            self._stream.flush()
        except OSError:
            self._mute()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _mute(self) -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
