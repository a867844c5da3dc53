"""An entry: one record's line in a grid's index, enough for plan, status and report without opening the record."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from harness.errors import StoreError


@dataclass(frozen=True, slots=True)
class Entry:
    """Summary of a record. `path` is the attempt's folder relative to the grid's results folder.

    `metrics` holds accuracy, f1 (fractions) and loss on the validation split after training; `seconds` the
    record's phases; `samples_per_second` is the training rate.
    """

    cell_id: str
    configuration_id: str
    environment_id: str
    content_id: str | None
    attempt: int
    status: str
    path: str
    started: str
    checkpoint: str
    seed: int
    precision: str
    devices: int
    axes: Mapping[str, Any]
    metrics: Mapping[str, float]
    seconds: Mapping[str, float]
    samples_per_second: float | None
    steps: int | None
    error: str | None
    measurement: int = 1

    @property
    def message(self) -> str:
        """What went wrong, without the failure's type: `error` is `TYPE: MESSAGE`, and no type has a colon."""
        kind, _, message = (self.error or "").partition(": ")
        return message or kind

    def to_line(self) -> str:
        """One line of JSON; NaN and infinities as strings, as in records."""
        data = asdict(self)
        data["metrics"] = {k: v if math.isfinite(v) else str(v) for k, v in self.metrics.items()}
        return json.dumps(data, separators=(",", ":")) + "\n"


_NAMES: Final = frozenset(f.name for f in fields(Entry))
_LATER: Final = frozenset({"measurement"})
"""What a line of an older harness does not have."""


def parse_entry(line: str) -> Entry:
    """Read one line of an index.

    Raises
    ------
    StoreError
        Where the line is not an entry (torn by a crash, or another version's): the index is then rebuilt.
    """
    try:
        data = json.loads(line)
        if data.keys() | _LATER != _NAMES:
            raise ValueError("not the fields of an entry")
        data["metrics"] = {k: float(v) for k, v in data["metrics"].items()}
        return Entry(**data)
    except (ValueError, TypeError, AttributeError) as error:
        raise StoreError(f"not an index entry: {line!r:.80}") from error
