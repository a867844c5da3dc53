"""Results against a baseline: scores paired by seed, where the runs part first, collapses, what is missing or new.

What the baseline has must be there: a configuration or seed of it without a score is an ERROR, or a SKIP where it
cannot run here. What the baseline does not have is listed, and never judged.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from harness.baselines.model import OLDER, Configuration
from harness.baselines.words import asked_changes
from harness.checks.scores import gate
from harness.checks.scores.baseline_pair import GATE, Pair, Side, reasons, seed_scores
from harness.checks.scores.departures import Departure, departures
from harness.checks.scores.judgement import Judgement
from harness.checks.verdict import Outcome
from harness.grid.waivers import Waiver, applies
from harness.stats.decision import Rule
from harness.stats.family import PART, apply_holm
from harness.stats.margin import PARITY
from harness.text import listed

SHOWN: Final = 8


@dataclass(frozen=True)
class EnvironmentChange:
    """What is another environment between the two sides, in words, and the configurations it is true of."""

    configurations: tuple[str, ...]
    changes: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """B against A: judgements in A's order, then what only B has; departures by configuration id.

    `unrelated`: B does not even plan any configuration that A has runs of.
    """

    a: str
    b: str
    judgements: tuple[Judgement, ...]
    departures: Mapping[str, tuple[Departure, ...]] = field(default_factory=dict)
    environments: tuple[EnvironmentChange, ...] = ()
    unrelated: bool = False


def compare(
    a: Side,
    b: Side,
    *,
    today: datetime.date,
    margin: float = PARITY,
    alpha: float = 0.05,
    waivers: Iterable[Waiver] = (),
) -> Comparison:
    """Judge B against A, with the gate's families over the configurations that both have; `margin` in points.

    `waivers` are those of B's grid; on the day `today` some are void.

    Paired by seed where the smaller plan shares at least half its seeds with the other, else Welch: a choice by what
    was planned, never by what came out. A configuration whose shared runs are all equal bit for bit passes by
    identity, whatever their number: nothing that could change a score has changed.
    """
    rule = Rule(margin, alpha)
    new = {one.configuration_id: one for one in b.results.configurations}
    old = {one.configuration_id: one for one in a.results.configurations}
    both = {key: Pair(a, b, one, new[key]) for key, one in old.items() if key in new}
    drafts = {key: pair.judgement(rule) for key, pair in both.items()}
    decided = {key: draft.decision for key, draft in drafts.items() if draft.decision is not None}
    limits = [decision.p_limit for decision in decided.values()]
    scores = apply_holm([decision.p_block for decision in decided.values()], limits, PART)
    collapses = apply_holm([both[key].collapse_p for key in decided], part=PART)
    for key, p, p_collapse in zip(decided, scores, collapses, strict=True):
        drafts[key] = both[key].after_holm(drafts[key], p, p_collapse, alpha)
    drafts = {key: both[key].with_missing(both[key].with_outlook(draft, rule)) for key, draft in drafts.items()}
    labels = {one.label: one for one in b.results.configurations}
    judgements = [drafts.get(key) or _missing(one, a, b, labels.get(one.label)) for key, one in old.items()]
    judgements += [_news(one, a, b) for key, one in new.items() if key not in old]
    judgements += _nowhere(a, b)
    waivers = tuple(waivers)
    return Comparison(
        a.name,
        b.name,
        tuple(_waived(one, waivers, today) for one in judgements),
        {key: found for key, pair in both.items() if (found := departures(pair.pairs))},
        tuple(_environments(both.values())),
        unrelated=not old.keys() & {*new, *(one.configuration_id for one in b.results.left_out)},
    )


def _waived(judgement: Judgement, waivers: Sequence[Waiver], today: datetime.date) -> Judgement:
    waiver = applies(waivers, judgement, today)
    return replace(judgement, waiver=waiver.text) if waiver else judgement


def exit_code(comparison: Comparison, *, inconclusive: Literal["fail", "pass"] = "fail") -> int:
    """The gate's exit code; 5 also where the two sides have no configuration in common at all."""
    return 5 if comparison.unrelated else gate.exit_code(comparison.judgements, inconclusive=inconclusive)


def _missing(old: Configuration, a: Side, b: Side, alike: Configuration | None) -> Judgement:
    """A configuration that B has no run of; `alike` is what B calls by the same label."""
    absent = [one for one in b.results.absent(old.configuration_id).values() if one.status != OLDER]
    outcome: Outcome = "SKIP" if absent and all(one.status == "skipped" for one in absent) else "ERROR"
    differences = tuple(asked_changes(old.asked, alike.asked)) if alike else ()
    if absent:
        why = f"without a score in {b.name}: {reasons(absent)}"
    elif differences:
        why = f"missing: what {b.name} calls so asks for something else: {listed(differences, SHOWN)}"
    else:
        why = f"missing: {b.name} has no such configuration"
    plain = _plain(old, a.name, outcome, why)
    return replace(plain, others=seed_scores(a, old), recipe_differences=differences)


def _news(new: Configuration, a: Side, b: Side) -> Judgement:
    """A configuration that A has no run of: listed, not judged."""
    absent = a.results.absent(new.configuration_id).values()
    why = f"new: {a.name} has no run of it" + (f" ({reasons(absent)})" if absent else "")
    return replace(_plain(new, a.name, "SKIP", why), seeds=seed_scores(b, new))


def _nowhere(a: Side, b: Side) -> Iterator[Judgement]:
    """Configurations that were planned on a side, and that neither has a run of."""
    sides = [side.results for side in (a, b)]
    known = {one.configuration_id for side in sides for one in side.configurations}
    found: dict[str, Judgement] = {}
    for one in (one for side in sides for one in side.left_out):
        if one.configuration_id in known | found.keys():
            continue
        said = [reasons(side.absent(one.configuration_id).values()) or "not planned" for side in sides]
        found[one.configuration_id] = Judgement(
            check="baseline", outcome="SKIP", configuration=one.configuration, configuration_id=one.configuration_id,
            environment_id="", against=a.name, metric=GATE, why=f"no run on either side: {said[0]} / {said[1]}",
        )  # fmt: skip
    yield from found.values()


def _plain(configuration: Configuration, against: str, outcome: Outcome, why: str) -> Judgement:
    return Judgement(
        check="baseline",
        outcome=outcome,
        configuration=configuration.label,
        configuration_id=configuration.configuration_id,
        environment_id=configuration.environment_id,
        against=against,
        metric=GATE,
        why=why,
    )


def _environments(pairs: Iterable[Pair]) -> Iterator[EnvironmentChange]:
    """Each change of environment once, with the configurations that share it."""
    found: dict[tuple[str, ...], list[str]] = {}
    for pair in pairs:
        found.setdefault(tuple(pair.changes()), []).append(pair.new.label)
    yield from (EnvironmentChange(tuple(labels), changes) for changes, labels in found.items() if changes)
