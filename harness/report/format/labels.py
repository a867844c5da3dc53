"""Values, lists and seeds in short."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any


def plain(value: Any) -> str:
    """A value as people write it: text without quotes, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def listed(items: Sequence[object], most: int) -> str:
    """`a, b, c and 4 more`."""
    shown = ", ".join(str(item) for item in items[:most])
    return shown if len(items) <= most else f"{shown} and {len(items) - most:,} more"


def seeds_text(seeds: Iterable[int], most: int = 12) -> str:
    """`42, 1, 2` in ascending order, runs of three and more shortened: `1 to 5, 42`."""
    spans: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if spans and seed == spans[-1][1] + 1:
            spans[-1][1] = seed
        else:
            spans.append([seed, seed])
    parts = [
        part
        for low, high in spans
        for part in ([f"{low} to {high}"] if high - low > 1 else [str(x) for x in range(low, high + 1)])
    ]
    return listed(parts, most)
