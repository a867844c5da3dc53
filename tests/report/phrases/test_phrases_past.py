"""Every fact of the past of a verdict, and of where it was measured, in words."""

from __future__ import annotations

import pytest

from harness.fact import Fact
from harness.report.phrases.past import PAST
from harness.report.phrases.say import say
from tests.report.phrases.phrase_cases import made_facts, problems

of = Fact.of
SINCE, WELL = "2026-11-27T02:00:01.000Z", "2026-11-26T02:41:00.000Z"
CHANGED = tuple(of("changed", field=name, a="1", b="2") for name in ("torch", "numpy", "python", "tokenizers"))
CASES = [
    (
        of("past.well", since=SINCE, tonight=True, well=WELL, mean=87.25, undecided=False),
        "since tonight; last good 2026-11-26 02:41 (87.25)",
    ),
    (
        of("past.well", since=SINCE, tonight=False, well=WELL, mean=None, undecided=False),
        "since 2026-11-27 02:00; last good 2026-11-26 02:41",
    ),
    (of("past.well", since=None, tonight=False, well=WELL, mean=None, undecided=False), "last good 2026-11-26 02:41"),
    (
        of("past.well", since=SINCE, tonight=False, well=WELL, mean=82.9, undecided=True),
        "since 2026-11-27 02:00; never good, last undecided 2026-11-26 02:41 (82.90)",
    ),
    (of("past.never", since=SINCE, measurements=3), "never good in 3 measurements, the first of 2026-11-27 02:00"),
    (of("past.none", since=SINCE), "measured 2026-11-27 02:00; nothing older in this store to compare with"),
    (
        of("past.changed", changes=CHANGED, same=("recipe", "data")),
        "changed since: torch 1 -> 2, numpy 1 -> 2, python 1 -> 2, 1 more; recipe, data: same",
    ),
    (of("past.changed", changes=(), same=()), "changed since: nothing that is recorded"),
    (of("past.unreadable", error="x: torn"), "no comparison with last good: x: torn"),
    (
        of("past.difference", state="different", seed=1, item="loss", step=0, ratio=2.0, upstream="a/b#1"),
        "first difference to last good: step 0, loss x 2.000 (known: a/b#1)",
    ),
    (
        of("past.difference", state="different", seed=1, item="logits", step=None, ratio=1.0001, upstream=None),
        "first difference to last good: logits, +1.0e-04 off",
    ),
    (
        of("past.difference", state="identical", seed=1, item=None, step=None, ratio=None, upstream=None),
        "seed 1 is identical to the last bit to when it was good",
    ),
    (
        of("past.difference", state="equal", seed=1, item=None, step=None, ratio=None, upstream=None),
        "seed 1 is equal within rounding to when it was good",
    ),
    (
        of("past.difference", state="unknown", seed=1, item=None, step=None, ratio=None, upstream=None),
        "what seed 1 recorded does not say where it parts from when it was good",
    ),
    (of("past.again", select=("precision=bf16",), fresh=True), "again: `harness run GRID --fresh -s precision=bf16`"),
    (of("past.again", select=(), fresh=False), "again: `harness run GRID`"),
    (
        of("past.runs", folder="results/night", runs=({"seed": 1, "path": "cells/a/b/001"},)),
        "logs: seed 1 results/night/cells/a/b/001/log.txt",
    ),
    (
        of("measured.at", accelerator="cuda", device="H100", packages={"torch": "2.13.0"}),
        "cuda (H100, torch 2.13.0)",
    ),
    (of("measured.at", accelerator="cpu", device=None, packages={}), "cpu"),
]  # fmt: skip


@pytest.mark.parametrize(("fact", "sentence"), CASES)
def test_sentence(fact: Fact, sentence: str) -> None:
    assert say(fact) == sentence


def test_facts_and_phrases_fit() -> None:
    made = [fact for fact in made_facts("pipelines") if fact.code.startswith("past.") or fact.code == "measured.at"]
    assert problems(made, PAST) == []
    assert {fact.code for fact, _ in CASES} == PAST.keys()
