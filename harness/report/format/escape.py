"""Text from grids and records, made harmless for Markdown and yet readable as it was written.

What a renderer gets from outside (names, errors, recipes) must come out as the same characters, and never as
markup: no table cell more, no link, no heading, no HTML, and none of GitHub's own additions (bare URLs, mentions,
`:emoji:`, `$math$`). Characters that cannot be seen or that reorder what is seen become U+FFFD.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

LIMIT: Final = 200
"""Longest text that a report shows, in characters; the JSON has no such limit."""

_SPACES: Final = re.compile(r"[\s\u2028\u2029\u0085\x1c-\x1f]+")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_ASCII: Final = re.compile(r"[ -~]*")
_PLAIN_CODE: Final = re.compile(r"[^|\\]+")
_MARKUP: Final = re.compile(r"[\\`*\[\]<>&|~#{}]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")
"""What Markdown may read as markup; `_` only where it is not within a word."""
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "\\": "&#92;"}
_BLOCK_START: Final = re.compile(r"[-+=:](?=[-+=:\s]|$)|\d{1,9}[.)](?=\s|$)")
_AUTOMATIC: Final = re.compile(
    r"(?=[^\s`|\\\[\]<>]*(?:@|://|www\.|xmpp:|mailto:|\$|:[\w+-]+:))[^\s`|\\\[\]<>]+", re.IGNORECASE
)
"""Words that GitHub turns into links, mentions, pictures or formulas unless they are code."""


def clean(text: object, limit: int = LIMIT) -> str:
    """One line without invisible, reordering or unpaired characters, at most `limit` characters long."""
    line = _SPACES.sub(" ", str(text)).strip(" ")
    if not _ASCII.fullmatch(line):
        line = "".join("\ufffd" if unicodedata.category(c) in _UNSEEN else c for c in line)
    elif "\x7f" in line:
        line = line.replace("\x7f", "\ufffd")
    return line if len(line) <= limit else line[: limit - 1].rstrip(" ") + "…"


def inline(text: object, limit: int = LIMIT) -> str:
    """`text` for a paragraph, a list item, a heading or a table cell."""
    line = clean(text, limit)
    pieces: list[str] = []
    end = 0
    for match in _AUTOMATIC.finditer(line):
        pieces += [_escape(line[end : match.start()]), f"`{match.group()}`"]
        end = match.end()
    pieces.append(_escape(line[end:]))
    start = _BLOCK_START.match(pieces[0])
    if start:
        at = start.end() - 1
        pieces[0] = f"{pieces[0][:at]}\\{pieces[0][at:]}"
    return "".join(pieces)


def code(text: object, limit: int = LIMIT) -> str:
    """`text` as inline code where Markdown allows it in a table cell too, otherwise as plain text."""
    line = clean(text, limit)
    if not _PLAIN_CODE.fullmatch(line):
        return inline(text, limit)
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence, space = "`" * (longest + 1), " " if longest else ""  # a space at each end is taken away again
    return f"{fence}{space}{line}{space}{fence}"


def fenced(text: str, language: str = "") -> str:
    """Several lines as a code block, its fence longer than any fence inside."""
    lines = [
        "".join("\ufffd" if unicodedata.category(c) in _UNSEEN else c for c in line.expandtabs(4).rstrip())
        for line in text.split("\n")
    ]
    body = "\n".join(lines).strip("\n")
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{body}\n{fence}"


def folded(summary: str, blocks: Sequence[str]) -> list[str]:
    """Blocks of Markdown under a line that opens them; nothing without a block."""
    return [f"<details><summary>{summary}</summary>", *blocks, "</details>"] if blocks else []


def image(alt: object, file: str) -> str:
    """An image beside the report, whatever its file is called."""
    return f"![{_escape(clean(alt, 400))}]({_target(file)})"


def file_link(file: str) -> str:
    """A link to a file beside the report, by its name."""
    return f"[{inline(file)}]({_target(file)})"


def _target(file: str) -> str:
    """A relative file name as a link's target: bytes beyond the unreserved ones percent-encoded."""
    return quote(os.fsencode(file), safe="/")


def _escape(text: str) -> str:
    escaped = _MARKUP.sub(lambda match: _ENTITIES.get(match.group(), "\\" + match.group()), text)
    return escaped.replace(" -&gt; ", " -> ")  # between A and B: within a line it is no markup


def full_stop(text: str) -> str:
    """`text` as a sentence: it ends with one stop, and begins with a capital where it begins with a word.

    What a version follows is a name: `torch 2.13.0`.
    """
    stopped = text if text.endswith((".", "!", "?")) else f"{text}."
    return stopped[:1].upper() + stopped[1:] if re.match(r"[a-z]+[ ,:](?!\d+\.\d+\.)", stopped) else stopped
