"""The forest plot of verdicts on scores: a row each, difference and interval against 0 and the margin, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Final

from harness.checks.verdict import Verdict
from harness.report.format.escape import clean
from harness.report.format.numbers import levels_text
from harness.report.format.rows import rows_of
from harness.report.format.svg import BLUE, INK, ORANGE, WIDTH, figure, style, svg
from harness.report.verdicts.figures import judged_difference
from harness.report.verdicts.words import (
    ONE_RESULT,
    apart,
    counts_text,
    decision_of,
    metric_name,
    ordered,
    subject,
    word,
)
from harness.stats.decision import Decision

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ROWS: Final = 24
"""Rows in one plot: more would be too tall for a screen. The worst come first."""

TOLD: Final = 3
"""Rows that the alternative text tells one by one."""

WIDEST: Final = 3.0
"""The axis ends at so many margins, or at the farthest difference: a vague interval must not hide the clear ones."""

THICK: Final = 0.24
"""Inches that a row's interval, mark and margin take."""

LONGEST: Final = 25
"""Letters of a side's name that have room below the axis."""

BAND: Final = "#80808030"
_LOOKS: Final[dict[str, dict[str, Any]]] = {
    "PASS": {"marker": "o", "color": BLUE, "markersize": 6.5, "markeredgewidth": 0},
    "INCONCLUSIVE": {"marker": "D", "color": INK, "markersize": 7, "markeredgewidth": 0},
    "FAIL": {"marker": "X", "color": ORANGE, "markersize": 9, "markeredgewidth": 0},
}


def drawn(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts in the plot: those with a difference that is a number, the worst first, at most `MOST_ROWS`."""
    return _drawable(verdicts)[:MOST_ROWS]


def forest_svg(verdicts: Sequence[Verdict]) -> str | None:
    """Return the plot, or None where no verdict has a difference to draw."""
    page = forest_figure(verdicts)
    if page is None:
        return None
    title = escape(clean(forest_caption(verdicts)[0], 2000), quote=False)
    return svg(page).replace(" <metadata>", f" <title>{title}</title>\n <metadata>", 1)


def forest_caption(verdicts: Sequence[Verdict]) -> tuple[str, str]:
    """(alternative text, caption) of the plot; both name no markup."""
    rows, every = drawn(verdicts), _drawable(verdicts)
    counts = counts_text(rows, "verdict")
    told = "; ".join(f"{word(j)} {subject(j)} {_said(j)}" for j in rows[:TOLD])
    first = "the worst: " if len(rows) > TOLD else ""
    levels = levels_text([d for j in rows if (d := decision_of(j))])
    alt = f"Differences in points with {levels} intervals, against the margin. {counts}. {first.capitalize()}{told}"
    text = (
        f"Each row is one verdict: the difference in points with its {levels} interval, by which it is decided; the "
        "grey band is the margin. A disc is a PASS, a diamond INCONCLUSIVE, a cross a FAIL."
    )
    if any(_beyond(d, _limit(rows)) for j in rows if (d := decision_of(j))):
        text += " An arrowhead: the interval goes on beyond the plot."
    if len(every) > len(rows):
        text += f" Shown: the worst {len(rows)} of {len(every):,} verdicts; the table has all."
    return alt, text


def forest_figure(verdicts: Sequence[Verdict]) -> Figure | None:
    """The figure behind `forest_svg`, for looking at it in another format."""
    rows = drawn(verdicts)
    if not rows:
        return None
    with style():
        return _forest(rows)


def _drawable(verdicts: Sequence[Verdict]) -> list[Verdict]:
    return [
        j for j in ordered(verdicts) if j.outcome in _LOOKS and (d := decision_of(j)) and math.isfinite(d.difference)
    ]


def _forest(rows: Sequence[Verdict]) -> Figure:
    plan = rows_of([_label(j) for j in rows], THICK, [f"{word(j)} {_said(j)}" for j in rows])
    page = figure(WIDTH, 1.2 + plan.height)
    axes = page.subplots()
    limit = _limit(rows)
    for verdict, place in zip(rows, plan.places, strict=True):
        if decision := decision_of(verdict):
            _row(axes, verdict.outcome, decision, place, limit)
    axes.set_xlim(-limit * 1.04, limit * 1.04)
    plan.write(axes)
    axes.locator_params(axis="x", nbins=7)
    axes.set_xlabel(_sides(rows))
    _legend(page, {j.outcome for j in rows}, levels_text([d for j in rows if (d := decision_of(j))]))
    return page


def _sides(rows: Sequence[Verdict]) -> str:
    """Which side is better, and who is it where that is the same in all rows: more of every score is better."""
    pairs = [(j.subject.name, j.against.name) for j in rows if j.against and j.check not in ONE_RESULT]
    names = {clean(apart(ours, other), 400) for ours, other in pairs} if len(pairs) == len(rows) else {""}
    who = names.pop() if len(names) == 1 else ""
    who = f"{who} " if 0 < len(who) <= LONGEST else ""
    return f"{who}worse ←  difference, points  → better"


def _row(axes: Axes, outcome: str, d: Decision, place: float, limit: float) -> None:
    right = limit * 1.04 if d.direction == "lower" else d.delta
    top, bottom = place - THICK / 2, place + THICK / 2
    axes.fill_betweenx([top, bottom], -d.delta, right, color=BAND, linewidth=0)
    axes.vlines([0], top, bottom, color=INK, linewidth=1.0)
    axes.vlines([-d.delta] if d.direction == "lower" else [-d.delta, d.delta], top, bottom, color=INK, linewidth=0.6)
    look = _LOOKS[outcome]
    if d.ci_pass is not None and all(map(math.isfinite, d.ci_pass)):
        low, high = (max(-limit, min(limit, bound)) for bound in d.ci_pass)
        axes.plot([low, high], [place, place], color=look["color"], linewidth=2.4, solid_capstyle="butt")
        for bound, arrow in zip(d.ci_pass, "<>", strict=True):
            if abs(bound) > limit:
                axes.plot([math.copysign(limit, bound)], [place], marker=arrow, color=look["color"], markersize=6)
    inside = max(-limit, min(limit, d.difference))
    axes.plot([inside], [place], linestyle="none", zorder=3, **look)


def _legend(page: Figure, outcomes: set[str], levels: str) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Line2D([], [], linestyle="none", label=outcome, **look)
        for outcome, look in _LOOKS.items()
        if outcome in outcomes
    ]
    handles += [Line2D([], [], color=INK, linewidth=2.4, label=f"{levels} interval")]
    handles += [Patch(facecolor=BAND, label="margin")]
    page.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)


def _label(verdict: Verdict) -> str:
    metric = "" if verdict.item == "accuracy" else f", {metric_name(verdict)}"
    return subject(verdict).replace(" against ", " · against ").replace(": ", " · ") + metric


def _said(j: Verdict) -> str:
    """`-0.74 (-1.90 to +0.40)`."""
    d = decision_of(j)
    return judged_difference(j, d) if d else ""


def _limit(rows: Sequence[Verdict]) -> float:
    """Where the axis ends, in points: everything where that is near, else `WIDEST` margins or the differences."""
    decisions = [d for j in rows if (d := decision_of(j))]
    bounds = [abs(b) for d in decisions for b in d.ci_pass or () if math.isfinite(b)]
    margins = max((d.delta for d in decisions), default=1.0)
    near = max([WIDEST * margins, *(1.15 * abs(d.difference) for d in decisions)])
    return max(1.15 * margins, min(near, max(bounds, default=near)))


def _beyond(d: Decision, limit: float) -> bool:
    return any(abs(bound) > limit for bound in d.ci_pass or ())
