"""How a record is made to fit its size: what is there for people is shortened, what identifies or measures is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

NAMES_KEPT: Final = 8
"""Names of weights left in a list that is too long; the rest is counted."""


def fitted(text: str, limit: int) -> str:
    """Return a record's JSON within `limit` bytes: without white space, then shortened until it fits.

    Cut, in this order and only as far as needed: the front of a failure's details, the lists of weights' names,
    the earliest epochs. A record whose other parts are too long by themselves stays too long: it is better kept.
    """
    if len(text.encode()) <= limit:
        return text
    data = json.loads(text)
    text = _compact(data)
    for shorten in _STEPS:
        over = len(text.encode()) - limit
        if over <= 0:
            break
        shorten(data, over)
        text = _compact(data)
    return text


def _details(data: dict[str, Any], over: int) -> None:
    failure = data.get("failure")
    if failure:
        details = failure["details"]
        room = _size(details) - over - _size("… ")
        start = len(details)
        while start > 0 and (room := room - _size(details[start - 1])) >= 0:
            start -= 1
        failure["details"] = f"… {details[start:]}" if start < len(details) else ""


def _weights(data: dict[str, Any], over: int) -> None:
    weights = (data.get("observed") or {}).get("weights") or {}
    for key in ("unused", "newly_initialised"):
        names = weights.get(key, [])
        if len(names) > NAMES_KEPT + 1:
            weights[key] = [*names[:NAMES_KEPT], f"… and {len(names) - NAMES_KEPT} more"]


def _epochs(data: dict[str, Any], over: int) -> None:
    epochs = (data.get("measured") or {}).get("epochs") or []
    while over > 0 and len(epochs) > 1:
        over -= _size(epochs.pop(0)) + 1  # and its comma


_STEPS: Final[tuple[Callable[[dict[str, Any], int], None], ...]] = (_details, _weights, _epochs)


def _compact(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False) + "\n"


def _size(value: Any) -> int:
    """Bytes that a value adds to the text, without the quotes of a string: escapes and UTF-8 make it longer."""
    return len(_compact(value).encode()) - (3 if isinstance(value, str) else 1)
