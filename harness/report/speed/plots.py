"""The plots of speed: a step's stages as stacked bars, and the comparisons' ratios with their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from harness.report.format.numbers import amount
from harness.report.format.svg import BLUE, INK, ORANGE, figure, plot_labels
from harness.report.speed.captions import MOST_RATIOS, drawable_ratios, drawn_bars, ratio_limit
from harness.report.speed.model import STAGES, Contrast, ThroughputPart, TimedRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
    labels = plot_labels([row.label for row in rows], 34)
    page, axes, edges, places = _page(labels)
    for number, (row, place) in enumerate(zip(rows, places, strict=True)):
        thick = min(0.24, 0.62 * (edges[number + 1] - edges[number]))
        left = 0.0
        for stage in STAGES:
            wide = row.stages_ms[stage]
            axes.barh(place, wide, thick, left, edgecolor=INK, linewidth=0.4, label=stage, **STAGE_LOOKS[stage])
            left += wide
        axes.annotate(
            f" {amount(left)} ms", (left, place), va="center", fontsize=8.5, xytext=(2, 0), textcoords="offset points"
        )
    axes.set_xlim(0, 1.14 * max(math.fsum(row.stages_ms.values()) for row in rows))
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.locator_params(axis="x", nbins=8)
    axes.set_xlabel("milliseconds of a step", fontsize=9)
    from matplotlib.patches import Patch

    handles = [Patch(edgecolor=INK, linewidth=0.4, label=stage, **STAGE_LOOKS[stage]) for stage in STAGES]
    page.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=8.5)
    return page


def _ratios(rows: Sequence[Contrast]) -> Figure:
    labels = plot_labels([f"{one.what} · {one.where}" for one in rows], 38)
    page, axes, edges, places = _page(labels)
    limit = ratio_limit(list(rows))
    for number, (one, place) in enumerate(zip(rows, places, strict=True)):
        _ratio(axes, one, place, limit)
        if number:
            axes.axhline(edges[number], color=INK, linewidth=0.3, alpha=0.5)
    axes.axvline(0, color=INK, linewidth=1.0)
    axes.set_xlim(-limit * 1.06, limit * 1.06)
    ticks = _ticks(limit)
    axes.set_xticks([math.log(tick) for tick in ticks], [f"{tick:.3g}" for tick in ticks])
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.set_xlabel("ratio of samples/s, logarithmic", fontsize=9)
    right = axes.secondary_yaxis("right")
    right.set_yticks(places, [_said(one) for one in rows])
    right.tick_params(axis="y", length=0)
    right.spines["right"].set_visible(False)
    _ratio_legend(page, rows)
    return page


def _page(labels: Sequence[str]) -> tuple[Figure, Axes, list[float], list[float]]:
    """A page with a row for each label, as tall as the label: the rows' edges and middles in inches from the top."""
    heights = [0.16 * max(label.count("\n") + 1, 2) + 0.07 for label in labels]
    page = figure(8.4, 0.95 + sum(heights))
    axes = page.subplots()
    edges = [sum(heights[:number]) for number in range(len(labels) + 1)]
    places = [(top + bottom) / 2 for top, bottom in pairwise(edges)]
    axes.set_ylim(edges[-1], 0)
    axes.set_yticks(places, labels)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    return page, axes, edges, places


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
    """`0.94` and, below it, `0.90 to 0.98`."""
    interval = f"{amount(one.ci90[0])} to {amount(one.ci90[1])}" if one.ci90 else "no interval"
    return f"{amount(one.ratio)}\n{interval}"


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
    page.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=8.5)
