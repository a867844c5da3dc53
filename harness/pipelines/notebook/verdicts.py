"""`harness.check` and `harness.verify`: verdicts on what was measured, and on what a run does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from harness.checks.verdict import Verdict
from harness.checks.verify.checklist import STEPS
from harness.errors import Interrupted
from harness.execution.progress import Reporter
from harness.execution.run import Runner, RunOptions
from harness.execution.session import Session, check_requirements, mean
from harness.grid.grid import load_grid
from harness.grid.select import select as select_cells
from harness.pipelines.check import Judging, check_grid
from harness.pipelines.verify import grid_to_verify, verify_cells
from harness.record.provenance import now
from harness.record.store import Store
from harness.report.screen.verdicts import screen_text
from harness.report.verdicts.sections import Section, section_markdown
from harness.report.verdicts.text import verdicts_text


@dataclass(frozen=True)
class Verdicts(Sequence[Verdict]):
    """What a command says: its verdicts in order; `str()` is what it prints, and a notebook shows its Markdown.

    A verdict has `check`, `outcome` (PASS, FAIL, INCONCLUSIVE, SKIP, ERROR), `subject` and `against` (sides),
    `reason` (a code with values) and `numbers`: of scores the difference with its interval and margin, in points.
    """

    section: Section
    text: str

    @property
    def exit_code(self) -> int:
        """What the command ends with."""
        return self.section.code

    @overload
    def __getitem__(self, at: int) -> Verdict: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Verdict]: ...
    def __getitem__(self, at: int | slice) -> Verdict | Sequence[Verdict]:
        return self.section.verdicts[at]

    def __len__(self) -> int:
        return len(self.section.verdicts)

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self.section.verdicts)

    def __str__(self) -> str:
        return self.text

    def _repr_markdown_(self) -> str:
        return section_markdown(self.section)


def check(
    grid: str | Path,
    results: str | Path = "results",
    select: Sequence[str] = (),
    environment: str | None = None,
    accepted: str | Path | None = None,
) -> Verdicts:
    """Judge a grid's results: against references and what was accepted, parity and comparisons, collapses.

    It trains nothing and writes nothing.

    Parameters
    ----------
    grid
        The grid: a TOML file, or the name of one that is shipped.
    results
        Where results are kept.
    select
        Only these cells: "AXIS=VALUE[,VALUE...]".
    environment
        Whose runs: an environment's id or label, or "all" (default: those that `harness run` meant).
    accepted
        The accepted file (default: the grid's own, where it is there).

    Raises
    ------
    HarnessError
        SpecError for the grid, a selection or the accepted file; NothingMeasured where there is no record.

    Examples
    --------
    >>> for verdict in harness.check("nightly.toml"):
    ...     print(verdict.check, verdict.outcome, verdict.numbers)
    """
    asked = Judging(tuple(select), environment, accepted=None if accepted is None else Path(accepted))
    spec = load_grid(Path(grid))
    section = check_grid(spec, Store(Path(results), spec.name), asked).section(asked, f"harness check {grid}")
    return Verdicts(section, screen_text(section))


def verify(
    grid: str | Path | None = None,
    results: str | Path = "results",
    checkpoint: Sequence[str] = (),
    select: Sequence[str] = (),
    steps: int = STEPS,
    quick: bool = False,
    reuse: bool = False,
) -> Verdicts:
    """Check fidelity, reproducibility and invariants by short runs, on this machine: it trains, for about a minute.

    Parameters
    ----------
    grid
        A grid's file or name; None: a tiny BERT on the embedded corpus.
    results
        Where results are kept; these runs have a store of their own.
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

    Raises
    ------
    HarnessError
        SpecError for the grid or a selection; RequirementError where no run could begin; NothingMeasured where none
        left a record; Interrupted.

    Examples
    --------
    >>> found = harness.verify(quick=True)
    >>> [verdict.item for verdict in found if verdict.outcome == "FAIL"]
    """
    chosen = grid_to_verify(None if grid is None else Path(grid), checkpoint)
    cells = select_cells(chosen.cells(), select, chosen.namer.own)
    found = verify_cells(chosen, cells, Path(results), _run, steps=steps, quick=quick, reuse=reuse)
    section = found.section("harness verify", "harness verify")
    return Verdicts(section, verdicts_text(section.head, section.verdicts))


def _run(session: Session) -> None:
    """A session of short runs to its end, without a word: its verdicts are the answer."""
    check_requirements(session)
    mean(session, now())
    with session.store.under_way():
        if Runner(session, RunOptions(), Reporter()).run().interrupted:
            raise Interrupted("interrupted; go on with: harness.verify(..., reuse=True)")
