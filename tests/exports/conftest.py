"""A night whose bf16 passes, and the command in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import harness as harness
from tests.cli.made_up_nights import WRONG, Night


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Night:
    """Five seeds of fp32 and of bf16, which is 0.25 points lower: inside the margin."""
    monkeypatch.chdir(tmp_path)
    for name in ("HARNESS_REQUIRE", "GITHUB_ACTIONS", "TRACKIO_DIR"):
        monkeypatch.delenv(name, raising=False)
    made = Night(tmp_path)
    made.measure(made.cells("fp32"))
    for cell in made.cells("bf16"):
        made.put(cell, WRONG[cell.seed] + cell.seed % 2)
    return made
