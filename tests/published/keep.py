"""Keep the figures of a page that no data of its own backs: `python -m tests.published.keep PAGE.md SOURCE`.

Writes PAGE-kept.json: the tables of a page that is written by hand (`claims.py`), or the rows and paragraphs whose
figures the JSON beside it does not have, as they stand on the page; and SOURCE, which says when and by what they were
measured. For what cannot be measured or rendered again: a command that still runs writes its data itself.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.statistics_kept import as_text
from tests.published.backing import Held, tables_of
from tests.published.claims import CLAIMED
from tests.published.page import Page
from tests.published.sources import ROOT

SUFFIX = "-kept.json"


def beside(path: Path) -> list[Path]:
    """The JSON files of a page: PAGE.json, PAGE-verdicts.json, PAGE-kept.json."""
    return [path.with_name(path.stem + end) for end in (".json", "-verdicts.json", SUFFIX)]


def kept(text: str, held: Held) -> list[list[str] | str]:
    """The blocks of a page with a figure that is not backed: cells of a row, or a text."""
    page, found = Page(text), list[list[str] | str]()
    lines = {int(fault.split(":")[0].removeprefix("line ")) for fault in held.faults(text)}
    cells = {start: list(row) for start, _, row in page.rows}
    for start, end in page.blocks:
        if lines & set(range(page.line(start), page.line(end - 1) + 1)):
            found.append(cells.get(start, " ".join(text[start:end].split())))
    return found


def main() -> None:
    """Write the file."""
    path, source = Path(sys.argv[1]), sys.argv[2]
    text = path.read_text(encoding="utf-8")
    files = [one for one in beside(path) if one.is_file() and not one.name.endswith(SUFFIX)]
    by_hand = path.resolve().relative_to(ROOT) in CLAIMED
    what = {"tables": tables_of(Page(text))} if by_hand else {"blocks": kept(text, Held(files))}
    # A row a line: a page that changes shows what.
    data = as_text({"kind": "kept-figures", "source": source, **what}, 4 if by_hand else 2)
    path.with_name(path.stem + SUFFIX).write_text(f"{data}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
