"""The plots of a report: every run's scores, and the losses of training."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.checks.verdict import Verdict
from harness.record.attempts import LOST
from harness.report.format.metrics import metric_head
from harness.report.format.svg import BLUE, FAINT, GREY, INK, ORANGE, figure, plot_labels, style, svg
from harness.report.run.captions import drawn_curves, drawn_rows, joined, published
from harness.report.run.model import Curve, ReportModel, Row
from harness.report.speed.plots import throughput_figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def to_svgs(model: ReportModel, verdicts: Sequence[Verdict] = ()) -> dict[str, str]:
    """`scores`, `loss`, and of timings `stages` and `ratios`, each only where there is something to draw."""
    return {name: svg(page) for name, page in figures(model, verdicts).items()}


def figures(model: ReportModel, verdicts: Sequence[Verdict] = ()) -> dict[str, Figure]:
    """The figures behind `to_svgs`, for looking at them in another format."""
    drawn: dict[str, Figure] = {}
    rows, curves = drawn_rows(model), drawn_curves(model)
    with style():
        if metrics := [metric for metric in model.metrics if any(metric in row.ok for row in rows)]:
            drawn["scores"] = _scores(rows, metrics, joined(model, verdicts), published(rows, verdicts))
        if curves:
            drawn["loss"] = _losses(curves)
        if model.throughput is not None:
            drawn |= throughput_figures(model.throughput)
    return drawn


def _scores(
    rows: tuple[Row, ...],
    metrics: Sequence[str],
    pairs: set[tuple[str, str]],
    references: Mapping[tuple[int, str], float],
) -> Figure:
    labels = plot_labels([row.label for row in rows], 34)
    tallest = max(label.count("\n") + 1 for label in labels)
    pitch = max(0.32, 0.16 * tallest + 0.08)
    page = figure(8.4, 0.75 + pitch * len(rows))
    panels = page.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for axes, metric in zip(panels, metrics, strict=True):
        places = [_places(number, row, metric) for number, row in enumerate(rows)]
        for a, b in itertools.combinations(range(len(rows)), 2):
            ids = rows[a].configuration_id, rows[b].configuration_id
            if ids in pairs or ids[::-1] in pairs:
                _join(axes, places[a], places[b])
        for number, row in enumerate(rows):
            _strip(axes, number, row, metric, places[number])
            if (value := references.get((number, metric))) is not None:
                ends = [number - 0.44, number + 0.44]
                axes.plot([value, value], ends, color=INK, linewidth=1.2, linestyle=(0, (2, 1.5)))
        axes.set_title(f"{metric_head(metric)}, points", fontsize=9)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.locator_params(axis="x", nbins=6)
        axes.ticklabel_format(axis="x", useOffset=False)
        axes.margins(x=0.08)
        for place in range(len(rows) - 1):
            axes.axhline(place + 0.5, color=FAINT, linewidth=0.4)
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    panels[0].set_yticks(range(len(rows)), labels)
    return page


Place = tuple[bool, int, float, float]
"""Whether a run went well, its seed, its score, and how far down it stands."""


def _places(number: int, row: Row, metric: str) -> list[Place]:
    """The runs of one row: spread a little by their order, so that equal scores stay visible."""
    runs = [(score, score.scores.get(metric)) for score in row.scores]
    shown = [(score, value) for score, value in runs if value is not None and math.isfinite(value)]
    step = min(0.12, 0.44 / max(1, len(shown) - 1))
    return [
        (score.status not in LOST, score.seed, value, number + step * (place - (len(shown) - 1) / 2))
        for place, (score, value) in enumerate(shown)
    ]


def _join(axes: Axes, a: list[Place], b: list[Place]) -> None:
    """A line between the two runs of each seed."""
    others = {seed: (value, height) for ok, seed, value, height in b if ok}
    for ok, seed, value, height in a:
        if ok and seed in others:
            axes.plot([value, others[seed][0]], [height, others[seed][1]], color=GREY, linewidth=0.8, zorder=1)


def _strip(axes: Axes, number: int, row: Row, metric: str, places: list[Place]) -> None:
    looks: list[tuple[bool, dict[str, Any]]] = [
        (True, {"marker": "o", "markersize": 4.5, "color": BLUE, "markeredgewidth": 0}),
        (False, {"marker": "x", "markersize": 5, "color": ORANGE, "markeredgewidth": 1.4}),
    ]
    for well, look in looks:
        marks = [(value, height) for ok, _, value, height in places if ok is well]
        if marks:
            axes.plot(*zip(*marks, strict=True), linestyle="none", **look)
    summary = row.ok.get(metric)
    mean = None if summary is None else summary.mean
    if summary is not None and mean is not None and summary.n > 1:
        axes.plot([mean, mean], [number - 0.34, number + 0.34], color=INK, linewidth=1.8, solid_capstyle="butt")


def _losses(curves: tuple[Curve, ...]) -> Figure:
    if len(curves) == 2:
        return _two_losses(curves)
    columns = 1 if len(curves) == 1 else 2
    lines = -(-len(curves) // columns)
    titles = plot_labels([curve.label for curve in curves], 90 if columns == 1 else 50)
    tallest = max(title.count("\n") for title in titles)
    page = figure(8.4, 0.4 + (1.75 + 0.16 * tallest) * lines)
    panels = page.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for number, axes in enumerate(panels.flat):
        if number >= len(curves):
            axes.set_visible(False)
            continue
        for other in curves:
            if other is not curves[number]:
                axes.plot(other.steps, other.mean, color=FAINT, linewidth=0.9)
        curve = curves[number]
        if curve.seeds > 1:
            axes.fill_between(curve.steps, curve.low, curve.high, color=BLUE, alpha=0.28, linewidth=0)
        axes.plot(curve.steps, curve.mean, color=BLUE, linewidth=1.6)
        axes.set_title(titles[number], fontsize=9, loc="left")
        axes.grid()
        axes.set_axisbelow(True)
        axes.locator_params(axis="x", nbins=6, integer=True)
        axes.locator_params(axis="y", nbins=5)
        axes.margins(x=0.01)
        below = number + columns >= len(curves)
        axes.tick_params(axis="x", labelbottom=below)
    page.supxlabel("optimizer step", fontsize=9)
    page.supylabel("training loss", fontsize=9)
    return page


def _two_losses(curves: tuple[Curve, ...]) -> Figure:
    """Both in one panel: side by side nobody sees where two curves part."""
    page = figure(8.4, 2.7)
    axes = page.subplots()
    looks: list[dict[str, Any]] = [{"color": BLUE}, {"color": ORANGE, "linestyle": (0, (4, 1.5))}]
    for curve, label, look in zip(curves, plot_labels([curve.label for curve in curves], 60), looks, strict=True):
        if curve.seeds > 1:
            axes.fill_between(curve.steps, curve.low, curve.high, color=look["color"], alpha=0.2, linewidth=0)
        axes.plot(curve.steps, curve.mean, linewidth=1.5, label=label, **look)
    axes.grid()
    axes.set_axisbelow(True)
    axes.margins(x=0.01)
    axes.set_xlabel("optimizer step", fontsize=9)
    axes.set_ylabel("training loss", fontsize=9)
    page.legend(loc="outside upper left", ncols=2, frameon=False, fontsize=9)
    return page
