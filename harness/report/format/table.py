"""A Markdown table through `tabulate`, fit for the width of a page on GitHub."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from tabulate import tabulate

MOST_COLUMNS: Final = 6
"""More are cut off, or break figures, on a page of 1,012 px."""

_SIDES: Final = {"l": "left", "r": "right", "c": "center"}
_FIGURE: Final = re.compile(r"(?<=\d) (?=(?:±|to) [+-]?\d|%)|(?<=\d ±) (?=\d)|(?<=\d to) (?=[+-]?\d)")
"""A space within a figure: `80.6 ± 1.0`, `-1.9 to +0.4`, `2.2 %`."""


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """A pipe table of cells that are escaped already; `align` has one of l, r, c for each column.

    No line breaks within a figure. `tabulate` must not read numbers out of the cells: it would turn `1e5` and `nan`
    into other text.
    """
    sides = [_SIDES[side] for side in align]
    cells = [[_FIGURE.sub("\xa0", cell) for cell in row] for row in rows]
    return tabulate(cells, headers=headers, tablefmt="pipe", disable_numparse=True, colalign=sides)
