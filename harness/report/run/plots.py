"""The plots of a report: every run's scores, and the losses and gradient norms of training."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from harness.checks.verdict import Verdict
from harness.record.attempts import LOST
from harness.report.format.metrics import metric_word
from harness.report.format.rows import rows_of
from harness.report.format.svg import (
    BLUE,
    FAINT,
    GREY,
    INK,
    LETTERS,
    LINE,
    ORANGE,
    WIDTH,
    figure,
    plot_labels,
    style,
    svg,
)
from harness.report.run.captions import drawn_curves, drawn_rows, joined, published
from harness.report.run.model import Curve, ReportModel, Row
from harness.report.speed.plots import throughput_figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


THICK: Final = 0.4
"""Inches over which the runs of a row are spread."""

PUBLISHED: Final[Mapping[str, Any]] = {"color": INK, "linewidth": 1.2, "linestyle": (0, (2, 1.5))}
MARKS: Final = ("a run", "a collapsed run", "mean", "the same seed", "published value")
"""What is drawn of scores, in the order of its legend."""

LOOKS: Final[tuple[dict[str, Any], ...]] = ({"color": BLUE}, {"color": ORANGE, "linestyle": (0, (4, 1.5))})
"""Of the one or two curves that share a panel."""


def to_svgs(model: ReportModel, verdicts: Sequence[Verdict] = ()) -> dict[str, str]:
    """`scores`, `loss`, and of timings `stages` and `ratios`, each only where there is something to draw."""
    return {name: svg(page) for name, page in figures(model, verdicts).items()}


def figures(model: ReportModel, verdicts: Sequence[Verdict] = (), alone: bool = False) -> dict[str, Figure]:
    """The figures behind `to_svgs`, for another format; `alone` where no caption stands by them: with a legend."""
    drawn: dict[str, Figure] = {}
    rows, curves = drawn_rows(model), drawn_curves(model)
    with style():
        if metrics := [metric for metric in model.metrics if any(metric in row.ok for row in rows)]:
            drawn["scores"] = _scores(rows, metrics, joined(model, verdicts), published(rows, verdicts))
            if alone:
                _legend(drawn["scores"])
        if curves:
            drawn["loss"] = _curves(curves, model.norms, alone)
        if model.throughput is not None:
            drawn |= throughput_figures(model.throughput)
    return drawn


def _scores(
    rows: tuple[Row, ...],
    metrics: Sequence[str],
    pairs: set[tuple[str, str]],
    references: Mapping[tuple[int, str], float],
) -> Figure:
    plan = rows_of([row.label for row in rows], THICK)
    page = figure(WIDTH, (0.6 + plan.height) * len(metrics))
    panels = page.subplots(len(metrics), 1, squeeze=False)[:, 0]
    for axes, metric in zip(panels, metrics, strict=True):
        places = [_places(middle, row, metric) for middle, row in zip(plan.places, rows, strict=True)]
        for a, b in itertools.combinations(range(len(rows)), 2):
            ids = rows[a].configuration_id, rows[b].configuration_id
            if ids in pairs or ids[::-1] in pairs:
                _join(axes, places[a], places[b])
        for number, (row, middle) in enumerate(zip(rows, plan.places, strict=True)):
            _strip(axes, middle, row, metric, places[number])
            if (value := references.get((number, metric))) is not None:
                ends = [middle - 0.6 * THICK, middle + 0.6 * THICK]
                axes.plot([value, value], ends, label="published value", **PUBLISHED)
        plan.write(axes)
        axes.set_xlabel(f"worse ←  {metric_word(metric)}, points  → better")
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        axes.locator_params(axis="x", nbins=6)
        axes.ticklabel_format(axis="x", useOffset=False)
        axes.margins(x=0.08)
    return page


Place = tuple[bool, int, float, float]
"""Whether a run went well, its seed, its score, and how far down it stands."""


def _places(middle: float, row: Row, metric: str) -> list[Place]:
    """The runs of one row: spread a little by their order, so that equal scores stay visible."""
    runs = [(score, score.scores.get(metric)) for score in row.scores]
    shown = [(score, value) for score, value in runs if value is not None and math.isfinite(value)]
    step = THICK * min(0.16, 0.8 / max(1, len(shown) - 1))
    return [
        (score.status not in LOST, score.seed, value, middle + step * (place - (len(shown) - 1) / 2))
        for place, (score, value) in enumerate(shown)
    ]


def _join(axes: Axes, a: list[Place], b: list[Place]) -> None:
    """A line between the two runs of each seed."""
    others = {seed: (value, height) for ok, seed, value, height in b if ok}
    for ok, seed, value, height in a:
        if ok and seed in others:
            ends = [value, others[seed][0]], [height, others[seed][1]]
            axes.plot(*ends, color=GREY, linewidth=0.8, zorder=1, label="the same seed")


def _strip(axes: Axes, middle: float, row: Row, metric: str, places: list[Place]) -> None:
    looks: list[tuple[bool, dict[str, Any]]] = [
        (True, {"marker": "o", "markersize": 4.5, "color": BLUE, "markeredgewidth": 0, "label": "a run"}),
        (False, {"marker": "x", "markersize": 5, "color": ORANGE, "markeredgewidth": 1.4, "label": "a collapsed run"}),
    ]
    for well, look in looks:
        marks = [(value, height) for ok, _, value, height in places if ok is well]
        if marks:
            axes.plot(*zip(*marks, strict=True), linestyle="none", **look)
    summary = row.ok.get(metric)
    mean = None if summary is None else summary.mean
    if summary is not None and mean is not None and summary.n > 1:
        ends = [middle - THICK / 2, middle + THICK / 2]
        axes.plot([mean, mean], ends, color=INK, linewidth=1.8, solid_capstyle="butt", label="mean")


def _legend(page: Figure) -> None:
    """What each kind of mark is, once, whichever rows have it."""
    drawn = {str(line.get_label()): line for axes in page.axes for line in axes.lines}
    known = [name for name in MARKS if name in drawn]
    columns = 2 if len(known) == 4 else 3
    page.set_figheight(page.get_figheight() + 1.5 * LINE * math.ceil(len(known) / columns))
    page.legend([drawn[name] for name in known], known, loc="outside lower center", ncols=columns, frameon=False)


def _curves(curves: tuple[Curve, ...], norms: Sequence[Curve], alone: bool) -> Figure:
    """Losses, and beside each the gradient norm where it is known; two configurations share their panels.

    Side by side nobody sees where two curves part; of more than two each has a panel, the others behind it in grey.
    """
    beside = {(one.configuration_id, one.environment_id): one for one in norms}
    known = [beside.get((one.configuration_id, one.environment_id)) for one in curves]
    columns = 2 if any(known) else 1
    shared = len(curves) <= 2
    titles = [""] if shared else plot_labels([curve.label for curve in curves], LETTERS // columns)
    tallest = max(title.count("\n") + bool(title) for title in titles)
    page = figure(WIDTH, 0.4 + (2.0 if shared else 1.3 + LINE * tallest) * len(titles) + LINE * len(curves) * shared)
    panels = page.subplots(len(titles), columns, sharex=True, sharey="col", squeeze=False)
    for column, (what, drawn) in enumerate((("training loss", curves), ("gradient norm", known))[:columns]):
        for number, axes in enumerate(panels[:, column]):
            for place, other in enumerate(drawn):
                if other is not None and place != number and not shared:
                    axes.plot(other.steps, other.mean, color=FAINT, linewidth=0.9)
            for one, look in zip(drawn if shared else [drawn[number]], LOOKS, strict=False):
                if one is not None:
                    _curve(axes, one, look)
            axes.set_title("" if column else titles[number], loc="left")
            axes.set_ylabel(what if shared else "")
            axes.grid()
            axes.set_axisbelow(True)
            axes.locator_params(axis="x", nbins=8 // columns, integer=True)
            axes.locator_params(axis="y", nbins=5)
            axes.margins(x=0.01)
        panels[-1, column].set_xlabel("optimizer step" if shared else f"{what} by optimizer step")
    if shared:
        labels = plot_labels([curve.label for curve in curves], LETTERS)
        page.legend(panels[0, 0].lines, labels, loc="outside upper left", ncols=1, frameon=False)
    if alone:
        _curves_legend(page, curves, shared)
    return page


def _curves_legend(page: Figure, curves: Sequence[Curve], shared: bool) -> None:
    """What a line, its band and the grey lines are, where no caption says it."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    several, smoothed = any(curve.seeds > 1 for curve in curves), any(curve.window > 1 for curve in curves)
    mean = f"{'mean over seeds' if several else 'one run'}{', smoothed' if smoothed else ''}"
    marks: list[Line2D | Patch] = [Line2D([], [], color=INK, linewidth=1.5, label=mean)]
    marks += [Patch(color=INK, alpha=0.2, linewidth=0, label="smallest to largest")] if several else []
    marks += [] if shared else [Line2D([], [], color=FAINT, linewidth=0.9, label="the other configurations")]
    page.set_figheight(page.get_figheight() + 1.5 * LINE * math.ceil(len(marks) / 2))
    page.legend(handles=marks, loc="outside lower center", ncols=2, frameon=False)


def _curve(axes: Axes, curve: Curve, look: Mapping[str, Any]) -> None:
    if curve.seeds > 1:
        axes.fill_between(curve.steps, curve.low, curve.high, color=look["color"], alpha=0.2, linewidth=0)
    axes.plot(curve.steps, curve.mean, linewidth=1.5, **look)
