"""Two sides of several runs: which run of one is held against which of the other, and what all pairs come to."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from harness.checks.verdict import Fact, Side, Verdict, worst_first
from harness.checks.verify.diff.difference import difference
from harness.checks.verify.findings import unfinished
from harness.checks.verify.series import EXACT, tolerance_between
from harness.errors import SpecError, StoreError
from harness.record.run import Run
from harness.text import canonical_json, listed

STATES: Final[Mapping[str, str]] = {
    "diff.different": "different", "diff.equal": "equal", "diff.identical": "identical", "diff.same": "identical",
    "diff.logged.different": "different", "diff.logged.equal": "equal", "diff.logged.identical": "identical",
    "diff.logged.unknown": "unknown", "diff.logged.nothing": "unknown",
    "diff.kept.missing": "missing", "diff.kept.seeds": "missing",
    "diff.unknown": "unknown", "diff.missing": "missing", "diff.unreadable": "unreadable", "diff.skipped": "skipped",
}  # fmt: skip
"""The state of a pair, by the code of its verdict's reason."""
ERRORED: Final = "errored"
"""The state of any other pair: a run has no result."""


@dataclass(frozen=True)
class Candidate:
    """A run of a side, read where it is compared: `read` raises StoreError where it cannot be.

    `label` names it as the grid spells values, `shown` for people, where that differs, and `run_id` for the command
    line; `axes` is its place in the matrix. `key` is the same for the same attempt wherever it lies; `folder` is where
    it lies.
    """

    label: str
    run_id: str
    folder: str
    cell_id: str
    axes: Mapping[str, Any]
    key: tuple[str, ...]
    read: Callable[[], Run]
    shown: str = ""

    @property
    def side(self) -> Side:
        """As a side of a verdict."""
        return Side(self.label, environment_id=self.key[1], cell_ids=(self.cell_id,), shown=self.shown)

    def called(self, side: Side) -> Side:
        """A side that was made of its run, by its name for people."""
        return replace(side, shown=self.shown + side.label.removeprefix(self.label)) if self.shown else side


Pair = tuple[Candidate | None, Candidate | None]


def pairs(a: Sequence[Candidate], b: Sequence[Candidate], named: frozenset[str]) -> list[Pair]:
    """The runs of A with their counterparts in B, in A's order, then what only B has.

    One run and one run are a pair whatever they are. Else a counterpart is the same cell, or what has the same place in
    the matrix but for the axes `named` by selectors, at last but for those that not all runs have.

    Raises
    ------
    SpecError
        Where several runs could be the counterpart of one.
    """
    if len(a) == len(b) == 1:
        return [(a[0], b[0])]
    shared = set.intersection(*(set(one.axes) for one in (*a, *b))) - named
    keys: list[Callable[[Candidate], str]] = [
        lambda one: canonical_json({key: value for key, value in one.axes.items() if key not in named}),
        lambda one: canonical_json({key: one.axes[key] for key in shared}),
    ]
    if not named:
        keys = [lambda one: f"{one.axes.get('grid')} {one.cell_id}", lambda one: one.cell_id, *keys]
    left, found = [list(a), list(b)], list[Pair]()
    for key in keys:
        old, new = _by(key, left[0]), _by(key, left[1])
        alone = [name for name in old if len(old[name]) == 1 == len(new.get(name, ()))]
        found += [(old.pop(name)[0], new.pop(name)[0]) for name in alone]
        left = [[one for several in side.values() for one in several] for side in (old, new)]
    for name in old:
        several = [*old[name], *new.get(name, ())]
        if len(several) > 2 and name in new:
            ids = listed([one.run_id for one in several], 4)
            raise SpecError(
                f"{ids}: several runs with one place in the matrix; allowed a selector on both sides, NAME:AXIS=VALUE"
            )
    found += [*((one, None) for one in left[0]), *((None, one) for one in left[1])]
    order = {id(one): at for at, one in enumerate(a)}
    return sorted(found, key=lambda pair: order.get(id(pair[0]), len(order)))


def _by(key: Callable[[Candidate], str], side: Sequence[Candidate]) -> dict[str, list[Candidate]]:
    found: dict[str, list[Candidate]] = {}
    for one in side:
        found.setdefault(key(one), []).append(one)
    return found


def judge(pair: Pair, exact: bool = False) -> Verdict:
    """What one pair comes to; a run without a counterpart is an ERROR, one and the same run is identical."""
    a, b = pair
    if a is None or b is None:
        there = a or b
        assert there is not None
        return Verdict("diff", "ERROR", there.side, Fact.of("diff.missing", side="B" if b is None else "A"))
    same = Verdict("diff", "PASS", b.side, Fact.of("diff.same"), against=a.side)
    if a.folder == b.folder:
        return same
    try:
        first, second = a.read(), b.read()
        if a.key == b.key and first.record == second.record:
            return same  # a copy of it
    except StoreError as error:
        return Verdict("diff", "ERROR", b.side, Fact.of("diff.unreadable", error=str(error)), against=a.side)
    if {first.record.status, second.record.status} == {"skipped"}:
        stopped = unfinished("diff", second, first)
        assert stopped is not None
        return replace(stopped, reason=Fact.of("diff.skipped", why=stopped.reason))
    found = difference(first, second, EXACT if exact else tolerance_between(first, second))
    return replace(found, subject=b.called(found.subject), against=found.against and a.called(found.against))


def state_of(verdict: Verdict) -> str:
    """The state of a pair: its reason says it, where the reason's code is none of a state."""
    code, values = verdict.reason.code, verdict.reason.values
    return str(values["state"]) if code == "diff.kept" else STATES.get(code, ERRORED)


def largest_first(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The worst outcome first; of pairs that differ those that differ most where it shows, settings alone last."""
    ordered = worst_first(verdicts)
    outcomes = list(dict.fromkeys(one.outcome for one in ordered))
    return sorted(ordered, key=lambda one: (outcomes.index(one.outcome), is_within(one), -_size(one)))


def is_within(verdict: Verdict) -> bool:
    """Whether a pair differs in what was done alone: what came of it is within rounding."""
    return verdict.reason.code == "diff.different" and bool(verdict.reason.values["within"])


def _size(verdict: Verdict) -> float:
    """How far the effect's ratio is from 1; 0 where there is none."""
    effect = verdict.reason.values.get("effect")
    ratio = effect.values["ratio"] if isinstance(effect, Fact) else None
    return abs(math.log(abs(ratio))) if ratio and math.isfinite(ratio) else 0.0


def summary(verdicts: Sequence[Verdict], noun: str = "runs") -> Fact:
    """What pairs come to: one pair's own answer; of several how many in each state, the worst, the means of scores.

    `noun`: what the pairs are of.
    """
    if len(verdicts) == 1 or all(one.reason.code == "diff.same" for one in verdicts):
        return verdicts[0].reason
    states = [state_of(one) for one in verdicts]
    first = largest_first(verdicts)[0]
    return Fact.of(
        "diff.pairs",
        state=state_of(first),
        pairs=len(verdicts),
        states={state: states.count(state) for state in dict.fromkeys([*STATES.values(), *states]) if state in states},
        label=first.subject.name,
        first=first.reason,
        idle=first.reason.values.get("idle", []),
        scores=_scores(verdicts),
        noun=noun,
    )


def _scores(verdicts: Sequence[Verdict]) -> dict[str, dict[str, float]]:
    """By score its means in A and in B, over the pairs that have it in both and of which no run collapsed."""
    found: dict[str, list[tuple[float, float]]] = {}
    for one in verdicts:
        if any(side is not None and side.collapsed for side in (one.against, one.subject)):
            continue
        for fact in one.notes:
            if fact.code == "effect" and fact.values["step"] is None:
                found.setdefault(fact.values["item"], []).append((fact.values["a"], fact.values["b"]))
    return {
        name: {"a": sum(a for a, _ in both) / len(both), "b": sum(b for _, b in both) / len(both), "n": len(both)}
        for name, both in found.items()
    }
