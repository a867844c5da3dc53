"""What `harness verify` does: choose the cells, derive short runs from them, run what is lacking, judge the pairs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Final

from harness.checks.verdict import Verdict, exit_code
from harness.checks.verify.checklist import KINDS, STEPS, Checklist, judge, make_checklist
from harness.checks.verify.problems import Environments, Problem, environments_code
from harness.checks.waived import ledger, waived
from harness.errors import NothingMeasured, RequirementError, SpecError
from harness.execution.executors.cluster import Cluster
from harness.execution.session import Session, Wishes, session_of
from harness.fact import Fact
from harness.grid.cell import WORK_AROUNDS, Cell, which_run
from harness.grid.grid import Grid, grid_from_document, grid_from_text, load_grid, shipped
from harness.grid.project import read_project
from harness.grid.waivers import OF_RUNS
from harness.pipelines.judged import foreign_code
from harness.record.attempts import NEVER, Renewal
from harness.record.provenance import today
from harness.record.results import Results
from harness.record.run import Run
from harness.record.store import Store
from harness.report.verdicts.sections import Section
from harness.report.verdicts.words import Head
from harness.text import listed, show, suggestion
from harness.validation import read_toml

BUILT_IN: Final = "verify.toml"
"""In `harness/shipped`: a tiny BERT on the embedded corpus."""

STORE_PREFIX: Final = "verify-"


@dataclass(frozen=True)
class Verification:
    """What was to be run, what was, by cell id, what it comes to, and what became of each waiver.

    `models` are the checkpoints as the grid calls them.
    Of several environments a FAIL that was there in the one before does not gate.
    """

    checklist: Checklist
    runs: Mapping[str, Run]
    verdicts: Sequence[Verdict]
    waivers: tuple[Fact, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[Fact, ...] = ()
    models: tuple[str, ...] = ()

    @property
    def environments(self) -> list[str]:
        """The labels of the environments, in the grid's order."""
        return list(dict.fromkeys(cell.environment for cell in self.checklist.cells))

    def section(self, title: str, command: str, grid: str = "") -> Section:
        """What a command says of it."""
        several = len(self.environments) > 1
        code = (environments_code if several else exit_code)(self.verdicts)
        facts = self._done(), self._between(code) if several else self._found(code), *self.notes
        head = Head("verify", title, command, facts=facts, waivers=self.waivers, grid=grid, problems=self.problems)
        return Section(head, self.verdicts, code=code)

    def _done(self) -> Fact:
        """What was really run, by what the runs say of themselves."""
        observed = [run.record.observed for run in self.runs.values() if run.record.observed is not None]
        prints = [one.fingerprint for one in observed if one.fingerprint is not None]
        places: dict[str, Mapping[str, str]] = {}
        for run in self.runs.values():
            if run.record.observed is not None:
                places.setdefault(run.record.asked.environment, run.record.observed.packages)
        steps = sorted({one.optimizer_steps for one in prints})
        return Fact.of(
            "verify.done",
            environments=[
                {"label": label, "packages": dict(places[label])} for label in self.environments if label in places
            ],
            models=self.models,
            runs=len(self.runs),
            steps=[steps[0], steps[-1]] if len(steps) > 1 else steps,
            precisions=sorted({one.precision.name for one in prints if one.precision and one.precision.name}),
            ranks=sorted({one.world_size for one in prints}),
            dropout=sorted({one.dropout for one in prints if one.dropout is not None}),
            seeds=sorted({run.record.asked.seed for run in self.runs.values()}),
        )

    def _found(self, code: int) -> Fact:
        mine = [one.harm for one in self.problems if not one.waived]
        return Fact.of(
            "verify.found",
            exit_code=code,
            training=mine.count("training"),
            log=mine.count("log"),
            waived=len(self.problems) - len(mine),
            checks=sum(one.outcome != "SKIP" for one in self.verdicts),
            failed=sum(one.outcome == "FAIL" for one in self.verdicts),
        )

    def _between(self, code: int) -> Fact:
        last = self.environments[-2:]
        new = [one for one in self.problems if one.state == "new"]
        harms, states = [one.harm for one in new if not one.waived], [one.state for one in self.problems]
        return Fact.of(
            "verify.between",
            exit_code=code,
            new_training=harms.count("training"),
            new_log=harms.count("log"),
            waived=len(new) - len(harms),
            repaired=states.count("repaired"),
            both=sum(one.state == "both" and one.b == last[-1] for one in self.problems),
            open=states.count("open"),
            last=last,
            passed=Environments(self.checklist.cells, self.verdicts).passed(*last),
        )


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
        file = shipped(path)
        return grid_from_document({**read_toml(file or path), **dict.fromkeys(WORK_AROUNDS, False)}, path, file)
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
    quick: bool = False,
    on: Cluster | None = None,
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
    quick
        Each check once in each environment, in fp32, the environments side by side.
    on
        The cluster to run on; this machine where there is none.

    Raises
    ------
    HarnessError
        SpecError for a kind that there is none of, NothingMeasured where no run left a record, RequirementError where
        none could begin, or for an environment that cannot be used, and whatever `run` raises.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise SpecError(f"--only: got {show(kind)}; allowed {listed(KINDS)}{suggestion(kind, KINDS)}")
    checklist = make_checklist(_plainest(cells) if quick else cells, steps, kinds=kinds or KINDS, every_seed=every_seed)
    checklist = checklist.quick() if quick else checklist
    store = Store(results, STORE_PREFIX + grid.name)
    to_run = _side_by_side(checklist.cells) if quick else checklist.cells
    wishes = Wishes(slots=slots, renewal=NEVER if reuse else Renewal(at_once=True), on=on)
    session = session_of(grid, to_run, store, wishes)
    if session.plan.of("to do") or session.plan.of("skip") or session.plan.unbuilt():
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
    namer, every = grid.namer, checklist.cells
    names = {cell.label: namer.every(cell.checkpoint.name, cell.axes, which_run(cell)) for cell in every}
    verdicts = [_called(waived(one, waivers, day), names) for one in judge(checklist, runs)]
    found = Environments(checklist.cells, verdicts)
    old = found.judged()
    judged = [old.get(id(one), one) for one in verdicts]
    problems, notes = tuple(found.problems()), foreign_code(grid)
    models = tuple(dict.fromkeys(namer.value("checkpoint", cell.checkpoint.name) for cell in every))
    return Verification(checklist, runs, judged, ledger(waivers, verdicts, day), problems, notes, models)


def _called(verdict: Verdict, names: Mapping[str, str]) -> Verdict:
    """A verdict whose runs are called as the grid calls them; `names` by their label."""
    subject, against = verdict.subject, verdict.against
    return replace(
        verdict,
        subject=replace(subject, shown=names.get(subject.label, "")),
        against=against and replace(against, shown=names.get(against.label, "")),
    )


def _plainest(cells: Sequence[Cell]) -> list[Cell]:
    """One cell an environment, the first that the Trainer trains, in fp32 on one device."""
    found: dict[str, Cell] = {}
    for cell in sorted(cells, key=lambda one: one.engine != "trainer"):
        found.setdefault(cell.environment, replace(cell, precision="fp32", devices=1, threads=1))
    return [found[label] for label in dict.fromkeys(cell.environment for cell in cells)]


def _side_by_side(cells: Sequence[Cell]) -> list[Cell]:
    """The cells of all environments in turn."""
    of = {
        label: [cell for cell in cells if cell.environment == label] for label in (cell.environment for cell in cells)
    }
    return [cell for row in itertools.zip_longest(*of.values()) for cell in row if cell is not None]
