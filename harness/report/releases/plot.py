"""A history of releases as a picture: a row a release, a column a field, a number for each of its values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from harness.checks.verdict import Verdict
from harness.report.format.svg import GREY, INK, figure, style, svg
from harness.report.phrases.probes.bisect import field_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILLS: Final = ("#e4e9ef", "#f6c79b", "#9ec5e8", "#d9d19a", "#c9b3dd", "#b6d7b0")
"""By the number of a value, again from the start where there are more; the number in the cell says it too."""
ROW: Final = 0.19
COLUMN: Final = 0.36
MARGIN: Final = 3.4
MOST_FIELDS: Final = 32
CAPTION: Final = (
    "A row is a release, a column a field: the same number is the same value, and where it changes that release "
    "changed it. A dot: this release cannot tell the field. An empty row was not probed, a crossed one could not be."
)


def releases_svg(verdicts: Sequence[Verdict]) -> str | None:
    """The picture; None where no release tells anything."""
    fields = fields_of(verdicts)[:MOST_FIELDS]
    if not fields:
        return None
    with style():
        page = _page(verdicts, fields)
    return svg(page)


def fields_of(verdicts: Sequence[Verdict]) -> list[str]:
    """Every field that any release tells of, in order."""
    return list(dict.fromkeys(name for one in verdicts for name in one.reason.values["fields"]))


def _page(verdicts: Sequence[Verdict], fields: Sequence[str]) -> Figure:
    from matplotlib.patches import Rectangle

    page = figure(1.2 + COLUMN * len(fields) + 0.4, MARGIN * 0.72 + ROW * len(verdicts))
    axes = page.subplots()
    for row, one in enumerate(verdicts):
        values = one.reason.values
        if values["state"] == "error":
            axes.plot([-0.5, len(fields) - 0.5], [row, row], color=GREY, linewidth=0.8)
        for column, name in enumerate(fields):
            if name not in values["fields"]:
                continue
            kind = values["fields"][name]["kind"]
            if kind is not None:
                fill = FILLS[kind % len(FILLS)]
                axes.add_patch(
                    Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=fill, edgecolor="#ffffff", linewidth=0.4)
                )
            text = "·" if kind is None else str(kind)
            axes.text(column, row, text, ha="center", va="center", fontsize=6.5, color=INK)
    axes.set_xlim(-0.5, len(fields) - 0.5)
    axes.set_ylim(len(verdicts) - 0.5, -0.5)
    labels = [f"{one.item}{' (yanked)' if one.reason.values['yanked'] is not None else ''}" for one in verdicts]
    axes.set_yticks(range(len(verdicts)), labels, fontsize=7)
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(fields)), [field_text(name)[:40] for name in fields], fontsize=7, rotation=90)
    axes.tick_params(length=0)
    for side in ("left", "right", "top", "bottom"):
        axes.spines[side].set_visible(False)
    return page
