"""What can be said of a grid before it runs: which references it is held against, and what no night could decide.

The gate itself is asked, by the best results that the plan allows: runs that score what is expected of them and hardly
scatter. What is undecided even then always will be.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from harness.checks.doubts import recipe_doubts
from harness.checks.material import class_faults
from harness.checks.scores.baseline.file import accepted_path, read_baseline
from harness.checks.scores.gate import judge_all, settled
from harness.checks.scores.pairing import recipe_key
from harness.checks.scores.policy import Policy, policy_of
from harness.checks.scores.quality import never_compared, questions, unfit
from harness.checks.scores.stability import LEAST as STABLE_RUNS
from harness.checks.scores.target import read_target, written_references
from harness.checks.scores.written import examples_of, written_doubts
from harness.checks.verdict import Check, Verdict, exit_code
from harness.checks.verify.data import KNOWN
from harness.checks.waived import standing
from harness.errors import MaterialError, NothingMeasured, SpecError
from harness.execution.inputs import PACKAGE_PREFIX, checkpoint_folder, task_folder
from harness.fact import Fact
from harness.grid.cell import Cell
from harness.grid.grid import Grid
from harness.grid.project import seen
from harness.pipelines.look.data import validation_counts
from harness.protocol import EMBEDDED_TASK, OWN_DATA, TINY_BERT
from harness.record.attempts import Entry
from harness.record.configuration import Configuration
from harness.record.parts.data import Data, Split
from harness.record.provenance import today
from harness.record.results import Results
from harness.references import Reference
from harness.stats.decision import Decision
from harness.stats.throughput import PAIRS, compare_pairs
from harness.stats.variance import LEAST
from harness.task import METRICS, Task
from harness.text import short_hash

FAIR: Final = 0.97
"""What runs score in the best case where nothing is expected of them; no constant answer."""
SCATTER: Final = 5e-5
"""The scores of a configuration spread so far about their mean, in fractions: hardly at all, yet they differ."""


@dataclass(frozen=True)
class Foreseen:
    """What a grid is held against (`applies`), what is in vain or never decided (`doubts`), what is not here."""

    applies: tuple[Fact, ...]
    doubts: tuple[Fact, ...]
    missing: tuple[Fact, ...]

    @property
    def blocked(self) -> bool:
        """Whether a folder that the grid names is not here."""
        return any(fact.code == "foreseen.missing" for fact in self.missing)


def night_ahead(grid: Grid, entries: Sequence[Entry]) -> Fact:
    """How many runs a whole night of a grid is, and the seconds that the newest ok one of each took, where known."""
    cells, timings = grid.cells(), grid.timing_cells()
    took = {one.cell_id: one.seconds["total"] for one in entries if one.status == "ok" and one.seconds.get("total")}
    known = [took[cell.cell_id] for cell in (*cells, *timings) if cell.cell_id in took]
    verify, seconds = grid.verify is not None, round(sum(known), 1)
    return Fact.of(
        "foreseen.night", cells=len(cells), timings=len(timings), verify=verify, known=len(known), seconds=seconds
    )


def foreseen(grid: Grid) -> Foreseen:
    """Look at a grid before it runs, without the network; today decides which waivers still hold."""
    missing, unchecked = _materials(grid)
    applies = [Fact.of("foreseen.hub", names=tuple(unchecked))] if unchecked else []
    doubts: list[Fact] = []
    cells = grid.cells()
    if cells:
        policy, references = replace(policy_of(grid), waivers=()), written_references(grid)
        plan = _Plan(grid, cells)
        whole = plan.measured({})
        doubts += recipe_doubts(cells)
        for name, data in plan.data.items():
            doubts += [] if data is None else class_faults("validation", data.validation)
            mine = references if len(plan.data) == 1 else [one for one in references if one.task == name]
            doubts += written_doubts(mine, examples_of(plan.counts(name)))
        doubts += never_compared(whole, references, policy)
        judged = judge_all(whole, [], policy)
        for reference in references:
            fitting = [one for one in whole if unfit(one, reference, policy) is None]
            if fitting:
                applies.append(_applies(reference, fitting, whole))
                judged += _against(reference, plan, policy)
        doubts += _undecided(judged)
        alone = grid.quality is not None and grid.quality.references == "none"
        accepted, unreadable = _accepted(grid, cells)
        doubts += unreadable
        if accepted == 0:
            doubts.append(Fact.of("foreseen.other_accepted", path=str(seen(accepted_path(grid.name)))))
        elif exit_code(judged, alone=alone) == NothingMeasured.exit_code and accepted is None:
            gate = dict.fromkeys(metric for one in whole for metric in policy.gate_of(one.task))
            doubts.append(Fact.of("foreseen.nothing", metrics=tuple(sorted(gate)), compared=bool(grid.compare)))
    doubts += standing(grid.waiver, grid.every_cell(), today()) if grid.waiver else ()
    return Foreseen(tuple(applies), (*doubts, *_speed(grid)), tuple(missing))


def _applies(reference: Reference, fitting: Sequence[Configuration], whole: Sequence[Configuration]) -> Fact:
    names = tuple(dict.fromkeys(one.asked.checkpoint.name for one in fitting))
    number, of = len(fitting), len(whole)
    name = reference.id if reference.row is None else f"{reference.id} ({reference.row})"
    return Fact.of("foreseen.applies", reference=name, checkpoints=names, configurations=number, every=of)


class _Plan:
    """A grid's configurations as they would be if every cell scored what it should."""

    def __init__(self, grid: Grid, cells: Sequence[Cell]) -> None:
        self._grid, self._cells = grid, cells
        self.data = {name: _data(grid, about) for name, about in _tasks(cells).items()}
        self._turns: dict[str, int] = {}
        turns: Counter[str] = Counter()
        for one in self.measured({}):
            # Those of one recipe lend each other their spread, unless their seeds go up and down together.
            key = recipe_key(one)
            self._turns[one.configuration_id] = turns[key]
            turns[key] += 1

    def measured(self, scores: Mapping[str, float]) -> list[Configuration]:
        """Every seed with these scores, and fair ones in its task's other metrics, give or take the scatter."""
        place: Counter[str] = Counter()
        sizes = Counter(cell.configuration_id for cell in self._cells)
        entries = []
        for cell in self._cells:
            own, size = cell.configuration_id, sizes[cell.configuration_id]
            turn = (place[own] + self._turns.get(own, 0)) % size
            place[own] += 1
            apart = SCATTER * (2 * turn / (size - 1) - 1) if size > 1 else 0.0
            known = cell.about.scored
            due = {**dict.fromkeys(known, FAIR), **{name: value for name, value in scores.items() if name in known}}
            entries.append(_entry(cell, {name: value + apart for name, value in due.items()}))
        found = Results(entries, None, self._cells, self._grid.seed_plan, None, self._grid.namer).configurations
        return [replace(one, data=self.data[one.asked.task]) for one in found]

    def counts(self, task: str) -> tuple[int, int] | None:
        """Examples and positives of a task's validation split, where they are known and there are two classes."""
        known = self.data.get(task) or KNOWN.get(task)
        split = None if known is None else known.validation
        return None if split is None or split.positives is None else (split.examples, split.positives)


def _entry(cell: Cell, metrics: dict[str, float]) -> Entry:
    content = short_hash([cell.task, cell.checkpoint.asked()])
    return Entry(
        cell.cell_id, cell.configuration_id, cell.environment, content, 1, "ok", cell.cell_id, "", cell.checkpoint.name,
        cell.seed, cell.precision, cell.devices, cell.axes, metrics, {}, None, None, None,
    )  # fmt: skip


def _against(reference: Reference, plan: _Plan, policy: Policy) -> list[Verdict]:
    targets = {metric: target.value / 100 for metric in METRICS if (target := read_target(reference, metric))}
    fitting = [one for one in plan.measured(targets) if unfit(one, reference, policy) is None]
    asked, refused = questions(fitting, [reference], policy)
    return [*settled(asked, policy), *refused]


def _undecided(verdicts: Sequence[Verdict]) -> Iterator[Fact]:
    """Of what gates: what stays open at the best of results, a fact for all that do for one reason."""
    gating = [one for one in verdicts if one.gates]
    every = Counter((one.check, _other(one)) for one in gating)
    whys: dict[tuple[Check, str, str], list[Fact]] = {}
    for one in gating:
        if one.outcome == "INCONCLUSIVE":
            # Recipes differ in many ways in one grid: that is told once.
            why = _why(one)
            kind = why.code if one.recipe_differences else str(why)
            whys.setdefault((one.check, _other(one), kind), []).append(why)
    for (check, other, _), found in whys.items():
        differs = {str(fact): fact for why in found for fact in why.values.get("differs", ())}
        why = Fact.of("foreseen.recipe", differs=tuple(differs.values())) if differs else found[0]
        number, of = len(found), every[check, other]
        yield Fact.of("foreseen.undecided", check=check, against=other, why=why, number=number, every=of)


def _other(one: Verdict) -> str:
    return one.against.label if one.check == "quality" and one.against is not None else ""


def _why(one: Verdict) -> Fact:
    decision = one.numbers
    if one.recipe_differences:
        return Fact.of("foreseen.recipe", differs=one.recipe_differences)
    if isinstance(decision, Decision):
        few = decision.n < decision.n_min
        return _few(decision.n, decision.n_min) if few else Fact.of("foreseen.narrow", margin=decision.delta)
    if one.check == "stability":
        return _few(one.subject.ended, STABLE_RUNS)
    return _few(0, LEAST) if one.check == "parity" else one.reason


def _few(seeds: int, needed: int) -> Fact:
    return Fact.of("foreseen.few", seeds=seeds, needed=needed)


def _accepted(grid: Grid, cells: Sequence[Cell]) -> tuple[int | None, list[Fact]]:
    """How many configurations of the grid the accepted file has, None without one; and that it cannot be read."""
    path = accepted_path(grid.name)
    if not os.path.lexists(path):
        return None, []
    try:
        known = {one.configuration_id for one in read_baseline(path).configurations}
    except SpecError as error:
        return None, [Fact.of("foreseen.not_accepted", error=str(error))]
    return len(known & {cell.configuration_id for cell in cells}), []


def _speed(grid: Grid) -> Iterator[Fact]:
    """Whether as many timing processes as planned could decide, if all were quiet and none was slower."""
    if grid.throughput is None:
        return
    count = grid.throughput.processes
    rates = [1 + SCATTER * number for number in range(count)]
    if compare_pairs([1.0] * count, rates, grid.throughput.margin / 100).reason == "few":
        yield Fact.of("foreseen.processes", processes=count, needed=PAIRS)


def _materials(grid: Grid) -> tuple[list[Fact], list[str]]:
    """What should lie on this machine and does not, and the names that only the hub knows."""
    missing, unchecked = [], []
    looked: list[tuple[str, Callable[[], Path | None]]] = []
    for name, about in _tasks(grid.every_cell()).items():
        if name not in (EMBEDDED_TASK, OWN_DATA):
            looked.append((name, partial(task_folder, grid.folder, about, grid.task_folder)))
    for source in dict.fromkeys(cell.checkpoint.source for cell in grid.every_cell()):
        if source != TINY_BERT:
            looked.append((source, partial(checkpoint_folder, grid.folder, source)))
    for name, look in looked:
        try:
            if look() is None:
                unchecked.append(name)
        except MaterialError as error:
            package = name.startswith(PACKAGE_PREFIX)
            missing.append(Fact.of("foreseen.no_package" if package else "foreseen.missing", problem=str(error)))
    places = {
        label: str(grid.folder / str(spec.python)) for label, spec in grid.environments.items() if not spec.packages
    }
    absent = {label: place for label, place in places.items() if not Path(place).is_file()}
    if absent:
        missing.append(Fact.of("foreseen.no_interpreter", environments=absent))
    return missing, unchecked


def _tasks(cells: Sequence[Cell]) -> dict[str, Task]:
    return {cell.task: cell.about for cell in cells}


def _data(grid: Grid, about: Task) -> Data | None:
    """What a record would say of the examples, where their files lie here; counts tell them from a reference's."""
    try:
        own = about.name in (EMBEDDED_TASK, OWN_DATA) or about.own
        folder = None if own else task_folder(grid.folder, about, grid.task_folder)
    except MaterialError:
        return None
    counts = validation_counts(folder, about) if folder is not None else None
    if counts is None:
        return None
    split = Split(examples=sum(counts), labels=counts, sha256="")
    return Data(source=about.name, train=split, validation=split)
