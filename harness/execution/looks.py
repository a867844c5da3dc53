"""Planned looks: which cells are due now, given what has ended and which configurations are decided."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from harness.grid.cell import Cell
from harness.grid.looks import SeedPlan
from harness.record.entry import Entry
from harness.record.model import FINAL


def due(
    cells: Sequence[Cell],
    entries: Iterable[Entry],
    plan: SeedPlan,
    decided: Collection[str],
    skipped: Collection[str] = (),
) -> list[Cell]:
    """The cells of the look that each configuration is at, in running order; those that have ended are among them.

    A configuration is at its first look that has not ended; once it is decided (its id is in `decided`) it goes no
    further than the looks it has ended. `entries` are of the environment and contents at hand. `skipped` are cell ids
    that cannot run here: they hold up no look.
    """
    ended = {entry.cell_id for entry in entries if entry.status in FINAL} | set(skipped)
    of: dict[str, list[Cell]] = {}
    for cell in cells:
        of.setdefault(cell.configuration_id, []).append(cell)
    wanted: set[str] = set()
    for configuration, every in of.items():
        by_seed = {cell.seed: cell for cell in every}
        in_order = [by_seed[seed] for seed in plan.seeds if seed in by_seed]
        wanted.update(cell.cell_id for cell in in_order[: _reach(in_order, ended, plan, configuration in decided)])
    return [cell for cell in cells if cell.cell_id in wanted]


def _reach(in_order: Sequence[Cell], ended: Collection[str], plan: SeedPlan, decided: bool) -> int:
    """How many seeds: the first look with a seed that has not ended, or the last one that has none."""
    reached = 0
    for look in plan.looks:
        complete = all(cell.cell_id in ended for cell in in_order[:look])
        if not complete:
            return reached if decided and reached else look
        reached = look
    return reached
