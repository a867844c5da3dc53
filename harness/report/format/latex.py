"""Text from grids and records for a plain LaTeX, as it was written: no command, no package, nothing that ends a row."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

from harness.report.format.escape import LIMIT, clean

_ASCII: Final[Mapping[str, str]] = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"{\ttfamily\char34}", "`": r"\`{}", "'": "{'}",
    "[": "{[}", "]": "{]}", "*": "{*}", "-": "{-}",
}  # fmt: skip
"""Also what a row may not begin with (`[`, `*`), and what fonts join (`--`)."""

_BEYOND: Final[Mapping[str, str]] = {
    "·": r"$\cdot$", "×": r"$\times$", "±": r"$\pm$", "≤": r"$\leq$", "≥": r"$\geq$", "→": r"$\rightarrow$",
    "←": r"$\leftarrow$", "≡": r"$\equiv$", "−": "$-$", "–": "{-}{-}", "—": "---", "…": r"\ldots{}", "†": r"\dag{}",
    "µ": r"$\mu$", "°": r"$^\circ$", "α": r"$\alpha$", "β": r"$\beta$", "γ": r"$\gamma$", "δ": r"$\delta$",
    "ε": r"$\varepsilon$", "λ": r"$\lambda$", "μ": r"$\mu$", "σ": r"$\sigma$", "τ": r"$\tau$", "ß": r"\ss{}",
    "ø": r"\o{}", "Ø": r"\O{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ł": r"\l{}", "Ł": r"\L{}",
    "\u2018": "`", "\u2019": "'", "\u201c": "``", "\u201d": "''",
}  # fmt: skip

_ACCENTS: Final[Mapping[str, str]] = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": ".",
    "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c",
}  # fmt: skip
"""Combining characters, and the command that sets them over (or under) a letter."""


_MINUS: Final = re.compile(r"(?<![^\s(])-(?=\d)")
_PARTING: Final = ("/", r"\_", "{-}", ".", "=", ":")
LONGEST: Final = 12
"""Characters of a word without a place to break."""


def tex(text: object, limit: int = LIMIT) -> str:
    """`text` for a paragraph or a cell: what no font of a plain LaTeX has stands by its number, as U+4E2D."""
    line = _MINUS.sub("\u2212", clean(text, limit).replace(" -> ", " → "))
    return "".join(map(_character, unicodedata.normalize("NFC", line)))


def tex_box(text: object, width: str) -> str:
    """`text` for a cell of this width: set in lines, and broken within words that are too long for one."""
    words = [_breakable([*map(_character, word)]) for word in unicodedata.normalize("NFC", clean(text)).split(" ")]
    return rf"\parbox[t]{{{width}}}{{\raggedright\hangindent=1em {' '.join(words)}\strut}}"


def _breakable(characters: Sequence[str]) -> str:
    """A word with places to break: after what parts it, and where nothing does for long."""
    text, since = "", 0
    for number, character in enumerate(characters):
        text, since = text + character, since + len(character)
        if number + 1 < len(characters) and (character in _PARTING or since > LONGEST):
            text, since = text + r"\hspace{0pt}", 0
    return text


def comment(text: object) -> str:
    """A line that LaTeX passes over."""
    return f"% {clean(text, 4000)}"


def key(text: str) -> str:
    """`text` as the name of a label: letters, digits, hyphens."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-") or "table"


def _character(character: str) -> str:
    if character in _ASCII or " " <= character <= "~":
        return _ASCII.get(character, character)
    if character in _BEYOND:
        return _BEYOND[character]
    parts = unicodedata.normalize("NFD", character)
    letter, mark = parts[0], parts[1:]
    if mark in _ACCENTS and letter.isascii() and letter.isalpha():
        below = rf"\{letter}" if letter in "ij" and mark != "\u0327" else letter
        return rf"\{_ACCENTS[mark]}{{{below}}}"
    return rf"\texttt{{U+{ord(character):04X}}}"
