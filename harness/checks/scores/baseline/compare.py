"""Results against a baseline: what both have is judged, what only one has is listed.

What the baseline has must be there: a configuration or seed of it without a score is an ERROR, or a SKIP where it
cannot run here. What the baseline does not have is listed, and never judged.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from harness.checks import verdict
from harness.checks.changes import changes
from harness.checks.scores.baseline.file import OLDER, Configuration
from harness.checks.scores.baseline.pair import ITEM, BaselinePair, BaselineSide, runs_absent
from harness.checks.scores.hypothesis import corrected, waiver_fact
from harness.checks.verdict import Fact, Inconclusive, Outcome, Side, Verdict
from harness.grid.waivers import Waiver, applies
from harness.stats.decision import Rule
from harness.stats.margin import PARITY


@dataclass(frozen=True)
class Comparison:
    """B against A: verdicts in A's order, then on what only B has, and the facts that hold for several.

    `unrelated`: B does not even plan any configuration that A has runs of.
    """

    verdicts: tuple[Verdict, ...]
    facts: tuple[Fact, ...] = ()
    unrelated: bool = False

    def exit_code(self, inconclusive: Inconclusive = "fail") -> int:
        """That of the verdicts; 5 also where the two sides have no configuration in common at all."""
        return 5 if self.unrelated else verdict.exit_code(self.verdicts, inconclusive=inconclusive)


def compare(
    a: BaselineSide,
    b: BaselineSide,
    *,
    today: datetime.date,
    margin: float = PARITY,
    alpha: float = 0.05,
    waivers: Sequence[Waiver] = (),
) -> Comparison:
    """Judge B against A, with the gate's families over the configurations that both have; `margin` in points.

    `waivers` are those of B's grid; on the day `today` some are void.

    Paired by seed where the smaller plan shares at least half its seeds with the other, else Welch: a choice by what
    was planned, never by what came out. A configuration whose shared runs are all equal bit for bit passes by
    identity, whatever their number: nothing that could change a score has changed.
    """
    old, new = ({one.configuration_id: one for one in side.results.configurations} for side in (a, b))
    pairs = [BaselinePair(a, b, one, new[key], Rule(margin, alpha)) for key, one in old.items() if key in new]
    judged = {one.subject.configuration_id: one for one in _after_holm(pairs)}
    labels = {one.label: one for one in new.values()}
    found = [judged.get(key) or _missing(one, a, b, labels.get(one.label)) for key, one in old.items()]
    found += [_new(one, a, b) for key, one in new.items() if key not in old]
    found += _nowhere(a, b)
    unrelated = not old.keys() & {*new, *(one.configuration_id for one in b.results.left_out)}
    facts = [*_environments(pairs), *([Fact.of("baseline.unrelated")] if unrelated else [])]
    return Comparison(tuple(_waived(one, waivers, today) for one in found), tuple(facts), unrelated)


def _after_holm(pairs: Sequence[BaselinePair]) -> Iterator[Verdict]:
    """Scores and collapses are two families, as in the gate; what cannot be compared belongs to none."""
    decisions = [pair.decision for pair in pairs]
    p = [one.p_block if one else None for one in decisions]
    scores = corrected(p, [one.p_limit if one else 0.0 for one in decisions])
    collapses = corrected([pair.collapse_p for pair in pairs])
    for pair, by_scores, by_collapses in zip(pairs, scores, collapses, strict=True):
        yield pair.verdict(by_scores, by_collapses)


def _waived(one: Verdict, waivers: Sequence[Waiver], today: datetime.date) -> Verdict:
    waiver = applies(waivers, one, today)
    return replace(one, waiver=waiver_fact(waiver)) if waiver else one


def _missing(old: Configuration, a: BaselineSide, b: BaselineSide, alike: Configuration | None) -> Verdict:
    """A configuration that B has no run of; `alike` is what B calls by the same label."""
    absent = [one for one in b.results.absent(old.configuration_id).values() if one.status != OLDER]
    skipped = absent and all(one.status == "skipped" for one in absent)
    differences = changes(old.asked, alike.asked) if alike else ()
    reason = Fact.of("baseline.missing", side=b.name)
    if absent:
        reason = Fact.of("baseline.missing_scores", side=b.name, runs=runs_absent(absent))
    elif differences:
        reason = Fact.of("baseline.missing_other", side=b.name, changes=differences)
    subject, against = Side(old.label, old.configuration_id), a.side(old, a.name)
    outcome: Outcome = "SKIP" if skipped else "ERROR"
    return Verdict("baseline", outcome, subject, reason, against, ITEM, recipe_differences=differences)


def _new(new: Configuration, a: BaselineSide, b: BaselineSide) -> Verdict:
    """A configuration that A has no run of: listed, not judged."""
    absent = a.results.absent(new.configuration_id).values()
    reason = Fact.of("baseline.new", side=a.name, runs=runs_absent(absent) if absent else None)
    return Verdict("baseline", "SKIP", b.side(new), reason, Side(a.name), ITEM)


def _nowhere(a: BaselineSide, b: BaselineSide) -> Iterator[Verdict]:
    """Configurations that were planned on a side, and that neither has a run of."""
    sides = [side.results for side in (a, b)]
    known = {one.configuration_id for side in sides for one in side.configurations}
    planned = {one.configuration_id: one.configuration for side in reversed(sides) for one in side.left_out}
    for one in dict.fromkeys(one.configuration_id for side in sides for one in side.left_out):
        if one not in known:
            runs = [runs_absent(absent.values()) if (absent := side.absent(one)) else None for side in sides]
            reason = Fact.of("baseline.nowhere", a=runs[0], b=runs[1])
            yield Verdict("baseline", "SKIP", Side(planned[one], one), reason, Side(a.name), ITEM)


def _environments(pairs: Iterable[BaselinePair]) -> Iterator[Fact]:
    """Each change of environment once, with the configurations that share it."""
    found: list[tuple[tuple[Fact, ...], list[str]]] = []
    for pair in pairs:
        every = pair.environment_changes()
        labels = next((labels for known, labels in found if known == every), None)
        if labels is None:
            found.append((every, labels := []))
        labels.append(pair.new.label)
    for every, labels in found:
        if every:
            yield Fact.of("environment.changed", changes=every, configurations=tuple(labels))
