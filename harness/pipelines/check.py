"""What `harness check` does, and `bench` after a run: choose what is judged, judge it, and say what it rests on."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from harness.checks.material import run_faults
from harness.checks.scores.baseline.compare import judge_accepted
from harness.checks.scores.baseline.file import accepted_path, read_baseline
from harness.checks.scores.compared import Comparison, compare_grid
from harness.checks.scores.gate import judge_grid
from harness.checks.scores.policy import Policy, policy_of
from harness.checks.scores.quality import never_compared
from harness.checks.scores.repeated import repeated
from harness.checks.scores.target import written_references
from harness.checks.verdict import Inconclusive, Side, Skipped, Verdict, exit_code, named, verdict_id
from harness.checks.waived import ledger
from harness.errors import NothingMeasured, RequirementError, StoreError
from harness.execution.require import unmet_as_meant, unmet_by_record
from harness.execution.session import wanted_of
from harness.exit_codes import worst
from harness.fact import Fact
from harness.grid.cell import Cell
from harness.grid.grid import Grid
from harness.grid.labels import place_of
from harness.grid.project import seen
from harness.grid.select import select
from harness.grid.waivers import Waiver
from harness.pipelines.history import held_by_history
from harness.pipelines.judged import Judged, judged, not_run
from harness.pipelines.verdicts.past import next_steps, places, with_past
from harness.record.attempts import LOST
from harness.record.configuration import GOOD, Configuration
from harness.record.folders import results_option
from harness.record.freshness import Freshness, freshness
from harness.record.provenance import today
from harness.record.results import Results
from harness.record.store import Store
from harness.report.verdicts.sections import Section
from harness.report.verdicts.words import Head
from harness.stats.stability import stability

WARN: Final = 0.10
"""Below this p collapses that do not FAIL are marked all the same."""

SCORES: Final = ("quality", "parity", "comparison", "stability", "baseline")
"""The checks of scores."""

CHECKS: Final = (*SCORES, "speed")
"""What `--fail-on` can name."""


@dataclass(frozen=True)
class Judging:
    """What the user asks for: which cells, whose, how old at most, and what the exit code heeds.

    `oldest` is the first instant that is young enough, as records have it. `fail_on` names the checks that decide.
    `accepted` is the accepted file; None: the grid's own, where there is one.
    """

    selection: Sequence[str] = ()
    environment: str | None = None
    oldest: str | None = None
    fail_on: Collection[str] = CHECKS
    inconclusive: Inconclusive = "fail"
    skipped: Skipped = "pass"
    accepted: Path | None = None


@dataclass(frozen=True)
class Checked:
    """Verdicts with what they rest on: `notes` hold for all; `heeded` decide the exit code; `waivers` is the ledger."""

    grid: Grid
    verdicts: Sequence[Verdict]
    heeded: Sequence[Verdict]
    freshness: Freshness
    notes: tuple[Fact, ...]
    part: Fact | None
    exit_code: int
    waivers: tuple[Fact, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    where: tuple[Fact, ...] = ()
    results: str = ""

    def section(self, asked: Judging, command: str, title: str = "harness check") -> Section:
        """The same with its head, to be handed out."""
        head = Head(
            "check",
            title,
            command,
            inconclusive=asked.inconclusive,
            facts=self.notes,
            waivers=self.waivers,
            part=self.part,
            freshness=self.freshness,
            grid=self.grid.name,
            comparisons=self.comparisons,
            where=self.where,
            file=str(seen(self.grid.path)),
            results=self.results,
        )
        return Section(head, self.verdicts, self.heeded, self.exit_code)


def check_grid(grid: Grid, store: Store, asked: Judging, found: Judged | None = None) -> Checked:
    """Judge what a store has of a grid; `found` is that, where it has been read.

    Raises
    ------
    HarnessError
        NothingMeasured where there is no record, or only timings; SpecError for the selection, the environment or the
        accepted file.
    """
    if grid.throughput is not None and grid.throughput.only:
        raise NothingMeasured(
            f"{grid.path}: throughput.only = true: it has no scores to judge; `harness compare` judges speed"
        )
    every = grid.cells()
    cells = select(every, asked.selection, grid.namer.own)
    found = (judged(grid, store, asked.environment) if found is None else found).of(every)
    if not found.results.entries:
        raise NothingMeasured(not_run(grid.path, store))
    chosen = {cell.configuration_id for cell in cells}
    verdicts = [one for one in judge_grid(grid, found.results, today()) if one.subject.configuration_id in chosen]
    held, facts = _held(grid, found, None if len(cells) == len(every) else chosen, asked.accepted)
    verdicts += held
    verdicts += [one for one in held_by_history(grid, found) if one.subject.configuration_id in chosen]
    configurations = [one for one in found.results.configurations if one.configuration_id in chosen]
    errors = [*unmet(grid, found, configurations)]
    if asked.oldest is not None:
        errors += _too_old(configurations, asked.oldest)
    # What must not be judged gets no verdict beside its error.
    out = {(one.subject.configuration_id, one.subject.environment_id) for one in errors}
    verdicts = [*errors, *(one for one in verdicts if not out & set(_sides(one)))]
    verdicts = _warned(verdicts, configurations, policy_of(grid))
    split = split_by(every, cells)
    verdicts = _identified(grid, [_of_chosen_seeds(one, split) for one in verdicts])
    comparisons = tuple(
        replace(one, word="undecided", best=None, reason=Fact.of("part.seeds"), todo=()) if split & _of(one) else one
        for one in compare_grid(grid, found.results, policy_of(grid))
        if _of(one) <= chosen and not _of(one) & {configuration for configuration, _ in out}
    )
    names = {one.label: one.shown for one in found.results.configurations if one.shown != one.label}
    past = _with_past(grid, found, asked, verdicts, errors, store.folder)
    verdicts = [named(one, names) for one in past]
    heeded = [one for one in verdicts if _decides(one, asked.fail_on)]
    code = exit_code(
        heeded,
        inconclusive=asked.inconclusive,
        skipped=asked.skipped,
        alone=grid.quality is not None and grid.quality.references == "none",
    )
    if code == NothingMeasured.exit_code and any(one.outcome == "ERROR" for one in heeded):
        code = RequirementError.exit_code  # there are runs, and none of those that count: they are missing
    counting = [entry for one in configurations for entry in one.entries]
    running: tuple[Fact, ...] = ()
    if store.is_running():
        # What is judged now is not what will be judged when it has ended.
        code = worst([code, StoreError.exit_code])
        running = (Fact.of("run.under_way", since=found.run, cells=len(counting), planned=len(cells)),)
    sick = dict.fromkeys((entry.seed, entry.health) for entry in counting if entry.health)
    health = (Fact.of("device.health", seed=seed, findings=findings) for seed, findings in sick)
    why = Fact.of("judged.informed" if comparisons else "judged.nothing")
    nothing = (why,) if code == NothingMeasured.exit_code else ()
    notes = (
        *running,
        *nothing,
        *found.notes,
        *never_compared(found.results.configurations, written_references(grid), policy_of(grid)),
        *repeated(found.results, configurations),
        *facts,
        *run_faults(found.results),
        *health,
        *collapsed_lines(configurations),
    )
    labels = {one.configuration_id: one.plain_label for one in configurations}
    waivers = ledger(_waivers(grid, every, chosen), verdicts, today(), labels)
    fresh = freshness(counting, found.run, sum(len(one.missing) for one in configurations))
    part, where = part_of(grid, every, cells), tuple(places(found.results, configurations))
    own = str(seen(store.folder.parent))
    return Checked(grid, verdicts, heeded, fresh, named(notes, names), part, code, waivers, comparisons, where, own)


def _decides(verdict: Verdict, fail_on: Collection[str]) -> bool:
    """Whether the exit code heeds it; one slow session is told, and no more."""
    if verdict.check == "speed" and verdict.outcome != "FAIL":
        return False
    return verdict.check in fail_on or verdict.outcome in ("ERROR", "SKIP")


def _identified(grid: Grid, verdicts: Sequence[Verdict]) -> list[Verdict]:
    return [replace(one, id=verdict_id(grid.name, one)) for one in verdicts]


def _with_past(
    grid: Grid,
    found: Judged,
    asked: Judging,
    verdicts: Sequence[Verdict],
    errors: Sequence[Verdict],
    folder: Path,
) -> list[Verdict]:
    """With what older measurements say of whatever is red, and how to run it again."""

    def judge(results: Results) -> list[Verdict]:
        held, _ = _held(grid, replace(found, results=results), None, asked.accepted)
        return _identified(grid, [*judge_grid(grid, results, today()), *held])

    red = [one for one in verdicts if one.is_red(asked.inconclusive)]
    if not red:
        return [*verdicts]
    unmeant = {(one.subject.configuration_id, one.check) for one in errors}  # what must not be judged has no fall
    fell = [one for one in red if (one.subject.configuration_id, one.check) not in unmeant]
    told = with_past(grid, fell, found.results, judge, found.run) if fell else {}
    again = shlex.join([str(seen(grid.path)), *results_option(folder.parent)])
    steps = next_steps(grid.cells(), found.results, str(folder), again)
    return [
        replace(one, past=(*told.get(one.id, ()), *steps(one))) if one.is_red(asked.inconclusive) else one
        for one in verdicts
    ]


def _waivers(grid: Grid, every: Sequence[Cell], chosen: Collection[str]) -> list[Waiver]:
    """The waivers of scores, but for those of configurations that a selection leaves out."""
    left = [cell for cell in every if cell.configuration_id not in chosen]
    names = {name for cell in left for name in (cell.configuration_id, cell.configuration_label)}
    return [one for one in grid.waiver if one.check in SCORES and one.configuration not in names]


def _held(
    grid: Grid, found: Judged, chosen: Collection[str] | None, accepted: Path | None
) -> tuple[list[Verdict], tuple[Fact, ...]]:
    """The verdicts against the accepted file, with what holds for all of them; none where nothing was accepted."""
    path = accepted or accepted_path(grid.name)
    if accepted is None and not os.path.lexists(path):
        return [], ()
    file, policy = read_baseline(path), policy_of(grid)
    margin, waivers = policy.parity_margin, policy.waivers
    verdicts, facts = judge_accepted(file, found.results, chosen, today=today(), margin=margin, waivers=waivers)
    fact = Fact.of(
        "accepted.file",
        path=str(path),
        note=file.note,
        date=file.date,
        harness=file.harness,
        git_sha=file.git_sha,
        git_dirty=file.git_dirty,
    )
    return verdicts, (fact, *facts)


def part_of(grid: Grid, every: Sequence[Cell], cells: Sequence[Cell]) -> Fact | None:
    """What a selection leaves out of a grid; None where it is whole."""
    if len(cells) == len(every):
        return None
    mine = {cell.cell_id for cell in cells}
    left = [cell for cell in every if cell.cell_id not in mine]
    whole = {cell.configuration_id for cell in cells}
    seeds = sorted({cell.seed for cell in left if cell.configuration_id in whole})
    namer = grid.namer
    labels = dict.fromkeys(namer.label(place_of(cell)) for cell in left if cell.configuration_id not in whole)
    return Fact.of("part", cells=len(cells), planned=len(every), seeds=seeds, configurations=tuple(labels))


def _warned(verdicts: Sequence[Verdict], configurations: Sequence[Configuration], policy: Policy) -> list[Verdict]:
    """Mark a PASS of stability where there are more collapses than chance would have, here or over the whole grid."""
    runs = [one.ended + one.every[len(one.scores) :] for one in configurations]
    lost = sum(score.status in LOST for scores in runs for score in scores)
    pooled = stability(lost, sum(map(len, runs)), policy.p0, policy.alpha).p if lost else 1.0
    found = []
    for one in verdicts:
        own = one.adjusted_p if one.adjusted_p is not None else 1.0
        warn = one.check == "stability" and one.outcome == "PASS" and one.subject.collapsed and min(own, pooled) < WARN
        found.append(replace(one, warning=Fact.of("collapses.warn", own=own, pooled=pooled)) if warn else one)
    return found


def collapsed_lines(configurations: Sequence[Configuration]) -> Iterator[Fact]:
    """A fact for each configuration with runs that learned nothing: which seeds, and what the mean is with them."""
    for one in configurations:
        lost = [score for score in one.every if score.status in LOST]
        if not lost:
            continue
        metric = one.task.scored[0]
        scored = [100 * value for score in one.every if (value := score.score(metric)) is not None]
        others = [100 * value for s in one.scores if s.status in GOOD and (value := s.score(metric)) is not None]
        key = "accuracy" if metric == "accuracy" else "score"
        yield Fact.of(
            "collapsed.seeds",
            configuration=one.label,
            runs=len(one.every),
            seeds=tuple({"seed": s.seed, "status": s.status, key: s.score(metric)} for s in lost),
            mean=math.fsum(scored) / len(scored) if scored else None,
            others=math.fsum(others) / len(others) if others else None,
        )


def _of(one: Comparison) -> set[str]:
    return {one.configuration_a, one.configuration_b}


def _sides(verdict: Verdict) -> Iterator[tuple[str, str]]:
    yield from ((side.configuration_id, side.environment_id) for side in (verdict.subject, verdict.against) if side)


def split_by(every: Sequence[Cell], cells: Sequence[Cell]) -> frozenset[str]:
    """The configurations of which some seeds are chosen and others are not."""
    mine = {cell.cell_id for cell in cells}
    chosen = {cell.configuration_id for cell in cells}
    return frozenset(c.configuration_id for c in every if c.cell_id not in mine and c.configuration_id in chosen)


def _of_chosen_seeds(verdict: Verdict, split: frozenset[str]) -> Verdict:
    """No verdict over chosen seeds: whoever chooses them chooses the verdict."""
    if verdict.subject.configuration_id not in split or verdict.outcome in ("ERROR", "SKIP"):
        return verdict
    return replace(verdict, outcome="INCONCLUSIVE", reason=Fact.of("part.seeds"), waiver=None)


def unmet(grid: Grid, found: Judged, configurations: Sequence[Configuration]) -> Iterator[Verdict]:
    """A demand holds for what is judged as for what runs: a GPU job does not judge records of a CPU."""
    wanted = wanted_of(grid)
    meant = found.meant.environments.values() if found.meant is not None else ()
    by_id = {one.environment_id: unmet_as_meant(wanted, one) for one in meant}
    for one in configurations:
        record = found.results.records.get(one.key)
        problems = unmet_by_record(wanted, record) if record is not None else []
        problems += by_id.get(one.environment_id, [])
        if problems and one.entries:
            yield _error(one, Fact.of("require.unmet", problems=tuple(problems)))


def _too_old(configurations: Sequence[Configuration], oldest: str) -> Iterator[Verdict]:
    for one in configurations:
        if one.entries and one.began < oldest:
            yield _error(one, Fact.of("measurement.old", began=one.began, oldest=oldest, runs=len(one.entries)))


def _error(one: Configuration, reason: Fact) -> Verdict:
    side = Side(one.label, one.configuration_id, one.environment_id, one.content_id, one.cell_ids)
    return Verdict("stability", "ERROR", side, reason, against=Side("the plan"), item="cells")
