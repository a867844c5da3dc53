"""What a difference usually means, in plain words, by its code (`Finding.cause`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CAUSES: Final[Mapping[str, str]] = {}


def cause_text(code: str) -> str:
    """The cause in words; the code itself where it has none (a newer harness wrote the file)."""
    return CAUSES.get(code, code)
