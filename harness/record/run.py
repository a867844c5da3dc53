"""A finished run as checks see it: its record, and its per-step arrays beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy.typing as npt

from harness.errors import StoreError
from harness.record.integrity import scores_problem, series_problem
from harness.record.model import RECORD, SERIES, Record, read_record
from harness.record.parts.fingerprint import Fingerprint
from harness.record.series import read_series


@dataclass(frozen=True)
class Run:
    """A record with its series.

    `series` maps names to arrays: by optimizer step `loss`, `grad_norm`, `learning_rate`, `step_seconds`,
    `data_seconds`, `micro_loss` (mean over micro-batches of the model's own loss), shape (steps,); `example_ids` with
    `example_offsets` (ids of step s: `ids[offsets[s]:offsets[s + 1]]`), and by id `inputs.COLUMN`, a hash of what the
    model received; `random_state` by step; `logits` (examples, 2), `labels` and `evaluated_ids` (examples,), whose rows
    are in the order of evaluation.
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
    """Read an attempt's folder, wherever it lies; series that are missing count as absent.

    Raises
    ------
    StoreError
        Where its record cannot be read or contradicts itself, or its series are not those that it was written with.
    """
    record, path = read_record(folder / RECORD), folder / SERIES
    problem = scores_problem(record) or (series_problem(record, path) if path.exists() else None)
    if problem is not None:
        raise StoreError(f"{folder / RECORD}: {problem}")
    return Run(record, read_series(path, shapes=record.series))
