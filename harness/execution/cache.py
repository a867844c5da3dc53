"""The harness's own cache: things that can always be made again (probes, file hashes, tokenized tasks)."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from harness.disk import write_durably
from harness.errors import StoreError


def cache_folder() -> Path:
    """`HARNESS_CACHE`, or `finetune-harness` in the user's cache folder; made where it is missing."""
    chosen = os.environ.get("HARNESS_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(chosen) if chosen else base / "finetune-harness"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot make the cache folder ({error.strerror}); set HARNESS_CACHE to a writable place"
        ) from error
    return folder.resolve()


def remembered(name: str) -> Any:
    """A value that :func:`remember` kept, or None; an unreadable file counts as absent."""
    try:
        return json.loads((cache_folder() / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def remember(name: str, value: Any) -> None:
    """Keep a JSON value under a name; a cache that cannot be written only costs time."""
    with contextlib.suppress(OSError):
        write_durably(cache_folder() / f"{name}.json", json.dumps(value))
