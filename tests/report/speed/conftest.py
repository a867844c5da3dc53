"""A grid that is only timed."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.grid.grid import Grid, load_grid
from tests.report.speed.made_up import GRID


@pytest.fixture
def grid(tmp_path: Path) -> Grid:
    (tmp_path / "speed.toml").write_text(GRID)
    return load_grid(tmp_path / "speed.toml")
