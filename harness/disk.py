"""Durable files that survive a crash or a power cut, and locks that the kernel gives back whatever happens."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import StoreError
from harness.protocol import write_whole

LOOKS = 5
"""How often a lock is looked at before it counts as held."""


def write_durably(path: Path, content: str | bytes) -> None:
    """:func:`write_whole`, and flush the folder: what was written is there after a power cut, too."""
    write_whole(path, content)
    flush_folder(path.parent)


def write_output(path: Path, content: str | bytes) -> None:
    """Write where the user said: durably, through a link; what is no regular file (a device, a pipe) is written into.

    Raises OSError; a pipe that nobody reads is one, and is not waited for.
    """
    if path.is_symlink():
        path = path.resolve()
    if not path.exists() or path.is_file():
        write_durably(path, content)
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    with open(descriptor, "wb") as file:
        os.set_blocking(descriptor, True)
        file.write(content.encode() if isinstance(content, str) else content)


def write_files(files: Mapping[str, str | bytes], folder: Path) -> list[Path]:
    """Write a report's files side by side, each whole or not at all; returns their paths, Markdown first.

    Raises
    ------
    StoreError
        Where one cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_output(folder / name, content)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise StoreError(f"{folder}: cannot write the report: {getattr(error, 'strerror', None) or error}") from error
    return sorted((folder / name for name in files), key=lambda path: (path.suffix != ".md", path.name))


def flush_folder(folder: Path) -> None:
    """Have the disk keep the names in a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def explained(path: Path, what: str) -> Iterator[None]:
    """Turn an OSError of `with`'s body into a StoreError that names `path`, the verb `what` and a way out."""
    try:
        yield
    except OSError as error:
        advice = {
            errno.ENOSPC: "free some disk space and run the same command again: finished cells are kept",
            errno.EDQUOT: "the disk quota is used up; free some space and run the same command again",
            errno.EROFS: "the file system is read-only; choose another place with --results",
            errno.EACCES: "choose another place with --results, or change its permissions",
        }.get(error.errno or 0, "finished cells are kept")
        raise StoreError(f"{path}: cannot {what} it: {error.strerror or error}; {advice}") from error


@dataclass
class CellLock:
    """The right to run one cell, held while any process holds `descriptor`: hand it to the child that runs."""

    descriptor: int

    def release(self) -> None:
        """Give up this process's share; a child that still holds its own keeps the cell locked."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def take_lock(path: Path, *, wait: bool, shared: bool = False) -> CellLock | None:
    """Lock a file, made where it is missing; None where another has it and `wait` is false. Raises OSError.

    A `shared` lock keeps out only those that are not.
    """
    lock = CellLock(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644))
    try:
        fcntl.flock(lock.descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        lock.release()
        return None
    except BaseException:
        lock.release()
        raise
    return lock


def is_locked(path: Path) -> bool:
    """Whether anybody holds a lock on a file that only shared ones are taken on; False where there is none.

    Whoever else asks at this moment holds one as short as this: that one is waited for. Raises OSError.
    """
    try:
        lock = CellLock(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except FileNotFoundError:
        return False
    try:
        for _ in range(LOOKS):
            try:
                fcntl.flock(lock.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.01)
            else:
                return False
        return True
    finally:
        lock.release()
