"""What a run answered, example by example, and what is true: in the order of the examples' ids.

So runs that evaluated in different orders pair up by example, and an answer with what is true of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy.typing as npt

IDS: Final = "evaluated_ids"
PREDICTED: Final = ("logits", IDS)
TRUTH: Final = ("labels", IDS)
"""The series of a record, in the order of evaluation, that tell the one and the other."""


def predicted_of(series: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any] | None:
    """The class, or the number, predicted for each example, shape (examples,); None where it was not kept."""
    logits = series.get("logits")
    if logits is None:
        return None
    said = logits.reshape(-1) if logits.ndim == 2 and logits.shape[1] == 1 else logits.argmax(axis=-1)
    return _by_example(said, series.get(IDS))


def truth_of(series: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any] | None:
    """The class, or the number, that each example has, shape (examples,); None where it was not kept."""
    labels = series.get("labels")
    return None if labels is None else _by_example(labels, series.get(IDS))


def _by_example(values: npt.NDArray[Any], ids: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
    return values if ids is None or ids.shape != values.shape else values[ids.argsort(kind="stable")]
