"""What a run answered, example by example: the class it predicted and the one that is true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy.typing as npt

SERIES: Final = ("logits", "labels", "evaluated_ids")
"""The series of a record that tell it."""


@dataclass(frozen=True)
class Answers:
    """Classes by example, shape (examples,), in the order of the examples' ids; None where they were not kept.

    So runs that evaluated in different orders pair up by example, and an answer with what is true of it.
    """

    predicted: npt.NDArray[Any] | None
    truth: npt.NDArray[Any] | None


def answers_of(series: Mapping[str, npt.NDArray[Any]]) -> Answers:
    """Read them from a record's `SERIES`, which are in the order of evaluation."""
    logits, truth, ids = (series.get(name) for name in SERIES)
    return Answers(_by_example(None if logits is None else logits.argmax(axis=-1), ids), _by_example(truth, ids))


def _by_example(values: npt.NDArray[Any] | None, ids: npt.NDArray[Any] | None) -> npt.NDArray[Any] | None:
    if values is None:
        return None
    if ids is not None and ids.shape == values.shape:
        values = values[ids.argsort(kind="stable")]
    small = values.astype("i2")  # many runs' are held at once
    return small if (small == values).all() else values
