"""Time what looks slower once more before it alarms, in a session of its own, and judge it by that session alone."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from harness.checks.speed.compare import unit_of
from harness.checks.speed.sides import SpeedSide, compare_sides, confirmed, suspicious
from harness.checks.verdict import Verdict
from harness.errors import SpecError
from harness.grid.cell import Cell
from harness.grid.grid import Grid
from harness.pipelines.speed_sides import SideName, open_side
from harness.text import listed

Names = tuple[SideName, SideName]
Sides = tuple[SpeedSide, SpeedSide]


def check_confirmable(grid: Grid, b: SideName) -> None:
    """Raise SpecError where this grid cannot time B's results again."""
    if b.is_file:
        raise SpecError(f"--confirm: B is the file {b.path}; allowed results of {grid.path}, which can be timed again")
    if b.store.grid != grid.name:
        raise SpecError(
            f"--confirm: got {grid.path}, a grid named {grid.name}; allowed the grid of B's results, {b.store.grid}"
        )
    if not grid.timing_cells():
        raise SpecError(f"--confirm: {grid.path} times nothing; allowed a grid with a [throughput] table")


def confirm(
    grid: Grid,
    names: Names,
    sides: Sides,
    verdicts: Sequence[Verdict],
    margin: float,
    run: Callable[[Sequence[Cell]], None],
) -> list[Verdict]:
    """Have `run` time again what is suspicious, and let only what fails twice fail.

    Side by side both arms run again; else only B, against the same sessions of A.

    Raises
    ------
    SpecError
        Where the grid does not time a suspicious configuration any more.
    """
    doubtful = [verdict for verdict in verdicts if suspicious(verdict, margin)]
    if not doubtful:
        return list(verdicts)
    run(_cells(grid, doubtful))
    again = _fresh(names, sides, doubtful)
    fresh = {_ids(verdict): verdict for verdict in (compare_sides(*again, margin) if again else ())}
    return [confirmed(each, fresh.get(_ids(each))) if each in doubtful else each for each in verdicts]


def _cells(grid: Grid, doubtful: Sequence[Verdict]) -> list[Cell]:
    """The cells to time again; which end of a round comes first is drawn anew."""
    wanted = {verdict.subject.configuration_id for verdict in doubtful}
    wanted |= {key for verdict in doubtful if unit_of(verdict) == "pair" for key in _ids(verdict)}
    cells = [cell for cell in grid.timing_cells(secrets.choice([False, True])) if cell.configuration_id in wanted]
    absent = wanted - {cell.configuration_id for cell in cells}
    if absent:
        labels = [verdict.subject.label for verdict in doubtful if absent & set(_ids(verdict))]
        raise SpecError(f"--confirm: {grid.path} does not time {listed(labels)} (any more); allowed the grid as it was")
    return cells


def _fresh(names: Names, sides: Sides, doubtful: Sequence[Verdict]) -> Sides | None:
    """The sides with what was timed just now, of the doubtful configurations alone: they are a family of their own."""
    ids = {key for verdict in doubtful for key in _ids(verdict)}
    # The A of a comparison of sessions was not timed again: its earlier sessions stand.
    kept = {_ids(verdict)[0] for verdict in doubtful if unit_of(verdict) == "session"}
    a, b = (_since(side, open_side(name), ids) for name, side in zip(names, sides, strict=True))
    old = [process for process in sides[0].processes if process.configuration_id in kept]
    new = [process for process in a.processes if process.configuration_id not in kept]
    a = replace(a, processes=(*old, *new))
    return (a, b) if a.processes and b.processes else None


def _since(before: SpeedSide, now: SpeedSide, ids: Collection[str]) -> SpeedSide:
    """What the side has of these configurations in sessions that it did not have before."""
    known = {process.session for process in before.processes}
    fresh = [each for each in now.processes if each.session not in known and each.configuration_id in ids]
    return replace(now, processes=tuple(fresh), lost=())


def _ids(verdict: Verdict) -> tuple[str, ...]:
    """The configurations compared, A's first."""
    sides = (verdict.against, verdict.subject)
    return tuple(dict.fromkeys(side.configuration_id for side in sides if side is not None))
