"""A judgement on scores: one configuration against a reference or against its twin, with every number it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.checks.verdict import Outcome
from harness.record.results import SeedScore as SeedScore
from harness.stats.decision import Decision

Check = Literal["quality", "parity", "stability", "baseline"]


@dataclass(frozen=True)
class Judgement:
    """What a check of scores says, so that a reader can compute it again. Points = 100 x fraction.

    Attributes
    ----------
    configuration, configuration_id, environment_id
        Whom it is about.
    against
        The reference's id, or the other configuration's label.
    why
        One sentence: the reason of the outcome, with numbers.
    decision
        Difference, intervals, p values, margin, df, sd and its source; None where nothing could be computed.
    mean, target
        Points: the mean over `ok` runs, and what it is compared with.
    seeds, others
        Every run of the configuration, and of the other one where two are compared.
    margin_from
        Where the margin comes from, in words.
    detectable
        The smallest true difference found with 80 % power with these runs, points.
    more_seeds, outlook
        Seeds still needed for an 80 % chance of a verdict (None: no number would do, or none is needed), and that in
        words.
    collapsed, judged
        Runs that collapsed or lost their loss, of the runs that ended.
    adjusted_p
        The p that could block, after Holm over the family.
    recipe_differences
        What run and reference do not share, each a sentence; `harmless` those that the grid declares so.
    evidence
        Further facts that do not decide: churn, McNemar, cross-checks, contradictions.
    waiver
        The waiver that covers a FAIL, in words; it then does not fail the gate.
    """

    check: Check
    outcome: Outcome
    configuration: str
    configuration_id: str
    environment_id: str
    against: str
    metric: str
    why: str
    decision: Decision | None = None
    mean: float | None = None
    target: float | None = None
    seeds: tuple[SeedScore, ...] = ()
    others: tuple[SeedScore, ...] = ()
    margin_from: str = ""
    detectable: float | None = None
    more_seeds: int | None = None
    outlook: str = ""
    collapsed: int = 0
    judged: int = 0
    adjusted_p: float | None = None
    recipe_differences: tuple[str, ...] = ()
    harmless: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    waiver: str | None = None
    cell_ids: tuple[str, ...] = ()
