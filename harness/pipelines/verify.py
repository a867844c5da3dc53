"""What `harness verify` does: choose the cells, derive short runs from them, run what is lacking, judge the pairs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from harness.checks.verdict import Verdict
from harness.checks.verify.checklist import KINDS, STEPS, Checklist, judge, make_checklist
from harness.checks.waived import ledger, waived
from harness.errors import NothingMeasured, RequirementError, SpecError
from harness.execution.session import Session, Wishes, session_of
from harness.fact import Fact
from harness.grid.cell import WORK_AROUNDS, Cell
from harness.grid.grid import Grid, grid_from_document, grid_from_text, load_grid
from harness.grid.project import read_project
from harness.grid.waivers import OF_RUNS
from harness.record.attempts import NEVER, Renewal
from harness.record.provenance import today
from harness.record.results import Results
from harness.record.run import Run
from harness.record.store import Store
from harness.text import listed, show, suggestion
from harness.validation import read_toml

BUILT_IN: Final = "verify.toml"
"""In `harness/shipped`: a tiny BERT on the embedded corpus."""

STORE_PREFIX: Final = "verify-"


@dataclass(frozen=True)
class Verification:
    """What was to be run, what was, by cell id, what it comes to, and what became of each waiver."""

    checklist: Checklist
    runs: Mapping[str, Run]
    verdicts: Sequence[Verdict]
    waivers: tuple[Fact, ...] = ()


def grid_to_verify(path: Path | None, checkpoints: Sequence[str] = (), work_around: bool = False) -> Grid:
    """The grid, else the built-in one with other checkpoints; with the work-arounds, every cell has them.

    The built-in one has the waivers of the user's pyproject.toml.

    Raises
    ------
    SpecError
        For the grid or the pyproject.toml, or where both are given.
    """
    if path is not None and checkpoints:
        raise SpecError(f"--checkpoint: got {show(checkpoints[0])} beside the grid {path}; allowed one of the two")
    if path is not None and not work_around:
        return load_grid(path)
    if path is not None:
        return grid_from_document({**read_toml(path), **dict.fromkeys(WORK_AROUNDS, False)}, path)
    built_in = grid_from_text((files("harness") / "shipped" / BUILT_IN).read_bytes(), Path(BUILT_IN))
    document = built_in.model_dump(by_alias=True, exclude_unset=True)
    if checkpoints:
        document["matrix"] = {**document["matrix"], "checkpoint": list(checkpoints)}
    if work_around:
        document |= dict.fromkeys(WORK_AROUNDS, False)
    return grid_from_document(document, Path(BUILT_IN)).model_copy(update={"waiver": read_project().waiver})


def verify_cells(
    grid: Grid,
    cells: Sequence[Cell],
    results: Path,
    run: Callable[[Session], None],
    *,
    steps: int = STEPS,
    kinds: Collection[str] = (),
    every_seed: bool = False,
    slots: int | None = None,
    reuse: bool = False,
) -> Verification:
    """Run the checklist of these cells and judge it; `run` runs a session, and is called where there is one to run.

    Parameters
    ----------
    results
        The folder of all stores; these runs have one of their own.
    kinds
        Only these pairs of runs; all of them where empty.
    reuse
        Whether runs that an earlier verification finished count.

    Raises
    ------
    HarnessError
        SpecError for a kind that there is none of, NothingMeasured where no run left a record, RequirementError where
        none could begin, or for an environment that cannot be used, and whatever `run` raises.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise SpecError(f"--only: got {show(kind)}; allowed {listed(KINDS)}{suggestion(kind, KINDS)}")
    checklist = make_checklist(cells, steps, kinds=kinds or KINDS, every_seed=every_seed)
    store = Store(results, STORE_PREFIX + grid.name)
    session = session_of(
        grid, checklist.cells, store, Wishes(slots=slots, renewal=NEVER if reuse else Renewal(at_once=True))
    )
    if session.plan.of("to do") or session.plan.of("skip"):
        run(session)
    # Asked for new runs, only they are judged: what an earlier one left says nothing of this one.
    before = frozenset() if reuse else {entry.path for entry in session.results.every}
    entries = [entry for entry in store.entries() if entry.path not in before or entry.status == "skipped"]
    here = {label: found.environment_id for label, found in session.plan.environments.items()}
    runs = Results(entries, store, checklist.cells).runs(here)
    if not runs:
        blocked = dict.fromkeys(planned.reason for planned in session.plan.of("blocked"))
        if blocked:
            raise RequirementError("\n".join(f"{store.folder}: no run left a record: {reason}" for reason in blocked))
        raise NothingMeasured(f"{store.folder}: no run left a record")
    day, waivers = today(), [one for one in grid.waiver if one.check in OF_RUNS]
    verdicts = [waived(one, waivers, day) for one in judge(checklist, runs)]
    return Verification(checklist, runs, verdicts, ledger(waivers, verdicts, day))
