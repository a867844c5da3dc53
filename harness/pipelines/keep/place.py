"""Which stores a user means by a grid, by a folder of results, or by nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.checks.scores.baseline.file import MAX_BYTES, accepted_path, parse_baseline
from harness.errors import HarnessError, SpecError
from harness.grid.grid import Grid, load_grid, shipped
from harness.record.store import Store, store_grids
from harness.text import listed, show, suggestion
from harness.validation import name_of


@dataclass(frozen=True)
class Place:
    """A grid's results, with the grid where its file was named or is known; without it there is no verdict on them."""

    store: Store
    grid: Grid | None = None

    @property
    def name(self) -> str:
        """The grid's."""
        return self.store.grid


def places_of(name: str | None, results: Path) -> list[Place]:
    """The stores that `name` means: a grid by its file or name, `RESULTS/GRID`, or a folder of several; else `results`.

    None of a grid that nothing was run of.

    Raises
    ------
    SpecError
        For a name that is none of them, or a grid's file that is not valid.
    """
    if name is None:
        return [_place(Store(results, grid)) for grid in store_grids(results)]
    path, known = Path(name), store_grids(results)
    if path.is_dir() and (path / "cells").is_dir():
        folder = path.absolute()
        return [_place(Store(folder.parent, folder.name))]
    if path.is_dir() and ((inside := store_grids(path)) or name not in known):
        return [_place(Store(path, grid)) for grid in inside]
    if path.is_file() or shipped(path):
        grid = load_grid(path)
        return [Place(Store(results, grid.name), grid)] if grid.name in known else []
    if name in known:
        return [_place(Store(results, name))]
    allowed = f"a grid's file, a folder of results, or {listed(known) or f'nothing: {results} is empty'}"
    raise SpecError(f"{show(name)}: no such grid or folder; allowed {allowed}{suggestion(name, known)}")


def _place(store: Store) -> Place:
    """A store with its grid, where the accepted file names it, it lies here by its name, or the harness ships it."""
    for path in _files(store.grid):
        try:
            grid = load_grid(path)
        except HarnessError:
            continue
        if grid.name == store.grid:
            return Place(store, grid)
    return Place(store)


def _files(name: str) -> Iterator[Path]:
    accepted = accepted_path(name)
    try:
        if accepted.stat().st_size <= MAX_BYTES:
            yield Path(parse_baseline(accepted.read_bytes(), name_of(accepted)).grid.file)
    except (OSError, HarnessError):
        pass  # who needs what it says is told elsewhere
    yield from (Path(f"{name}.toml"), Path(name))
