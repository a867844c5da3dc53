"""Which grid a user means, in every command: its file, its name, or a folder of results; with `:AXIS=VALUE` a part.

A name is looked for in the user's own project first, then among what the harness ships, then in the results.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from harness.checks.scores.baseline.file import MAX_BYTES, accepted_path, parse_baseline
from harness.errors import HarnessError, SpecError
from harness.grid.grid import load_grids, shipped
from harness.grid.project import read_project, seen
from harness.grid.select import named_part
from harness.record.folders import PYPROJECT
from harness.record.meant import file_in
from harness.record.store import store_grids
from harness.text import listed, show, suggestion
from harness.validation import name_of, read_toml

SUFFIX: Final = ".toml"
MOST_NAMES: Final = 12


@dataclass(frozen=True)
class Part:
    """A grid, or a part of it: its file, or the name of a shipped one; where its results are; what is selected."""

    file: Path
    results: Path
    select: Sequence[str] = ()


def grid_named(text: str | Path, results: Path) -> Path:
    """The file of the grid that `text` means, or the name of one that the harness ships: what `load_grid` takes.

    Raises
    ------
    SpecError
        For a name of no grid, with the nearest that there is; for a folder of several; for a part of one.
    """
    return whole_named(text, results).file


def whole_named(text: str | Path, results: Path) -> Part:
    """The same with where its results are; raises so too."""
    found = part_named(text, results)
    if found.select:
        raise SpecError(f"{show(str(text))}: a part of a grid; allowed a whole one here")
    return found


def part_named(text: str | Path, results: Path, select: Sequence[str] = ()) -> Part:
    """The same of `GRID[:AXIS=VALUE,...]`, with what is selected of it beside `select`; raises so too."""
    name, wanted, found = str(text), dict[str, str](), find_file(str(text), results)
    if found is None:
        name, wanted = named_part(name)
        found = find_file(name, results) if wanted else None
    if found is None and os.path.exists(name) and not os.path.isdir(name):  # noqa: PTH110, PTH112
        found = Path(name)  # no regular file: who reads it says so
    if found is None:
        raise SpecError(unknown(name, results))
    return Part(found, _home(name) or results, [*select, *(f"{axis}={value}" for axis, value in wanted.items())])


def grids_named(texts: Sequence[str], results: Path) -> list[Part]:
    """The same of each; of several problems every one is told, those within the files among them."""
    found, problems = list[Part](), list[str]()
    for text in texts:
        try:
            found.append(whole_named(text, results))
        except SpecError as error:
            problems.append(str(error))
    if problems:
        try:
            load_grids(one.file for one in found)
        except SpecError as error:
            problems.append(str(error))
        raise SpecError("\n".join(problems))
    return found


def find_file(name: str, results: Path) -> Path | None:
    """The file of the grid of that name, or the name of a shipped one; None where there is no such grid.

    Raises
    ------
    SpecError
        For results of several grids, or of one whose file nobody knows.
    """
    path = Path(name)
    if _is_file(path):
        return path
    if os.path.isdir(path / "cells"):  # noqa: PTH112 - a name may be too long for any file
        return _file_of(path)
    if os.path.isdir(path) and (inside := store_grids(path)):  # noqa: PTH112
        if len(inside) > 1:
            every = listed((str(path / one) for one in inside), MOST_NAMES)
            raise SpecError(f"{name_of(path)}: results of {len(inside)} grids; allowed one of them: {every}")
        return _file_of(path / inside[0])
    if len(path.parts) != 1:
        return None
    mine = next(_of_project(name.removesuffix(SUFFIX), results), None)
    if mine is not None or shipped(path):
        return mine or path
    return _file_of(results / name) if name in store_grids(results) else None


def known_file(store: Path) -> Path | None:
    """The file, or shipped name, of the grid whose results lie in a folder; None where nobody knows it any more.

    As the last run noted it, else as the accepted file has it, else by its name.
    """
    name, accepted = store.name, accepted_path(store.name)
    places = [file_in(store)]
    try:
        if accepted.stat().st_size <= MAX_BYTES:
            places.append(Path(parse_baseline(accepted.read_bytes(), name_of(accepted)).grid.file))
    except (OSError, HarnessError):
        pass  # who needs what it says is told elsewhere
    places += [*_of_project(name, store.parent), Path(name)]
    for path in places:
        if path is not None and (_is_file(path) or shipped(path)) and grid_name(path) == name:
            return path
    return None


def grid_name(path: Path) -> str | None:
    """The name that a grid's file has for it; None where it has none or cannot be read."""
    try:
        name = read_toml(shipped(path) or path).get("name")
    except SpecError:
        return None
    return name if isinstance(name, str) else None


def unknown(name: str, results: Path, noun: str = "grid") -> str:
    """What an error says of a name of nothing: what is allowed, what there is, what was probably meant."""
    what = "a folder without a grid's results" if os.path.isdir(name) else f"no such {noun}"  # noqa: PTH112
    allowed = "a grid's file, its name, or a folder of its results"
    whole = name.partition(":")[0]
    if whole != name and whole in _names(results):
        return f"{show(name)}: a part of a grid; allowed a whole one here: {whole}"
    known = listed(dict.fromkeys(_names(results)), MOST_NAMES)
    return f"{show(name)}: {what}; allowed {allowed}; known are {known}{nearest(name, results)}"


def nearest(name: str, results: Path) -> str:
    """What was probably meant by a name of nothing, as the end of an error."""
    return suggestion(Path(name).name.removesuffix(SUFFIX), _names(results))


def _home(name: str) -> Path | None:
    """The folder of results that a folder of a grid's results is in, or is."""
    if not os.path.isdir(name):  # noqa: PTH112
        return None
    folder = Path(os.path.abspath(name))  # noqa: PTH100 - the last part of `.` has no name
    return seen(folder.parent if (folder / "cells").is_dir() else folder)


def _file_of(store: Path) -> Path:
    folder = Path(os.path.abspath(store))  # noqa: PTH100 - the last part of `.` has no name
    found = known_file(folder)
    if found is None:
        raise SpecError(f"{name_of(store)}: results whose grid is not known here; allowed the grid's file")
    return found


def _of_project(stem: str, results: Path) -> Iterator[Path]:
    """The user's files of that name: those that pyproject.toml lists, then those of this folder and of the root."""
    listed_files = read_project().grid_files()
    yield from (path for path in listed_files if stem in (path.stem, grid_name(path)))
    for folder in _roots(results):
        if _is_file(folder / f"{stem}{SUFFIX}"):
            yield seen(folder / f"{stem}{SUFFIX}")


def _roots(results: Path) -> Iterable[Path]:
    return dict.fromkeys((Path(), results.parent))


def _names(results: Path) -> Iterator[str]:
    yield from (path.stem for path in read_project().grid_files())
    for folder in _roots(results):
        yield from (path.stem for path in sorted(folder.glob(f"*{SUFFIX}")) if path.name != PYPROJECT)
    yield from store_grids(results)
    yield from sorted(Path(one.name).stem for one in (files("harness") / "shipped").iterdir() if SUFFIX in one.name)


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - a name may be too long for any file
