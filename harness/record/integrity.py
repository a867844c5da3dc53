"""Integrity: whether a record is what its run left, as far as its own numbers, its place and its arrays can tell."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from harness.record.model import Record
from harness.record.parts import Confusion

if TYPE_CHECKING:
    import numpy.typing as npt

ROUNDING: Final = 1e-9
"""Fractions: what the order of two divisions may change."""


def record_problem(record: Record, folder: Path) -> str | None:
    """What contradicts itself in a record that lies in an attempt's `folder`; None where nothing does.

    Its folders are those of its cell, environment and attempt, and scores follow from its confusion counts.
    """
    cell, environment, attempt = folder.parts[-3:]
    for name, value, place in (
        ("cell_id", record.cell_id, cell),
        ("environment_id", record.environment_id, environment),
        ("attempt", f"{record.attempt:03d}", attempt),
    ):
        if value != place:
            return f"{name}: got {value!r}, and it lies under {place!r}: another cell's record"
    measured = record.measured
    if measured is None or measured.confusion is None:
        return None
    return _contradiction("measured.metrics", measured.metrics, scores(measured.confusion), "its confusion counts")


def series_problem(record: Record, path: Path) -> str | None:
    """What contradicts the record in the arrays at `path`: their hash, or the answers that its counts are of."""
    if record.series_sha256 is None:
        return None
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return "its series.npz is gone"
    except OSError as error:
        return f"its series.npz cannot be read: {error.strerror or error}"
    if hashlib.sha256(content).hexdigest() != record.series_sha256:
        return "its series.npz is not the file that the record was written with (another sha256)"
    measured = record.measured
    if measured is None or measured.confusion is None:
        return None
    from harness.record.run import read_series  # numpy is slow to import, and an index needs none

    found = confusion(read_series(path, ("logits", "labels")))
    if found is None or found == measured.confusion:
        return None
    return f"measured.confusion: got {measured.confusion!r}; its logits have {found!r}"


def scores(counts: Confusion) -> dict[str, float]:
    """Accuracy and F1 as fractions; F1 without a positive, given or said, is 0."""
    total, positive = counts.tp + counts.fp + counts.fn + counts.tn, 2 * counts.tp + counts.fp + counts.fn
    return {
        "accuracy": (counts.tp + counts.tn) / total if total else 0.0,
        "f1": 2 * counts.tp / positive if positive else 0.0,
    }


def confusion(series: Mapping[str, npt.NDArray[Any]]) -> Confusion | None:
    """Count the answers of logits (examples, 2) against labels (examples,); None where they are not both there."""
    logits, labels = series.get("logits"), series.get("labels")
    if logits is None or labels is None or logits.ndim != 2 or logits.shape[1] != 2 or len(logits) != len(labels):
        return None
    said, true = logits.argmax(axis=-1) == 1, labels == 1
    return Confusion(
        tp=int((said & true).sum()), fp=int((said & ~true).sum()),
        fn=int((~said & true).sum()), tn=int((~said & ~true).sum()),
    )  # fmt: skip


def _contradiction(where: str, got: Mapping[str, float], due: Mapping[str, float], source: str) -> str | None:
    for name, value in due.items():
        if name in got and not abs(got[name] - value) <= ROUNDING:
            return f"{where}.{name}: got {got[name]!r}; {source} give {value!r}"
    return None
