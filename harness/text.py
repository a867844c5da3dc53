"""The wording that error texts share: a value on one line, names as a list, the name that was probably meant."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from typing import Any


def show(value: Any, limit: int = 80) -> str:
    """Return a value for an error text: one line, at most `limit` characters, never an exception."""
    try:
        text = json.dumps(value, ensure_ascii=False) if isinstance(value, (str, bool, int, float)) else repr(value)
    except (ValueError, RecursionError):
        # An int of more than 4300 digits cannot be printed.
        text = f"{type(value).__name__} too large to print"
    text = "".join(char if char.isprintable() else " " for char in text)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def listed(names: Iterable[Any], limit: int = 24) -> str:
    """Return names as `a, b, c`, cut after `limit` of them."""
    every = [str(name) for name in names]
    return ", ".join(every[:limit]) + (f", ... ({len(every)} in all)" if len(every) > limit else "")


def suggestion(got: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?` where a known name is close to what was written, else nothing."""
    close = difflib.get_close_matches(got[:80], list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def is_plain_text(value: Any) -> bool:
    """Say whether a value is text that may stand in reports and paths: short, printable, not blank at its ends."""
    return isinstance(value, str) and 0 < len(value) <= 300 and value.isprintable() and value == value.strip()


def dotted(name: str) -> str:
    """Return a key as TOML would spell it in a dotted path."""
    bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if bare and len(name) <= 80 else show(name)
