"""A run as trackers have it: what was asked and seen as parameters, scores at its end, and series by step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from harness.report.export.columns import COLUMNS, SCORE, Row, value_of
from harness.report.format.escape import clean
from harness.report.format.labels import plain

if TYPE_CHECKING:
    import numpy.typing as npt

SERIES: Final[Mapping[str, str]] = {
    "loss": "train/loss",
    "grad_norm": "train/grad_norm",
    "learning_rate": "train/learning_rate",
}
"""Series of a run that are handed on, and what trackers call them."""
_FIGURES: Final = ("loss", "train_seconds", "total_seconds", "samples_per_second")
LONGEST: Final = 250
"""Characters of a parameter: the least that a tracker takes."""


@dataclass(frozen=True)
class Tracked:
    """One run; `series` are arrays by optimizer step, the first after `first_step`; `mark` is its verdict's."""

    row: Row
    series: Mapping[str, npt.NDArray[Any]]
    first_step: int
    mark: str

    @property
    def name(self) -> str:
        """What people call it, with what tells it from every other run: its id and attempt."""
        return clean(f"{self.row.configuration} · seed {self.row.entry.seed} · {self.key}")

    @property
    def key(self) -> str:
        """Equal for the same run, whenever it is exported."""
        return f"{self.row.run}/{self.row.entry.attempt}"

    @property
    def parameters(self) -> dict[str, str]:
        """The frame's columns that are no figure, and the recipe."""
        found = {one.name: value_of(one, self.row) for one in COLUMNS if one.kind != "number" and one.name != "folder"}
        recipe = self.row.record.asked.recipe if self.row.record else {}
        found |= {f"recipe.{name}": value for name, value in recipe.items()}
        found |= {f"axis.{name}": value for name, value in self.row.entry.axes.items() if name not in found}
        found["verdict"] = self.mark or "PASS"
        return {name: clean(plain(value), LONGEST) for name, value in found.items() if value is not None}

    @property
    def scores(self) -> dict[str, float]:
        """Figures of the whole run, by name and unit."""
        by_name = {one.name: one for one in COLUMNS}
        found = {f"{name}{SCORE}": value for name, value in self.row.entry.metrics.items() if name != "loss"}
        found |= {f"validation_{name}" if name == "loss" else name: value_of(by_name[name], self.row)
                  for name in _FIGURES}  # fmt: skip
        return {name: float(value) for name, value in found.items() if value is not None and math.isfinite(value)}

    @property
    def last_step(self) -> int:
        """The step at which the scores stand."""
        return self.row.entry.steps or 0

    def points(self) -> Iterator[tuple[str, int, float]]:
        """(name, step from 1, value) of every series; a value that is no number is a gap."""
        for name, called in SERIES.items():
            for place, value in enumerate(self.series.get(name, ())):
                if math.isfinite(value):
                    yield called, self.first_step + place + 1, float(value)

    @property
    def began(self) -> float:
        """Seconds since 1970."""
        return datetime.fromisoformat(self.row.entry.started).timestamp()

    @property
    def ended(self) -> float:
        """Seconds since 1970."""
        record = self.row.record
        return datetime.fromisoformat(record.finished).timestamp() if record else self.began
