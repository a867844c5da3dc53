"""Every fact of a selftest, in words."""

from __future__ import annotations

import pytest

from harness.fact import Fact
from harness.pipelines.selftest.faults import RUN_FAULTS, STORE_FAULTS
from harness.report.phrases.probes.ab import AB
from harness.report.phrases.probes.bisect import BISECT
from harness.report.phrases.probes.selftest import SELFTEST
from harness.report.phrases.say import say
from tests.report.phrases.phrase_cases import made_facts, problems

of = Fact.of


def trial(**values: object) -> Fact:
    usual = {
        "fault": of("selftest.fault", name="cut"), "command": "check", "clean": False, "ended": 4, "due": [4],
        "named": [], "names": [], "said": of("selftest.quiet", verdicts=2),
    }  # fmt: skip
    return of("selftest.trial", **{**usual, **values})


CASES = [
    (trial(), "a record cut in half: check ends with 4: nothing wrong in 2 verdicts"),
    (trial(ended=0), "a record cut in half: missed: check ends with 0, not 4: nothing wrong in 2 verdicts"),
    (
        trial(names=["loss"]),
        "a record cut in half: found and not named loss: check ends with 4: nothing wrong in 2 verdicts",
    ),
    (trial(clean=True, ended=0, due=[0]), "a record cut in half: check ends with 0"),
    (
        trial(clean=True, due=[0]),
        "a record cut in half: check ends with 4, not 0: nothing wrong in 2 verdicts",
    ),
    (
        of("selftest.done", planted=3, found=2, clean=1, alarms=1, unmeasured=0, seconds=31.2),
        "found and named in 2 of 3 trials with a planted fault, 1 MISSED; 1 false alarm in 1 without one; in 31 s",
    ),
    (of("selftest.scores", item="accuracy", difference=-7.8, margin=3.0), "accuracy -7.80 points, margin 3"),
]


@pytest.mark.parametrize(("fact", "text"), CASES)
def test_a_phrase(fact: Fact, text: str) -> None:
    assert say(fact) == text


def test_every_fault_has_words() -> None:
    names = {one.name for one in (*RUN_FAULTS, *STORE_FAULTS)}
    assert {name for name in names if say(of("selftest.fault", name=name)) == name} == set()


def test_facts_and_phrases_fit() -> None:
    made = [one for one in made_facts("pipelines/selftest") if one.code not in BISECT]
    assert problems(made, SELFTEST) == []
    made = [one for folder in ("pipelines/bisect", "checks/releases") for one in made_facts(folder)]
    assert problems(made, BISECT) == []
    made = [one for one in made_facts("pipelines/ab") if one.code.startswith("ab.")]
    assert problems(made, AB) == []
    assert {one.code for one in made} == AB.keys()
