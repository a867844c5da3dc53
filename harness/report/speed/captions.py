"""What the plots of speed show and leave out, in words."""

from __future__ import annotations

import math
from typing import Final

from harness.report.format.labels import listed
from harness.report.format.numbers import amount
from harness.report.speed.model import Contrast, ThroughputPart, TimedRow

MOST_BARS: Final = 24
MOST_RATIOS: Final = 30
TOLD: Final = 6
"""Rows that an alternative text tells one by one."""


def drawn_bars(part: ThroughputPart) -> tuple[TimedRow, ...]:
    """Configurations in the plot of stages: the first `MOST_BARS`."""
    return part.rows[:MOST_BARS]


def drawable_ratios(part: ThroughputPart) -> list[Contrast]:
    """Comparisons that have a ratio, scaling after the others."""
    every = [*part.contrasts, *(one.contrast for one in part.scaling)]
    return [one for one in every if one.ratio is not None and math.isfinite(one.ratio)]


def throughput_caption(part: ThroughputPart, kind: str) -> tuple[str, str]:
    """(alternative text, caption in Markdown) of the plot `kind`: stages or ratios."""
    return _stages(part) if kind == "stages" else _ratios(part)


def _stages(part: ThroughputPart) -> tuple[str, str]:
    rows = drawn_bars(part)
    told = [f"{row.label} {amount(math.fsum(row.stages_ms.values()))} ms" for row in rows]
    alt = f"Milliseconds of a step by stage, one bar a configuration: {listed(told, TOLD)}"
    text = "Mean step of the measured window by stage, in milliseconds, on rank 0."
    if len(rows) < len(part.rows):
        text += f" Shown: {len(rows)} of {len(part.rows):,} configurations; the table has all."
    return alt, text


def _ratios(part: ThroughputPart) -> tuple[str, str]:
    every = drawable_ratios(part)
    rows = every[:MOST_RATIOS]
    told = [f"{one.what}, {one.where}: {amount(one.ratio)}" for one in rows]
    alt = f"Ratios of speed with 90 % intervals, one row a comparison: {listed(told, TOLD)}"
    text = (
        "Each row is one comparison: the ratio of samples/s and its 90 % interval, on a logarithmic axis; right of 1 "
        "is faster. A disc is faster, a square slower by the whole interval; a diamond is undecided or has no interval."
    )
    limit = ratio_limit(rows)
    if any(one.ci90 and max(abs(math.log(bound)) for bound in one.ci90) > limit for one in rows):
        text += " An arrowhead: the interval goes on beyond the plot."
    if len(rows) < len(every):
        text += f" Shown: {len(rows)} of {len(every):,} comparisons; the tables have all."
    return alt, text


def ratio_limit(rows: list[Contrast]) -> float:
    """Where the axis ends, as a natural logarithm: at all that is near, else twice the farthest ratio.

    A pair or two give intervals that no axis should be made for.
    """
    ratios = [abs(math.log(one.ratio)) for one in rows if one.ratio]
    bounds = [abs(math.log(bound)) for one in rows for bound in one.ci90 or () if bound > 0]
    near = max(math.log(1.1), 2 * max(ratios, default=0.0))
    return max(1.1 * max(ratios, default=0.0), min(near, 1.05 * max([*bounds, *ratios], default=near)), math.log(1.02))
