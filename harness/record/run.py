"""A finished run as checks see it: its record, and its per-step arrays beside it."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.record.model import RECORD, SERIES, Record, read_record
from harness.record.parts import Fingerprint


@dataclass(frozen=True)
class Run:
    """A record with its series.

    `series` maps names to arrays: by optimizer step `loss`, `grad_norm`, `learning_rate`, `step_seconds`,
    `data_seconds`, `micro_loss` (mean over micro-batches of the model's own loss), shape (steps,); `example_ids` with
    `example_offsets` (ids of step s: `ids[offsets[s]:offsets[s + 1]]`); `logits` (examples, 2), `labels` (examples,).
    What a run could not tell is absent; a run that failed has no series.
    """

    record: Record
    series: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    @property
    def first_step(self) -> int:
        """The optimizer step that the series begin with: 0, or where a resumed run went on."""
        return self.record.asked.resume_at

    @property
    def fingerprint(self) -> Fingerprint | None:
        """What was observed of the training itself; None where nothing was."""
        return self.record.observed.fingerprint if self.record.observed else None

    def ids(self, step: int) -> npt.NDArray[Any] | None:
        """The example ids of an optimizer step of the whole run, in order; None where they are not known."""
        ids, offsets, at = self.series.get("example_ids"), self.series.get("example_offsets"), step - self.first_step
        if ids is None or offsets is None or not 0 <= at < len(offsets) - 1:
            return None
        return ids[offsets[at] : offsets[at + 1]]


def read_run(folder: Path) -> Run:
    """Read an attempt's folder; series that are missing or damaged count as absent.

    Raises
    ------
    StoreError
        Where its record cannot be read.
    """
    return Run(read_record(folder / RECORD), read_series(folder / SERIES))


def read_series(path: Path, names: Collection[str] | None = None) -> dict[str, npt.NDArray[Any]]:
    """Read a run's arrays, all or those named; an empty dict where the file is missing or damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            wanted = arrays.files if names is None else [name for name in arrays.files if name in names]
            return {name: np.asarray(arrays[name]) for name in wanted}
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error):
        return {}
