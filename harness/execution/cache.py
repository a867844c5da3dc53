"""The harness's own cache: things that can always be made again (probes, file hashes, tokenized tasks)."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

from harness.disk import CellLock, take_lock, write_durably
from harness.errors import StoreError


def cache_folder() -> Path:
    """`HARNESS_CACHE`, or `finetune-harness` in the user's cache folder; made where it is missing."""
    chosen = os.environ.get("HARNESS_CACHE") or os.environ.get("XDG_CACHE_HOME")
    try:
        base = Path(chosen or Path.home() / ".cache")
    except RuntimeError as error:
        raise StoreError("no home folder to keep a cache in; set HARNESS_CACHE to a writable place") from error
    folder = base if os.environ.get("HARNESS_CACHE") else base / "finetune-harness"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return folder.resolve()
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot make the cache folder ({error.strerror}); set HARNESS_CACHE to a writable place"
        ) from error


def remembered(name: str) -> Any:
    """A value that :func:`remember` kept, or None; an unreadable file counts as absent."""
    try:
        return json.loads((cache_folder() / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def remember(name: str, value: Any) -> None:
    """Keep a JSON value under a name; a cache that cannot be written only costs time."""
    with contextlib.suppress(OSError):
        write_durably(cache_folder() / f"{name}.json", json.dumps(value))


LOCK: Final = ".finetune-harness.lock"
"""In a folder that is ours: without it nothing is removed, whatever a folder is called."""


IN_CACHE: Final = "scratch-"


class Scratch:
    """A folder below `place` that is this process's own while it lives; what dead ones have left there is removed.

    Raises
    ------
    StoreError
        Where it cannot be made.
    """

    def __init__(self, place: Path, prefix: str) -> None:
        try:
            _sweep(place, prefix)
            self._lock = None
            while self._lock is None:
                self._path = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
                self._lock = _held(self._path)
        except OSError as error:
            raise StoreError(f"{place}: no folder can be made in it: {error}") from error

    @classmethod
    def in_cache(cls) -> Scratch:
        """One for what is then moved into the cache."""
        return cls(cache_folder(), IN_CACHE)

    @classmethod
    def temporary(cls) -> Scratch:
        """One among the system's temporary files; its name is short, for sockets lie in it."""
        return cls(Path(tempfile.gettempdir()), "harness-")

    def folder(self, prefix: str = "") -> Path:
        """A new empty folder in it. Raises StoreError where it cannot be made."""
        try:
            return Path(tempfile.mkdtemp(prefix=prefix, dir=self._path))
        except OSError as error:
            raise StoreError(f"{self._path}: no folder can be made in it: {error}") from error

    def close(self) -> None:
        """Remove it."""
        shutil.rmtree(self._path, ignore_errors=True)
        if self._lock is not None:
            self._lock.release()


def sweep() -> None:
    """Remove what dead processes have left in the cache, also where this one will make nothing there."""
    with contextlib.suppress(OSError):
        _sweep(cache_folder(), IN_CACHE)


def _sweep(place: Path, prefix: str) -> None:
    for stale in place.glob(f"{prefix}*"):
        _remove_unless_held(stale)


def _held(folder: Path) -> CellLock | None:
    """Lock a new folder; None where somebody found it before it was locked, and removed it."""
    try:
        lock = take_lock(folder / LOCK, wait=True)
    except FileNotFoundError:
        return None
    if lock is not None and not (folder / LOCK).exists():
        lock.release()
        return None
    return lock


def _remove_unless_held(folder: Path) -> None:
    with contextlib.suppress(OSError):  # gone already
        mine = not folder.is_symlink() and folder.stat().st_uid == os.getuid() and (folder / LOCK).is_file()
        lock = take_lock(folder / LOCK, wait=False) if mine else None
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            lock.release()
