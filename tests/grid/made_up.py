"""Grids read from a text, and the problems of one that is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import SpecError
from harness.grid.grid import Grid, grid_from_text

FILE = Path("g.toml")
HEAD = 'name = "x"\ntask = "glue/mrpc"\n'


def read(text: str) -> Grid:
    return grid_from_text((HEAD + text).encode(), FILE)


def problems(text: str | bytes) -> list[str]:
    with pytest.raises(SpecError) as raised:
        grid_from_text(text.encode() if isinstance(text, str) else text, FILE)
    return str(raised.value).splitlines()
