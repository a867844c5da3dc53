"""Every fact of an accepted file that `diff` holds against another side, in words."""

from __future__ import annotations

from typing import Any

import pytest

from harness.checks.verdict import Fact
from harness.report.phrases.accepted import ACCEPTED
from harness.report.phrases.say import say
from tests.report.phrases.phrase_cases import made_facts, problems

SCORE = Fact.of(
    "diff.kept.score", item="accuracy", seeds=5, paired=True, a=80.4, b=76.74, difference=-3.66, interval=(-4.14, -3.18)
)
SIZE = "accuracy 80.40 -> 76.74, -3.66 points at 5 seeds (90 % interval -4.14 to -3.18)"
RATE = Fact.of("cause.asked", field="recipe.learning_rate", a=2e-5, b=3e-5, through=[])
MOVED = Fact.of("status.changed", seed=2, before="ok", after="collapsed")


def kept(state: str, **values: Any) -> Fact:
    told = {
        "seeds": 5, "alike": False, "score": SCORE, "margin": 1.5, "parts": None, "unseen": (), "moved": (),
        "causes": [], "idle": [], **values,
    }  # fmt: skip
    return Fact.of("diff.kept", state=state, **told)


CASES = [
    (SCORE, SIZE),
    (
        Fact.of("diff.kept.score", item="f1", seeds=1, paired=False, a=80.0, b=80.5, difference=0.5, interval=None),
        "F1 80.00 -> 80.50, +0.50 points at other seeds on each side",
    ),
    (
        kept("identical", idle=[RATE]),
        "identical to the last bit at 5 seeds, by hashes and scores; learning_rate 2e-05 -> 3e-05 changed nothing",
    ),
    (
        kept("equal", alike=True, parts="first losses", causes=[RATE]),
        "equal in every score at 5 seeds, not bit for bit; first difference: first losses. "
        "Why: learning_rate 2e-05 -> 3e-05",
    ),
    (
        kept("equal", alike=True, unseen=("final weights",)),
        "equal in every score at 5 seeds; to the last bit is not known, without final weights on both sides",
    ),
    (
        kept("equal", parts="trajectory"),
        f"equal within 1.5 points: {SIZE}, not bit for bit; first difference: trajectory. "
        "Why: nothing that an accepted file keeps says",
    ),
    (
        kept("different", parts="data order", causes=[RATE]),
        f"different in scores: {SIZE}; first difference: data order. Why: learning_rate 2e-05 -> 3e-05",
    ),
    (
        kept("different", alike=True, parts="data order", causes=[RATE]),
        "different in data order, though no score shows it. Why: learning_rate 2e-05 -> 3e-05",
    ),
    (
        kept("different", score=None, moved=(MOVED,)),
        "different in scores: seed 2: ok -> collapsed. Why: nothing that an accepted file keeps says",
    ),
    (kept("different", score=None, causes=[RATE]), "different in what was trained. Why: learning_rate 2e-05 -> 3e-05"),
    (
        kept("unknown", alike=True, unseen=("data order",)),
        "unknown: equal scores at 5 seeds prove no equal runs, without data order on both sides",
    ),
    (
        kept("unknown", causes=[RATE]),
        f"unknown: {SIZE}: not shown to be equal within 1.5 points, nor to differ; what differs: "
        "learning_rate 2e-05 -> 3e-05",
    ),
    (kept("unknown", score=None, seeds=0), "unknown: no seed has a score to compare"),
    (
        Fact.of(
            "diff.kept.seeds",
            lost=(Fact.of("diff.kept.lost", side="B", seeds=[4, 5], runs=None),),
            others=kept("identical"),
        ),
        "missing seeds 4, 5 in B; at the others identical to the last bit at 5 seeds, by hashes and scores",
    ),
    (
        Fact.of("diff.kept.lost", side="A", seeds=[4], runs=Fact.of("run.absent", seed=4, status="failed", why="x")),
        "seed 4 in A (seed 4: failed, x)",
    ),
    (Fact.of("diff.kept.missing", side="B", runs=None), "missing in B"),
    (
        Fact.of("diff.kept.missing", side="A", runs=Fact.of("run.absent", seed=None, status="skipped", why="no GPU")),
        "missing in A: skipped, no GPU",
    ),
    (
        Fact.of(
            "diff.kept.place", changes=(Fact.of("changed", field="torch", a="1", b="2"),), configurations=("x", "y")
        ),
        "environment of x, y: torch 1 -> 2",
    ),
    (Fact.of("diff.kept.evaluation"), "the evaluation: the final weights are the same"),
    (
        Fact.of("diff.kept.content", before="0123456789ab", after="ba9876543210"),
        "another checkpoint, other data or other code (01234567 -> ba987654)",
    ),
]


@pytest.mark.parametrize(("fact", "text"), CASES, ids=[fact.code for fact, _ in CASES])
def test_sentence(fact: Fact, text: str) -> None:
    assert say(fact) == text


def test_facts_and_phrases_fit_and_every_code_is_here() -> None:
    made = [fact for fact in made_facts("checks/scores") if fact.code.startswith("diff.kept")]
    assert problems(made, ACCEPTED) == []
    assert {fact.code for fact, _ in CASES} == ACCEPTED.keys()
