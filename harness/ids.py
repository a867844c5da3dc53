"""Canonical JSON and the short hashes built on it: the one definition of "the same thing was asked for"."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

ID_LENGTH: Final = 20
"""Hex characters of an id: 80 bits, so a chance collision among a million cells has probability 4e-13."""


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
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:ID_LENGTH]
