"""Which results a user means: those of a grid by its file, its name or their folder, or of all in a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError, SpecError
from harness.grid.grid import Grid, load_grid
from harness.pipelines.named.grids import MOST_NAMES, find_file, grid_name, known_file, unknown
from harness.record.store import Store, store_grids
from harness.text import listed, show
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
    """The stores that `stores_named` finds, each with its grid.

    Raises
    ------
    SpecError
        As `stores_named` does, or for a grid's file, named as such, that is not valid.
    """
    named = None if name is None or not Path(name).is_file() else load_grid(Path(name))
    return [_place(store) if named is None else Place(store, named) for store in stores_named(name, results)]


def stores_named(name: str | None, results: Path) -> list[Store]:
    """The results that `name` means, where something was run: of a grid, or of each in a folder; of all without one.

    Raises
    ------
    SpecError
        For a name of nothing, with the nearest that there is.
    """
    found = find_stores(name, results)
    if found is None:
        raise SpecError(unknown(str(name), results))
    return found


def store_named(name: str, results: Path) -> Store:
    """The results of the one grid that `name` means, whether something was run or not; raises as `stores_named`."""
    found = stores_named(name, results)
    if len(found) > 1:
        every = listed((str(one.folder) for one in found), MOST_NAMES)
        raise SpecError(f"{show(name)}: results of {len(found)} grids; allowed one of them: {every}")
    if found:
        return found[0]
    file = find_file(name, results)
    return Store(results, name if file is None else _name(file))


def find_stores(name: str | None, results: Path) -> list[Store] | None:
    """The same; None for a name of nothing."""
    known = store_grids(results)
    if name is None:
        return [Store(results, grid) for grid in known]
    path = Path(name)
    if (path / "cells").is_dir():
        path = path if path.name not in ("", "..") else Path(os.path.abspath(path))  # noqa: PTH100 - a name is needed
        return [Store(path.parent, path.name)]
    if path.is_dir() and (inside := store_grids(path)):
        return [Store(path, grid) for grid in inside]
    try:
        file = find_file(name, results)
    except SpecError:
        file = None  # results are enough here
    if file is None and name not in known:
        return [] if path.is_dir() else None
    mine = name if file is None else _name(file)
    return [Store(results, mine)] if mine in known else []


def _name(file: Path) -> str:
    name = grid_name(file)
    if name is None:
        raise SpecError(f"{name_of(file)}: allowed the TOML file of a grid, which has a name")
    return name


def _place(store: Store) -> Place:
    """A store with its grid, where its file is known and valid."""
    path = known_file(store.folder.absolute())
    try:
        return Place(store) if path is None else Place(store, load_grid(path))
    except HarnessError:
        return Place(store)


def together(names: Sequence[str], results: Path) -> list[Store]:
    """The results that several names mean, each once; all without a name."""
    if not names:
        return stores_named(None, results)
    found = [store for name in names for store in stores_named(name, results)]
    return list({store.folder.absolute(): store for store in found}.values())
