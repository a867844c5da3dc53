"""Hypotheses that are planned and of which nothing is measured: in their family they count with p = 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.checks.scores.hypothesis import Family
from harness.checks.scores.pairing import axis_pairs, count_pairs
from harness.checks.scores.policy import Policy
from harness.checks.scores.quality import questions
from harness.record.configuration import Configuration
from harness.references import Reference
from harness.stats.stability import stability


def unmeasured_hypotheses(
    configurations: Sequence[Configuration], references: Sequence[Reference], policy: Policy
) -> Mapping[Family, int]:
    """How many hypotheses of each family the configurations without a run will bring.

    What cannot run here brings none, and what an environment of today has taken over from neither.
    """
    absent = [one for one in configurations if not (one.ended or one.lost or one.errored) and one.waits]
    if not absent:
        return {}
    ended = [one for one in configurations if one.ended and one.current]
    quality, _ = questions(absent, references, policy, measured=False)
    pairs = count_pairs([*ended, *absent], policy.named) - count_pairs(ended, policy.named)
    # "better" goes by the word, which has a family of its own.
    asked = [one for one in policy.compare if one.expect in ("equivalent", "not worse")]
    pairs += sum(
        pair.expected and not pair.measured
        for one in asked
        for pair in axis_pairs(configurations, one.axis, one.against)
    )
    gating = max(len(policy.gate_of(one.task)) for one in absent)
    collapses = (stability(0, len(one.planned), policy.p0, policy.alpha).least_k for one in absent)
    return {
        "scores": sum(one.gates and not one.differences.blocking for one in quality) + pairs * gating,
        "collapses": sum(least is not None for least in collapses),
    }
