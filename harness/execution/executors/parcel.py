"""Folders that travel: known by their content, in pieces, and unpacked once a node."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.errors import MaterialError
from harness.execution.cache import Scratch, cache_folder
from harness.execution.inputs import is_whole
from harness.protocol import SUMS
from harness.text import short_hash

PIECE: Final = 64 * 2**20
"""Bytes of one object: a checkpoint of any size passes through the memory of neither side as a whole."""
FILES: Final = "files"


@dataclass(frozen=True)
class Parcel:
    """A folder's files by their names in it: each one's sha256, and its pieces as objects that can be got."""

    digest: str
    files: Mapping[str, tuple[str, Sequence[Any]]]


def pack(folder: Path, paths: Iterable[Path], put: Callable[[bytes], Any]) -> Parcel:
    """Pack some files of a folder.

    Raises
    ------
    MaterialError
        Where one cannot be read.
    """
    files: dict[str, tuple[str, Sequence[Any]]] = {}
    for path in sorted(set(paths)):
        digest, pieces = hashlib.sha256(), []
        try:
            with path.open("rb") as file:
                while data := file.read(PIECE):
                    digest.update(data)
                    pieces.append(put(data))
        except OSError as error:
            raise MaterialError(f"{path}: cannot be read: {error.strerror or error}") from error
        files[path.relative_to(folder).as_posix()] = (digest.hexdigest(), pieces)
    return Parcel(short_hash([(name, digest) for name, (digest, _) in files.items()]), files)


def unpacked(parcel: Parcel, get: Callable[[Any], bytes]) -> Path:
    """The folder on this machine: in the cache since an earlier time, or unpacked now.

    Raises whatever `get` raises, and OSError where there is no room for it.
    """
    place = cache_folder() / "parcels" / parcel.digest
    if is_whole(place):
        return place / FILES
    scratch = Scratch.in_cache()
    try:
        aside = scratch.folder()
        for name, (_, pieces) in parcel.files.items():
            path = aside / FILES / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                for piece in pieces:
                    file.write(get(piece))
        sums = "".join(f"{digest}  {FILES}/{name}\n" for name, (digest, _) in parcel.files.items())
        (aside / SUMS).write_text(sums, encoding="utf-8")
        place.parent.mkdir(exist_ok=True)
        if place.exists() and not is_whole(place):
            shutil.rmtree(place, ignore_errors=True)
        with contextlib.suppress(OSError):  # a neighbour was faster
            aside.rename(place)
    finally:
        scratch.close()
    if not is_whole(place):
        raise OSError(f"{place}: what was unpacked is not what was sent")
    return place / FILES
