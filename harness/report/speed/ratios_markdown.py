"""Comparisons of speed as Markdown: side by side along each axis, and over device counts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.report.format.escape import inline
from harness.report.format.numbers import NONE, amount, count
from harness.report.format.table import table
from harness.report.speed.model import Contrast, Interval, ThroughputPart

MOST_ROWS = 100
"""Rows of any table here; the JSON has them all."""

WORDS = {
    "precision": "Precision",
    "engine": "What `Trainer` costs: the engine",
    "environment": "Environment",
}
"""Headings of comparisons along an axis; another axis is named as it is."""


def side_by_side(part: ThroughputPart) -> list[str]:
    """Ratios along every axis but devices, the published ones beside those of precisions."""
    lines: list[str] = []
    for axis in dict.fromkeys(one.axis for one in part.contrasts):
        found = [one for one in part.contrasts if one.axis == axis]
        body = [[inline(one.what), inline(one.where), *_ratio_cells(one)] for one in found[:MOST_ROWS]]
        headers = ["Comparison", "Among", "Ratio of samples/s", "90 % interval", "Pairs", "MDE"]
        lines += [f"#### {WORDS.get(axis) or inline(axis)}", table(headers, body, "llrcrr")]
        lines += [*more(len(found), "comparisons"), *_left_out(found)]
        if axis == "precision":
            lines += _published(part)
    if not lines:
        return []
    return ["### Side by side", "Above 1 is faster. Everything else is equal in both.", *lines]


def _ratio_cells(one: Contrast) -> list[str]:
    pairs = count(one.pairs) + (f" of {one.pairs + one.left_out}" if one.left_out else "")
    if one.ratio is None:
        return [NONE, inline(one.why), pairs, NONE]
    interval = _ratio_span(one.ci90) if one.ci90 else NONE
    return [_ratio(one.ratio), interval, pairs, percent(one.detectable)]


def _left_out(found: Sequence[Contrast]) -> list[str]:
    left = sum(one.left_out for one in found)
    if not left:
        return []
    return [f"{some(left, 'pair')} left out: a process of theirs was not quiet (see below)."]


def _published(part: ThroughputPart) -> list[str]:
    if not part.published:
        return []
    body = [
        [
            inline(f"{one.precision} over {one.over}"),
            _ratio(one.ratio),
            inline(one.hardware),
            inline(one.checkpoint),
            inline(one.printed),
            f"<{one.source}>",
        ]
        for one in part.published
    ]
    headers = ["Published", "Ratio", "Hardware", "Checkpoint", "Printed", "Source"]
    return [
        "For orientation, what has been published for trainings on MRPC. **These are of other hardware**, other "
        "software and mostly single runs, so nothing here is held against them; ratios are worked out from the printed "
        "figures.",
        table(headers, body, "lrllll"),
    ]


def scaling(part: ThroughputPart) -> list[str]:
    """Speed-up and efficiency over device counts."""
    if not part.scaling:
        return []
    kind = {
        "strong": "Strong scaling: the global batch stays as it is, each device takes its share.",
        "weak": "Weak scaling: each device keeps its batch, the global batch grows with the devices.",
    }[part.plan.scaling]
    body = []
    for one in part.scaling[:MOST_ROWS]:
        ratio, interval, pairs, _ = _ratio_cells(one.contrast)
        efficiency = f"{_ratio_span(one.ci90, 100)} %" if one.ci90 else NONE
        cells = [inline(one.contrast.where), f"{one.devices} over {one.base}", ratio, interval]
        body.append([*cells, percent(one.efficiency), efficiency, pairs])
    headers = ["Configuration", "Devices", "Speed-up", "90 % interval", "Efficiency", "90 % interval", "Pairs"]
    return [
        "### Scaling",
        f"{kind} Speed-up is the ratio of samples/s over all ranks; efficiency is that over the growth in devices. "
        "On a CPU a device is a rank with threads of its own.",
        table(headers, body, "lrrcrcr"),
        *more(len(part.scaling), "rows"),
        *_left_out([one.contrast for one in part.scaling]),
    ]


def more(total: int, what: str) -> list[str]:
    """What to say where a table has not all its rows."""
    if total <= MOST_ROWS:
        return []
    return [f"These are the first {MOST_ROWS} of {total:,} {what}; the JSON form of this report has all."]


def some(number: int, what: str) -> str:
    """`1 process`, `2 processes`."""
    plural = f"{what}es" if what.endswith("s") else f"{what}s"
    return f"{number:,} {what if number == 1 else plural}"


def _ratio(value: float) -> str:
    return f"{value:.3f}" if value < 9.9995 else amount(value)


def _ratio_span(interval: Interval, unit: float = 1.0) -> str:
    if unit == 1.0:
        return f"{_ratio(interval[0])} to {_ratio(interval[1])}"
    return f"{amount(unit * interval[0])} to {amount(unit * interval[1])}"


def percent(fraction: float | None) -> str:
    """`12.3 %`."""
    return NONE if fraction is None or not math.isfinite(fraction) else f"{100 * fraction:.1f} %"
