"""The plots of speed: a step's stages as stacked bars, and the comparisons' ratios with their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from harness.report.format.numbers import amount
from harness.report.format.rows import Rows, rows_of
from harness.report.format.svg import BLUE, INK, ORANGE, WIDTH, figure
from harness.report.speed.captions import MOST_RATIOS, drawable_ratios, drawn_bars, ratio_limit
from harness.report.speed.model import STAGES, Contrast, ThroughputPart, TimedRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

THICK: Final = 0.22
"""Inches of a bar, and of an interval with its mark."""

STAGE_LOOKS: Final[dict[str, dict[str, Any]]] = {
    "data": {"facecolor": ORANGE},
    "forward": {"facecolor": BLUE},
    "backward": {"facecolor": "#00508a60", "hatch": "////"},
    "optimizer": {"facecolor": INK},
    "other": {"facecolor": "#80808040", "hatch": "...."},
}
"""Every stage differs in pattern or in hue that people with any colour blindness tell apart."""

TICKS: Final = (1.01, 1.02, 1.05, 1.1, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0)
"""Ratios, and their inverses, that an axis may name; it takes the last few that fit."""

_LOOKS: Final[dict[str, dict[str, Any]]] = {
    "faster": {"marker": "o", "color": BLUE, "markersize": 6.5, "markeredgewidth": 0},
    "slower": {"marker": "s", "color": ORANGE, "markersize": 6.5, "markeredgewidth": 0},
    "undecided": {"marker": "D", "color": INK, "markersize": 6.5, "markeredgewidth": 0},
}


def throughput_figures(part: ThroughputPart) -> dict[str, Figure]:
    """`stages` and `ratios`, each only where there is something to draw; the caller sets the style."""
    drawn: dict[str, Figure] = {}
    bars, ratios = drawn_bars(part), drawable_ratios(part)[:MOST_RATIOS]
    if bars:
        drawn["stages"] = _stages(bars)
    if ratios:
        drawn["ratios"] = _ratios(ratios)
    return drawn


def _stages(rows: Sequence[TimedRow]) -> Figure:
    plan = rows_of([row.label for row in rows], THICK)
    page, axes = _page(plan)
    for row, place in zip(rows, plan.places, strict=True):
        left = 0.0
        for stage in STAGES:
            wide = row.stages_ms[stage]
            axes.barh(place, wide, THICK, left, edgecolor=INK, linewidth=0.4, label=stage, **STAGE_LOOKS[stage])
            left += wide
        axes.annotate(f" {amount(left)} ms", (left, place), va="center", xytext=(2, 0), textcoords="offset points")
    axes.set_xlim(0, 1.14 * max(math.fsum(row.stages_ms.values()) for row in rows))
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel("milliseconds of a step")
    from matplotlib.patches import Patch

    handles = [Patch(edgecolor=INK, linewidth=0.4, label=stage, **STAGE_LOOKS[stage]) for stage in STAGES]
    page.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    return page


def _ratios(rows: Sequence[Contrast]) -> Figure:
    plan = rows_of([f"{one.what} · {one.where}" for one in rows], THICK, [_said(one) for one in rows])
    page, axes = _page(plan)
    limit = ratio_limit(list(rows))
    for one, place in zip(rows, plan.places, strict=True):
        axes.vlines([0], place - THICK / 2, place + THICK / 2, color=INK, linewidth=1.0)
        _ratio(axes, one, place, limit)
    axes.set_xlim(-limit * 1.06, limit * 1.06)
    ticks = _ticks(limit)
    axes.set_xticks([math.log(tick) for tick in ticks], [f"{tick:.3g}" for tick in ticks])
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.set_xlabel("slower ←  ratio of samples/s, logarithmic  → faster")
    _ratio_legend(page, rows)
    return page


def _page(plan: Rows) -> tuple[Figure, Axes]:
    page = figure(WIDTH, 1.0 + plan.height)
    axes = page.subplots()
    plan.write(axes)
    return page, axes


def _ratio(axes: Axes, one: Contrast, place: float, limit: float) -> None:
    assert one.ratio is not None  # only those are drawn
    look = _LOOKS[_found(one)]
    if one.ci90 is not None:
        bounds = [math.log(bound) for bound in one.ci90]
        low, high = (max(-limit, min(limit, bound)) for bound in bounds)
        axes.plot([low, high], [place, place], color=look["color"], linewidth=2.4, solid_capstyle="butt")
        for bound, arrow in zip(bounds, "<>", strict=True):
            if abs(bound) > limit:
                axes.plot([math.copysign(limit, bound)], [place], marker=arrow, color=look["color"], markersize=5)
    axes.plot([math.log(one.ratio)], [place], linestyle="none", zorder=3, **look)


def _found(one: Contrast) -> str:
    if one.ci90 is None or one.ci90[0] <= 1 <= one.ci90[1]:
        return "undecided"
    return "faster" if one.ci90[0] > 1 else "slower"


def _said(one: Contrast) -> str:
    """`0.94 (0.90 to 0.98)`."""
    interval = f"{amount(one.ci90[0])} to {amount(one.ci90[1])}" if one.ci90 else "no interval"
    return f"{amount(one.ratio)} ({interval})"


def _ticks(limit: float) -> list[float]:
    fits = [tick for tick in TICKS if math.log(tick) <= limit]
    # The farthest ones, no two nearer than an eighth of the axis.
    kept: list[float] = []
    for tick in reversed(fits):
        if not kept or math.log(kept[-1] / tick) > limit / 4:
            kept.append(tick)
    kept = [tick for tick in kept if math.log(tick) > limit / 5]
    return [*(1 / tick for tick in kept), 1.0, *reversed(kept)]


def _ratio_legend(page: Figure, rows: Sequence[Contrast]) -> None:
    from matplotlib.lines import Line2D

    found = {_found(one) for one in rows}
    handles: list[Any] = [
        Line2D([], [], linestyle="none", label=name, **look) for name, look in _LOOKS.items() if name in found
    ]
    handles.append(Line2D([], [], color=INK, linewidth=2.4, label="90 % interval"))
    page.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
