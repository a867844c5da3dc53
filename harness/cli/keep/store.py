"""`harness store`: looking after a store."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.options import RESULTS, ResultsFolder
from harness.errors import SpecError
from harness.record.store import Store, store_grids

app = typer.Typer(help="Look after a store.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """Look after a store."""


@app.command()
def reindex(
    names: Annotated[list[str] | None, typer.Argument(help="Grids by name (default: all).", show_default=False)] = None,
    results: ResultsFolder = RESULTS,
) -> None:
    """Rebuild the index of grids from their records.

    Example: harness store reindex quickstart
    """
    known = store_grids(results)
    if not known:
        print(f"{results}: no results yet")
    for name in names or known:
        if name not in known:
            raise SpecError(
                f"store reindex: got {name!r}; allowed: {', '.join(known) or f'nothing, {results} is empty'}"
            )
        store = Store(results, name)
        print(f"{name}: {store.reindex()} records")
        for problem in store.unreadable.values():
            print(f"{name}: left out: {problem}")
