"""Results: which attempt counts, by a second derivation; every reader says the same, whatever was tried."""

from __future__ import annotations

import datetime
import itertools
import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.checks.scores.baseline.build import build_baseline
from harness.checks.scores.baseline.file import GridName
from harness.checks.scores.gate import judge_grid
from harness.errors import StoreError
from harness.execution.environment import Environment
from harness.execution.plan import make_plan
from harness.grid.cell import Cell
from harness.grid.grid import Grid, grid_from_text
from harness.grid.looks import SeedPlan
from harness.pipelines.judged import judged
from harness.record.attempts import LOST, OUTCOMES, RETRIED, SCORED, STATUSES, Entry, Renewal, parse_entry, places
from harness.record.configuration import MRPC
from harness.record.entry import attempt_path
from harness.record.freshness import Freshness, freshness
from harness.record.model import Provenance, Record, asked_of
from harness.record.results import Results, Whose
from harness.references.tables import SPLITS
from harness.report.run.build import build_report
from harness.report.run.model import GridFacts
from tests.checks.made_up_scores import MadeUp as Kept

TODAY = datetime.date(2026, 11, 22)
TEXT = b"""
name = "truth"
task = "embedded/paraphrase"
[recipe]
max_steps = 4
[matrix]
checkpoint = ["embedded/tiny-bert"]
precision = ["fp32", "bf16"]
seed = [1, 2, 3]
[quality]
"""
GRID = grid_from_text(TEXT, Path("truth.toml"))
ENVIRONMENTS = ("e0e0", "e1e1")
CONTENTS = ("c0", "c1")


@dataclass(frozen=True)
class Attempt:
    """What is drawn of an attempt; its number and its start come from its place in the history."""

    cell: int
    environment: str
    content: str | None
    status: str
    measurement: int


ATTEMPTS = st.builds(
    Attempt,
    cell=st.integers(0, len(GRID.cells()) - 1),
    environment=st.sampled_from(ENVIRONMENTS),
    content=st.sampled_from([*CONTENTS, "c0", None]),
    status=st.sampled_from([*STATUSES, "ok", "nonfinite"]),
    measurement=st.sampled_from([1, 1, 1, 2, 2, 3]),
)


def history_of(drawn: Sequence[Attempt]) -> list[Entry]:
    """Attempts one after the other, numbered within (cell, environment) as the store does."""
    numbers: Counter[tuple[int, str]] = Counter()
    entries: list[Entry] = []
    for place, one in enumerate(drawn):
        numbers[one.cell, one.environment] += 1
        cell, number = GRID.cells()[one.cell], numbers[one.cell, one.environment]
        scores = {"ok": {"accuracy": 0.8, "f1": 0.82}, "collapsed": {"accuracy": 0.5, "f1": 0.0}}
        entries.append(
            Entry(
                cell_id=cell.cell_id, configuration_id=cell.configuration_id, environment_id=one.environment,
                content_id=one.content, attempt=number, status=one.status,
                path=f"cells/{cell.cell_id}/{one.environment}/{number:03d}",
                started=f"2026-11-22T10:{place // 60:02d}:{place % 60:02d}.000Z",
                checkpoint=cell.checkpoint.name, seed=cell.seed, precision=cell.precision, devices=1, axes=cell.axes,
                metrics=scores.get(one.status, {}), seconds={"total": 10.0}, samples_per_second=None, steps=4,
                error=None if one.status in SCORED else f"{one.status}: at {place}", measurement=one.measurement,
            )
        )  # fmt: skip
    return entries


class MadeUp:
    """A record behind every entry, with what the entry says and no observations."""

    def record(self, entry: Entry) -> Record:
        cell = next(cell for cell in GRID.cells() if cell.cell_id == entry.cell_id)
        names = ("cell_id", "configuration_id", "environment_id", "content_id", "attempt", "status", "started")
        return Record.model_validate(
            {
                **{name: getattr(entry, name) for name in names},
                "grid": "truth", "finished": entry.started, "asked": asked_of(cell),
                "measured": {"metrics": dict(entry.metrics)}, "provenance": {"harness": "0.1.0"},
            }
        )  # fmt: skip

    def series(self, entry: Entry, names: Collection[str] | None = None) -> Mapping[str, Any]:
        return {}


class MadeUpStore(MadeUp):
    """A store of these entries in which no run has said whose they are."""

    folder = Path("no/such/store")

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries

    def entries(self) -> Sequence[Entry]:
        return self._entries


Place = tuple[str, str, str | None]
"""(configuration_id, environment_id, content_id)."""


class Derived:
    """The same, worked out from the sentences of the design, a set at a time."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries
        self.of: dict[Place, list[Entry]] = {}
        for entry in entries:
            self.of.setdefault((entry.configuration_id, entry.environment_id, self._content(entry)), []).append(entry)

    def _content(self, entry: Entry) -> str | None:
        if entry.content_id is not None:
            return entry.content_id
        here = [e for e in self.entries if e.environment_id == entry.environment_id and e.content_id is not None]
        own = [e for e in here if e.cell_id == entry.cell_id]
        if own:
            return max(own, key=lambda e: e.attempt).content_id
        # Those of other cells say it only where they all say the same.
        others = {e.content_id for e in here if e.configuration_id == entry.configuration_id}
        return others.pop() if len(others) == 1 else None

    def tries(self, place: Place, cell: Cell) -> list[Entry]:
        """The attempts of the newest measurement at a cell."""
        every = self.of.get(place, [])
        newest = max((e.measurement for e in every), default=1)
        own = [e for e in every if e.cell_id == cell.cell_id and e.measurement == newest]
        return sorted(own, key=lambda e: e.attempt)

    def measurement(self, place: Place) -> int:
        """The newest measurement of a configuration."""
        return max((e.measurement for e in self.of.get(place, [])), default=1)

    def counts(self, place: Place, cell: Cell) -> Entry | None:
        outcomes = [e for e in self.tries(place, cell) if e.status in OUTCOMES]
        return outcomes[-1] if outcomes else None

    def lost(self, place: Place, cell: Cell) -> Entry | None:
        one = self.counts(place, cell)
        before = [e for e in self.tries(place, cell) if one is not None and e.attempt < one.attempt]
        lost = [e for e in before if e.status in LOST]
        return lost[-1] if lost and one is not None and one.status not in LOST else None

    def rate(self, place: Place) -> tuple[int, int]:
        """How many of how many runs collapsed."""
        cells = [cell for cell in GRID.cells() if cell.configuration_id == place[0]]
        counted = [e for cell in cells for e in (self.counts(place, cell), self.lost(place, cell)) if e is not None]
        ended = [e.status for e in counted if e.status in SCORED | LOST]
        return sum(status in LOST for status in ended), len(ended)

    def newest(self, configuration_id: str, environment_id: str | None = None) -> Place | None:
        """Where a configuration ran last, here or anywhere."""
        found = [p for p in self.of if p[0] == configuration_id and environment_id in (None, p[1])]
        return max(found, key=lambda place: max(e.started for e in self.of[place]), default=None)

    def standing(self, place: Place, cell: Cell) -> Entry | None:
        tries = self.tries(place, cell)
        return self.counts(place, cell) or (tries[-1] if tries else None)


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


# Sentence by sentence.


@pytest.fixture
def grid() -> Grid:
    return GRID


def tried(*statuses: str, measurements: Sequence[int] = (), content: str | None = "c0", seed: int = 0) -> list[Entry]:
    return history_of(
        [
            Attempt(seed, "e0e0", content, status, measurements[number] if measurements else 1)
            for number, status in enumerate(statuses)
        ]
    )


def history(entries: Sequence[Entry]) -> Any:
    (place,) = places(entries)
    return place.cell(entries[0].cell_id)


def test_the_last_outcome_counts() -> None:
    found = history(tried("failed", "ok", "killed"))
    assert (found.final.status, found.standing.status, found.lost()) == ("ok", "ok", None)
    assert history(tried("killed", "skipped")).standing.status == "skipped"


@pytest.mark.parametrize("status", sorted(RETRIED))
def test_a_crash_is_replaced_and_counts_for_nothing(status: str) -> None:
    found = history(tried(status, "ok"))
    assert (found.final.attempt, found.lost()) == (2, None)
    alone = history(tried(status))
    assert (alone.final, alone.standing.status) == (None, status)


@pytest.mark.parametrize("status", sorted(LOST))
def test_what_was_lost_counts_though_a_retry_went_well(status: str) -> None:
    assert history(tried(status, "oom", "ok")).lost().status == status
    assert history(tried(status, "collapsed")).lost() is None  # tried twice in vain: counts once
    for later in ("failed", "killed"):  # no word on the recipe: what was lost is what counts
        found = history(tried(status, later))
        assert (found.final.status, found.lost()) == (status, None)


def test_only_the_newest_measurement_is_judged_and_the_older_are_kept_apart() -> None:
    found = history(tried("collapsed", "ok", "ok", measurements=(1, 1, 2)))
    assert (found.lost(), [entry.attempt for entry in found.attempts]) == (None, [3])
    assert [entry.attempt for entry in found.older] == [1, 2]
    # A new measurement is of the whole configuration: seeds that it has not reached are missing.
    first, second = GRID.cells()[0], GRID.cells()[2]
    entries = history_of(
        [Attempt(0, "e0e0", "c0", "ok", 1), Attempt(2, "e0e0", "c0", "ok", 1), Attempt(0, "e0e0", "c0", "ok", 2)]
    )
    results = Results(entries, MadeUp(), GRID.cells())
    assert first.configuration_id == second.configuration_id
    (one,) = [c for c in results.configurations if c.configuration_id == first.configuration_id]
    assert (list(one.entry_of), one.unfinished) == ([1], {2: "missing", 3: "missing"})


def test_an_entry_that_says_nothing_of_it_belongs_to_the_first_measurement(entry_of: Any) -> None:
    entry = entry_of(GRID.cells()[0])
    entry = replace(entry, path=attempt_path(entry.cell_id, entry.environment_id, entry.attempt))
    data = json.loads(entry.to_line())
    del data["line"]  # an older line has no hash of itself
    assert data.pop("measurement") == 1
    assert parse_entry(json.dumps(data)) == entry
    with pytest.raises(StoreError, match="not an index entry"):
        parse_entry(json.dumps(data | {"mesurement": 1}))


def test_attempts_of_an_older_measurement_are_history_whatever_their_number() -> None:
    first = [Attempt(0, "e0e0", "c0", status, number) for status, number in (("ok", 2), ("nonfinite", 1))]
    found = history(history_of(first))
    assert (found.final.attempt, found.lost(), [e.attempt for e in found.older]) == (1, None, [2])


def test_how_fresh_is_told_by_the_last_runs_beginning() -> None:
    entries = tried("ok", "ok", "ok")
    assert freshness(entries, entries[1].started) == Freshness(
        2, 1, "2026-11-22T10:00:00.000Z", "2026-11-22T10:00:02.000Z", entries[1].started
    )
    assert freshness(entries, None).measured == 0
    assert freshness([], "2026-11-22T10:00:00.000Z").cells == 0


def test_records_of_other_cells_are_foreign(entry_of: Any, cell_of: Any) -> None:
    results = Results([entry_of(GRID.cells()[0]), entry_of(cell_of())], cells=GRID.cells())
    assert (len(results.entries), results.foreign) == (1, 1)


def test_mrpcs_counts_are_those_of_its_tables() -> None:
    assert (SPLITS["validation"].total, SPLITS["validation"].positive) == MRPC


# Which cells are due.

LOOKS = SeedPlan(looks=(2, 3, 5), seeds=(42, 1, 2, 3, 4))


@pytest.fixture
def looked_at(cell_of: Any) -> list[Cell]:
    return [cell_of(seed=seed, precision=precision) for seed in LOOKS.seeds for precision in ("fp32", "bf16")]


def due(cells: list[Cell], entries: list[Entry], decided: Collection[str] = ()) -> list[Cell]:
    return Results(entries, cells=cells, plan=LOOKS).due(decided)


def seeds(cells: Sequence[Cell], precision: str = "fp32") -> list[int]:
    return [cell.seed for cell in cells if cell.precision == precision]


def ended(entry_of: Any, cells: list[Cell], count: int, status: str = "ok") -> list[Entry]:
    return [entry_of(cell, status) for cell in cells if cell.seed in LOOKS.seeds[:count]]


def test_the_first_look_is_due_first(looked_at: list[Cell]) -> None:
    assert [(cell.seed, cell.precision) for cell in due(looked_at, [])] == [
        (42, "fp32"), (42, "bf16"), (1, "fp32"), (1, "bf16"),
    ]  # fmt: skip


def test_the_undecided_get_the_next_look_and_the_decided_none(looked_at: list[Cell], entry_of: Any) -> None:
    decided = {cell.configuration_id for cell in looked_at if cell.precision == "bf16"}
    found = due(looked_at, ended(entry_of, looked_at, 2), decided)
    assert (seeds(found), seeds(found, "bf16")) == ([42, 1, 2], [42, 1])
    found = due(looked_at, ended(entry_of, looked_at, 3), decided)
    assert (seeds(found), seeds(found, "bf16")) == ([42, 1, 2, 3, 4], [42, 1, 2])


def test_a_look_that_was_cut_short_is_finished_even_where_it_seems_decided(
    looked_at: list[Cell], entry_of: Any
) -> None:
    everyone = {cell.configuration_id for cell in looked_at}
    assert seeds(due(looked_at, ended(entry_of, looked_at, 1), everyone)) == [42, 1]


def test_after_the_last_look_nothing_more_is_due(looked_at: list[Cell], entry_of: Any) -> None:
    assert due(looked_at, ended(entry_of, looked_at, 5)) == looked_at


def test_collapsed_and_failed_runs_count_and_killed_ones_run_again(looked_at: list[Cell], entry_of: Any) -> None:
    for status in ("collapsed", "failed", "nonfinite"):
        assert seeds(due(looked_at, ended(entry_of, looked_at, 2, status))) == [42, 1, 2]
    assert seeds(due(looked_at, ended(entry_of, looked_at, 2, "killed"))) == [42, 1]


def test_what_cannot_run_here_holds_up_nothing(looked_at: list[Cell], entry_of: Any) -> None:
    skips = [entry_of(cell, "skipped", content_id=None) for cell in looked_at if cell.precision == "bf16"]
    assert seeds(due(looked_at, skips), "bf16") == [42, 1, 2, 3, 4]


def test_looks_count_where_the_configuration_ran_last(looked_at: list[Cell], entry_of: Any) -> None:
    later = {"environment_id": "env1", "started": "2026-11-23T10:00:00.000Z"}
    entries = [*ended(entry_of, looked_at, 3), entry_of(looked_at[0], **later)]
    assert (seeds(due(looked_at, entries)), seeds(due(looked_at, entries), "bf16")) == ([42, 1], [42, 1, 2, 3, 4])


def test_what_is_measured_anew_begins_with_its_first_look(looked_at: list[Cell], entry_of: Any) -> None:
    everyone = {cell.configuration_id for cell in looked_at}
    entries = ended(entry_of, looked_at, 3)
    fresh = Results(entries, cells=looked_at, plan=LOOKS).due(everyone, Renewal(fresh=True))
    assert (seeds(fresh), seeds(fresh, "bf16")) == ([42, 1], [42, 1])
    old = Results(entries, cells=looked_at, plan=LOOKS).due(everyone, Renewal(oldest="2026-11-22T09:00:00.000Z"))
    assert seeds(old) == [42, 1, 2]
    # The new one has begun: its looks go on from there.
    begun = [entry_of(cell, measurement=2, attempt=2) for cell in looked_at if cell.seed == 42]
    found = Results([*entries, *begun], cells=looked_at, plan=LOOKS).due(set(), Renewal(fresh=True))
    assert (seeds(found), seeds(found, "bf16")) == ([42, 1], [42, 1])


def test_a_run_beyond_the_look_is_expected_once_it_ended(looked_at: list[Cell], entry_of: Any) -> None:
    entries = [*ended(entry_of, looked_at, 3), entry_of(looked_at[6]), entry_of(looked_at[8], "killed")]
    results = Results(entries, cells=looked_at, plan=LOOKS)
    assert (seeds(results.expected), seeds(results.expected, "bf16")) == ([42, 1, 2, 3], [42, 1, 2])
    assert [list(one.due) for one in results.configurations] == [[42, 1, 2], [42, 1, 2]]


def test_predictions_come_in_the_order_of_the_examples_not_of_the_evaluation(entry_of: Any) -> None:
    (cell,) = GRID.cells()[:1]
    entry = entry_of(cell)
    logits = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    arrays = {"logits": logits, "evaluated_ids": np.array([30, 10, 20])}
    for kept, classes in ((arrays, [0, 1, 1]), ({"logits": logits}, [1, 0, 1])):
        results = Results([entry], Kept([cell], arrays={entry.path: kept}), [cell])
        (configuration,) = results.configurations
        predicted = results.predicted(configuration, cell.seed)
        assert predicted is not None
        assert predicted.tolist() == classes
