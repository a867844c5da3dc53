"""`harness status`: what a store holds."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from tabulate import tabulate

from harness.cli.options import RESULTS, Json, ResultsFolder
from harness.errors import SpecError
from harness.record.attempts import STATUSES, UNREADABLE
from harness.record.results import Results
from harness.record.store import Store, store_grids

Names = Annotated[list[str] | None, typer.Argument(help="Grids by name (default: all).", show_default=False)]


def status(names: Names = None, results: ResultsFolder = RESULTS, as_json: Json = False) -> None:
    """Count the records of each grid by status, and list what went wrong.

    Example: harness status quickstart
    """
    known = store_grids(results)
    for name in names or []:
        if name not in known:
            raise SpecError(f"status: got {name!r}; allowed: {', '.join(known) or f'nothing, {results} is empty'}")
    found = {name: _facts(results, name) for name in names or known}
    if as_json:
        print(json.dumps(found, indent=2))
        return
    if not found:
        print(f"{results}: no results yet")
        return
    shown = [s for s in (*STATUSES, UNREADABLE) if any(facts["statuses"].get(s) for facts in found.values())]
    rows = [[name, facts["cells"], *(facts["statuses"].get(s, "") for s in shown)] for name, facts in found.items()]
    print(tabulate(rows, headers=["grid", "cells", *shown], tablefmt="simple", disable_numparse=True))
    for name, facts in found.items():
        for problem in facts["problems"]:
            print(f"{name}: {problem}")


def _facts(results: Path, name: str) -> dict[str, Any]:
    """Counts of attempts by status; problems are the errors of those that count, and of cells where none does yet."""
    store = Store(results, name)
    entries = store.entries()
    problems = Counter(
        f"{e.status}: {e.error}" for e in Results(entries).errors() if e.status not in ("skipped", UNREADABLE)
    )
    return {
        "cells": len({e.cell_id for e in entries}),
        "statuses": dict(Counter(e.status for e in entries)),
        "problems": [
            *(f"{count} x {text}" for text, count in problems.most_common(10)),
            *(f"unreadable, counts for nothing: {text}" for text in store.unreadable.values()),
        ],
    }
