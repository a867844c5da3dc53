"""What `harness ab` says on the screen: the answer, how the runs differ, then the checks in each environment."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from harness.checks.verdict import Fact
from harness.report.phrases.say import say
from harness.report.verdicts.diff import diff_text
from harness.report.verdicts.sections import Section
from harness.report.verdicts.text import verdicts_text
from harness.report.verdicts.words import counts_text

TOLD: Final = ("ab.answer", "ab.ways")
"""Facts of the head that stand above all."""


def ab_text(section: Section, diff: Fact, every: bool = False) -> str:
    """The text of a comparison; `diff` is what its pairs come to, with `every` difference of each."""
    head = section.head
    compared = [one for one in section.verdicts if one.check == "diff" and one.outcome in ("PASS", "FAIL")]
    checks = [one for one in section.verdicts if one.check != "diff"]
    told = [say(fact) for fact in head.facts if fact.code in TOLD]
    if compared and (every or any(one.outcome == "FAIL" for one in compared)):
        told += ["", diff_text(diff, compared, (head.a, head.b), every)]
    rest = tuple(fact for fact in head.facts[2:] if fact.code not in TOLD)
    of_checks = replace(head, kind="verify", a="", b="", facts=rest)
    counted = counts_text([one for one in section.verdicts if one.check == "diff"], "pair")
    return "\n".join([*told, "", verdicts_text(of_checks, checks), f"{counted}: exit {section.code}"])
