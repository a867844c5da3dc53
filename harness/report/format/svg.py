"""Plots as SVG: dark on white on any page, equal bytes for equal figures, labels that fit beside them.

matplotlib is imported when the first plot is drawn. Text becomes outlines, so what fits here fits in any browser;
nothing from outside is read as a formula; no date, no random id.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from harness.grid.cell import SEPARATOR
from harness.report.format.escape import clean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAPER: Final = "#ffffff"
"""Behind every plot, on dark pages too: no one grey has a contrast of 7 on both."""

INK: Final = "#3d444d"
"""Text and axes: contrast 9.8 on the paper."""

FAINT: Final = "#80808066"
GREY: Final = "#4f5862"
BLUE: Final = "#00508a"
ORANGE: Final = "#903800"
"""The two hues that people with any colour blindness tell apart, at a contrast of 7 or more on the paper as GREY is;
every mark differs in shape as well."""

WIDTH: Final = 5.2
"""Inches of a plot: 499 px, so that on a screen of 400 px its letters keep three quarters of their size."""

TEXT: Final = 9.5
"""Points of all letters in a plot."""

LINE: Final = 0.17
"""Inches of a line of text."""

LETTERS: Final = 60
"""Letters of a line over the whole width."""

_STYLE: Final[dict[str, Any]] = {
    "font.family": ["DejaVu Sans"],
    "font.size": TEXT,
    "axes.titlesize": TEXT,
    "axes.labelsize": TEXT,
    "xtick.labelsize": TEXT,
    "ytick.labelsize": TEXT,
    "legend.fontsize": TEXT,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.facecolor": "none",
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "text.parse_math": False,
    "axes.formatter.use_mathtext": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "finetune-harness",
    "pdf.fonttype": 42,  # publishers refuse Type 3
    "path.simplify": True,
}

_PATH: Final = re.compile(r'(?<= d=")[^"]*')
_LONG_NUMBER: Final = re.compile(r"-?\d+\.\d{3,}")

MOST_LINES: Final = 4


@contextmanager
def style() -> Iterator[None]:
    """How every plot looks, whatever the user's own settings; in force within the block."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()  # a user's matplotlibrc must not change a published file
        matplotlib.rcParams.update(_STYLE)
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        yield


def svg(page: Figure) -> str:
    """The figure as SVG text, the same bytes for the same figure."""
    buffer = io.StringIO()
    with style():
        page.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    # A hundredth of a point is finer than any screen: half the size, and no machine's last bit in the file.
    text = _PATH.sub(lambda path: _LONG_NUMBER.sub(_shortened, path.group()), buffer.getvalue())
    # Trailing spaces in published files annoy every editor and linter.
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


FORMATS: Final[dict[str, dict[str, Any]]] = {
    "png": {"dpi": 200, "metadata": {"Software": None}},
    "pdf": {"metadata": {"CreationDate": None, "Creator": None, "Producer": None}},
}
"""What plots may be written as beside SVG, and how."""


def as_file(page: Figure, kind: str) -> bytes:
    """The figure in one of `FORMATS`; no date in it, nor a program's name."""
    buffer = io.BytesIO()
    with style():
        page.savefig(buffer, format=kind, **FORMATS[kind])
    return buffer.getvalue()


def _shortened(number: re.Match[str]) -> str:
    return f"{float(number.group()):.2f}".rstrip("0").rstrip(".")


def figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def plot_labels(labels: Sequence[str], width: int) -> list[str]:
    """Each label in lines of at most `width` characters; equal ones get their number in the sequence in front."""
    fitted = [_fit(clean(label, 400), width) for label in labels]
    return [
        _fit(f"{number}. {clean(label, 400)}", width) if fitted.count(text) > 1 else text
        for number, (label, text) in enumerate(zip(labels, fitted, strict=True), start=1)
    ]


def _fit(label: str, width: int) -> str:
    lines: list[str] = []
    parts = [
        piece
        for part in label.split(SEPARATOR)
        for piece in ([part] if len(part) < width else part.replace(" -> ", " ->\n").split("\n"))
    ]
    for part in parts:
        short = _elide(part, width - 1)
        if lines and not lines[-1].endswith("->") and len(lines[-1]) + len(SEPARATOR) + len(short) <= width:
            lines[-1] += SEPARATOR + short
        else:
            lines.append(short)
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES // 2], "…", *lines[-(MOST_LINES - MOST_LINES // 2 - 1) :]]
    return "\n".join(lines)


def _elide(text: str, width: int) -> str:
    """Cut the middle out: model names differ at both ends."""
    if len(text) <= width:
        return text
    head = (width - 1) // 2
    return text[:head].rstrip() + "…" + re.sub(r"^\s+", "", text[-(width - 1 - head) :])
