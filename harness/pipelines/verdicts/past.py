"""What older measurements say of what is red: since when, when it was last well, and what changed since."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from harness.checks.changes import changes
from harness.checks.verdict import Verdict
from harness.checks.verify.diff.compare import Comparison, Difference, compare
from harness.checks.verify.diff.explain import explain
from harness.checks.verify.series import tolerance_between
from harness.errors import StoreError
from harness.fact import Fact
from harness.grid.cell import Cell
from harness.grid.grid import Grid
from harness.grid.select import selecting
from harness.pipelines.history import last_good
from harness.protocol import SUBJECT
from harness.record.configuration import Configuration
from harness.record.results import Results

MOST: Final = 30
"""So many earlier states of a grid are judged again, the newest first; fewer of a large grid."""
MOST_CONFIGURATIONS: Final = 3000
"""So many configurations are judged again in all of them together."""

Judge = Callable[[Results], Iterable[Verdict]]
"""What `check` would say of results, with ids."""

_PARTS: Final = {
    "recipe": ("asked", ()),
    "data": ("exact", ("training data", "validation data")),
    "weights": ("exact", ("checkpoint", "checkpoint weights", "tokenizer", "model configuration")),
    "packages": ("environment", ("packages", "python")),
    "machine": ("environment", ("machine",)),
}
"""What may have changed between two runs of one cell: the layer of a comparison, and groups of its fields (all)."""


@dataclass
class _Known:
    """What is known of a red verdict so far: `since` its first bad measurement began, and the state it was well in.

    `fair` is when a FAIL was last undecided: it tells the fall of what never had a PASS.
    """

    since: str
    bad: int = 0
    well: tuple[Verdict, Results] | None = None
    fair: tuple[str, Verdict, Results] | None = None


def with_past(
    grid: Grid, red: Sequence[Verdict], results: Results, judge: Judge, run: str | None
) -> dict[str, tuple[Fact, ...]]:
    """Facts by the ids of red verdicts; `run` is when the last run began.

    Earlier measurements are judged by the rules of today. Where one was well, a run of it is held against today's of
    the same seed, as `harness diff` would. Where the store has no older measurement, the grid's history is asked.
    """
    now = {one.configuration_id: one for one in results.configurations if one.current}
    known = {one.id: _Known(_began(now, one)) for one in red if one.subject.configuration_id in now}
    most = max(1, min(MOST, MOST_CONFIGURATIONS // max(len(now), 1)))
    for state in islice(results.earlier(), most):
        waiting = [one for one in red if one.id in known and known[one.id].well is None]
        if not waiting:
            break
        try:
            said = {one.id: one for one in judge(state)}
        except StoreError:
            continue  # history that cannot be read hinders no verdict on what can
        then = {one.configuration_id: one for one in state.configurations}
        for one in waiting:
            before, mine = said.get(one.id), known[one.id]
            if before is not None and (before.outcome == "PASS" or before.reason.code == "runs.very_same"):
                mine.well = before, state
                continue
            if mine.fair is None and one.outcome == "FAIL" and before is not None and before.outcome == "INCONCLUSIVE":
                mine.fair = (mine.since, before, state) if before.numbers is not None else None
            # Other data than tonight's was another trouble, and may long have been mended.
            other = one.is_of_other_content and _content(then, one) != _content(now, one)
            if not other and (began := _began(then, one)) and (not mine.since or began < mine.since):
                mine.since, mine.bad = began, mine.bad + 1
    for each in known.values():
        if each.well is None and each.fair is not None:
            each.since, each.well = each.fair[0], each.fair[1:]
    told: dict[tuple[str, str], tuple[Fact, ...]] = {}
    found = {}
    for one in red:
        if one.id not in known:
            continue
        found[one.id] = tuple(_when(one, known[one.id], run))
        if found[one.id] and found[one.id][0].code == "past.none":
            told_so = tuple(_by_history(grid, results, now[one.subject.configuration_id], known[one.id], run))
            found[one.id] = told_so or found[one.id]
        if (well := known[one.id].well) is not None:
            state = well[1]
            then = {each.configuration_id: each for each in state.configurations}
            place = one.subject.configuration_id, _began(then, one)
            if place not in told:
                told[place] = tuple(_changes(results, now[place[0]], state, then[place[0]]))
            found[one.id] += told[place]
    return found


def next_steps(
    cells: Sequence[Cell], results: Results, folder: str, grid: str
) -> Callable[[Verdict], tuple[Fact, ...]]:
    """Of a red verdict of a grid's file: what runs it again, and where its runs left their logs (below `folder`)."""
    runs = {
        one.configuration_id: tuple(
            {"seed": seed, "path": history.standing.path}
            for seed, history in one.histories.items()
            if history.standing is not None
        )
        for one in results.configurations
        if one.current
    }

    selections = selecting(cells)

    def steps(verdict: Verdict) -> tuple[Fact, ...]:
        configuration_id = verdict.subject.configuration_id
        if configuration_id not in selections:
            return ()
        # What is missing is added; what was measured is measured anew, but for what would come out the same again.
        select, fresh = tuple(selections[configuration_id]), verdict.outcome != "ERROR"
        again = () if verdict.is_of_other_content else (Fact.of("past.again", select=select, fresh=fresh, grid=grid),)
        tried = runs.get(configuration_id, ())
        return (*again, Fact.of("past.runs", folder=folder, runs=tried)) if tried else again

    return steps


def places(results: Results, configurations: Sequence[Configuration]) -> Iterator[Fact]:
    """Where the runs behind the verdicts were made, a fact an environment: machine and what is under test."""
    known = set()
    for one in configurations:
        record = results.records.get(one.key)
        if record is None or record.observed is None or one.environment_id in known:
            continue
        known.add(one.environment_id)
        packages = {name: record.observed.packages[name] for name in SUBJECT[:2] if name in record.observed.packages}
        devices = record.observed.machine.get("accelerators") or [record.observed.machine.get("cpu")]
        accelerator = "cuda" if record.observed.machine.get("accelerators") else "cpu"
        yield Fact.of("measured.at", accelerator=accelerator, device=devices[0], packages=packages)


def _began(configurations: dict[str, Configuration], verdict: Verdict) -> str:
    one = configurations.get(verdict.subject.configuration_id)
    return one.began if one is not None else ""


def _content(configurations: dict[str, Configuration], verdict: Verdict) -> str | None:
    one = configurations.get(verdict.subject.configuration_id)
    return one.content_id if one is not None else None


def _when(verdict: Verdict, known: _Known, run: str | None) -> Iterator[Fact]:
    tonight = run is not None and known.since >= run
    if known.well is not None:
        before, state = known.well
        began = _began({one.configuration_id: one for one in state.configurations}, verdict)
        since = known.since or None
        mean, undecided = before.subject.mean, before.outcome == "INCONCLUSIVE"
        yield Fact.of("past.well", since=since, tonight=tonight, well=began, mean=mean, undecided=undecided)
    elif known.bad:
        yield Fact.of("past.never", since=known.since, measurements=known.bad + 1)
    elif known.since:
        yield Fact.of("past.none", since=known.since)


def _by_history(grid: Grid, results: Results, now: Configuration, known: _Known, run: str | None) -> Iterator[Fact]:
    """What the history has of a configuration that the store has no older measurement of."""
    night = last_good(grid, now.configuration_id)
    if night is None or night.when >= known.since:
        return
    tonight = run is not None and known.since >= run
    yield Fact.of("past.well", since=known.since, tonight=tonight, well=night.when, mean=night.mean, undecided=False)
    record = results.records.get(now.key)
    if record is not None and record.observed is not None and night.packages:
        mine = {name: record.observed.packages[name] for name in SUBJECT if name in record.observed.packages}
        before = {name: version for name, version in night.packages.items() if name in mine}
        yield Fact.of("past.changed", changes=changes(before, mine), same=())


def _changes(results: Results, now: Configuration, state: Results, then: Configuration) -> Iterator[Fact]:
    """What differs between a run of when it was well and one of now, at the first seed that both have."""
    seed = next((seed for seed in now.entry_of if seed in then.entry_of), None)
    if seed is None:
        return
    try:
        a, b = state.run(then.entry_of[seed]), results.run(now.entry_of[seed])
    except StoreError as error:
        yield Fact.of("past.unreadable", error=str(error))
        return
    comparison = compare(a, b, tolerance_between(a, b))
    found = explain(a, b, comparison)
    parts = {name: _part(comparison, *of) for name, of in _PARTS.items()}
    every = [each for several in parts.values() for each in several]
    # The cause, where it is among them, then what is under test, before what merely changed too.
    every.sort(key=lambda each: (each is not found.cause, each.field.removeprefix("packages.") not in SUBJECT))
    both = a.record.observed is not None and b.record.observed is not None
    same = [name for name, several in parts.items() if both and not several]
    if both:
        named = ((each.field.removeprefix("packages."), each) for each in every)
        told = tuple(Fact.of("changed", field=name, a=each.a, b=each.b) for name, each in named)
        yield Fact.of("past.changed", changes=told, same=tuple(same))
    effect = found.effect
    yield Fact.of(
        "past.difference",
        state=found.state,
        seed=seed,
        item=effect and effect.item,
        step=effect and effect.step,
        ratio=effect and effect.ratio,
        upstream=found.upstream,
    )


def _part(comparison: Comparison, layer: str, groups: tuple[str, ...]) -> list[Difference]:
    return [
        one
        for one in comparison.differences
        if one.layer == layer and (not groups or one.field.partition(".")[0] in groups)
    ]
