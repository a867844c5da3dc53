"""`harness schema`: the JSON Schema of records, and of grids."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from harness.errors import SpecError
from harness.text import show, suggestion

KINDS: Final = ("record", "grid")
What = Annotated[str, typer.Argument(help="record, or grid.", metavar="[record|grid]")]


def schema(what: What = "record") -> None:
    """Print the JSON Schema of a record (`record.json`), or of a grid, for editors: every key, explained.

    Example: harness schema grid > grid.schema.json
    """
    if what not in KINDS:
        raise SpecError(f"schema: got {show(what)}; allowed {', '.join(KINDS)}{suggestion(what, KINDS)}")
    if what == "grid":
        from harness.grid.form.schema import grid_schema_text

        print(grid_schema_text(), end="")
        return
    from harness.record.model import record_schema

    print(record_schema(), end="")
