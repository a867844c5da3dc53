"""The report as JSON, complete: what the Markdown leaves out for length is here."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

from harness.report.run.model import SCHEMA, ReportModel


def to_json(model: ReportModel) -> str:
    """Return the model as JSON text; NaN and infinities as strings, as in records; equal models, equal text."""
    data = {"schema": SCHEMA, "kind": "harness-report", **_plain(model)}
    if model.throughput is None:
        del data["throughput"]  # a grid that times nothing has no such part
    return json.dumps(data, ensure_ascii=True, allow_nan=False, indent=1) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return str(value)
