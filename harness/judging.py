"""A grid's results, judged: what its tables ask for, its references, its records, put before the checks of scores."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.checks.scores.gate import Policy, configurations, judge_all
from harness.checks.scores.judgement import Judgement
from harness.checks.scores.recipe import DECLARABLE
from harness.checks.scores.target import written_references
from harness.errors import SpecError
from harness.grid.cell import Cell
from harness.grid.grid import Grid
from harness.grid.tables import Quality
from harness.record.entry import Entry
from harness.record.model import FINAL, Record
from harness.record.run import read_series
from harness.record.store import Store
from harness.text import listed, show, suggestion


def judge_grid(
    grid: Grid, cells: Sequence[Cell], store: Store, entries: Sequence[Entry], today: datetime.date
) -> list[Judgement]:
    """Judge what a store has of these cells: quality against the grid's references, stability, parity of twins.

    Raises
    ------
    SpecError
        For a reference that the registry does not know.
    """
    known = {cell.cell_id for cell in cells}
    here = [entry for entry in entries if entry.cell_id in known]
    found = configurations(cells, here, _records(store, here))
    return judge_all(found, written_references(grid), policy_of(grid), _answers(store, here), today=today)


def policy_of(grid: Grid) -> Policy:
    """What the gate goes by: the grid's [quality], its planned looks and its waivers.

    Raises
    ------
    SpecError
        For a name in `quality.harmless` that no difference has.
    """
    asked = grid.quality or Quality()
    for number, name in enumerate(asked.harmless):
        if name not in DECLARABLE:
            where = f"{grid.path}: quality.harmless[{number}]"
            raise SpecError(f"{where}: got {show(name)}; allowed {listed(DECLARABLE)}{suggestion(name, DECLARABLE)}")
    return Policy(
        margin=None if asked.margin == "auto" else asked.margin,
        parity_margin=asked.parity_margin,
        direction=asked.direction,
        looks=grid.seed_plan.looks if grid.seed_plan else None,
        p0=asked.collapse_rate,
        harmless=frozenset(asked.harmless),
        waivers=tuple(grid.waiver),
    )


def decided(judgements: Iterable[Judgement]) -> frozenset[str]:
    """The configurations of which nothing that gates is left open: no further seed is due for them."""
    every: dict[str, bool] = {}
    for one in judgements:
        if one.metric != "f1":
            settled = one.outcome in ("PASS", "FAIL")
            every[one.configuration_id] = every.get(one.configuration_id, True) and settled
    return frozenset(name for name, settled in every.items() if settled)


def _records(store: Store, entries: Iterable[Entry]) -> dict[tuple[str, str], Record]:
    """One record a configuration and environment, a finished run's where there is one."""
    chosen: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        key = (entry.configuration_id, entry.environment_id)
        if key not in chosen or entry.status in FINAL:
            chosen[key] = entry
    return {key: store.record(entry) for key, entry in chosen.items()}


def _answers(store: Store, entries: Iterable[Entry]) -> Callable[[str, str], npt.NDArray[Any] | None]:
    latest = {(entry.cell_id, entry.environment_id): entry for entry in entries if entry.status in FINAL}

    def predicted(cell_id: str, environment_id: str) -> npt.NDArray[Any] | None:
        entry = latest.get((cell_id, environment_id))
        logits = read_series(store.series_path(entry), ("logits",)).get("logits") if entry is not None else None
        return None if logits is None else np.argmax(logits, axis=-1)

    return predicted
