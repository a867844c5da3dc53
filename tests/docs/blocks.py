"""What a page of the docs has a reader type and write down: its blocks of code, and what stands behind each.

A block of `sh` is run, in the page's order, in a folder of the page's own. What stands in a comment before it says
otherwise, in words that whoever writes the page can read:

    <!-- docs: parsed, REASON -->          no command of the block is run: each is only held against the command line
    <!-- docs: parsed 2 3, REASON -->      the second and third are not run
    <!-- docs: ends with 1, REASON -->     the exit code of the last one that is run (of all others 0), or one for each
    <!-- docs: ids from COMMAND -->        `ID`, and each id of eight digits, stand for those that this command prints
    <!-- docs: given PATH ..., REASON -->  the reader has these already: `tests/docs/given/PAGE`, and its `prepare.sh`
    <!-- docs: file PATH -->               the next block is this file
    <!-- docs: added to PATH -->           the next block is the end of this file
    <!-- docs: table of PATH -->           the next block goes where this file has the table of that name
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt

MARK: Final = re.compile(r"<!-- docs: (.*?) -->", re.DOTALL)
KINDS: Final = re.compile(
    r"(?P<kind>parsed|ends with|ids from|given|file|added to|table of)"
    r"(?: (?P<what>(?:[^,]|,(?!\s))+))?(?:, (?P<why>.+))?",
    re.DOTALL,
)
REASONED: Final = ("parsed", "ends with", "given")


@dataclass(frozen=True)
class Mark:
    """A comment of a page: its kind, what it is about, and the reason."""

    kind: str
    what: str
    why: str


@dataclass(frozen=True)
class Block:
    """A block of code: its language, its text, its line on the page, and the comments right before it."""

    language: str
    text: str
    line: int
    marks: tuple[Mark, ...]

    def mark(self, kind: str) -> Mark | None:
        """The mark of this kind, of which a block has one at most."""
        return next((mark for mark in self.marks if mark.kind == kind), None)

    @property
    def commands(self) -> list[str]:
        """The lines of a shell block, joined where they go on, without comments."""
        joined = re.sub(r"\\\n\s*", "", self.text)
        lines = (re.sub(r"(^|\s+)#.*$", "", line) for line in joined.splitlines())
        return [line for line in lines if line.strip()]

    @property
    def run(self) -> list[tuple[int, str]]:
        """The commands that are run, each with its number from 1."""
        parsed = self.mark("parsed")
        if self.language != "sh" or (parsed and not parsed.what):
            return []
        left = set(map(int, parsed.what.split())) if parsed else set()
        assert left <= set(range(1, len(self.commands) + 1)), f"line {self.line}: no such command: {left}"
        return [one for one in enumerate(self.commands, start=1) if one[0] not in left]


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page, in its order."""
    found, marks = list[Block](), list[Mark]()
    for token in MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8")):
        line = (token.map or [0])[0] + 1
        if token.type == "html_block":
            for said in MARK.findall(token.content):
                read = KINDS.fullmatch(" ".join(said.split()))
                assert read is not None, f"{page.name}:{line}: not a mark: {said}"
                mark = Mark(read["kind"], read["what"] or "", read["why"] or "")
                assert mark.why or mark.kind not in REASONED, f"{page.name}:{line}: no reason: {said}"
                marks.append(mark)
        elif token.type == "fence":
            found.append(Block(token.info.strip(), token.content, line, tuple(marks)))
            marks.clear()
    assert not marks, f"{page.name}: marks before no block: {marks}"
    return found


def calls(command: str, program: str = "harness") -> Iterator[list[str]]:
    """The arguments of each call of a program in a line of shell, also where another program starts it."""
    words = shlex.shlex(command, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    call: list[str] | None = None
    for word in words:
        if set(word) <= set("&|;()<>") and word:
            if call is not None:
                yield call
            call = None
        elif call is not None:
            call.append(word)
        elif word.rpartition("/")[2] == program:
            call = []
    if call is not None:
        yield call
