"""Series: the arrays that a run left, read so that no damaged or forged file does more than count as absent."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from harness.record.entry import MOST_BYTES

Shapes = Mapping[str, Sequence[int]]
"""What a record says of its arrays."""


def read_series(
    path: Path, names: Collection[str] | None = None, shapes: Shapes | None = None
) -> dict[str, npt.NDArray[Any]]:
    """Read a run's arrays, all or those named; an empty dict where the file is missing or damaged.

    It is damaged, too, where an array has another shape than `shapes` says. Never raises.
    """
    try:
        if path.stat().st_size > MOST_BYTES or not path.is_file():
            return {}
        return arrays_of(path.read_bytes(), names, shapes)
    except OSError:
        return {}


def arrays_of(
    content: bytes, names: Collection[str] | None = None, shapes: Shapes | None = None
) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays of a file whose bytes are at hand; as `read_series`."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            every = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            wanted = [name for name in every if names is None or name in names]
            if sum(every[name].file_size for name in wanted) > MOST_BYTES:
                return {}
            found = {}
            for name in wanted:
                with archive.open(every[name]) as file:
                    found[name] = _array(file, every[name].file_size)
                if shapes and list(found[name].shape) != list(shapes.get(name, found[name].shape)):
                    return {}
            return found
    except Exception:  # noqa: BLE001 - a damaged zip file or header raises what it likes; each means "cannot be read"
        return {}


def _array(file: IO[bytes], size: int) -> npt.NDArray[Any]:
    """Read one array of `size` bytes with its header; raises ValueError where the header promises another size."""
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[np.lib.format.read_magic(file)]
    shape, by_column, dtype = read_header(file)
    left = size - file.tell()
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != left:
        raise ValueError(f"{shape} of {dtype} in {left} bytes")
    return np.ndarray(shape, dtype, bytearray(file.read(left)), order="F" if by_column else "C")
