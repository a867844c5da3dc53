"""`harness.verify`: verdicts on what a run does, by short runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.checks.verify.checklist import STEPS
from harness.errors import Interrupted
from harness.execution.progress import Reporter
from harness.execution.run import Runner, RunOptions
from harness.execution.session import Session, check_requirements, mean
from harness.grid.select import select as select_cells
from harness.pipelines.named.grids import part_named
from harness.pipelines.notebook.verdicts import Verdicts
from harness.pipelines.verify import grid_to_verify, verify_cells
from harness.record.folders import results_folder
from harness.record.provenance import now
from harness.report.verdicts.text import verdicts_text


def verify(
    grid: str | Path | None = None,
    results: str | Path | None = None,
    checkpoint: Sequence[str] = (),
    select: Sequence[str] = (),
    steps: int = STEPS,
    quick: bool = False,
    reuse: bool = False,
    *,
    only: Sequence[str] = (),
    all_seeds: bool = False,
    work_around: bool = False,
) -> Verdicts:
    """Check fidelity, reproducibility and invariants by short runs, on this machine: it trains, for about a minute.

    Parameters
    ----------
    grid
        A grid as `harness verify` takes it; None: a tiny BERT on the embedded corpus.
    results
        Where results are kept (default: as of `check`); these runs have a store of their own.
    checkpoint
        Instead of a grid: these checkpoints.
    select
        Only these cells: "AXIS=VALUE[,VALUE...]".
    steps
        Optimizer steps of a run.
    quick
        Each check once in each environment, in fp32.
    reuse
        Judge runs that an earlier verification has finished.
    only
        Only these pairs of runs: "repeat", "accumulation", ...; all of them where empty.
    all_seeds
        Every seed, not only a configuration's first.
    work_around
        With `accepts_loss_kwargs = false` and `evaluation_draws = false`: the loss scaled by the Trainer, and the
        random stream set back after each evaluation.

    Raises
    ------
    HarnessError
        SpecError for the grid, a selection, or a pair that there is none of; RequirementError where no run could begin;
        NothingMeasured where none left a record; Interrupted.

    Examples
    --------
    >>> found = harness.verify(quick=True)
    >>> [verdict.item for verdict in found if verdict.outcome == "FAIL"]
    """
    where = results_folder() if results is None else Path(results)
    part = None if grid is None else part_named(grid, where, select)
    chosen = grid_to_verify(part.file if part else None, checkpoint, work_around)
    cells = select_cells(chosen.cells(), part.select if part else select, chosen.namer.own)
    home = part.results if part else where
    found = verify_cells(
        chosen, cells, home, _run, steps=steps, kinds=only, every_seed=all_seeds, quick=quick, reuse=reuse
    )
    section = found.section("harness verify", "harness verify")
    return Verdicts(section, verdicts_text(section.head, section.verdicts))


def _run(session: Session) -> None:
    """A session of short runs to its end, without a word: its verdicts are the answer."""
    check_requirements(session)
    mean(session, now())
    with session.store.under_way():
        if Runner(session, RunOptions(), Reporter()).run().interrupted:
            raise Interrupted("interrupted; go on with: harness.verify(..., reuse=True)")
