"""What can stand behind a page's figures: its own rendering, claims with a source each, or the JSON beside it."""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Protocol

from tests.published.page import Figure, Page, figures_of

LARGEST: Final = 300
"""Figures of the largest piece of JSON that may stand behind one row."""


class Backing(Protocol):
    """What stands behind a page."""

    def faults(self, text: str) -> list[str]:
        """What of the page's figures nothing backs, a sentence each."""


@dataclass(frozen=True)
class Rendered:
    """The page is what a function makes of the data beside it, to the last byte."""

    render: Callable[[], str]

    @cached_property
    def text(self) -> str:
        """Rendered once."""
        return self.render()

    def faults(self, text: str) -> list[str]:
        """The lines that differ."""
        if text == self.text:
            return []
        lines = difflib.unified_diff(self.text.splitlines(), text.splitlines(), "rendered", "page", n=0, lineterm="")
        return [line[:200] for line in list(lines)[2:]] or ["line ends differ"]


class Claim:
    """A quotation of a page with `{}` where a figure stands, and the source of each figure.

    The quotation itself has no figure in it: what is in it has come from a source.
    """

    def __init__(self, quote: str, *values: Any) -> None:
        bare = re.sub(r"\{[^}]*\}", "_", quote)
        assert not list(figures_of(bare)), f"a figure without a source in: {quote}"
        assert quote.count("{") == len(values), f"{len(values)} values for: {quote}"
        self.text = quote.format(*values)


class Declared:
    """A quotation whose figures are no measurement, with the reason: a name, a plan, an example."""

    def __init__(self, why: str, *quotes: str) -> None:
        assert why
        self.texts = quotes


@dataclass(frozen=True)
class Claimed:
    """Each figure of the page is in a claim that stands on it, declared, or in a row that its JSON keeps."""

    claims: Sequence[Claim | Declared]
    kept: Path | None = None

    def faults(self, text: str) -> list[str]:
        """Claims that are not on the page, and figures in no claim."""
        page, covered, found = Page(text), list[tuple[int, int]](), list[str]()
        for quote in self._quotes():
            places = page.where(quote)
            covered += places
            if not places:
                found.append(f"not on the page: {quote}")
        left = [one for one in page.figures if not any(a <= one.start < b for a, b in covered)]
        if self.kept:
            kept, mine = (
                [line for table in each for line in map(str, [table["head"], *table["rows"]])]
                for each in (read(self.kept)["tables"], tables_of(page))
            )
            found += [line[:200] for line in difflib.unified_diff(kept, mine, n=0, lineterm="")][2:]
            left = [one for one in left if not any(a <= one.start < b for a, b, _ in page.rows)]
        return found + page.told(left, "no claim has it")

    def _quotes(self) -> Iterator[str]:
        for claim in self.claims:
            yield from (claim.text,) if isinstance(claim, Claim) else claim.texts


def tables_of(page: Page) -> list[dict[str, Any]]:
    """The tables of a page: the heading that each stands under, its head, its rows."""
    found: list[dict[str, Any]] = []
    last = -1
    for start, end, cells in page.rows:
        if start != last + 1:
            under = page.text.rfind("\n#", 0, start) + 1
            name = page.text[under : page.text.index("\n", under)].lstrip("# ")
            found.append({"under": name, "head": list(cells), "rows": []})
        elif set("".join(cells)) - set(":-"):
            found[-1]["rows"].append(list(cells))
        last = end
    return found


def read(path: Path) -> Any:
    """A JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


@dataclass(frozen=True, eq=False)
class Held:
    """Each row, item or paragraph has its figures from one piece of the JSON beside the page, as it is written there.

    For pages that cannot be rendered again. A number of the JSON backs what it is when rounded, as a fraction or in per
    cent; a text of the JSON backs the figures in it. A paragraph may also take figures from all over, and count. Where
    the page has the wording of a text of the JSON, it must have its figures too.
    """

    files: Sequence[Path]

    @cached_property
    def _read(self) -> tuple[dict[str, list[Counter[str]]], Counter[str]]:
        """The pieces that have a figure, by figure; and all figures, with the counts."""
        pieces, everything = list[Counter[str]](), Counter[str]()
        for path in self.files:
            data = read(path)
            everything.update(_pieces(data, pieces))
            everything.update(_counts(data))
        found: dict[str, list[Counter[str]]] = {}
        for piece in pieces:
            for figure in piece:
                found.setdefault(figure, []).append(piece)
        return found, everything

    def faults(self, text: str) -> list[str]:
        """Figures of rows that no piece of the JSON has together, and others that are nowhere in it."""
        page, left = Page(text), list[Figure]()
        pieces, everything = self._read
        for start, end in page.blocks:
            mine = [one for one in page.figures if start <= one.start < end]
            wanted = Counter(one.text for one in mine)
            rarest = min((pieces.get(one, []) for one in wanted), key=len, default=None)
            if rarest is None:
                continue
            if self._misquoted(text[start:end]):
                left += mine
                continue
            if any(all(piece[one] >= n for one, n in wanted.items()) for piece in rarest):
                continue
            left += mine if text[start] == "|" else [one for one in mine if one.text not in everything]
        twice = [line for table in tables_of(page) for line, n in Counter(map(str, table["rows"])).items() if n > 1]
        return page.told(left, "the JSON beside it has it not") + [f"stands twice: {line}" for line in twice]

    @cached_property
    def _wordings(self) -> dict[str, set[tuple[str, ...]]]:
        """The texts of the JSON without their figures, the longest first, and the figures of each."""
        found: dict[str, set[tuple[str, ...]]] = {}
        for path in self.files:
            for said in _texts(read(path)):
                wording, figures = _bare(said)
                if figures and len(wording) - len(figures) > SHORT:
                    found.setdefault(wording, set()).add(figures)
        return dict(sorted(found.items(), key=lambda one: -len(one[0])))

    def _misquoted(self, block: str) -> bool:
        """Whether a block has the wording of a text of the JSON with figures that no such text has."""
        cells = re.split(r"(?<!\\)\|", block) if block[0] == "|" else [block]
        return any(self._differs(*_bare(cell.strip())) for cell in map(_plain, cells))

    @functools.lru_cache(maxsize=100_000)  # noqa: B019  a handful of pages
    def _differs(self, wording: str, figures: tuple[str, ...]) -> bool:
        taken: set[int] = set()
        for known, versions in self._wordings.items() if figures else ():
            place = wording.find(known)
            if place < 0:
                continue
            first = wording.count(HOLE, 0, place)
            span = range(first, first + known.count(HOLE))
            if not taken & set(span):
                taken |= set(span)
                if figures[span.start : span.stop] not in versions:
                    return True
        return False


HOLE: Final = "\0"
SHORT: Final = 8
"""Letters of a wording that may stand anywhere by chance."""


def _bare(said: str) -> tuple[str, tuple[str, ...]]:
    """A text with holes where its figures are, and these."""
    wording, last, figures = "", 0, list(figures_of(said))
    for one in figures:
        wording, last = f"{wording}{said[last : one.start]}{HOLE}", one.end
    return wording + said[last:], tuple(one.text for one in figures)


def _plain(cell: str) -> str:
    """Markdown as it is read: without escapes, ticks, and the marks of headings and items."""
    return re.sub(r"^(?:#+|-) ", "", re.sub(r"\\([^\w\s])|`", r"\1", cell.strip()))


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, dict | list):
        for value in data.values() if isinstance(data, dict) else data:
            yield from _texts(value)
    elif isinstance(data, str):
        yield _plain(data)


def _pieces(data: Any, into: list[Counter[str]]) -> Counter[str]:
    """The figures of a piece of JSON; each object and list that is not too large is collected."""
    if not isinstance(data, dict | list):
        return _tokens(data)
    whole: Counter[str] = Counter()
    for value in data.values() if isinstance(data, dict) else data:
        whole.update(_pieces(value, into))
    if 0 < whole.total() <= LARGEST:
        into.append(whole)
    return whole


def _tokens(data: Any) -> Counter[str]:
    if isinstance(data, str):
        return Counter(one.text for one in figures_of(data))
    if isinstance(data, bool) or not isinstance(data, int | float):
        return Counter()
    return Counter(set(_shown(float(data))))


def _shown(value: float) -> Iterator[str]:
    """A number as a page may show it: rounded to some digits, as it is, in per cent, or thousandths of it."""
    for scaled in (value, 100 * value, 1000 * value, value / 1000):
        size = abs(scaled)
        if size < 1e9:
            yield from (f"{size:.{digits}f}" for digits in range(7))
            yield from (f"{size:.{digits}g}" for digits in range(1, 7))


def _counts(data: Any) -> Iterator[str]:
    """How many there are: of each list, and of each text by key within one."""
    if isinstance(data, dict):
        for value in data.values():
            yield from _counts(value)
    elif isinstance(data, list):
        yield str(len(data))
        texts = [(key, value) for one in data if isinstance(one, dict) for key, value in one.items()]
        yield from map(str, Counter((k, v) for k, v in texts if isinstance(v, str)).values())
        for one in data:
            yield from _counts(one)
