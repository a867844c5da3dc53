"""A store of many nights, made up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.grid.grid import load_grid
from harness.pipelines.named.places import Place
from tests.conftest import environment_of
from tests.pipelines.made_up import GOOD, GRID, Night

BAD = {seed: correct - 20 for seed, correct in GOOD.items()}
ONE = GRID.replace(', "bf16"', "")
"""One configuration, so that a night is 5 records."""


class Nights(Night):
    """Each night is a measurement of its own."""

    def night(self, number: int, correct: Mapping[int, int] = GOOD, **changes: object) -> None:
        """The measurement of a day in November."""
        started = f"2026-11-{number:02d}T02:00:00.000Z"
        self.fill(correct, **{"measurement": number, "started": started, **changes})

    @property
    def place(self) -> Place:
        return Place(self.store, load_grid(self.folder / "night.toml"))

    @property
    def left(self) -> dict[str, set[int]]:
        """By environment the measurements that are there."""
        found: dict[str, set[int]] = {}
        for entry in self.store.entries():
            assert entry.readable
            found.setdefault(entry.environment_id, set()).add(entry.measurement)
        return found


@pytest.fixture
def nights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nights:
    monkeypatch.chdir(tmp_path)
    made = Nights(tmp_path, monkeypatch)
    made.write(ONE)
    made.environments["current"] = environment_of(cpu_bf16=True)
    made.means()
    return made
