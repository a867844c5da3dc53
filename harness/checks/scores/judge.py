"""A grid's results, judged: what its tables ask for and its references, put before the checks of scores."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from harness.checks.scores.gate import Policy, judge_all
from harness.checks.scores.recipe import DECLARABLE
from harness.checks.scores.target import written_references
from harness.checks.verdict import Verdict
from harness.errors import SpecError
from harness.grid.grid import Grid
from harness.grid.tables import Quality
from harness.record.results import Results
from harness.text import listed, show, suggestion


def judge_grid(grid: Grid, results: Results, today: datetime.date) -> list[Verdict]:
    """Judge results: quality against the grid's references, stability, parity of twins.

    Raises
    ------
    SpecError
        For a reference that the registry does not know.
    """
    return judge_all(results.configurations, written_references(grid), policy_of(grid), results.predicted, today=today)


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


def decided(verdicts: Iterable[Verdict]) -> frozenset[str]:
    """The configurations of which nothing that gates is left open: no further seed is due for them."""
    every: dict[str, bool] = {}
    for one in verdicts:
        if one.gates:
            name, settled = one.subject.configuration_id, one.outcome in ("PASS", "FAIL")
            every[name] = every.get(name, True) and settled
    return frozenset(name for name, settled in every.items() if settled)
