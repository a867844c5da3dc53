"""Every fact of an accepted file that is held, in words."""

from __future__ import annotations

import pytest

from harness.checks.verdict import Fact
from harness.report.phrases.say import say
from harness.report.phrases.scores import BASELINE

of = Fact.of
GONE = of("run.absent", seed=4, status="oom", why="out of memory")
NEVER = of("run.absent", seed=5, status="missing", why="no record")
ABSENT = of("runs.absent", runs=(GONE, NEVER))
SEEDS = of("seeds.absent", count=2, planned=5, runs=ABSENT)
CASES = [
    (of("margin.baseline", points=1.5), "1.5 points, the margin of this comparison"),
    (of("scores.no_seed"), "no seed has an ok run on both sides"),
    (of("scores.no_side"), "one side has no ok run"),
    (
        of("content.changed", before="aa", after="bb"),
        "another checkpoint, other data or other code (aa -> bb): scores cannot be compared",
    ),
    (
        of("collapses.risen", k1=0, n1=5, k2=5, n2=5, p=0.0079),
        "5 of 5 runs collapsed, 0 of 5 before (p = 0.0079)",
    ),
    (of("collapses.before", k1=0, n1=5, k2=2, n2=5), "2 of 5 runs collapsed, 0 of 5 before"),
    (GONE, "seed 4: oom, out of memory"),
    (NEVER, "seed 5: no record"),
    (of("runs.absent", runs=(GONE, NEVER, NEVER, NEVER)), f"{say(GONE)}; {say(NEVER)}; {say(NEVER)}; and 1 more"),
    (SEEDS, "2 of 5 seeds without a score (seed 4: oom, out of memory; seed 5: no record)"),
    (
        of("baseline.missing_seeds", missing=SEEDS, outcome="PASS", others=of("runs.identical")),
        f"{say(SEEDS)}; the others: PASS, the same answer to every example at every seed",
    ),
    (
        of("baseline.missing_seeds", missing=SEEDS, outcome="FAIL", others=of("judged", scores=None)),
        f"{say(SEEDS)}; the others: FAIL",
    ),
    (of("baseline.missing_scores", runs=ABSENT), f"accepted, and now without a score: {say(ABSENT)}"),
    (
        of("baseline.missing_other", changes=(of("changed", field="dropout", a=1, b=0),)),
        "accepted, and now missing: what the grid calls so asks for something else: dropout 1 -> 0",
    ),
    (of("baseline.missing"), "accepted, and now missing: the grid has no such configuration"),
    (of("baseline.new"), "new: nothing of it was accepted"),
    (of("runs.very_same"), "made from these very runs: nothing was compared"),
    (of("seeds.very_same", seeds=(1, 2)), "made from these very runs, and so not compared: seeds 1, 2"),
    (of("status.changed", seed=4, before="ok", after="collapsed"), "seed 4: ok -> collapsed"),
    (of("departure", item="scores", seeds=(1, 42)), "first difference: scores at seeds 1, 42"),
    (of("departure", item="attention", seeds=(1,), a="sdpa", b="eager"), "attention sdpa -> eager at seed 1"),
    (of("fingerprints.unknown", seeds=(1, 2)), "fingerprints: not available at seeds 1, 2"),
    (
        of(
            "environment.changed",
            changes=(of("changed", field="torch", a="2.12.0", b="2.13.0"),),
            configurations=("m · fp32",),
        ),
        "since then the environment of m · fp32 has changed: torch 2.12.0 -> 2.13.0",
    ),
    (of("changed", field="recipe.bf16", a=1, b=True), "recipe.bf16 1 -> true"),
    (of("changed", field="accelerators", a=("T4",), b=None), "accelerators ['T4'] -> (none)"),
    (of("environment.machine"), "another machine: scores are compared, speed would not be"),
    (
        of("environment.same"),
        "same environment and machine: `harness verify --only repeat` tells whether runs repeat here",
    ),
    (
        of("metric.difference", metric="f1", difference=0.0, low=None, high=None),
        "F1: difference +0.00 points; reported, not judged",
    ),
    (
        of("metric.difference", metric="f1", difference=-1.0, low=-2.0, high=0.5),
        "F1: difference -1.00 points, 90 % CI [-2.00, +0.50]; reported, not judged",
    ),
    (
        of("metric.difference", metric="spearmanr", difference=2.0, low=None, high=None),
        "Spearman correlation: difference +2.00 points; reported, not judged",
    ),
    (of("seeds.unpaired"), "other seeds on each side: Welch's test, not paired"),
    (of("seeds.not_again", seeds=(1, 2)), "not run again: seeds 1, 2"),
    (of("seeds.new", seeds=(3,)), "not in the accepted file: seeds 3"),
]


@pytest.mark.parametrize(("fact", "sentence"), CASES, ids=[fact.code for fact, _ in CASES])
def test_sentence(fact: Fact, sentence: str) -> None:
    assert say(fact) == sentence


def test_every_code_is_here() -> None:
    assert {fact.code for fact, _ in CASES} == BASELINE.keys()
