"""`harness schema`: the JSON Schema of records."""

from __future__ import annotations

from harness.record.model import record_schema


def schema() -> None:
    """Print the JSON Schema of a record (`record.json`).

    Example: harness schema > record.schema.json
    """
    print(record_schema(), end="")
