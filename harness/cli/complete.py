"""What a shell is told where somebody presses Tab: names of grids, parts of one. Cheap, and silent where it cannot."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from harness.errors import HarnessError

ASKED: Final = "_HARNESS_COMPLETE"
"""Set by the shell's script where it asks, and does not run a command."""
TYPED: Final = ("_TYPER_COMPLETE_ARGS", "COMP_WORDS")
"""What was typed so far, by shell."""


def typed() -> list[str]:
    """The words behind `harness` on the line that a shell asks about; none where none asks."""
    line = next((os.environ[name] for name in TYPED if name in os.environ), "") if ASKED in os.environ else ""
    try:
        return shlex.split(line)[1:]
    except ValueError:  # a quotation that is not closed yet
        return line.split()[1:]


def grids(incomplete: str) -> list[str]:
    """Grids: those that ship, those of the user's project, files in the folder that is being typed."""
    return sorted({name for name in _grids(incomplete) if name.startswith(incomplete)})


def _grids(incomplete: str) -> Iterator[str]:
    from harness.grid.grid import shipped_names
    from harness.grid.project import read_project

    yield from shipped_names()
    with contextlib.suppress(HarnessError, OSError):
        yield from map(str, read_project().grid_files())
    folder = os.path.dirname(incomplete)  # noqa: PTH120 - "./" is typed, and stays
    with contextlib.suppress(OSError, ValueError):
        for file in Path(folder or ".").glob("*.toml"):
            if file.name != "pyproject.toml":
                yield os.path.join(folder, file.name)  # noqa: PTH118


def parts(incomplete: str) -> list[str]:
    """Parts of the grid that stands on the line: `precision=bf16`."""
    from harness.grid.grid import load_grid

    for word in typed()[1:]:
        with contextlib.suppress(HarnessError, OSError):
            axes = load_grid(Path(word)).axes
            every = (f"{axis}={value}" for axis, values in axes.items() for value in values)
            return [one for one in every if one.startswith(incomplete)]
    return []
