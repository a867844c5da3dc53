"""A run's answers in a report's JSON, base64, so that its comparisons can be computed again."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


BYTES: Final = "u8:"
"""Before answers of more than two classes: a byte an example."""


def packed(classes: npt.NDArray[Any] | None) -> str | None:
    """Classes in the order of the examples' ids: a bit each where they are 0 and 1, the first in the highest; else
    `u8:` and a byte each; None where a byte holds no class.
    """
    if classes is None or classes.ndim != 1 or not classes.size:
        return None
    import numpy as np  # slow to import, and a report of the index alone has no answers

    if not np.isin(classes, (0, 1)).all():
        whole = np.issubdtype(classes.dtype, np.integer) and classes.min() >= 0 and classes.max() <= 255
        return BYTES + base64.b64encode(classes.astype(np.uint8).tobytes()).decode("ascii") if whole else None
    return base64.b64encode(np.packbits(classes.astype(np.uint8)).tobytes()).decode("ascii")


def unpacked(text: str, examples: int) -> npt.NDArray[np.uint8]:
    """The classes that `packed` was given.

    Raises
    ------
    ValueError
        Where the text is no base64, or not of so many examples.
    """
    import numpy as np

    try:
        data = base64.b64decode(text.removeprefix(BYTES), validate=True)
    except binascii.Error as error:
        raise ValueError(f"answers: {error}") from error
    size = examples if text.startswith(BYTES) else -(-examples // 8)
    if len(data) != size:
        raise ValueError(f"answers: got {len(data)} bytes; allowed {size} for {examples} examples")
    if text.startswith(BYTES):
        return np.frombuffer(data, np.uint8)
    return np.unpackbits(np.frombuffer(data, np.uint8), count=examples)
