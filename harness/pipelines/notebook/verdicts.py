"""`harness.check`, and the body of the command: verdicts on what was measured."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from harness.checks.verdict import Verdict, fail_or_pass
from harness.errors import SpecError
from harness.grid.grid import Grid, load_grid
from harness.pipelines.check import CHECKS, Judging, check_grid
from harness.pipelines.named.grids import part_named
from harness.pipelines.verdicts.kept import keep
from harness.record.folders import results_folder, to_type
from harness.record.provenance import ago, read_age
from harness.record.store import Store
from harness.report.screen.verdicts import screen_text
from harness.report.verdicts.sections import Section, section_markdown
from harness.report.verdicts.text import verdicts_text
from harness.text import show


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

    def evidence(self) -> str:
        """Every figure of every verdict, as `harness check --verbose` prints them."""
        return verdicts_text(self.section.head, self.section.verdicts)

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


@dataclass(frozen=True)
class ToJudge:
    """What `check` judges: a grid, its results, and what was asked of them."""

    grid: Grid
    store: Store
    asked: Judging

    def judge(self, command: str) -> Verdicts:
        """The verdicts, which are kept in the results for `harness why`; raises as `check` does."""
        section = check_grid(self.grid, self.store, self.asked).section(self.asked, command)
        keep(self.store, section)
        return Verdicts(section, screen_text(section))


def to_judge(
    grid: str | Path,
    results: Path,
    select: Sequence[str],
    environment: str | None,
    max_age: str | None,
    accepted: Path | None,
    fail_on: Collection[str],
    inconclusive: str,
    skipped: str,
    option: Callable[[str], str] = str,
) -> ToJudge:
    """Read what `check` was given; `option` is how the caller spells a parameter in an error.

    Raises
    ------
    HarnessError
        SpecError for the grid and for a word that is none of the allowed ones.
    """
    part = part_named(grid, results, select)
    for name in fail_on:
        if name not in CHECKS:
            raise SpecError(f"{option('fail_on')}: got {show(name)}; allowed {', '.join(CHECKS)}")
    asked = Judging(
        tuple(part.select),
        environment,
        None if max_age is None else ago(read_age(max_age, option("max_age"))),
        fail_on,
        fail_or_pass(inconclusive, option("inconclusive")),
        fail_or_pass(skipped, option("skipped")),
        accepted,
    )
    spec = load_grid(part.file)
    return ToJudge(spec, Store(part.results, spec.name), asked)


def check(
    grid: str | Path,
    results: str | Path | None = None,
    select: str | Sequence[str] = (),
    environment: str | None = None,
    accepted: str | Path | None = None,
    max_age: str | None = None,
    fail_on: Collection[str] = CHECKS,
    inconclusive: str = "fail",
    skipped: str = "pass",
) -> Verdicts:
    """Judge a grid's results: against references and what was accepted, parity and comparisons, collapses.

    It trains nothing; as of the command, its verdicts are what `harness why` reads.

    Parameters
    ----------
    grid
        The grid as `harness check` takes it: a TOML file, its name, or a folder of its results; with
        `:AXIS=VALUE[,AXIS=VALUE]` a part.
    results
        Where results are kept (default: `results`, here or in the nearest folder above).
    select
        Only these cells: "AXIS=VALUE[,VALUE...]".
    environment
        Whose runs: an environment's id or label, or "all" (default: those that `harness run` meant).
    accepted
        The accepted file (default: the grid's own, where it is there).
    max_age
        Older results are an ERROR: "90m", "20h", "7d".
    fail_on
        Only these checks decide the exit code.
    inconclusive, skipped
        What an INCONCLUSIVE, and what this machine cannot run, means for the exit code: "fail" or "pass".

    Raises
    ------
    HarnessError
        SpecError for the grid, a selection, the accepted file or a word that is not allowed; NothingMeasured where
        there is no record.

    Examples
    --------
    >>> for verdict in harness.check("nightly.toml", max_age="20h"):
    ...     print(verdict.check, verdict.outcome, verdict.numbers)
    """
    where, chosen, heeded = results_folder() if results is None else Path(results), _several(select), _several(fail_on)
    file = None if accepted is None else Path(accepted)
    found = to_judge(grid, where, chosen, environment, max_age, file, heeded, inconclusive, skipped)
    words = ["check", str(grid), *(word for one in chosen for word in ("--select", one))]
    words += ["--environment", environment] if environment is not None else []
    words += ["--max-age", max_age] if max_age is not None else []
    words += ["--accepted", str(file)] if file is not None else []
    words += [word for one in heeded for word in ("--fail-on", one)] if set(heeded) != set(CHECKS) else []
    words += ["--inconclusive", inconclusive] if inconclusive != "fail" else []
    words += ["--skipped", skipped] if skipped != "pass" else []
    return found.judge(to_type(*words, results=where))


def _several(given: str | Collection[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
