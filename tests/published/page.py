"""A Markdown page as the figures that it states: every number and number word outside code and the targets of links."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

WORDS: Final = (
    "three|four|five|six|seven|eight|nine|ten|eleven|twelve|half|third|quarter|fifth|eighth|tenth|twice|thrice"
)
"""One, two and second are more often no figure."""

_NUMBER: Final = re.compile(
    r"(?<![\w.])(?:\d{4}-\d\d-\d\d|\.?\d{1,3}(?:,\d{3})+(?:\.\d+)?|\.?\d+(?:\.\d+)*(?:e-?\d+)?)"
    rf"|(?<![\w-])(?:{WORDS})(?![\w-])",
    re.IGNORECASE,
)
_SILENT: Final = re.compile(
    r"<!--.*?-->"  # what no reader sees
    r"|^(?P<fence>`{3,})[^\n]*\n.*?^(?P=fence)[ ]*$"  # a block of code
    r"|(?<!`)(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)"  # code within a line
    r"|\]\([^)\n]*\)|<https?://[^>\n]*>"  # where a link leads
    r"|^[ ]*\d+\.(?=\s)|\\?\[\d+\\?\](?!\()",  # the number of an item, and of a footnote
    re.DOTALL | re.MULTILINE,
)
_ISSUE: Final = re.compile(r"[\w./-]*#(\d+)")


@dataclass(frozen=True)
class Figure:
    """A number of a page: its text without commas, and where it stands."""

    text: str
    start: int
    end: int


def figures_of(text: str) -> Iterator[Figure]:
    """Every figure of a text that has no Markdown to leave out."""
    for found in _NUMBER.finditer(text):
        yield Figure(found.group().replace(",", "").lower(), found.start(), found.end())


class Page:
    """A page's text, and what in it is a figure."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def figures(self) -> tuple[Figure, ...]:
        """In order; an issue's number is one too unless its own link leads to it."""
        return tuple(figures_of(_SILENT.sub(lambda found: " " * len(found.group()), self._without_linked_issues())))

    def _without_linked_issues(self) -> str:
        def blank(found: re.Match[str]) -> str:
            number = found.group(2)
            same = found.group(3).rstrip("/").endswith(f"/{number}")
            return f"[{' ' * len(found.group(1))}]({found.group(3)})" if same else found.group()

        return re.sub(r"\[([\w./-]*#(\d+))\]\(([^)\s]*)\)", blank, self.text)

    def line(self, place: int) -> int:
        """The number of the line of a place, from 1."""
        return bisect_right(self._breaks, place) + 1

    @cached_property
    def _breaks(self) -> list[int]:
        return [found.end() - 1 for found in re.finditer("\n", self.text)]

    @cached_property
    def rows(self) -> tuple[tuple[int, int, tuple[str, ...]], ...]:
        """The rows of its tables: start, end, cells."""
        return tuple(
            (found.start(), found.end(), tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", found.group()[1:-1])))
            for found in re.finditer(r"^\|.*\|$", self.text, re.MULTILINE)
        )

    @cached_property
    def blocks(self) -> tuple[tuple[int, int], ...]:
        """Rows of tables, items of lists, and paragraphs: start and end of each."""
        pattern = r"^\|.*\|$|^[ ]*- .*$|^(?![|]|[ ]*- )\S.*(?:\n(?![|]|[ ]*- )\S.*)*"
        return tuple((found.start(), found.end()) for found in re.finditer(pattern, self.text, re.MULTILINE))

    def where(self, quote: str) -> list[tuple[int, int]]:
        """All places of a quotation, whatever its line breaks; it must not begin or end within a number or word."""
        pattern = r"\s+".join(re.escape(word) for word in quote.split())
        start, end = r"(?<![\w.])" * quote[0].isalnum(), r"(?!\w|[.,]\d)" * quote[-1].isalnum()
        return [found.span() for found in re.finditer(f"{start}{pattern}{end}", self.text)]

    def told(self, figures: Iterable[Figure], why: str) -> list[str]:
        """A sentence for each figure that is not backed."""
        return [
            f"line {self.line(one.start)}: {self.text[one.start : one.end]}: {why}: "
            f"...{' '.join(self.text[max(0, one.start - 50) : one.end + 30].split())}..."
            for one in figures
        ]
