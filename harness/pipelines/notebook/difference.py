"""`harness.diff`: are the runs of two sides the same, and if not, since which step, by how much and why?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.checks.scores.baseline.diff import diff_accepted
from harness.checks.verdict import Fact, Verdict, exit_code, worst_first
from harness.checks.verify.diff.logged import diff_logged
from harness.checks.verify.diff.paired import Candidate, Pair, judge, pairs, state_of, summary
from harness.checks.verify.diff.trainer_state import TrainerState
from harness.pipelines.find import accepted_sides, find_runs, logged_sides, told_side
from harness.pipelines.notebook.runs import Runs
from harness.record.folders import results_folder
from harness.report.format.escape import fenced
from harness.report.verdicts.diff import accepted_text, diff_text
from harness.report.verdicts.sections import Section
from harness.report.verdicts.words import Head

Meant = str | Path | Runs | Candidate
"""How a side is named: as `harness diff` takes it, or what `harness.load` and `harness.select` gave."""


@dataclass(frozen=True)
class Diff:
    """What two sides come to; `str()` is what `harness diff` prints.

    Attributes
    ----------
    answer
        The first line as a code and values.
    verdicts
        One a pair of runs (of accepted files, one a configuration): PASS is identical or equal, FAIL different.
    sides, places
        Both sides for people, and with where they lie.
    pairs
        The runs behind the verdicts, in their order; none where a side is an accepted file.
    facts
        Of accepted files, what changed between their environments.
    logged
        Both sides where they are a Trainer's own logs, of runs that never saw the harness.
    """

    answer: Fact
    verdicts: tuple[Verdict, ...]
    sides: tuple[str, str]
    places: tuple[str, str]
    pairs: tuple[Pair, ...] = ()
    facts: tuple[Fact, ...] = ()
    logged: tuple[TrainerState, ...] = ()

    @property
    def state(self) -> str:
        """`identical`, `equal` (within the tolerance), `different`, `unknown` or `missing`: of several the worst."""
        return state_of(worst_first(self.verdicts)[0])

    @property
    def first_step(self) -> int | None:
        """The first optimizer step that differs, in the worst pair; None where none does or none is known."""
        step = worst_first(self.verdicts)[0].reason.values.get("first_step")
        return None if step is None else int(step)

    @property
    def causes(self) -> tuple[Fact, ...]:
        """The recorded differences that explain the worst pair, the likeliest first."""
        return tuple(worst_first(self.verdicts)[0].reason.values.get("causes") or ())

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of what such differences usually mean, over all pairs."""
        found = (finding.cause for one in self.verdicts for finding in one.findings)
        return tuple(dict.fromkeys(code for code in found if code is not None))

    @property
    def exit_code(self) -> int:
        """What `harness diff` ends with."""
        return exit_code(self.verdicts)

    def text(self, every: bool = False) -> str:
        """The answer, both sides and the table of effect; `every` difference, layer by layer."""
        if self.pairs or self.logged:
            return diff_text(self.answer, self.verdicts, self.sides, every)
        return accepted_text(self.answer, self.verdicts, self.sides, self.facts, every)

    def section(self, command: str) -> Section:
        """The same to be handed out as JSON, JUnit or Markdown."""
        head = Head("diff", "harness diff", command, *self.places, facts=(self.answer, *self.facts))
        return Section(head, self.verdicts, code=self.exit_code)

    def __str__(self) -> str:
        return self.text()

    def _repr_markdown_(self) -> str:
        return fenced(self.text(), "text")


def diff(a: Meant, b: Meant, results: str | Path | None = None, exact: bool = False) -> Diff:
    """Say whether runs are identical, equal within rounding or different: since which step, by how much, why.

    Parameters
    ----------
    a, b
        As `harness diff` takes them (a run's id or folder, a grid, its results, a store, with `:AXIS=VALUE` a part, a
        file of `harness accept`, a `trainer_state.json`), or runs. Of several each is held against its counterpart.
    results
        Where results are kept (default: `results`, here or in the nearest folder above).
    exact
        No tolerance: equal to the last bit.

    Raises
    ------
    HarnessError
        SpecError where a side is none of these; StoreError where it has no run.

    Examples
    --------
    >>> found = harness.diff("nightly:environment=old", "nightly:environment=new")
    >>> found.state, found.first_step, [fact.values for fact in found.causes]
    """
    where = results_folder() if results is None else Path(results)
    named = [str(side) for side in (a, b) if isinstance(side, str | Path)]
    logs = logged_sides(named[0], named[1]) if len(named) == 2 else None
    if logs is not None:
        alone, names = (diff_logged(*logs, exact),), (logs[0].name, logs[1].name)
        return Diff(summary(alone), alone, names, names, logged=logs)
    kept = accepted_sides(named[0], named[1], where) if len(named) == 2 else None
    if kept is not None:
        verdicts, facts = diff_accepted(*kept, exact)
        names = kept[0].name, kept[1].name
        return Diff(summary(verdicts, noun="configurations"), tuple(verdicts), names, names, facts=facts)
    (first, axes), (second, also) = _runs(a, where), _runs(b, where)
    found = pairs(first, second, axes | also)
    judged = [judge(pair, exact) for pair in found]
    names, places = (
        (told_side(_name(a), first, where=full), told_side(_name(b), second, where=full)) for full in (False, True)
    )
    return Diff(summary(judged), tuple(judged), names, places, tuple(found))


def _runs(side: Meant, results: Path) -> tuple[Sequence[Candidate], frozenset[str]]:
    if isinstance(side, Candidate):
        return [side], frozenset()
    return (side.every, side.named) if isinstance(side, Runs) else find_runs(str(side), results)


def _name(side: Meant) -> str:
    return side.name if isinstance(side, Runs) else side.run_id if isinstance(side, Candidate) else str(side)
