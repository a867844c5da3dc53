"""How fast both environments of `harness ab` train: timing processes of both in turn, judged as `compare` does."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from harness.checks.speed.sides import SpeedSide, compare_sides, names_of, side_of_records
from harness.checks.verdict import Verdict, named
from harness.execution.session import Session, Wishes, session_of
from harness.grid.cell import Cell
from harness.grid.environments import AXIS
from harness.grid.grid import Grid
from harness.pipelines.verify import STORE_PREFIX
from harness.record.attempts import NEVER, Renewal
from harness.record.model import Record
from harness.record.store import Store

PERCENT: Final = 100


def time_sides(
    grid: Grid, a: str, b: str, results: Path, run: Callable[[Session], None], *, reuse: bool = False
) -> list[Verdict]:
    """Time the first configuration of the grid in both environments, A B B A, and compare; with `reuse` again only.

    Raises
    ------
    HarnessError
        What `session_of` and `run` raise.
    """
    asked = grid.throughput
    assert asked is not None  # `grid_of_two` gives it
    cells = _of_first(grid)
    store = Store(results, STORE_PREFIX + grid.name)
    session = session_of(grid, cells, store, Wishes(renewal=NEVER if reuse else Renewal(fresh=True)))
    if session.plan.of("to do"):
        run(session)
    before = frozenset() if reuse else {entry.path for entry in session.results.every}
    mine = {cell.cell_id for cell in cells}
    entries = [one for one in store.entries() if one.cell_id in mine and one.path not in before and one.readable]
    records = [store.record(entry) for entry in entries]
    sides = [_side(label, [one for one in records if one.asked.environment == label]) for label in (a, b)]
    names = names_of(*sides)
    return [named(one, names) for one in compare_sides(sides[0], sides[1], asked.margin / PERCENT)]


def _of_first(grid: Grid) -> list[Cell]:
    """The timing cells of the first configuration in each environment, in turn."""
    first: dict[str, str] = {}
    for cell in grid.timing_cells():
        first.setdefault(cell.environment, cell.configuration_id)
    wanted = set(first.values())
    return [cell for cell in grid.timing_cells(secrets.choice([False, True])) if cell.configuration_id in wanted]


def _side(label: str, records: Sequence[Record]) -> SpeedSide:
    return replace(side_of_records(label, records), named=frozenset({AXIS}))
