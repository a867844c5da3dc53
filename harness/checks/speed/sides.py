"""Two results' speeds: counterparts found, each compared, Holm over the family, missing and new listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from harness.checks.changes import changes
from harness.checks.speed.compare import ITEM, PROCESSES, by_speed, finding, side_of, with_memory
from harness.checks.speed.process import Process, oldest_first, place_of, processes_of
from harness.checks.verdict import Fact, Side, Verdict
from harness.errors import SpecError
from harness.grid.cell import TRAINER_ONLY, configuration_label
from harness.grid.labels import Namer
from harness.grid.select import fitting, is_one_value
from harness.record.model import Record
from harness.stats.family import apply_holm
from harness.stats.throughput import PAIRS, Speed
from harness.text import canonical_json, listed

ALPHA: Final = 0.05
BESIDE: Final = Fact.of("speed.side_by_side", pairs=PAIRS)
FOLLOWS: Final[Mapping[str, tuple[str, ...]]] = {
    "devices": ("recipe.per_device_train_batch_size",),
    "checkpoint": ("checkpoint", "recipe"),
}
"""Settings that follow from an axis: strong scaling divides the batch, a checkpoint brings its own recipe."""


@dataclass(frozen=True)
class Lost:
    """A configuration of which no process left a rate: the status of its last attempt, and the failure's own words."""

    label: str
    place: Mapping[str, Any]
    status: str
    message: str | None = None


@dataclass(frozen=True)
class SpeedSide:
    """One side: its name for people, its timing processes, what left none, and the axes that its selector names.

    `unreadable` says of each record that may be a timing's and cannot be read what is wrong with it. `label` is what
    its grid calls values.
    """

    name: str
    processes: tuple[Process, ...]
    lost: tuple[Lost, ...] = ()
    named: frozenset[str] = field(default_factory=frozenset)
    unreadable: tuple[str, ...] = ()
    label: Mapping[str, str] = field(default_factory=dict)

    def narrowed(self, wanted: Mapping[str, str]) -> SpeedSide:
        """The part of it whose axes have these values, as people write them.

        What left no rate counts as there: where every process of an arm failed, that is what the comparison tells.

        Raises
        ------
        SpecError
            For an axis or a value that nothing has, or values that nothing has together.
        """
        timed = [place_of(process) for process in self.processes]
        places = [*timed, *(each.place for each in self.lost)]
        fits = fitting(self.name, places, wanted, namer_of(self).own)
        kept = [process for process, fit in zip(self.processes, fits, strict=False) if fit]
        lost = [each for each, fit in zip(self.lost, fits[len(timed) :], strict=True) if fit]
        if not kept and not lost:
            raise SpecError(f"{self.name}: no configuration has all of these values together; allowed fewer conditions")
        named = self.named | {axis for axis, values in wanted.items() if is_one_value(values)}
        return replace(self, processes=tuple(kept), lost=tuple(lost), named=named)


def side_of_records(name: str, records: Sequence[Record]) -> SpeedSide:
    """The side that a grid's timing records make; those without a rate tell what was lost."""
    processes = processes_of(records)
    measured = {process.configuration_id for process in processes}
    lost: dict[str, Lost] = {}
    for record in sorted(records, key=lambda record: record.started):
        if record.configuration_id not in measured:
            label = configuration_label(record.asked)
            message = record.failure.message if record.failure else None
            lost[record.configuration_id] = Lost(label, place_of(record.asked), record.status, message)
    return SpeedSide(name, tuple(processes), tuple(lost.values()))


def arms(side: SpeedSide, engine: str) -> tuple[SpeedSide, SpeedSide]:
    """What one engine timed (A), and the same configurations by the Trainer (B)."""
    named = side.named | {"engine", *TRAINER_ONLY}
    places = [place_of(one) for one in side.processes] + [one.place for one in side.lost]
    twins = {_key(place, named) for place in places if place.get("engine") == engine}

    def arm(name: str, by_engine: bool) -> SpeedSide:
        def has(place: Mapping[str, Any]) -> bool:
            return _key(place, named) in twins and (place.get("engine") == engine) == by_engine

        processes = tuple(one for one in side.processes if has(place_of(one)))
        lost = tuple(one for one in side.lost if has(one.place))
        return replace(side, name=name, processes=processes, lost=lost, named=named)

    return arm(engine, True), arm("trainer", False)


def namer_of(*sides: SpeedSide) -> Namer:
    """What the configurations of these sides are called: what varies over all of them, in the words of their grids."""
    words = {key: text for side in reversed(sides) for key, text in side.label.items()}
    return Namer.of(_places(sides).values(), words)


def names_of(*sides: SpeedSide) -> dict[str, str]:
    """What people call each configuration of these sides, by its label."""
    namer = namer_of(*sides)
    return {label: namer.label(place) for label, place in _places(sides).items()}


def _places(sides: Sequence[SpeedSide]) -> dict[str, Mapping[str, Any]]:
    """The places of what was timed and of what was lost, by label."""
    found: dict[str, Mapping[str, Any]] = {}
    for side in sides:
        found |= {process.label: place_of(process) for process in side.processes}
        found |= {each.label: each.place for each in side.lost}
    return found


def compare_sides(a: SpeedSide, b: SpeedSide, margin: float, *, memory: bool = True) -> list[Verdict]:
    """Compare every configuration of B with its counterpart of A, in A's order; then list what only B has.

    A counterpart has the same place in the matrix but for the axes that a selector names, and was asked for the same
    otherwise. Of what could block, a FAIL by speed stands only where its p, adjusted by Holm over all of them, is below
    .05; a PASS needs no correction. Without `memory` only speed is judged.

    Raises
    ------
    SpecError
        Where several configurations of a side are counterparts of the same one.
    """
    named = a.named | b.named
    old, new = _by_key(a, named), _by_key(b, named)
    drafts = [
        _counterparts(processes, new[key], b, named, margin) if key in new else _missing(processes, key, b, named)
        for key, processes in old.items()
    ]
    drafts += [
        Verdict("speed", "SKIP", side_of(processes), Fact.of("speed.new", side=a.name), item=ITEM, todo=(BESIDE,))
        for key, processes in new.items()
        if key not in old
    ]
    drafts += [
        Verdict(
            "speed", "SKIP", Side(each.label), Fact.of("speed.new_and_lost", side=b.name, end=_end(each)), item=ITEM
        )
        for each in b.lost
        if _key(each.place, named) not in {*old, *new}
    ]
    judged = after_holm(drafts)
    return [with_memory(verdict) for verdict in judged] if memory else judged


def after_holm(drafts: Sequence[Verdict]) -> list[Verdict]:
    """Let FAILs by speed stand where Holm lets them; the family is every comparison with enough processes."""
    adjusted = apply_holm([_p_that_could_block(draft) for draft in drafts])
    family = sum(p is not None for p in adjusted)
    return [draft if p is None else _corrected(draft, p, family) for draft, p in zip(drafts, adjusted, strict=True)]


def _corrected(draft: Verdict, p: float, family: int) -> Verdict:
    verdict = replace(draft, adjusted_p=p, family=family)
    if draft.outcome != "FAIL" or p < ALPHA:
        return verdict
    reason = Fact.of("speed.after_holm", why=draft.reason, p=p, family=family)
    return replace(verdict, outcome="INCONCLUSIVE", reason=reason, todo=(Fact.of("speed.confirm"),))


def _p_that_could_block(draft: Verdict) -> float | None:
    processes = finding(draft, PROCESSES)
    enough = processes is not None and processes.outcome == "PASS"
    return draft.numbers.p_slower if enough and isinstance(draft.numbers, Speed) else None


def suspicious(verdict: Verdict, margin: float) -> bool:
    """Whether it is worth measuring again before it alarms: it fails, or is slower than the margin and undecided."""
    if verdict.outcome == "FAIL":
        return True
    slower = isinstance(verdict.numbers, Speed) and verdict.numbers.ratio < 1 - margin
    return verdict.outcome == "INCONCLUSIVE" and slower


def confirmed(first: Verdict, fresh: Verdict | None) -> Verdict:
    """The verdict after a fresh session: the fresh session's own, but a FAIL only where both fail."""
    before, outcome = first.reason, first.outcome
    if fresh is None:
        why = Fact.of("speed.not_timed_again")
        reason = Fact.of("speed.not_confirmed", why=why, first=outcome, before=before)
        return replace(first, outcome="INCONCLUSIVE", reason=reason, todo=(Fact.of("speed.run_again"),))
    if fresh.outcome != "FAIL" or fresh.numbers is None:
        reason = Fact.of("speed.not_confirmed", why=fresh.reason, first=outcome, before=before)
        if fresh.outcome == "PASS" and fresh.numbers is not None:
            return replace(fresh, notes=(reason, *fresh.notes))
        return replace(fresh, outcome=fresh.outcome if fresh.numbers else "INCONCLUSIVE", reason=reason)
    if outcome == "FAIL":
        return replace(fresh, reason=Fact.of("speed.confirmed", why=fresh.reason, first=outcome, before=before))
    reason = Fact.of("speed.only_fresh", why=fresh.reason, first=outcome, before=before)
    return replace(fresh, outcome="INCONCLUSIVE", reason=reason, todo=(Fact.of("speed.confirm_again"),))


def _by_key(side: SpeedSide, named: frozenset[str]) -> dict[str, list[Process]]:
    """Processes by counterpart, in the order in which configurations were first timed; oldest first in each."""
    found: dict[str, list[Process]] = {}
    for process in oldest_first(side.processes):
        found.setdefault(_key(place_of(process), named), []).append(process)
    for processes in found.values():
        labels = {canonical_json(place_of(process)): process.label for process in processes}
        if len(labels) > 1:
            places = [place_of(process) for process in processes]
            axes = sorted(axis for axis in named if len({canonical_json(place.get(axis)) for place in places}) > 1)
            raise SpecError(
                f"{side.name}: several configurations are counterparts of the same one: {listed(labels.values(), 6)}; "
                f"allowed one value of {listed(axes)}, as in {side.name}:{axes[0]}=VALUE"
            )
    return found


def _key(place: Mapping[str, Any], named: frozenset[str]) -> str:
    return canonical_json({axis: value for axis, value in place.items() if axis not in named})


def _counterparts(
    old: Sequence[Process], new: Sequence[Process], b: SpeedSide, named: frozenset[str], margin: float
) -> Verdict:
    """Of a place whose settings have changed over time: B's newest, and A's like it, else A's newest."""
    its = new[-1].configuration_id
    same = [process for process in old if process.configuration_id == its]
    before = same or [process for process in old if process.configuration_id == old[-1].configuration_id]
    after = [process for process in new if process.configuration_id == its]
    x, y = before[-1].asked, after[-1].asked
    different = changes(_settings(x, named), _settings(y, named)) if x and y else ()
    if not different:
        return by_speed(before, after, margin)
    reason = Fact.of("speed.asks_otherwise", side=b.name, changes=different)
    return Verdict("speed", "ERROR", side_of(after), reason, side_of(before), ITEM)


def _settings(asked: Mapping[str, Any], named: frozenset[str]) -> dict[str, Any]:
    """What was asked for, without the axes that a selector names and what follows from them."""
    recipe = asked.get("recipe")
    kept = {**asked, "recipe": dict(recipe) if isinstance(recipe, Mapping) else {}}
    for axis in named:
        for name in (axis, *FOLLOWS.get(axis, ())):
            kept.pop(name, None)
            if isinstance(kept.get("recipe"), dict):
                kept["recipe"].pop(name.removeprefix("recipe."), None)
    return kept


def _missing(old: Sequence[Process], key: str, b: SpeedSide, named: frozenset[str]) -> Verdict:
    a = side_of(old)
    lost = next((each for each in b.lost if _key(each.place, named) == key), None)
    if lost is None:
        reason = Fact.of("speed.missing", side=b.name)
        return Verdict("speed", "ERROR", Side(a.label), reason, a, ITEM, todo=(Fact.of("speed.time_it"),))
    reason = Fact.of("speed.lost", side=b.name, end=_end(lost))
    if lost.status == "skipped":
        return Verdict("speed", "SKIP", Side(lost.label), reason, a, ITEM)
    return Verdict("speed", "ERROR", Side(lost.label), reason, a, ITEM, todo=(Fact.of("speed.time_it"),))


def _end(lost: Lost) -> Fact:
    return Fact.of("speed.end", status=lost.status, message=lost.message)
