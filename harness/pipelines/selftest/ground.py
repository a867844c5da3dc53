"""What a selftest stands on: one small grid, really run twice over, the first accepted; and short runs that verify it.

Everything else is made of copies of this.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.errors import RequirementError
from harness.execution.session import Session, open_session
from harness.grid.grid import Grid, load_grid
from harness.pipelines.accept import accept
from harness.pipelines.selftest.pairs import write_pairs
from harness.pipelines.verify import Verification, verify_cells
from harness.record.entry import Entry
from harness.record.results import Results
from harness.record.store import Store

NAME: Final = "selftest"
GRID: Final = f"""name = "{NAME}"
task = "./pairs"

[recipe]
num_train_epochs = 3
learning_rate = 3e-3
warmup_steps = 4
full_determinism = true

[matrix]
checkpoint = ["embedded/tiny-bert"]
seed = [1, 2, 3, 4, 5]

[quality]
parity_margin = 3.0
"""
SIDES: Final = ("a", "b")
"""The grid is run so often, each time into results of its own: A/A."""
STEPS: Final = 8
KINDS: Final = ("repeat", "eval_batch", "engine")
"""What `verify` must leave in peace wherever the software is right: the others have failed in released versions."""


@dataclass(frozen=True)
class Ground:
    """Where the runs are: `folder`/a and `folder`/b hold the grid's results, b those of `verify` too."""

    folder: Path
    grid: Grid

    @property
    def accepted(self) -> Path:
        """The accepted file, made of the first side's runs."""
        return self.folder / "accepted.json"

    def store(self, side: str) -> Store:
        """The grid's results of a side."""
        return Store(self.folder / side, NAME)

    def entries(self, side: str) -> list[Entry]:
        """The run that counts of each of the grid's cells, as far as there is one: a kept folder may hold others."""
        store, cells = self.store(side), self.grid.cells()
        results = Results(store.entries(), store, cells)
        return [one for cell in cells if (one := results.standing(cell)) is not None]

    def copy(self, name: str) -> Ground:
        """The same with the second side in a folder of its own, to be spoilt."""
        to = self.folder / "copies" / name
        if to.exists():
            shutil.rmtree(to)
        shutil.copytree(self.folder / SIDES[1], to / SIDES[1])
        shutil.copyfile(self.accepted, to / self.accepted.name)
        return Ground(to, self.grid)

    def verified(self, run: Callable[[Session], None]) -> Verification:
        """What `verify` says of its runs in the second side; `run` runs what is lacking."""
        cells = self.grid.cells()[:1]
        return verify_cells(self.grid, cells, self.folder / SIDES[1], run, steps=STEPS, kinds=KINDS, reuse=True)


def make_ground(folder: Path, run: Callable[[Session], None]) -> Ground:
    """Run what is lacking of the ground in a folder: the grid on both sides, then what verifies it.

    Raises
    ------
    HarnessError
        RequirementError where a run does not end as one that is right must: then nothing can be shown.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "pairs").is_dir():
        write_pairs(folder / "pairs")
    path = folder / f"{NAME}.toml"
    path.write_text(GRID, encoding="utf-8")
    ground = Ground(folder, load_grid(path))
    for side in SIDES:
        session = open_session(path, folder / side)
        if session.plan.of("to do"):
            run(session)
        entries = ground.entries(side)
        if len(entries) < len(session.cells) or any(one.status != "ok" for one in entries):
            ends = ", ".join(f"seed {one.seed} {one.status}" for one in entries) or "no record"
            raise RequirementError(f"{session.store.folder}: runs without a fault must end well; got {ends}")
    ground.verified(run)
    accept(ground.grid, ground.store(SIDES[0]), (), None, "selftest", ground.accepted)
    return ground
