"""What is said of an acceptance and of an accepted file, in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.fact import Fact
from harness.record.freshness import freshness
from harness.report.accepted import accepted_text
from harness.report.phrases.say import say

of = Fact.of
DATE = "2026-11-27T02:41:07.000Z"


@pytest.mark.parametrize(
    ("fact", "sentence"),
    [
        (
            of("repeated", equal=10, cells=10, date="2026-11-27", other={}),
            "10 of 10 cells bit for bit as last measured, on 2026-11-27",
        ),
        (
            of("repeated", equal=8, cells=10, date="2026-11-27", other={"mini · bf16": 2}),
            "8 of 10 cells bit for bit as last measured, on 2026-11-27; not: mini · bf16 (2)",
        ),
        (
            of("accepted.file", path="a.json", date=DATE, harness="0.1.0", git_sha=None, git_dirty=None, note=""),
            "accepted file: a.json, 2026-11-27 02:41 (UTC), harness 0.1.0",
        ),
        (
            of("accepted.file", path="a.json", date=DATE, harness="0.1.0", git_sha="f" * 40, git_dirty=True, note="x"),
            "accepted file: a.json, 2026-11-27 02:41 (UTC), harness 0.1.0, commit ffffffff with changes (x)",
        ),
        (
            of("accept.left_out", label="m", reasons=(of("accept.unreadable", error="e"),), since=DATE),
            "left out: m: e; what was accepted 2026-11-27 02:41 (UTC) stays",
        ),
        (
            of("accept.left_out", label="m", reasons=(of("accept.seeds"),), since=None),
            "left out: m: not all of its seeds are chosen: who chooses them chooses what is expected; never accepted",
        ),
        (
            of("accept.changed", label="m", new=False, before=87.25, after=79.1, runs=5, same=False),
            "m: 87.25 -> 79.10 over 5 runs (-8.15)",
        ),
        (
            of("accept.no_spread", label="m", runs=5),
            "m: all 5 seeds score alike: where nothing spreads no test can tell, and what is not equal is "
            "INCONCLUSIVE; more validation examples, or longer training, tell more",
        ),
        (
            of("accept.changed", label="m", new=True, before=None, after=79.1, runs=5, same=False),
            "m: new, 79.10 over 5 runs",
        ),
        (
            of("accept.changed", label="m", new=False, before=None, after=79.1, runs=5, same=False),
            "m: no score that is no constant answer's -> 79.10 over 5 runs",
        ),
        (
            of("accept.changed", label="m", new=True, before=None, after=None, runs=3, same=False),
            "m: new, no score that is no constant answer's of 3 runs",
        ),
        (
            of("accept.changed", label="m", new=False, before=87.25, after=87.25, runs=5, same=True),
            "m: the very runs that were accepted already",
        ),
        (
            of("accept.other", label="m", changes=(of("changed", field="recipe.learning_rate", a=2e-4, b=1e-5),)),
            "m now asks for something else: recipe.learning_rate 0.0002 -> 1e-05",
        ),
        (of("accept.gone", label="m"), "dropped: m: the grid has it no more"),
    ],
)
def test_sentence(fact: Fact, sentence: str) -> None:
    assert say(fact) == sentence


def test_what_was_not_written_says_so() -> None:
    text = accepted_text(Path("a.json"), None, [], freshness([], None), [of("accept.gone", label="m\x1b")])
    assert text.splitlines()[0] == "nothing is accepted; a.json is not written"
    assert "\x1b" not in text
