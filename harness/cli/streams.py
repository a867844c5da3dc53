"""Standard output and error: where one is missing, full or gone, what a command does goes on without it."""

from __future__ import annotations

import codecs
import io
import os
import re
import sys
from typing import Any, Final, TextIO

NAMES: Final = ("stdin", "stdout", "stderr")


_COMMAND: Final = re.compile(r"((?:\A|[\n\r])[^\S\n\r]*):")
"""The runner trims blanks before it looks for two colons; the second may come with the next part of a line."""
_LATER_COMMAND: Final = re.compile(r"([\n\r][^\S\n\r]*):")


PLAIN: Final = "harness.plain"
"""How a stream that knows less than Unicode gets what it lacks: in words of ASCII."""
_ASCII: Final = {
    "·": "-", "…": "...", "—": "-", "–": "-", "−": "-", "×": "x", "±": "+-", "≤": "<=", "≥": ">=", "≈": "~", "≡": "=",
    "→": "->", "←": "<-", "↑": "^", "↓": "v", "Δ": "d", "α": "alpha", "‘": "'", "’": "'", "“": '"', "”": '"',
    "\xa0": " ", "\u202f": " ", "✓": "ok", "✗": "no", "¶": "|", "─": "-", "│": "|", "━": "-",
}  # fmt: skip


def plainly(error: UnicodeError) -> tuple[str | bytes, int]:
    """What is written in the place of characters that an encoding lacks: others that mean the same, else an escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    char = error.object[error.start]
    return _ASCII.get(char) or char.encode("ascii", "backslashreplace").decode(), error.start + 1


codecs.register_error(PLAIN, plainly)


def wants_ascii(stream: TextIO) -> bool:
    """Whether it is a terminal whose user has asked for plain C, which Python takes for UTF-8."""
    asked = os.environ.get("LC_ALL") or os.environ.get("LANG", "")
    given = os.environ.get("PYTHONIOENCODING") or os.environ.get("PYTHONUTF8")
    return asked in ("C", "POSIX") and not given and stream.isatty()


def command_stream(text: str) -> None:
    """Print workflow commands on standard error, as they are."""
    stream = sys.stderr
    if isinstance(stream, Muting):
        stream.command(text)
    else:
        stream.write(text)


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
    """A text stream that falls silent where it cannot be written to: the reader has left, the disk is full.

    A `guarded` one is read by GitHub's runner, which takes a line that begins with `::` for a command to itself: names
    and messages of others stand in what is printed, so each such line gets a mark before it. What is meant as a command
    goes through :func:`command_stream`.
    """

    def __init__(self, stream: TextIO, guarded: bool = False) -> None:
        self._stream, self._guarded, self._at_start = stream, guarded, True

    def write(self, text: str) -> int:
        """Write, or drop what cannot be written and all that follows."""
        shown = self._harmless(text) if self._guarded and text else text
        try:
            self._stream.write(shown)
        except OSError:
            self._mute()
        return len(text)

    def command(self, text: str) -> None:
        """Write a workflow command on lines of its own."""
        guarded, self._guarded = self._guarded, False
        self.write(text if self._at_start else f"\n{text}")
        self._guarded, self._at_start = guarded, text.endswith("\n")

    def _harmless(self, text: str) -> str:
        begins = _COMMAND if self._at_start else _LATER_COMMAND
        line = re.split(r"[\n\r]", text)[-1]
        self._at_start = not line.strip() and (self._at_start or line != text)
        return begins.sub(r"\1·:", text).replace("##[", "#·#[")

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
