"""What `harness bench` does, night after night: demands, verify, run, check, speed, report, history, grid by grid."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from harness.checks.speed.sides import SpeedSide, arms, compare_sides, side_of_records
from harness.checks.verdict import exit_code, named
from harness.checks.waived import ledger, waived
from harness.disk import write_files
from harness.errors import HarnessError, Interrupted, NothingMeasured, RequirementError, SpecError
from harness.execution.environment import Environment
from harness.execution.executors.cluster import Cluster
from harness.execution.progress import Summary
from harness.execution.require import unusable_device
from harness.execution.session import Session, check_requirements
from harness.exit_codes import worst
from harness.fact import Fact
from harness.grid.grid import Grid, load_grid
from harness.grid.labels import place_of
from harness.grid.select import select
from harness.pipelines.check import Judging, check_grid
from harness.pipelines.doctor import grid_problems
from harness.pipelines.foreseen import foreseen, night_ahead
from harness.pipelines.history import append_line
from harness.pipelines.judged import judged
from harness.pipelines.looks import run_looks
from harness.pipelines.report import grid_report
from harness.pipelines.verdicts.kept import keep
from harness.pipelines.verify import verify_cells
from harness.record.provenance import today
from harness.record.results import Results
from harness.record.store import Store
from harness.report.phrases.recipe import many
from harness.report.phrases.say import say
from harness.report.verdicts.sections import Section
from harness.report.verdicts.words import Head
from harness.stats.throughput import SESSIONS

DEFAULT_GRIDS: Final = {"cuda": "mrpc", "cpu": "quickstart"}
"""The shipped grid that fits a machine, by its accelerator."""
TITLE: Final = "harness bench"


@dataclass
class Night:
    """What became of a grid: what each part said of it, its run, its results and its report."""

    grid: Path
    name: str = ""
    sections: list[Section] = field(default_factory=list)
    summary: Summary | None = None
    report: Path | None = None
    results: Results | None = None

    @property
    def exit_code(self) -> int:
        """The first of all parts' in the stated order; a grid that is only timed has its run's."""
        alone = NothingMeasured.exit_code if self.summary is None else self.summary.exit_code
        return worst([section.code for section in self.sections] or [alone])


@dataclass(frozen=True)
class Bench:
    """How grids are benched: opened and run (a look of them at a time), judged by which rules, by which `command`.

    `say` tells what is next, `run` runs a session and tells how it went, with `scored=False` of runs of a few steps.
    """

    opened: Callable[[Path], Session]
    run: Callable[..., Summary]
    judging: Judging
    command: str
    say: Callable[[str], None]

    def grids(self, paths: Sequence[Path]) -> Iterator[Night]:
        """Bench grids, one after the other, until the user interrupts; what stops one stops no other.

        Raises
        ------
        SpecError
            For a wish that no grid can meet; any other error is the outcome of its grid: a night is worth running.
        """
        for path in paths:
            night = Night(path, load_grid(path).name)
            try:
                self._grid(night)
            except SpecError:
                raise
            except HarnessError as error:
                night.sections.append(self._stopped(night, error.exit_code, str(error)))
            yield night
            if night.exit_code == 130:
                return

    def _grid(self, night: Night) -> None:
        session = self.opened(night.grid)
        grid, store = session.grid, session.store
        self.say(f"{grid.name}: {say(night_ahead(grid, store.entries()))}")
        for doubt in foreseen(grid).doubts:
            self.say(f"warning: {say(doubt)}")
        try:
            check_requirements(session)
        except RequirementError as error:
            raise RequirementError(f"{error}\n\n{grid_problems(session)}") from error
        if grid.verify is not None:
            night.sections.append(self._verified(grid, store, session.wishes.on))
        session, night.summary = run_looks(session, self.run, self.say)
        summary = night.summary
        code = summary.exit_code
        if code == 0 and not summary.measured and not session.wishes.renewal.asked:
            text = "nothing was measured: every cell was done before; --fresh or --max-age 20h measures anew"
            night.sections.append(self._stopped(night, NothingMeasured.exit_code, text))
        elif code:
            night.sections.append(self._stopped(night, code, self._why(summary)))
        if summary.interrupted:
            return
        asked, found, checked = self.judging, judged(grid, store, self.judging.environment), None
        if grid.throughput is None or not grid.throughput.only:
            checked = check_grid(grid, store, asked, found)
            night.sections.append(checked.section(asked, self.command, TITLE))
            keep(store, night.sections[-1])
        night.sections += _speed(grid, store, self.command)
        reported = grid_report(grid, store, asked, command=self.command, found=found, checked=checked)
        night.results = found.results.of_cells(select(grid.every_cell(), asked.selection, grid.namer.own))
        night.report = write_files(reported.files, store.folder)[0]
        if grid.history is not None:
            append_line(grid, found.of(select(grid.cells(), asked.selection, grid.namer.own)), night.exit_code)

    def _verified(self, grid: Grid, store: Store, on: Cluster | None) -> Section:
        asked = grid.verify
        assert asked is not None
        cells = select(grid.cells(), self.judging.selection, grid.namer.own)
        found = verify_cells(
            grid, cells, store.folder.parent, self._to_its_end, steps=asked.steps, kinds=asked.only, on=on
        )
        return found.section(TITLE, self.command, grid.name)

    def _to_its_end(self, session: Session) -> None:
        if self.run(session, scored=False).interrupted:
            raise Interrupted("interrupted while it verified")

    def _stopped(self, night: Night, code: int, text: str) -> Section:
        return Section(Head("bench", TITLE, self.command, grid=night.name), code=code, error=text)

    @staticmethod
    def _why(summary: Summary) -> str:
        parts = (
            [f"{many(len(summary.errors) + len(summary.kept), 'cell')} errored"]
            if summary.errors or summary.kept
            else []
        )
        parts += [f"blocked: {reason}" for reason in summary.blocked]
        parts += [f"skipped: {reason}" for reason in summary.skipped] if not summary.measured else []
        parts += [f"{many(summary.missing, 'cell')} missing"] if summary.missing else []
        parts += ["interrupted"] if summary.interrupted else []
        parts += ["out of time (--max-hours)"] if summary.budget_spent else []
        return "; ".join(parts) or "nothing was measured"


def _speed(grid: Grid, store: Store, command: str) -> list[Section]:
    """The newest timing session against the kept ones of this store, where there are enough, and against the engine
    that `throughput.against` names, in that session itself; only a FAIL is red.
    """
    asked = grid.throughput
    if asked is None:
        return []
    every = side_of_records("every session", Results.of(grid, store, grid.timing_cells()).timings)
    order = list(dict.fromkeys(one.session for one in sorted(every.processes, key=lambda one: one.started)))
    newest = [one for one in every.processes if order and one.session == order[-1]]
    pairs = []
    if len(order) > SESSIONS:
        older = tuple(one for one in every.processes if one.session != order[-1])
        pairs.append((SpeedSide("kept sessions", older), SpeedSide("newest session", tuple(newest))))
    if asked.against is not None:
        pairs.append(arms(replace(every, processes=tuple(newest)), asked.against))
    return [_judged(grid, a, b, asked.margin / 100, command) for a, b in pairs]


def _judged(grid: Grid, a: SpeedSide, b: SpeedSide, margin: float, command: str) -> Section:
    waivers, day = [one for one in grid.waiver if one.check == "speed"], today()
    # What two engines hold in memory differs by right.
    found = compare_sides(a, b, margin, memory="engine" not in b.named)
    names: dict[str, str] = {}
    for cell in grid.timing_cells():
        shown = grid.namer.label(place_of(cell))
        # As a record of before `against` calls it, too: the engine was no axis then.
        plain = replace(cell, axes={axis: value for axis, value in cell.axes.items() if axis != "engine"})
        names |= {plain.configuration_label: shown} if cell.engine == "trainer" else {}
        names[cell.configuration_label] = shown
    verdicts = [named(waived(one, waivers, day), names) for one in found]
    facts = (Fact.of("speed.margin", margin=margin),)
    uses = ledger(waivers, verdicts, day)
    head = Head("compare", TITLE, command, a.name, b.name, "pass", facts, uses, grid=grid.name)
    return Section(head, verdicts, code=int(exit_code(verdicts, inconclusive="pass") == 1))


def default_grid(environment: Environment) -> Path:
    """The shipped grid for this machine.

    Raises
    ------
    RequirementError
        For a GPU that torch cannot use: never a quiet fall back.
    """
    problem = unusable_device(environment)
    if problem:
        raise RequirementError(problem)
    return Path(DEFAULT_GRIDS[environment.accelerator])
