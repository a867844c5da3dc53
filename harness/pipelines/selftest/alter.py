"""Runs changed after they ended: as if they had always been so, or as an accident leaves their files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.record.entry import Entry
from harness.record.integrity import confusion
from harness.record.model import RECORD, SERIES, parse_record
from harness.record.store import Store
from harness.stats.descriptive import class_scores

Array = npt.NDArray[Any]
Values = Mapping[str, Any]
"""Dotted place in a record -> its new value, or what makes it of the old one."""
Arrays = Mapping[str, Callable[[Array], Array]]
"""Name of a series -> what makes the new one of the old one."""

OTHER: Final = hashlib.sha256(b"selftest").hexdigest()
"""A hash of nothing that any run did."""


def rewrite(store: Store, entry: Entry, values: Values, arrays: Arrays | None = None) -> None:
    """Change a run's record and series on the disk; all that the harness keeps of them agrees again.

    Scores and counts follow from the logits, so that a record stays what one is.
    """
    record, series = store.record(entry), store.series(entry)
    series |= {name: change(series[name]) for name, change in (arrays or {}).items() if name in series}
    folder = store.folder / entry.path
    with (folder / SERIES).open("wb") as file:
        np.savez_compressed(file, **series)  # type: ignore[arg-type]
    data = json.loads(record.to_json())
    counts = confusion(series)
    if counts is not None and data["measured"] is not None and data["measured"].get("confusion") is not None:
        scores = class_scores(counts.counts, record.task.positive or 0)
        data["measured"]["confusion"] = {"counts": counts.counts}
        for metrics in (data["measured"]["metrics"], *(e["metrics"] for e in data["measured"]["epochs"][-1:])):
            metrics |= {name: value for name, value in scores.items() if name in metrics}
            metrics["loss"] = (
                metrics["loss"] if "logits" not in (arrays or {}) else _loss(series["logits"], series["labels"])
            )
    for place, value in values.items():
        _put(data, place.split("."), value)
    data["series_sha256"] = hashlib.sha256((folder / SERIES).read_bytes()).hexdigest()
    data["series"] = {name: list(array.shape) for name, array in series.items()}
    text = parse_record(data, str(folder / RECORD)).to_json()
    (folder / RECORD).write_text(text, encoding="utf-8")
    forget(store)


def forget(store: Store) -> None:
    """Make the index anew, so that it knows of nothing else."""
    store.index.path.unlink(missing_ok=True)
    Store(store.folder.parent, store.grid).reindex()


def _loss(logits: Array, labels: Array) -> float:
    """The mean cross-entropy of answers (examples, classes) to their labels (examples,)."""
    wide = logits.astype(np.float64)
    far = np.log(np.exp(wide - wide.max(axis=1, keepdims=True)).sum(axis=1)) + wide.max(axis=1)
    return float((far - wide[np.arange(len(labels)), labels]).mean())


def _put(data: Any, place: list[str], value: Any) -> None:
    *above, last = (int(part) if part.isdecimal() else part for part in place)
    for part in above:
        data = data[part]
    data[last] = value(data.get(last) if isinstance(data, dict) else data[last]) if callable(value) else value
