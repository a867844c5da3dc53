"""What `harness accept` does: the runs that `check` judges become the expectation, configuration by configuration."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.checks.changes import changes
from harness.checks.scores.baseline.build import build_baseline, renewed
from harness.checks.scores.baseline.compare import ACCEPTED
from harness.checks.scores.baseline.file import Baseline, GridName, accepted_path, read_baseline, write_baseline
from harness.checks.scores.baseline.pair import by_environment, environment_changes
from harness.checks.scores.policy import policy_of
from harness.checks.scores.stability import unmeasured
from harness.checks.scores.target import written_references
from harness.checks.verdict import question_id
from harness.errors import NothingMeasured, SpecError, StoreError
from harness.fact import Fact
from harness.grid.cell import Cell
from harness.grid.grid import Grid
from harness.grid.select import select
from harness.pipelines.check import part_of, split_by, unmet
from harness.pipelines.judged import judged, not_run
from harness.record.configuration import Configuration
from harness.record.freshness import Freshness, freshness
from harness.record.provenance import now, provenance
from harness.record.results import Results
from harness.record.store import Store
from harness.text import SHORTEST_ID, listed, show
from harness.validation import name_of

MISSING: Final = 4


@dataclass(frozen=True)
class Acceptance:
    """What was written to `path`: `file` is all that it holds now, None where nothing was written.

    `accepted` are the configurations accepted now; `facts` say whose runs they are, and what was left out or dropped.
    """

    path: Path
    file: Baseline | None
    accepted: Sequence[Configuration]
    freshness: Freshness
    facts: tuple[Fact, ...]
    exit_code: int


def accept(
    grid: Grid,
    store: Store,
    selection: Sequence[str],
    environment: str | None,
    note: str,
    out: Path | None,
    only: Sequence[str] = (),
) -> Acceptance:
    """Write the accepted file of a grid from the runs that count; `selection` and `environment` choose them.

    `only` are beginnings of ids of configurations, or of verdicts on what was accepted.

    A configuration is accepted whole or not at all; of one that is not, what the file had stays.

    Raises
    ------
    HarnessError
        NothingMeasured where there is no record, or nothing that could be accepted; SpecError for the selection, the
        environment, an empty note, a reference that is not known, or a file that is there and is none of this grid.
    """
    if not (text := " ".join(note.split())):
        raise SpecError(f"--note: got {show(note)}; allowed a sentence that says why")
    if grid.throughput is not None and grid.throughput.only:
        raise NothingMeasured(f"{grid.path}: throughput.only = true: it has no scores to accept")
    written_references(grid)  # whoever accepts may not find out tomorrow that the grid cannot be judged
    every = grid.cells()
    cells = _only(grid.name, select(every, selection, grid.namer.own), only)
    path = out or accepted_path(grid.name)
    old = _old(path, grid)
    found = judged(grid, store, environment).of(every)
    if not found.results.entries:
        raise NothingMeasured(not_run(grid.path, store))
    chosen, split = {cell.configuration_id for cell in cells}, split_by(every, cells)
    mine = [one for one in found.results.configurations if one.current and one.configuration_id in chosen]
    demands = {error.subject.configuration_id: error.reason for error in unmet(grid, found, mine)}
    before = {one.configuration_id: one.accepted or old.date for one in old.configurations} if old is not None else {}
    taken, left_out, code = [], [], 0
    for one in mine:
        demand = demands.get(one.configuration_id)
        reasons = [Fact.of("accept.seeds")] if one.configuration_id in split else [] if demand is None else [demand]
        reasons += _absent(grid, found.results, one)
        if not reasons:
            taken.append(one)
            continue
        since = before.get(one.configuration_id)
        left_out.append(Fact.of("accept.left_out", label=one.whole_label, reasons=tuple(reasons), since=since))
        if one.skipped is None:
            code = MISSING
    planned = tuple(dict.fromkeys(cell.configuration_id for cell in every))
    whole = len(cells) == len(every)
    changed: list[Fact] = []
    gone, file = [], None
    if taken:
        ids = {one.configuration_id for one in taken}
        name = GridName(
            name=grid.name,
            file=str(grid.path),
            task=grid.task,
            parity_margin_points=policy_of(grid).parity_margin,
        )
        made = provenance(grid.folder)
        file = build_baseline(name, found.results, date=now(), provenance=made, note=text, chosen=ids)
        if old is not None:
            file = renewed(old, file, planned, whole)
            ids = {one.configuration_id for one in file.configurations}
            lost = (one.name for one in old.configurations if one.configuration_id not in ids)
            gone = [Fact.of("accept.gone", label=label) for label in lost]
        changed = [*_changes(old, file, {one.configuration_id for one in taken})]
        write_baseline(path, file)
    elif not code:
        code = NothingMeasured.exit_code
    part = part_of(grid, every, cells)
    facts = (*([] if part is None else [part]), *found.notes, *changed, *left_out, *gone)
    return Acceptance(path, file, taken, freshness([e for one in taken for e in one.entries], found.run), facts, code)


def _only(grid: str, cells: Sequence[Cell], only: Sequence[str]) -> Sequence[Cell]:
    """The cells of the configurations that these beginnings of ids mean; all where there is none."""
    known = {cell.configuration_id: cell for cell in cells}
    items = {one: cell.about.scored[0] for one, cell in known.items()}
    ids = {one: [one, question_id(grid, "baseline", one, ACCEPTED, items[one])] for one in known}
    chosen = set()
    for name in only:
        fitting = [
            one for one, mine in ids.items() if len(name) >= SHORTEST_ID and any(i.startswith(name) for i in mine)
        ]
        if len(fitting) != 1:
            shown = listed(f"{mine[1][:8]} ({known[one].configuration_label})" for one, mine in ids.items())
            why = f"{len(fitting)} configurations begin so; " if fitting else ""
            raise SpecError(f"--only: got {show(name)}; {why}allowed {shown}")
        chosen |= {*fitting}
    return [cell for cell in cells if cell.configuration_id in chosen] if only else cells


def _changes(old: Baseline | None, new: Baseline, accepted: Collection[str]) -> Iterator[Fact]:
    """What another acceptance changes: a fact a configuration, then what changed of where they ran."""
    before = {one.configuration_id: one for one in old.configurations} if old is not None else {}
    places: list[tuple[tuple[Fact, ...], str]] = []
    for one in new.configurations:
        if one.configuration_id not in accepted:
            continue
        was = before.get(one.configuration_id)
        yield Fact.of(
            "accept.changed",
            label=one.name,
            new=was is None,
            before=was and was.mean,
            after=one.mean,
            runs=len(one.seeds),
            same=was is not None and was.seeds == one.seeds,
        )
        item = one.task.scored[0]
        scores = [run.scores.get(item) for run in one.seeds.values() if run.status == "ok"]
        if len(scores) > 1 and len(set(scores)) == 1:
            yield Fact.of("accept.no_spread", label=one.name, runs=len(scores))
        alike = next((each for each in before.values() if each.label == one.label), None) if was is None else None
        if alike is not None:
            yield Fact.of("accept.other", label=one.name, changes=changes(alike.asked, one.asked))
        if was is not None and old is not None:
            found = environment_changes(old.environments[was.environment_id], new.environments[one.environment_id])
            places.append((found, one.name))
    yield from by_environment(places)


def _old(path: Path, grid: Grid) -> Baseline | None:
    if not path.is_file():
        return None
    old = read_baseline(path)
    if old.grid.name != grid.name:
        allowed = f"{show(grid.name)}, or another --out"
        raise SpecError(f"{name_of(path)}: grid.name: got {show(old.grid.name)}; allowed {allowed}")
    return old


def _absent(grid: Grid, results: Results, one: Configuration) -> Iterator[Fact]:
    """Why a configuration's runs are not all there: missing, errored, skipped, or not to be read."""
    verdict = unmeasured(one, grid.seed_plan.looks if grid.seed_plan else None)
    if verdict is not None:
        yield verdict.reason
        yield from verdict.notes
        return
    try:
        for entry in one.entries:
            results.record(entry)
    except StoreError as error:
        yield Fact.of("accept.unreadable", error=str(error))
