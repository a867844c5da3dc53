"""Lines to read with a pointer or a slider: what a page draws, as plain data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.report.format.escape import clean
from harness.report.run.captions import MOST_CURVES, caption, finite_curves
from harness.report.run.model import ReportModel

LABEL: Final = 400
"""Longest name of a line, in characters."""


@dataclass(frozen=True)
class Line:
    """A line of a chart: `y` at each `x`, with a band from `low` to `high` where there is one; NaN leaves a gap."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True)
class Chart:
    """Lines over one axis. `shown` of them are drawn before the reader chooses; `alt` says what it shows.

    `ticks` names the whole numbers of `x`, from 0 on, where they are places in a sequence; `marks` are places of `x`
    at which something changed. `points`: each value is a dot.
    """

    name: str
    alt: str
    x: str
    y: str
    lines: Sequence[Line]
    shown: int = MOST_CURVES
    ticks: Sequence[str] = ()
    marks: Sequence[float] = ()
    points: bool = False

    def data(self) -> dict[str, Any]:
        """As JSON takes it: None for what is no finite number."""
        lines = [
            {
                "label": clean(one.label, LABEL),
                **{key: [_finite(v) for v in getattr(one, key)] for key in ("x", "y", "low", "high")},
            }
            for one in self.lines
        ]
        own = {key: getattr(self, key) for key in ("name", "alt", "x", "y", "shown", "points")}
        return {**own, "lines": lines, "ticks": [clean(tick) for tick in self.ticks], "marks": list(self.marks)}


def loss_chart(model: ReportModel) -> Chart | None:
    """The training losses of every configuration; None where there are none."""
    # One run has no range.
    lines = [
        Line(one.label, one.steps, one.mean, *((one.low, one.high) if one.seeds > 1 else ()))
        for one in finite_curves(model)
    ]
    alt = caption(model, "loss", whole=True)[0] if lines else ""
    return Chart("loss", alt, "Optimizer step", "Training loss", lines) if lines else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
