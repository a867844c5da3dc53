"""Results against the accepted file: what both have is judged, what only one has is listed.

What was accepted must be there: a configuration or seed of it without a score is an ERROR, or a SKIP where it cannot
run here. What was never accepted is listed, and never judged.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator, Sequence

from harness import __version__
from harness.checks.changes import changes
from harness.checks.scores.baseline.build import build_baseline
from harness.checks.scores.baseline.file import OLDER, Baseline, Configuration
from harness.checks.scores.baseline.pair import BaselinePair, BaselineSide, by_environment, runs_absent
from harness.checks.scores.hypothesis import corrected
from harness.checks.verdict import Fact, Outcome, Side, Verdict
from harness.checks.waived import waived
from harness.grid.waivers import Waiver
from harness.record.model import Provenance
from harness.record.results import Results
from harness.stats.decision import Rule
from harness.stats.margin import PARITY

ACCEPTED, MEASURED = "the accepted file", "the results"
"""What a verdict calls its two sides: a file's path would be in the names of a CI's tests."""

Judged = tuple[list[Verdict], tuple[Fact, ...]]
"""Verdicts in the order of A, then on what only B has; and the facts that hold for several."""


def judge_accepted(
    accepted: Baseline,
    results: Results,
    chosen: Collection[str] | None,
    *,
    today: datetime.date,
    margin: float = PARITY,
    waivers: Sequence[Waiver] = (),
) -> Judged:
    """Hold results against what was accepted; `chosen` are the ids of the configurations to judge, None for all.

    The records of the runs that count are read. What is not chosen is not missing.

    Raises
    ------
    StoreError
        Where one of these records cannot be read.
    """
    made = Provenance(harness=__version__)
    measured = build_baseline(accepted.grid, results, date=accepted.date, provenance=made, chosen=chosen)
    if chosen is not None:
        mine = [one for one in accepted.configurations if one.configuration_id in chosen]
        accepted = accepted.model_copy(update={"configurations": mine})
    sides = BaselineSide(ACCEPTED, accepted), BaselineSide(MEASURED, measured)
    return compare(*sides, today=today, margin=margin, waivers=waivers)


def compare(
    a: BaselineSide,
    b: BaselineSide,
    *,
    today: datetime.date,
    margin: float = PARITY,
    alpha: float = 0.05,
    waivers: Sequence[Waiver] = (),
) -> Judged:
    """Judge B against A, with the gate's families over the configurations that both have; `margin` in points.

    `waivers` are those of the grid; on the day `today` some are void.

    Paired by seed where the smaller plan shares at least half its seeds with the other, else Welch: a choice by what
    was planned, never by what came out. A configuration whose shared runs are all equal bit for bit passes by
    identity, whatever their number: nothing that could change a score has changed. One and the same run on both sides
    is no comparison.
    """
    old, new = ({one.configuration_id: one for one in side.results.configurations} for side in (a, b))
    pairs = [BaselinePair(a, b, one, new[key], Rule(margin, alpha)) for key, one in old.items() if key in new]
    judged = {one.subject.configuration_id: one for one in _after_holm(pairs)}
    labels = {one.label: one for one in new.values()}
    found = [judged.get(key) or _missing(one, a, b, labels.get(one.label)) for key, one in old.items()]
    found += [_new(one, a, b) for key, one in new.items() if key not in old]
    return [waived(one, waivers, today) for one in found], tuple(
        by_environment((pair.environment_changes(), pair.new.name) for pair in pairs)
    )


def _after_holm(pairs: Sequence[BaselinePair]) -> Iterator[Verdict]:
    """Scores and collapses are two families, as in the gate; what cannot be compared belongs to none."""
    decisions = [pair.decision for pair in pairs]
    p = [one.p_block if one else None for one in decisions]
    scores = corrected(p, [one.p_limit if one else 0.0 for one in decisions])
    collapses = corrected([pair.collapse_p for pair in pairs])
    for pair, by_scores, by_collapses in zip(pairs, scores, collapses, strict=True):
        yield pair.verdict(by_scores, by_collapses)


def _missing(old: Configuration, a: BaselineSide, b: BaselineSide, alike: Configuration | None) -> Verdict:
    """A configuration that B has no run of; `alike` is what B calls by the same label."""
    absent = [one for one in b.results.absent(old.configuration_id).values() if one.status != OLDER]
    skipped = absent and all(one.status == "skipped" for one in absent)
    differences = changes(old.asked, alike.asked) if alike else ()
    reason = Fact.of("baseline.missing")
    if absent:
        reason = Fact.of("baseline.missing_scores", runs=runs_absent(absent))
    elif differences:
        reason = Fact.of("baseline.missing_other", changes=differences)
    subject, against = Side(old.label, old.configuration_id, shown=old.shown or ""), a.side(old, a.name)
    outcome: Outcome = "SKIP" if skipped else "ERROR"
    return Verdict("baseline", outcome, subject, reason, against, old.task.scored[0], recipe_differences=differences)


def _new(new: Configuration, a: BaselineSide, b: BaselineSide) -> Verdict:
    """A configuration that was never accepted: listed, not judged."""
    return Verdict("baseline", "SKIP", b.side(new), Fact.of("baseline.new"), Side(a.name), new.task.scored[0])
