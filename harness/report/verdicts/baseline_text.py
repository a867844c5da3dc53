"""Baselines as plain lines: what was saved and what was left out; two results side by side, the worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from harness.baselines.model import Baseline, LeftOut
from harness.checks.scores.against_baseline import Comparison
from harness.checks.scores.baseline_pair import ENVIRONMENT, Side
from harness.checks.scores.judgement import Judgement, SeedScore
from harness.checks.verdict import ORDER
from harness.grid.waivers import Use
from harness.report.format.escape import clean
from harness.report.format.labels import listed
from harness.report.format.numbers import NONE, points

LONG: Final = 600
MOST: Final = 20
LEAST_P: Final = 1e-4
INDENT: Final = "  "


def saved_text(baseline: Baseline, path: Path) -> str:
    """What `save` wrote: counts, then every run that was left out and why."""
    runs = sum(len(one.seeds) for one in baseline.configurations)
    collapsed = sum(one.collapsed for one in baseline.configurations)
    counts = f"{_many(len(baseline.configurations), 'configuration')}, {_many(runs, 'run')}"
    lines = [f"wrote {clean(path)}: {counts}" + (f", {collapsed} collapsed" if collapsed else "")]
    return "\n".join([*lines, *left_out_lines(baseline.left_out)])


def left_out_lines(left_out: Sequence[LeftOut]) -> list[str]:
    """A line for each run that is not in a baseline; beyond 20 the rest is counted by status."""
    lines = [
        f"left out: {clean(one.configuration)}{'' if one.seed is None else f' · seed {one.seed}'}: "
        f"{one.status}, {clean(one.why)}"
        for one in left_out[:MOST]
    ]
    rest = Counter(one.status for one in left_out[MOST:])
    if rest:
        lines.append(f"left out too: {', '.join(f'{count} {status}' for status, count in rest.items())}")
    return lines


def comparison_text(comparison: Comparison, sides: Sequence[Side], uses: Sequence[Use] = ()) -> str:
    """Render a comparison; `sides` are A and B, `uses` what became of the grid's waivers."""
    lines = [f"{letter}: {_side(side)}" for letter, side in zip("AB", sides, strict=True)]
    for one in comparison.environments:
        whom = listed([clean(label) for label in one.configurations], 4)
        lines += ["", f"Environment, A -> B, for {whom}:", *(f"{INDENT}{clean(change)}" for change in one.changes)]
    for judgement in sorted(comparison.judgements, key=lambda one: ORDER.index(one.outcome)):
        lines += ["", *_lines(judgement)]
    if uses:
        lines += ["", "Waivers:", *(f"{INDENT}{clean(use.text, LONG)}" for use in uses)]
    if comparison.unrelated:
        lines += ["", "A and B have no configuration in common: nothing can be compared."]
    return "\n".join([*lines, "", counts_text(comparison.judgements)])


def counts_text(judgements: Sequence[Judgement]) -> str:
    """`3 configurations: 1 FAIL, 2 PASS`."""
    counts = Counter(_word(one) for one in sorted(judgements, key=lambda one: ORDER.index(one.outcome)))
    said = ", ".join(f"{count} {word}" for word, count in counts.items())
    return f"{_many(len(judgements), 'configuration')}: {said}" if counts else "No configuration."


def _side(side: Side) -> str:
    made = side.results
    commit = f", commit {made.git_sha[:8]}{' with changes' if made.git_dirty else ''}" if made.git_sha else ""
    note = f" ({clean(made.note)})" if made.note else ""
    return f"{clean(side.name)}, {clean(made.date)}, harness {clean(made.harness)}{clean(commit)}{note}"


def _word(judgement: Judgement) -> str:
    return "FAIL (waived)" if judgement.outcome == "FAIL" and judgement.waiver else judgement.outcome


def _lines(one: Judgement) -> Iterator[str]:
    yield f"{_word(one):<13} {clean(one.configuration)}"
    yield f"{INDENT}{clean(one.why, LONG)}"
    if one.waiver:
        yield f"{INDENT}{clean(one.waiver, LONG)}"
    if one.mean is not None and one.target is not None:
        ran = f", n = {one.decision.n}" if one.decision else ""
        holm = (
            f", p after Holm {_chance(one.adjusted_p)}" if one.adjusted_p is not None and one.outcome != "PASS" else ""
        )
        yield f"{INDENT}{one.metric} {points(one.mean)}, before {points(one.target)}{ran}{holm}"
    if one.outcome != "PASS" and one.seeds and one.others:
        yield f"{INDENT}by seed, A -> B: {_by_seed(one)}"
    for fact in one.evidence:
        if not fact.startswith(ENVIRONMENT):
            yield f"{INDENT}{clean(fact, LONG)}"
    if one.outlook:
        yield f"{INDENT}{clean(one.outlook, LONG)}"


def _chance(p: float) -> str:
    return f"{p:.4f}" if p >= LEAST_P else f"below {LEAST_P:.4f}"


def _by_seed(one: Judgement) -> str:
    before, after = ({score.seed: score for score in side} for side in (one.others, one.seeds))
    said = [
        f"{seed}: {_score(before.get(seed))} -> {_score(after.get(seed))}" for seed in dict.fromkeys([*before, *after])
    ]
    return listed(said, MOST)


def _score(score: SeedScore | None) -> str:
    if score is None:
        return NONE
    shown = points(None if score.accuracy is None else 100 * score.accuracy)
    return shown if score.status == "ok" else score.status if score.accuracy is None else f"{shown} ({score.status})"


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
