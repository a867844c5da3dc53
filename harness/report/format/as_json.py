"""Anything of ours as JSON: what other formats leave out for length is there."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

from harness.report.format.units import SCORES, key_of


def as_json(value: Any) -> str:
    """Return JSON text; equal values, equal text."""
    return dumped(plain(value))


def dumped(data: Any, indent: int | None = 1) -> str:
    """The same of plain data; without `indent` in one line, which is faster to write."""
    return json.dumps(data, ensure_ascii=True, allow_nan=False, indent=indent) + "\n"


def plain(value: Any) -> Any:
    """The same as plain data: dataclasses as tables by their fields, keys with units, NaN and infinities as text."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, Integral):  # numpy's are no int, or a float that prints otherwise
        return int(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
        unit = SCORES.get(type(value).__name__)
        found: dict[str, Any] = {}
        for name in names:
            if name == "scores" and unit is not None:
                found |= {f"{metric}{unit}": plain(score) for metric, score in getattr(value, name).items()}
            else:
                found[key_of(value, name)] = plain(getattr(value, name))
        return found
    return str(value)
