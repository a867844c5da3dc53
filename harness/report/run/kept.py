"""A run's answers in a report's JSON: a bit an example, base64, so that its comparisons can be computed again."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def packed(classes: npt.NDArray[Any] | None) -> str | None:
    """Classes 0 and 1, an example each in the order of their ids, the first in the highest bit; None for any other."""
    if classes is None or classes.ndim != 1 or not classes.size:
        return None
    import numpy as np  # slow to import, and a report of the index alone has no answers

    if not np.isin(classes, (0, 1)).all():
        return None
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
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"answers: {error}") from error
    if len(data) != -(-examples // 8):
        raise ValueError(f"answers: got {len(data)} bytes; allowed {-(-examples // 8)} for {examples} examples")
    return np.unpackbits(np.frombuffer(data, np.uint8), count=examples)
