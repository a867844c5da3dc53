"""Rows of a plot: each has its words above it, over the whole width, so that on a narrow screen none is cut or tiny."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from harness.report.format.svg import INK, LETTERS, LINE, PAPER, plot_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AROUND: Final = 0.05
"""Inches above a row's words, and below what is drawn of it."""


@dataclass(frozen=True)
class Rows:
    """Where rows lie, in inches from the top: `edges` has one more than there are rows; `words` a text for each.

    What is drawn of a row lies about `places`, `thick` inches tall.
    """

    words: tuple[str, ...]
    edges: tuple[float, ...]
    places: tuple[float, ...]
    thick: float

    @property
    def height(self) -> float:
        """Of all rows, in inches."""
        return self.edges[-1]

    def write(self, axes: Axes) -> None:
        """Give the axes these rows: limits, each one's words at the left, a thin line between two."""
        axes.set_ylim(self.height, 0)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        for number, (text, top) in enumerate(zip(self.words, self.edges, strict=False)):
            # What is drawn across rows, such as the pairs of seeds, goes on behind the words, paler.
            behind: dict[str, Any] = {"facecolor": PAPER, "alpha": 0.65, "edgecolor": "none", "pad": 0}
            axes.text(
                0, top + AROUND, text, transform=axes.get_yaxis_transform(), va="top", ha="left", linespacing=1.2,
                zorder=4, bbox=behind,
            )  # fmt: skip
            if number:
                axes.axhline(top, color=INK, linewidth=0.3, alpha=0.5)


def rows_of(labels: Sequence[str], thick: float, said: Sequence[str] = ()) -> Rows:
    """Rows of these labels, and of what is `said` of each behind its label where that has room, else below it."""
    words = []
    for label, text in zip(plot_labels(labels, LETTERS), said or [""] * len(labels), strict=True):
        fits = len(label.rpartition("\n")[2]) + len(text) + 3 <= LETTERS
        words.append(f"{label}{'   ' if fits else chr(10)}{text}" if text else label)
    heights = [LINE * (text.count("\n") + 1) + thick + 2 * AROUND for text in words]
    edges = [sum(heights[:number]) for number in range(len(words) + 1)]
    places = [edge - AROUND - thick / 2 for edge in edges[1:]]
    return Rows(tuple(words), tuple(edges), tuple(places), thick)
