"""Bencher's metric format (BMF): a benchmark a configuration, a measure a metric."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from harness.report.export.published import Published
from harness.report.format.escape import clean

LONGEST: Final = 1024
"""Characters of a benchmark's name."""
IGNORED: Final = "-bencher-ignore"
"""Bencher takes this end off a name, and raises no alert for what has it."""


def bencher_json(grid: str, results: Sequence[Published]) -> str:
    """The JSON for `bencher run --adapter json`: means in points with their interval, and the rate of training.

    What is INCONCLUSIVE is there and raises no alert.
    """
    data: dict[str, dict[str, Any]] = {}
    for one in results:
        ending = IGNORED if one.state == "INCONCLUSIVE" else ""
        name = clean(f"{grid} · {one.row.label}", LONGEST - len(ending)) + ending
        measures = {f"{line.metric.replace('_', '-')}-points": _measure(line.mean, line.low, line.high)
                    for line in one.lines}  # fmt: skip
        if one.row.samples_per_second.mean is not None:
            rate = one.row.samples_per_second
            measures["train-samples-per-second"] = _measure(rate.mean, rate.min, rate.max)
        data[name] = measures
    return json.dumps(data, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _measure(value: float | None, low: float | None, high: float | None) -> dict[str, float]:
    bounds = {"value": value, "lower_value": low, "upper_value": high}
    return {name: number for name, number in bounds.items() if number is not None}
