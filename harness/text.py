"""Values as text: short in error texts, with what was probably meant; canonical in ids, where equal is equal.

Canonical JSON and the hashes built on it are the one definition of "the same thing was asked for".
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any, Final

ID_LENGTH: Final = 20
"""Hex characters of an id: 80 bits, so a chance collision among a million cells has probability 4e-13."""
SHORTEST_ID: Final = 4
"""Digits of an id that are enough to look for it; as many are shown, or more where others begin alike."""

_MEANT: Final = {
    "gpu": "cuda", "nvidia": "cuda", "acc": "accuracy", "f1_score": "f1", "float32": "fp32", "float16": "fp16",
    "half": "fp16", "bfloat16": "bf16",
}  # fmt: skip
"""Words that others have for what we name otherwise: no likeness of letters finds them."""


def show(value: Any, limit: int = 80) -> str:
    """Return a value for an error text: one line, at most `limit` characters, never an exception."""
    try:
        text = json.dumps(value, ensure_ascii=False) if isinstance(value, (str, bool, int, float)) else repr(value)
    except (ValueError, RecursionError):
        # An int of more than 4300 digits cannot be printed.
        text = f"{type(value).__name__} too large to print"
    text = "".join(char if char.isprintable() else " " for char in text)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def check_encodable(value: Any, text: str) -> None:
    """Raise ValueError where `value`, decoded from the JSON `text`, holds half of a character: no file can carry it.

    Only an escape can bring one in.
    """
    if "\\ud" in text or "\\uD" in text:
        json.dumps(value, ensure_ascii=False).encode()


def one_line(text: str, most: int | None = None) -> str:
    """Return text without line breaks and control characters, at most so long: it may hold a terminal's codes."""
    line = "".join(char if char.isprintable() else " " for char in text[:most])
    return line if most is None or len(text) <= most else f"{line[: most - 3]}..."


def lines(text: str) -> str:
    """Return text of several lines, each of them as :func:`one_line` has it."""
    return "\n".join(map(one_line, text.split("\n")))


def listed(names: Iterable[Any], limit: int = 24, each: Callable[[Any], str] = str) -> str:
    """Return names as `a, b, c`, cut after `limit` of them; `each` makes the text of one."""
    every = list(names)
    return ", ".join(map(each, every[:limit])) + (f", ... ({len(every)} in all)" if len(every) > limit else "")


def suggestion(got: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?` where a known name is close to what was written, or another word for it."""
    every, meant = list(known), _MEANT.get(got.lower())
    close = [meant] if meant in every else difflib.get_close_matches(got[:80], every, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def is_plain_text(value: Any) -> bool:
    """Say whether a value is text that may stand in reports and paths: short, printable, not blank at its ends."""
    return isinstance(value, str) and 0 < len(value) <= 300 and value.isprintable() and value == value.strip()


def dotted(name: str) -> str:
    """Return a key as TOML would spell it in a dotted path."""
    bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if bare and len(name) <= 80 else show(name)


def canonical_json(value: Any) -> str:
    """Return `value` as JSON with sorted keys and no white space; equal values give equal text.

    Raises
    ------
    ValueError
        For NaN and infinities, which JSON cannot carry.
    TypeError
        For values that JSON has no form for.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def short_hash(value: Any) -> str:
    """Return the first 20 hex characters of the sha256 of `value`'s canonical JSON."""
    return hash_of_json(canonical_json(value).encode())


def told_apart(ids: Iterable[str], least: int = SHORTEST_ID) -> int:
    """So many digits tell ids apart, `least` or more."""
    known = set(ids)
    return next((n for n in range(least, ID_LENGTH) if len({one[:n] for one in known}) == len(known)), ID_LENGTH)


def hash_of_json(text: bytes) -> str:
    """Return `short_hash` of a value whose canonical JSON is at hand."""
    return hashlib.sha256(text).hexdigest()[:ID_LENGTH]
