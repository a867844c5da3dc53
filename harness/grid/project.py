"""The user's own project: `[tool.harness]` of the pyproject.toml that is found upwards, as pytest finds its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, PrivateAttr, ValidationError

from harness.errors import SpecError
from harness.grid.grid import shipped
from harness.grid.tables import Table, Text
from harness.grid.waivers import OF_RUNS, Waiver, waiver_problems
from harness.text import listed, show, suggestion
from harness.validation import MAX_BYTES, explain, junk, name_of, parse_toml, raise_problems, read_bytes

NAME: Final = "pyproject.toml"
TABLE: Final = "tool.harness"


class Project(Table):
    """`[tool.harness]`: the grids that `harness bench` runs where none is named, and waivers where there is no grid.

    `grids` are files, patterns (`grids/*.toml`) or names of shipped grids, relative to the file's folder.
    """

    grids: Annotated[list[Text], Field(min_length=1)] | None = None
    waiver: list[Waiver] = Field(default_factory=list)

    _file: Path | None = PrivateAttr(default=None)

    def grid_files(self) -> list[Path]:
        """The grids, each once, as seen from here; of a pattern in the order of their names.

        Raises
        ------
        SpecError
            For an entry that is no file, or a pattern that no file fits.
        """
        found: dict[Path, None] = {}
        for number, entry in enumerate(self.grids or ()):
            assert self._file is not None  # or there were no grids
            fitting = _fitting(entry, self._file.parent)
            if not fitting:
                where = f"{name_of(self._file)}: {TABLE}.grids[{number}]"
                raise SpecError(f"{where}: got {show(entry)}; no such file; allowed a grid, relative to this file")
            found |= dict.fromkeys(fitting)
        return list(found)


def read_project(here: Path | None = None) -> Project:
    """Read the nearest pyproject.toml with such a table, from `here` (the current folder) upwards; empty without one.

    Raises
    ------
    SpecError
        For a pyproject.toml on the way that cannot be read, or a table with what it may not have.
    """
    start = Path.cwd() if here is None else here
    for folder in (start, *start.parents):
        file = folder / NAME
        if not os.path.isfile(file):  # noqa: PTH113 - a folder that may not be read holds none for us
            continue
        name = name_of(file)
        document = parse_toml(read_bytes(file, f"a {NAME}", MAX_BYTES), name)
        tool = document.get("tool")
        if isinstance(tool, dict) and "harness" in tool:
            return _project(tool["harness"], file)
    return Project()


def _project(table: object, file: Path) -> Project:
    where = f"{name_of(file)}: {TABLE}"
    raise_problems(list(junk(table, where)))
    try:
        found = Project.model_validate(table)
    except ValidationError as error:
        raise SpecError("\n".join(explain(error, Project, where, ""))) from error
    problems = [
        f"{where}.waiver[{number}].check: got {show(one.check)}; allowed {listed(sorted(OF_RUNS))}: "
        f"what a grid judges is waived in the grid{suggestion(one.check, sorted(OF_RUNS))}"
        for number, one in enumerate(found.waiver)
        if one.check not in OF_RUNS
    ]
    raise_problems([*problems, *waiver_problems(found.waiver, (), f"{where}.waiver")])
    found._file = file
    return found


def _fitting(entry: str, folder: Path) -> list[Path]:
    try:
        if (folder / entry).is_file():
            return [seen(folder / entry)]
        if any(sign in entry for sign in "*?["):
            return [seen(path) for path in sorted(folder.glob(entry)) if path.is_file()]
    except (OSError, ValueError, NotImplementedError):  # a pattern that cannot be one, or an absolute one
        return []
    return [Path(entry)] if shipped(Path(entry)) else []


def seen(path: Path) -> Path:
    """A path as a user here would type it: as it is, or from here, whichever is shorter."""
    return min(path, Path(os.path.relpath(path)), key=lambda one: len(str(one)))
