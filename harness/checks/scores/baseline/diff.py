"""What `diff` says of an accepted file and another side: configurations paired, by all that such a file keeps.

That is scores, hashes of what training did, recipe and environment; no series. So a difference has a size in points,
and a cause where one of these proves it; and equal scores prove no equal runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from harness.checks.changes import changes
from harness.checks.scores.baseline.departure import FACTS, SCORES, departures, first_difference, known_hashes
from harness.checks.scores.baseline.file import Configuration
from harness.checks.scores.baseline.pair import BaselinePair, BaselineSide, by_environment, runs_absent
from harness.checks.verdict import Fact, Outcome, Verdict
from harness.checks.verify.diff.reach import ROUNDS, place_rank, reach
from harness.checks.verify.fields import HASHES, asked_fields, is_root
from harness.stats.decision import Rule, decide
from harness.stats.margin import PARITY

State = Literal["identical", "equal", "different", "unknown"]
OUTCOMES: Final[Mapping[State, Outcome]] = {
    "identical": "PASS", "equal": "PASS", "different": "FAIL", "unknown": "INCONCLUSIVE"
}  # fmt: skip
_SUMMED: Final = ROUNDS | {"threads", "engine", "devices"}
"""Fields behind which the same may be computed, summed in another order."""
_LAYERS: Final = (*(name for _, name in HASHES.values()), SCORES)

Couple = tuple[Configuration | None, Configuration | None]


def diff_accepted(a: BaselineSide, b: BaselineSide, exact: bool = False) -> tuple[list[Verdict], tuple[Fact, ...]]:
    """A verdict a configuration, those of A and then what only B has; and each change of environment once.

    A counterpart has the same id, or else the same label; one configuration and one configuration are a pair whatever
    they are. PASS (identical, equal), FAIL (different), INCONCLUSIVE (unknown), ERROR where a side has no run. The
    tolerance is the margin between two results of their grid, in points: A's where A says it, else B's, else the
    default; with `exact` there is none.
    """
    said = (side.results.grid.parity_margin_points for side in (a, b))
    rule = Rule(next((margin for margin in said if margin is not None), PARITY))
    couples = _couples(a.results.configurations, b.results.configurations)
    pairs = [_Kept(BaselinePair(a, b, old, new, rule), exact) for old, new in couples if old and new]
    judged = {id(one.pair.old): one.verdict() for one in pairs}
    found = [judged.get(id(old)) or _alone(a, b, old, new) for old, new in couples]
    places = by_environment((one.pair.environment_changes(), one.pair.new.name) for one in pairs)
    told = ((fact.values["changes"], fact.values["configurations"]) for fact in places)
    return found, tuple(Fact.of("diff.kept.place", changes=every, configurations=labels) for every, labels in told)


def _couples(a: Sequence[Configuration], b: Sequence[Configuration]) -> list[Couple]:
    if len(a) == len(b) == 1:
        return [(a[0], b[0])]
    left = {one.configuration_id: one for one in b}
    met = {one.configuration_id: left.pop(one.configuration_id) for one in a if one.configuration_id in left}
    unmet = [one for one in a if one.configuration_id not in met]
    for one in unmet:
        alike = [other for other in left.values() if other.label == one.label]
        if len(alike) == 1 == sum(other.label == one.label for other in unmet):
            met[one.configuration_id] = left.pop(alike[0].configuration_id)
    return [*((one, met.get(one.configuration_id)) for one in a), *((None, one) for one in left.values())]


def _alone(a: BaselineSide, b: BaselineSide, old: Configuration | None, new: Configuration | None) -> Verdict:
    """A configuration that one side has no run of, and why, where that side says it."""
    there, mine, other, name = (old, a, b, "B") if old is not None else (new, b, a, "A")
    assert there is not None
    absent = other.results.absent(there.configuration_id).values()
    reason = Fact.of("diff.kept.missing", side=name, runs=runs_absent(absent) if absent else None)
    return Verdict("diff", "ERROR", mine.side(there), reason)


@dataclass(frozen=True)
class _Kept:
    """One configuration on both sides, as far as an accepted file keeps it."""

    pair: BaselinePair
    exact: bool

    def verdict(self) -> Verdict:
        """The state with its size and causes; seeds that only one side has make it an ERROR, unless it is a FAIL."""
        pair = self.pair
        means = self.scores[0].values if self.scores else {"a": None, "b": None}
        outcome: Outcome
        if pair.same_runs:
            outcome, reason = "PASS", Fact.of("diff.same")
        else:
            outcome, reason = OUTCOMES[self.state], self._reason
        if self.lost and outcome != "FAIL":
            outcome, reason = "ERROR", Fact.of("diff.kept.seeds", lost=self.lost, others=reason)
        return Verdict(
            "diff",
            outcome,
            pair.b.side(pair.new, mean=means["b"]),
            reason,
            against=pair.a.side(pair.old, mean=means["a"]),
            numbers=None if pair.same_runs else pair.decision,
            findings=departures(pair.couples),
            notes=self.scores,
            recipe_differences=self.asked,
            margin_from=Fact.of("margin.baseline", points=pair.rule.delta),
        )

    @cached_property
    def state(self) -> State:
        """What the two are to each other."""
        pair, decision = self.pair, self.pair.decision
        if pair.identical:
            return "identical"
        if self.moved or not pair.comparable or self.done or (self.exact and self.parts):
            return "different"
        if self.parts and any(fact.values["field"] not in _SUMMED for fact in self.asked):
            return "different"
        if pair.by_seed and not self.scored:
            seen = pair.couples and not any(map(is_root, self.unseen))
            return "equal" if seen and not self.exact else "unknown"
        if decision is None or self.exact:
            return "unknown"
        if decision.outcome == "PASS":
            return "equal"
        # These very runs differ by more than the tolerance, whatever others of their kind would do.
        beyond = abs(decision.difference) > pair.rule.delta and pair.by_seed
        return "different" if decision.outcome == "FAIL" or beyond else "unknown"

    @property
    def scored(self) -> bool:
        """Whether scores differ at any seed."""
        return any(x.scores != y.scores for x, y in self.pair.couples.values())

    @cached_property
    def parts(self) -> str | None:
        """Where the runs part first, of all seeds."""
        firsts = {first_difference(*couple) for couple in self.pair.couples.values()}
        return next((name for name in _LAYERS if name in firsts), None)

    @property
    def unseen(self) -> tuple[str, ...]:
        """The hashes that not every run has."""
        known = [known_hashes(*couple) for couple in self.pair.couples.values()]
        return tuple(name for name in _LAYERS[:-1] if any(name not in one for one in known))

    @cached_property
    def asked(self) -> tuple[Fact, ...]:
        """What was asked for otherwise and can touch a result."""
        old, new = (dict(asked_fields(one.asked)) for one in (self.pair.old, self.pair.new))
        found = changes(old, new)
        return tuple(fact for fact in found if reach("asked", fact.values["field"]))

    @cached_property
    def done(self) -> tuple[Fact, ...]:
        """What was done otherwise, of the first order."""
        return tuple(fact for fact in self._done() if fact.values.get("item") not in _SUMMED)

    def _done(self) -> Iterator[Fact]:
        pair = self.pair
        for one in departures(pair.couples):
            if one.item in FACTS:
                values = one.fact.values
                yield Fact.of("cause.done", item=one.item, field=one.item, a=values["a"], b=values["b"], step=None)
            elif is_root(one.item):
                yield Fact.of("through", item=one.item)
        ends = (known_hashes(*couple) for couple in pair.couples.values() if first_difference(*couple) == SCORES)
        if any(_LAYERS[-2] in known for known in ends):
            yield Fact.of("diff.kept.evaluation")

    @property
    def moved(self) -> tuple[Fact, ...]:
        """Seeds at which a run collapsed on one side only."""
        return tuple(
            Fact.of("status.changed", seed=seed, before=x.status, after=y.status)
            for seed, (x, y) in self.pair.couples.items()
            if x.status != y.status
        )

    @property
    def lost(self) -> tuple[Fact, ...]:
        """The seeds that only one side has a run of, where seeds are paired."""
        pair = self.pair
        sides = (("A", pair.a, pair.old, pair.new), ("B", pair.b, pair.new, pair.old))
        found = []
        for name, side, mine, other in sides if pair.by_seed else ():
            if seeds := [seed for seed in other.runs if seed not in mine.runs]:
                absent = side.results.absent(mine.configuration_id)
                why = [absent[seed] for seed in seeds if seed in absent]
                found.append(Fact.of("diff.kept.lost", side=name, seeds=seeds, runs=runs_absent(why) if why else None))
        return tuple(found)

    @cached_property
    def scores(self) -> tuple[Fact, ...]:
        """What the task's metrics come to, in points, over the same seeds where they are paired."""
        found = []
        for item in self.pair.new.task.scored:
            estimate, sides = self.pair.estimate(item), self.pair.scores(item)
            if estimate is not None:
                a, b = (sum(side) / len(side) for side in sides)
                interval, paired = decide(estimate, self.pair.rule).ci90, self.pair.by_seed
                found.append(
                    Fact.of(
                        "diff.kept.score",
                        item=item,
                        seeds=len(sides[1]),
                        paired=paired,
                        a=a,
                        b=b,
                        difference=estimate.difference,
                        interval=interval,
                    )
                )
        return tuple(found)

    @property
    def _places(self) -> tuple[Fact, ...]:
        """Where the runs ran that can have acted, the software first."""
        facts = (
            side.results.environments[one.environment_id]
            for side, one in ((self.pair.a, self.pair.old), (self.pair.b, self.pair.new))
        )
        a, b = ({"packages": one.packages, "python": one.python, "machine": one.machine} for one in facts)
        found = [fact for fact in changes(a, b) if reach("environment", fact.values["field"])]
        return tuple(sorted(found, key=lambda one: place_rank(one.values["field"])))

    @property
    def _reason(self) -> Fact:
        pair, contents = self.pair, (self.pair.old.content_id, self.pair.new.content_id)
        asked = [
            Fact.of("cause.asked", field=one["field"], a=one["a"], b=one["b"], through=[])
            for one in (fact.values for fact in self.asked)
        ]
        places = [
            Fact.of("cause.place", field=one["field"], a=one["a"], b=one["b"])
            for one in (fact.values for fact in self._places)
        ]
        content = (
            []
            if pair.comparable
            else [Fact.of("diff.kept.content", before=contents[0], after=contents[1], what=pair.parts_changed)]
        )
        same = self.state == "identical"
        # What was done otherwise is the doing of what was asked for otherwise, where anything was.
        causes = [*asked, *([] if asked else [*content, *self._done()]), *places]
        return Fact.of(
            "diff.kept",
            state=self.state,
            seeds=len(pair.couples),
            alike=pair.by_seed and not self.scored,
            score=next(iter(self.scores), None),
            margin=pair.rule.delta,
            parts=self.parts,
            unseen=self.unseen,
            moved=self.moved,
            causes=[] if same else causes,
            idle=[*asked, *places] if same else [],
        )
