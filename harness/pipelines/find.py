"""Which run a user means by a folder, a record, or the beginning of a cell's id."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from harness.errors import SpecError
from harness.record.model import RECORD
from harness.record.store import Store, store_grids
from harness.text import listed, show

SHORTEST_ID: Final = 4


def find_run(name: str, results: Path) -> Path:
    """The folder of the run that a user means by a folder, a record, or the beginning of a cell's id.

    Raises
    ------
    SpecError
        Where there is none, or several begin so.
    """
    path = Path(name)
    if path.name == RECORD and path.is_file():
        return path.parent
    if (path / RECORD).is_file():
        return path
    if len(name) < SHORTEST_ID or not name.isalnum():
        allowed = f"the folder of a run, its {RECORD}, or {SHORTEST_ID} or more letters of a cell id in {results}"
        raise SpecError(f"{show(name)}: no such run; allowed {allowed}")
    found = [
        store.folder / entry.path
        for store in (Store(results, grid) for grid in store_grids(results))
        for entry in store.entries()
        if entry.cell_id.startswith(name)
    ]
    if not found:
        raise SpecError(f"{show(name)}: no run of such a cell in {results}; allowed a cell id as in its records")
    if len(found) > 1:
        shown = listed([str(folder) for folder in found], 12)
        raise SpecError(f"{show(name)}: {len(found)} runs begin so; allowed one of their folders: {shown}")
    return found[0]
