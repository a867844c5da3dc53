"""Every fact of a waiver in words."""

from __future__ import annotations

import pytest

from harness.checks.verdict import Fact
from harness.report.phrases.say import say
from harness.report.phrases.waivers import WAIVERS, ledger_text
from tests.report.phrases.phrase_cases import made_facts, problems

of = Fact.of
WHO = {"author": "me", "expires": "2027-03-01", "reason": "known", "issue": "a/b#1"}
USE = {**WHO, "configuration": "m · bf16", "check": "parity", "item": None, "bound": 3.0}
PLACE = "waiver of m · bf16, parity (a/b#1, me: known): "
CASES = [
    (
        of("waiver", **WHO, unit="points", bound=3.0, effect=2.345),
        "waived by me until 2027-03-01: known (a/b#1); 2.345 points, bound 3 points",
    ),
    (of("waiver", **WHO, unit="ratio", bound=None, effect=None), "waived by me until 2027-03-01: known (a/b#1)"),
    (
        of("waiver.expired", **WHO, unit="points", bound=3.0, effect=2.0),
        "the waiver by me (known, a/b#1) expired on 2027-03-01: void",
    ),
    (
        of("waiver.exceeded", **WHO, unit="fraction", bound=0.2, effect=0.4),
        "not waived by me until 2027-03-01 (known, a/b#1): it is 40 % of the runs, "
        "beyond the bound of 20 % of the runs",
    ),
    (
        of("waiver.exceeded", **WHO, unit="percent", bound=5.0, effect=12.34),
        "not waived by me until 2027-03-01 (known, a/b#1): it is 12.3 %, beyond the bound of 5 %",
    ),
    (
        of("waiver.exceeded", **WHO, unit="ratio", bound=None, effect=4.0),
        "not waived by me until 2027-03-01 (known, a/b#1): it is 4.000 x, and there is no bound",
    ),
    (
        of("waiver.exceeded", **WHO, unit="ratio", bound=4.0, effect=None),
        "not waived by me until 2027-03-01 (known, a/b#1): it has no number to hold against the bound",
    ),
    (of("waiver.partly", items=("a", "b")), "no waiver covers: a, b"),
    (of("waiver.use", use="used", failures=1, waiver=USE), f"{PLACE}1 failure waived until 2027-03-01"),
    (of("waiver.use", use="unused", failures=0, waiver=USE), f"{PLACE}unused, nothing that it fits fails"),
    (
        of("waiver.use", use="expired", failures=2, waiver=USE),
        f"{PLACE}expired on 2027-03-01, 2 failures no longer waived",
    ),
    (of("waiver.use", use="expired", failures=None, waiver=USE), f"{PLACE}expired on 2027-03-01"),
    (
        of("waiver.use", use="exceeded", failures=2, waiver=USE),
        f"{PLACE}2 failures worse than its bound, not waived until 2027-03-01",
    ),
    (of("waiver.use", use="unfit", failures=0, waiver=USE), f"{PLACE}fits nothing that was judged"),
    (
        of("waiver.use", use="unfit", failures=None, waiver=USE, known=("m · fp16", "z")),
        f"{PLACE}fits nothing of the grid; did you mean m · fp16?",
    ),
]


@pytest.mark.parametrize(("fact", "sentence"), CASES)
def test_sentence(fact: Fact, sentence: str) -> None:
    assert say(fact) == sentence


def test_facts_and_phrases_fit() -> None:
    assert problems([fact for fact in made_facts("checks") if fact.code.startswith("waiver")], WAIVERS) == []
    assert {fact.code for fact, _ in CASES} == WAIVERS.keys()


def test_the_ledger_counts_what_became_of_each() -> None:
    assert ledger_text([fact for fact, _ in CASES]) == (
        "waivers: 1 used, 1 exceeded, 1 unused, 2 expired, 2 fits nothing"
    )
