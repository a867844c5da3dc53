"""Folders that the cache keeps: made aside, renamed into place whole, and known again by the hashes of their files."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.protocol import SUMS, read_sums


def is_whole(folder: Path) -> bool:
    """Whether a folder was kept, and every file that it was kept with is there with the same bytes."""
    sums = read_sums(folder)
    try:
        return bool(sums) and all(_sha256(folder / name) == digest for name, digest in sums.items())
    except OSError:
        return False


@contextlib.contextmanager
def kept(folder: Path, aside: Path | None = None) -> Iterator[Path]:
    """Give `with` an empty folder to fill, which then takes the place of `folder`; nothing of it is left on an error.

    It is made below `aside`, on the same file system; beside `folder` where none is given. Where somebody else was
    faster, theirs stays: who makes a folder makes what its name says.
    """
    scratch = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", suffix=".tmp", dir=aside or folder.parent))
    new, old = scratch / "new", scratch / "old"
    try:
        new.mkdir()
        yield new
        files = sorted(path for path in new.rglob("*") if path.is_file())
        sums = [f"{_sha256(path)}  {path.relative_to(new).as_posix()}\n" for path in files]
        (new / SUMS).write_text("".join(sums), encoding="utf-8")
        _open_to_others(new)
        if not is_whole(folder):
            with contextlib.suppress(FileNotFoundError):
                folder.rename(old)
        try:
            new.rename(folder)
        except OSError:
            if not is_whole(folder):
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _open_to_others(folder: Path) -> None:
    """Give every file the mode that a new one has: some libraries make theirs the user's alone, in a shared cache."""
    mask = os.umask(0)
    os.umask(mask)
    for path in folder.rglob("*"):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~mask)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
