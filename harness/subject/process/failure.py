"""From an error to the outcome that reaches the record."""

from __future__ import annotations

import re
import traceback
from typing import Any

from harness.protocol import FAILED, OOM

DETAILS_CHARACTERS = 6000
NO_MEMORY = ("outofmemory", "out of memory", "can't allocate memory", "alloc_failed")
"""In lower case; the last one of cuBLAS and cuDNN (`CUBLAS_STATUS_ALLOC_FAILED`)."""
NO_SPACE = ("No space left on device", "Disk quota exceeded")


def outcome_of(error: BaseException) -> dict[str, Any]:
    """What an error makes of a run: `status`; `failure`, the record's; `disk_full`, no fault of the cell's.

    Libraries wrap what the system told them in classes of their own: only the text is left to tell it by.
    """
    text = f"{type(error).__name__} {error}"
    memory = isinstance(error, MemoryError) or any(sign in text.lower() for sign in NO_MEMORY)
    message = _plain(str(error)).strip().splitlines()
    details = _plain("".join(traceback.format_exception(type(error), error, error.__traceback__)))
    failure = {
        "type": type(error).__name__,
        "message": message[0][:500] if message else "",
        "details": details[-DETAILS_CHARACTERS:],
    }
    full = any(sign in text for sign in NO_SPACE)
    return {"status": OOM if memory else FAILED, "failure": failure, "disk_full": full}


def _plain(text: str) -> str:
    """The text without a terminal's colours, and without lone surrogates (bytes of a file's name, say), which a
    record's UTF-8 cannot carry.
    """
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return text.encode("utf-8", errors="backslashreplace").decode("utf-8")
