"""Labels that fit beside a plot: broken between axes, long names elided in the middle, and still told apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from harness.report.format.escape import clean

SEPARATOR: Final = " · "
MOST_LINES: Final = 4


def plot_labels(labels: Sequence[str], width: int) -> list[str]:
    """Each label in lines of at most `width` characters; equal ones get their number in the sequence in front."""
    fitted = [_fit(clean(label, 400), width) for label in labels]
    return [
        _fit(f"{number}. {clean(label, 400)}", width) if fitted.count(text) > 1 else text
        for number, (label, text) in enumerate(zip(labels, fitted, strict=True), start=1)
    ]


def _fit(label: str, width: int) -> str:
    lines: list[str] = []
    for part in label.split(SEPARATOR):
        short = _elide(part, width - 1)
        if lines and len(lines[-1]) + len(SEPARATOR) + len(short) <= width:
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
