"""Final scores of both environments of `harness ab`: over seeds where that is asked, else what a score could tell."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from harness.checks.scores.compared import ARMS, Comparison, compare_grid
from harness.checks.scores.policy import policy_of
from harness.errors import SpecError
from harness.execution.session import Session, session_of
from harness.fact import Fact
from harness.grid.grid import Grid
from harness.pipelines.verify import STORE_PREFIX
from harness.record.meant import Whose
from harness.record.results import Results
from harness.record.store import Store
from harness.stats.power import detectable
from harness.stats.variance import LEAST_WITH_HISTORY, own


def check_scorable(path: Path | None) -> None:
    """Raise SpecError where there is no grid whose runs have an end."""
    if path is None:
        raise SpecError("--scores: got it without a grid; allowed beside a grid, all of whose cells are trained")


def score_sides(grid: Grid, results: Path, run: Callable[[Session], None]) -> tuple[Comparison, ...]:
    """Train every cell of the grid to its end in both environments, as far as that is not done, and compare them.

    Raises
    ------
    HarnessError
        What `session_of` and `run` raise.
    """
    cells, store = grid.cells(), Store(results, STORE_PREFIX + grid.name)
    session = session_of(grid, cells, store)
    if session.plan.of("to do"):
        run(session)
    here = Whose({label: one.environment_id for label, one in session.plan.environments.items()})
    found = Results(store.entries(), store, cells, whose=here, namer=grid.namer)
    return compare_grid(grid, found, policy_of(grid))


def untold(grid: Grid, results: Path, state: str) -> Fact:
    """What is known of final scores without training to the end: how much seeds spread them in runs that are there.

    `state` is what the pairs of short runs come to. The spread is that of the configuration of this grid's own results
    with most runs.
    """
    metric = grid.cells()[0].about.scored[0]
    of: dict[tuple[str, str, str | None], dict[int, float]] = {}
    for entry in Store(results, grid.name).entries():
        score = entry.metrics.get(metric) if entry.readable and entry.status == "ok" else None
        if score is not None and math.isfinite(score):
            of.setdefault((entry.configuration_id, entry.environment_id, entry.content_id), {})[entry.seed] = score
    scores = list(max(of.values(), key=len, default={}).values())
    sd = own([100 * score for score in scores]).value if len(scores) >= LEAST_WITH_HISTORY else 0.0
    if not sd:
        return Fact.of("ab.scores", state=state)
    least = detectable(ARMS, len(scores), sd)
    return Fact.of("ab.scores", state=state, metric=metric, sd=sd, runs=len(scores), detectable=least)
