"""The scores of five seeds, references that fit them, and the one verdict that a test is about."""

from __future__ import annotations

from harness.checks.scores.gate import Policy, judge_all
from harness.checks.verdict import Verdict
from harness.references import Reference
from tests.checks.made_up_scores import VALUE, of, published

SCORES = of([349, 352, 346, 355, 350])
LOW = of([325, 328, 322, 331, 326])
COURSE = published(VALUE)
SAMPLE = published(statistic="sample", values=SCORES * 2)


def only(found: list[Verdict], check: str, item: str = "accuracy") -> Verdict:
    (one,) = (each for each in found if each.check == check and each.item == item)
    return one


def quality(
    configuration: object, reference: Reference, policy: Policy | None = None, metric: str = "accuracy"
) -> Verdict:
    configurations = configuration if isinstance(configuration, list) else [configuration]
    found = judge_all(configurations, [reference], policy or Policy(margin=2.5))
    first = configurations[0]
    (one,) = (
        each for each in found
        if each.check == "quality" and each.item == metric
        and each.subject.configuration_id == first.configuration_id
    )  # fmt: skip
    return one
