"""The folders of a grid's attempts: `cells/<2 hex>/<cell_id>/<environment_id>/<attempt>`."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.disk import explained, flush_folder

RESULTS: Final = Path("results")
"""Where results are kept, below the root of a project."""
PYPROJECT: Final = "pyproject.toml"
TABLE: Final = b"[tool.harness"
AWAY: Final = "pruned"
"""Where attempts are on their way out."""


@dataclass(frozen=True)
class Folders:
    """The folders below `root`, a grid's results."""

    root: Path

    def cell(self, cell_id: str) -> Path:
        """Where a cell's attempts are, in every environment."""
        return self.root / "cells" / cell_id[:2] / cell_id

    def of_cell(self, cell_id: str) -> list[Path]:
        """A cell's attempts, environment by environment, in the order of their numbers."""
        cell = self.cell(cell_id)
        found = [
            (environment.name, int(attempt.name), attempt.name)
            for environment in _listed(cell)
            if environment.is_dir()
            for attempt in _listed(cell / environment.name)
            if attempt.name.isdecimal() and attempt.is_dir()
        ]
        return [cell / environment / name for environment, _, name in sorted(found)]

    def every(self) -> Iterator[Path]:
        """The attempts of every cell."""
        for cell in self.cells():
            yield from self.of_cell(cell.name)

    def cells(self) -> list[Path]:
        """The folders of all cells."""
        return sorted((self.root / "cells").glob("??/*"))

    def path(self, folder: Path) -> str:
        """A folder relative to the root, as an index has it."""
        return folder.relative_to(self.root).as_posix()

    def present(self, cell_ids: Sequence[str]) -> Iterator[str]:
        """Those cells that have a folder: one listing for all cells that share their first two characters."""
        listed: dict[str, set[str]] = {}
        for cell_id in cell_ids:
            shelf = cell_id[:2]
            if shelf not in listed:
                folder = self.cell(cell_id).parent
                with explained(folder, "list"):
                    listed[shelf] = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
            if cell_id in listed[shelf]:
                yield cell_id

    def remove(self, paths: Iterable[str]) -> None:
        """Take attempts away, each whole or not at all whatever comes between; the caller holds their cells' locks.

        Also what an earlier call left on its way out. Raises OSError.
        """
        away = self.root / AWAY
        if away.exists():
            shutil.rmtree(away)
        places = set()
        for path in paths:
            away.mkdir(exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                (self.root / path).rename(away / path.replace("/", "-"))
                places.add((self.root / path).parent)
        if not away.exists():
            return
        # A folder half removed would look like an attempt that was killed: first it must be elsewhere for good.
        for place in (away, *places):
            flush_folder(place)
        shutil.rmtree(away)
        for place in places:
            with contextlib.suppress(OSError):
                place.rmdir()  # the last attempt in an environment


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing where it cannot be listed."""
    try:
        with os.scandir(folder) as found:  # a glob is slow, and every cell that begins asks
            return list(found)
    except OSError:
        return []


def store_grids(root: Path) -> list[str]:
    """Names of the grids that have results under `root`."""
    if not root.is_dir():
        return []
    return sorted(path.parent.name for path in root.glob("*/cells"))


def results_folder(here: Path | None = None) -> Path:
    """Where results are kept where nobody says so: in `results` of the root, which is looked for upwards.

    The root is the nearest folder, from `here` (the current one) on, whose `results` has a grid's or whose
    pyproject.toml has a table `[tool.harness]`; no further than the repository. Without one, the folder here.
    """
    start = Path.cwd() if here is None else here
    for folder in (start, *start.parents):
        if any((folder / RESULTS).glob("*/cells")) or _is_project(folder / PYPROJECT):
            found = folder / RESULTS
            return RESULTS if folder == start else Path(os.path.relpath(found, start))
        if (folder / ".git").exists():
            break
    return RESULTS


def results_option(results: Path) -> list[str]:
    """The words that name this folder of results in a command to type here; none where it is found without them."""
    there = os.path.realpath(results) == os.path.realpath(results_folder())
    return [] if there else ["--results", str(results)]


def to_type(*words: str, results: Path) -> str:
    """A command of the harness over these results, quoted, to be pasted as it stands."""
    return shlex.join(["harness", *words, *results_option(results)])


def _is_project(file: Path) -> bool:
    try:
        return TABLE in file.read_bytes()
    except OSError:
        return False
