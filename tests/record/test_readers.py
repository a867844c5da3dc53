"""Every reader of results says the same, whatever was tried: each is held against a second derivation."""

from __future__ import annotations

import datetime
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.checks.scores.baseline.build import build_baseline
from harness.checks.scores.baseline.file import GridName
from harness.checks.scores.gate import judge_grid
from harness.execution.environment import Environment
from harness.execution.plan import make_plan
from harness.grid.cell import Cell
from harness.pipelines.judged import judged
from harness.record.attempts import LOST, SCORED, Entry
from harness.record.freshness import freshness
from harness.record.meant import Whose
from harness.record.model import Provenance
from harness.record.results import Results
from harness.report.run.build import build_report
from harness.report.run.model import GridFacts
from tests.record.derived import Derived, Place
from tests.record.made_up_attempts import (
    ATTEMPTS,
    CONTENTS,
    ENVIRONMENTS,
    GRID,
    Attempt,
    MadeUp,
    MadeUpStore,
    history_of,
)

TODAY = datetime.date(2026, 11, 22)


@dataclass(frozen=True)
class Materials:
    content: str

    def content_id(self, cell: Cell) -> str:
        return self.content

    def problem(self, cell: Cell) -> None:
        return None


def check_of(results: Results, derived: Derived) -> None:
    verdicts = judge_grid(GRID, results, TODAY)
    rates = Counter(
        (one.configuration_id, one.environment_id, one.collapsed, one.ended)
        for one in (verdict.subject for verdict in verdicts if verdict.item == "collapses")
    )
    assert rates == Counter((*p[:2], *derived.rate(p)) for p in derived.of if derived.rate(p)[1])
    for configuration_id, cells in _members().items():
        place = derived.newest(configuration_id)
        stands = [None if place is None else derived.standing(place, cell) for cell in cells]
        told = [
            one
            for one in verdicts
            if one.item == "cells"
            and (one.subject.configuration_id, one.subject.environment_id) == (configuration_id, _at(place))
        ]
        open_to = sum(one is None or one.status not in SCORED | LOST for one in stands)
        if all(one is not None and one.status == "skipped" for one in stands):
            assert [one.outcome for one in told] == ["SKIP"] or len(told) > 1
        elif open_to:
            errors = [one.reason.values for one in told if one.outcome == "ERROR"]
            assert (open_to, 3) in [(len(values["cells"]), values["planned"]) for values in errors]
        else:
            assert not [one for one in told if one.outcome == "ERROR"]


def report_of(results: Results, derived: Derived) -> None:
    model = build_report(GridFacts("truth", GRID.task), results, command="c", generated_by="h")
    rows = {(row.configuration_id, row.environment_id, row.content_id): row for row in model.rows}
    assert {place: (row.collapsed.k, row.collapsed.n) for place, row in rows.items()} == {
        place: derived.rate(place) for place in derived.of if derived.rate(place)[1]
    }
    for place, row in rows.items():
        cells = _members()[place[0]]
        counted = [one for cell in cells for one in (derived.counts(place, cell), derived.lost(place, cell)) if one]
        assert {(score.cell_id, score.attempt) for score in row.scores} == {
            (one.cell_id, one.attempt) for one in counted if one.status in SCORED | LOST
        }
    current = {key: derived.newest(key) for key in _members()}
    stands = [
        None if current[cell.configuration_id] is None else derived.standing(current[cell.configuration_id], cell)  # type: ignore[arg-type]
        for cell in GRID.cells()
    ]
    missing = sum(one is None or one.status in ("killed", "interrupted") for one in stands)
    assert (model.counts.missing, model.counts.skipped) == (
        missing, sum(one is not None and one.status == "skipped" for one in stands),
    )  # fmt: skip


def baseline_of(results: Results, derived: Derived) -> None:
    grid = GridName(name="truth", file="truth.toml", task=GRID.task)
    baseline = build_baseline(grid, results, date="d", provenance=Provenance(harness="0.1.0"))
    kept = {one.configuration_id: one for one in baseline.configurations}
    for configuration_id, cells in _members().items():
        place = derived.newest(configuration_id)
        counted = {} if place is None else {cell.seed: derived.counts(place, cell) for cell in cells}
        runs = {seed: one.status for seed, one in counted.items() if one is not None and one.status in SCORED | LOST}
        if not runs:
            assert configuration_id not in kept
        else:
            assert place is not None
            one = kept[configuration_id]
            assert (one.environment_id, one.content_id) == place[1:]
            assert {seed: run.status for seed, run in one.runs.items()} == runs
            assert (one.collapsed, one.counted) == derived.rate(place)
        absent = {seed: one.status for seed, one in baseline.absent(configuration_id).items() if seed is not None}
        stands = {cell.seed: None if place is None else derived.standing(place, cell) for cell in cells}
        assert absent == {
            seed: "missing" if one is None else one.status for seed, one in stands.items() if seed not in runs
        }


def verify_of(results: Results, derived: Derived) -> None:
    for environment_id in ENVIRONMENTS:
        runs = results.runs({"current": environment_id})
        for cell in GRID.cells():
            place = derived.newest(cell.configuration_id, environment_id)
            one = None if place is None else derived.standing(place, cell)
            found = runs.get(cell.cell_id)
            assert (found.record.attempt if found else None) == (one.attempt if one else None)


def plan_of(results: Results, derived: Derived, environment: Environment) -> None:
    for environment_id, content in itertools.product(ENVIRONMENTS, CONTENTS):
        here = {"current": replace(environment, environment_id=environment_id)}
        materials: Any = {"current": Materials(content)}
        for planned in make_plan(GRID.cells(), results, here, materials).cells:
            cell = planned.cell
            place = (cell.configuration_id, environment_id, content)
            one, measurement = derived.counts(place, cell), derived.measurement(place)
            wanted = ("done", one) if one is not None else ("to do", derived.standing(place, cell))
            assert (planned.state, planned.entry, planned.measurement) == (*wanted, measurement)


def status_of(results: Results, derived: Derived) -> None:
    wanted = set()
    for cell in GRID.cells():
        for environment_id in ENVIRONMENTS:
            place = derived.newest(cell.configuration_id, environment_id)
            if place is not None:
                shown = (derived.standing(place, cell), derived.lost(place, cell))
                wanted |= {one.path for one in shown if one is not None and one.error}
    assert {entry.path for entry in results.errors()} == wanted


def judged_of(entries: Sequence[Entry], derived: Derived) -> None:
    """What is judged of each choice: the newest content of each configuration in one environment, or everything."""
    store: Any = MadeUpStore(entries)
    newest = max(entries, key=lambda entry: entry.started, default=None)
    known = {entry.environment_id for entry in entries}
    for choice in (None, "all", "current", *sorted(known)):
        results = judged(GRID, store, choice).of(GRID.cells()).results
        here = choice if choice in known else None if newest is None or choice == "all" else newest.environment_id
        wanted: dict[Place, dict[int, str]] = {}
        for configuration_id, cells in _members().items():
            newest_here = derived.newest(configuration_id, here)
            every = [place for place in derived.of if place[0] == configuration_id]
            for place in every if here is None else [newest_here] if newest_here else []:
                counted = {cell.seed: derived.counts(place, cell) for cell in cells}
                wanted[place] = {seed: one.path for seed, one in counted.items() if one is not None}
        found = {
            one.key: {seed: entry.path for seed, entry in one.entry_of.items()}
            for one in results.configurations
            if one.environment_id
        }
        assert found == wanted
        assert freshness((e for one in results.configurations for e in one.entries), None).cells == sum(
            map(len, wanted.values())
        )


def whose_of(entries: Sequence[Entry], derived: Derived) -> None:
    """An environment and a content that were meant, whatever is newer."""
    for environment_id, content in itertools.product(ENVIRONMENTS, CONTENTS):
        whose = Whose({"current": environment_id}, dict.fromkeys(_members(), content))
        results = Results(entries, MadeUp(), GRID.cells(), whose=whose)
        for configuration_id, cells in _members().items():
            place = (configuration_id, environment_id, content)
            skipped = derived.of.get((configuration_id, environment_id, None), ())
            instead = [(environment_id, None)] if skipped and all(e.status == "skipped" for e in skipped) else []
            assert [(p.environment_id, p.content_id) for p in results.places(configuration_id)] == (
                [place[1:]] if place in derived.of else instead
            )
            counted = {cell.cell_id: derived.counts(place, cell) for cell in cells}
            (one,) = [c for c in results.configurations if c.configuration_id == configuration_id]
            assert [e.path for e in one.entries] == [e.path for e in counted.values() if e is not None]


def _members() -> dict[str, list[Cell]]:
    found: dict[str, list[Cell]] = {}
    for cell in GRID.cells():
        found.setdefault(cell.configuration_id, []).append(cell)
    return found


def _at(place: Place | None) -> str:
    return "" if place is None else place[1]


@settings(deadline=None, max_examples=100)
@given(drawn=st.lists(ATTEMPTS, max_size=24), shuffle=st.randoms())
def test_every_reader_says_the_same(drawn: list[Attempt], shuffle: Any, environment_of: Callable[..., Any]) -> None:
    entries = history_of(drawn)
    derived = Derived(list(entries))
    shuffle.shuffle(entries)
    results = Results(entries, MadeUp(), GRID.cells())
    check_of(results, derived)
    report_of(results, derived)
    baseline_of(results, derived)
    verify_of(results, derived)
    plan_of(results, derived, environment_of(cpu_bf16=True))
    status_of(Results(entries), derived)
    judged_of(entries, derived)
    whose_of(entries, derived)
