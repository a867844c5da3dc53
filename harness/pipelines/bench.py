"""What `harness bench` does: run grids one after the other, report and judge each; what stops one stops no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.checks.scores.gate import judge_grid
from harness.checks.verdict import Verdict, exit_code
from harness.disk import write_files
from harness.errors import HarnessError, RequirementError, SpecError
from harness.execution.environment import Environment
from harness.execution.progress import Summary
from harness.execution.require import unusable_device
from harness.execution.session import Session
from harness.exit_codes import worst
from harness.grid.grid import load_grid
from harness.grid.select import select
from harness.pipelines.doctor import grid_problems
from harness.pipelines.looks import run_looks
from harness.record.provenance import today
from harness.record.results import Results
from harness.report.files import report_files

DEFAULT_GRIDS: Final = {"cuda": Path("benchmarks/mrpc.toml"), "cpu": Path("benchmarks/quickstart.toml")}


@dataclass(frozen=True)
class GridOutcome:
    """What became of a grid: its run, where its report is, its verdicts where it asks for some; or what stopped it."""

    grid: Path
    summary: Summary | None = None
    report: Path | None = None
    verdicts: Sequence[Verdict] | None = None
    error: HarnessError | None = None

    @property
    def exit_code(self) -> int:
        """The worst of the error's, the run's and the verdicts'."""
        codes = [found.exit_code for found in (self.error, self.summary) if found is not None]
        return worst(codes if self.verdicts is None else [*codes, exit_code(self.verdicts)])


@dataclass(frozen=True)
class Bench:
    """How grids are benched: opened, run (a look of them at a time), by which `command`; `say` tells what is next."""

    opened: Callable[[Path], Session]
    run: Callable[[Session], Summary]
    command: str
    say: Callable[[str], None]

    def grids(self, paths: Sequence[Path]) -> Iterator[GridOutcome]:
        """Bench grids, one after the other, until the user interrupts.

        Raises
        ------
        SpecError
            For a wish that no grid can meet; any other error is the outcome of its grid: a night is worth running.
        """
        for path in paths:
            try:
                outcome = self.grid(path)
            except SpecError:
                raise
            except HarnessError as error:
                outcome = GridOutcome(path, error=error)
            yield outcome
            if outcome.summary is not None and outcome.summary.interrupted:
                return

    def grid(self, path: Path) -> GridOutcome:
        """Run one grid, report and judge it. Raises HarnessError, for unmet requirements with what is in the way."""
        session = self.opened(path)
        try:
            session, summary = run_looks(session, self.run, self.say)
        except RequirementError as error:
            raise RequirementError(f"{error}\n\n{grid_problems(session)}") from error
        return GridOutcome(path, summary, write_report(session, self.command), verdicts_of(session))


def write_report(session: Session, command: str) -> Path | None:
    """Write the report of what a session's cells came to beside them; None where there is no record of them."""
    grid, store = session.grid, session.store
    results = Results.of(grid, store, select(grid.every_cell(), session.wishes.selection))
    if not results.entries:
        return None  # the run has said so, and its exit code says it again
    return write_files(report_files(grid, results, today(), command=command), store.folder)[0]


def verdicts_of(session: Session) -> Sequence[Verdict] | None:
    """Judge a grid that asks for it and has something to judge; else None."""
    grid = session.grid
    results = Results.of(grid, session.store, select(grid.cells(), session.wishes.selection))
    if (grid.quality is None and not grid.reference) or not results.entries:
        return None
    return judge_grid(grid, results, today())


def check_together(grids: Sequence[Path]) -> None:
    """Read every grid before the first one runs for hours; two of one name would share their results.

    Raises
    ------
    SpecError
        For the first grid that cannot be meant, or a name used twice.
    """
    seen: dict[str, Path] = {}
    for path in grids:
        name = load_grid(path).name
        if name in seen:
            raise SpecError(f"{path}: name: got {name!r}, which {seen[name]} has too; allowed a name of its own")
        seen[name] = path


def default_grid(environment: Environment) -> Path:
    """The grid for this machine.

    Raises
    ------
    RequirementError
        For a GPU that torch cannot use: never a quiet fall back.
    """
    problem = unusable_device(environment)
    if problem:
        hint = "(name a grid to run it on the CPU all the same, with CUDA_VISIBLE_DEVICES= set)"
        raise RequirementError(f"{problem}\n{hint}")
    return DEFAULT_GRIDS[environment.accelerator]
