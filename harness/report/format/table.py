"""A Markdown table through `tabulate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tabulate import tabulate

_SIDES: Final = {"l": "left", "r": "right", "c": "center"}


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """A pipe table of cells that are escaped already; `align` has one of l, r, c for each column.

    `tabulate` must not read numbers out of the cells: it would turn `1e5` and `nan` into other text.
    """
    sides = [_SIDES[side] for side in align]
    return tabulate(rows, headers=headers, tablefmt="pipe", disable_numparse=True, colalign=sides)
