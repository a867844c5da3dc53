"""How wide a line may be: that of the terminal which reads it, if any; and tables that keep to it."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Sequence
from typing import Any, Final

from tabulate import tabulate

LEAST: Final = 40
_QUOTED: Final = re.compile("`[^`]*`")
_KEPT: Final = "\0"
"""Stands for a blank at which no line breaks."""
_PADDING: Final = 2
"""Blanks that `tabulate` leaves behind a head at least."""
_GAP: Final = 2
"""Blanks between columns."""


def columns() -> int | None:
    """The columns of the terminal, or COLUMNS; None where neither says so: a pipe, a file, a log."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return max(LEAST, int(given))
    try:
        return max(LEAST, os.get_terminal_size(sys.__stdout__.fileno()).columns) if sys.__stdout__ else None
    except (OSError, ValueError):
        return None


def fits(most: int) -> int:
    """So many columns a line may have: `most`, or fewer where the terminal has fewer."""
    there = columns()
    return most if there is None else min(most, there)


def listing(headers: Sequence[str], rows: Sequence[Sequence[Any]], align: str = "") -> str:
    """A table for people, as wide as its cells, or as the terminal: then the widest columns break into lines.

    `align` has one of l, r for each column, left for all of them where it is empty.
    """
    cells = [[str(cell) for cell in row] for row in (headers, *rows)]
    there = columns()
    if there is not None:
        sizes = _sizes(cells, there)
        if sizes is None:
            return "\n".join(_in_lines(headers, row, there) for row in cells[1:])
        rooms = [[size - _PADDING for size in sizes], *([sizes] * len(rows))]
        cells = [
            [_broken(cell, size) for cell, size in zip(row, room, strict=True)]
            for row, room in zip(cells, rooms, strict=True)
        ]
    sides = [{"l": "left", "r": "right"}[one] for one in align or "l" * len(headers)]
    made = tabulate(cells[1:], headers=cells[0], tablefmt="simple", disable_numparse=True, colalign=sides)
    return "\n".join(line.rstrip() for line in made.split("\n"))


def _sizes(cells: Sequence[Sequence[str]], there: int) -> list[int] | None:
    """The columns' widths: what they need, and of too many the widest give way; None where words would break."""
    each = [[f"{head}{' ' * _PADDING}", *column] for head, *column in zip(*cells, strict=True)]
    sizes = [max(len(cell) for cell in column) for column in each]
    words = [
        max([*(len(word) for cell in column[1:] for word in cell.split(" ")), *_heads(column[0])]) for column in each
    ]
    room = there - _GAP * (len(sizes) - 1)
    if sum(words) > room:
        return None
    while sum(sizes) > room:
        free = [place for place, size in enumerate(sizes) if size > words[place]]
        sizes[max(free, key=lambda place: sizes[place])] -= 1
    return sizes


def _heads(head: str) -> list[int]:
    return [len(word) + _PADDING for word in head.split()]


def _in_lines(heads: Sequence[str], row: Sequence[str], there: int) -> str:
    """A row where there is no room for a table: its first cell, then each other behind its head."""
    figures = "; ".join(f"{head} {cell}" for head, cell in zip(heads[1:], row[1:], strict=True) if cell)
    return _fold(f"{row[0]}: {figures}", there)


def _broken(cell: str, size: int) -> str:
    return cell if len(cell) <= size else "\n".join(textwrap.wrap(cell, max(size, 1), break_on_hyphens=False))


def folded(text: str) -> str:
    """The same with lines that are longer than the terminal is wide broken where words end, and set in.

    What stands between backquotes is a command or a name, and is not broken.
    """
    there = columns()
    if there is None:
        return text
    return "\n".join(
        _fold(line, there) if len(line) > there and not _is_command(line) else line for line in text.split("\n")
    )


def unbroken(text: str, blank: str) -> str:
    """The same with another blank, at which no line breaks, in what stands between backquotes."""
    return _QUOTED.sub(lambda found: found[0].replace(" ", blank), text)


def _is_command(line: str) -> bool:
    """Whether it is to be pasted: the terminal itself breaks it, without a line end in it."""
    return line.lstrip(" ").startswith("harness ")


def _fold(line: str, there: int) -> str:
    body = line.lstrip(" ")
    indent = line[: len(line) - len(body)]
    lines = textwrap.wrap(
        unbroken(body, _KEPT), there, initial_indent=indent, subsequent_indent=f"{indent}  ", break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
    return "\n".join(lines).replace(_KEPT, " ")
