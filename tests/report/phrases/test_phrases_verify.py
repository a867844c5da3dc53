from __future__ import annotations

import ast
from typing import Any

import pytest

from harness.checks.verdict import Fact, Finding
from harness.checks.verify.upstream import BACKWARD_SCALE, LOSS_SCALE
from harness.report.phrases.causes import CAUSES, cause_text, finding_text
from harness.report.phrases.diff import DIFF
from harness.report.phrases.inputs import INPUTS
from harness.report.phrases.say import say
from harness.report.phrases.verify import VERIFY
from tests.report.phrases.phrase_cases import HARNESS, MadeFact, made_facts, problems


def test_every_fact_of_the_checks_of_runs_has_a_phrase_and_every_phrase_a_fact() -> None:
    made = made_facts("checks/verify")
    assert len(made) > 100
    assert problems(made, {**VERIFY, **DIFF, **INPUTS}) == []


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({}, "here: a: no phrase"),
        ({"a": "{x} and {y}"}, "here: a: the phrase needs ['y']"),
        ({"a": lambda: ""}, "here: a: the phrase does not take ['x']"),
        ({"a": lambda x, y: ""}, "here: a: the phrase needs ['y']"),
        ({"a": "{x:.2f}", "b": ""}, "b: no fact has this code"),
    ],
)
def test_what_does_not_fit_is_found(table: dict[str, Any], problem: str) -> None:
    assert problems([MadeFact("here", "a", frozenset({"x"}))], table) == [problem]
    assert problems([MadeFact("here", "a", frozenset({"x"}))], {"a": lambda **values: ""}) == []


def _given_causes() -> set[str]:
    """Every text that a check gives as a cause."""
    found = set()
    for path in sorted((HARNESS / "checks/verify").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "cause":
                found |= {one.value for one in ast.walk(node.value) if isinstance(one, ast.Constant)}
    return found


def test_every_cause_that_a_check_names_has_its_words() -> None:
    given = _given_causes()
    assert len(given) > 10
    assert given | {LOSS_SCALE, BACKWARD_SCALE} <= set(CAUSES)
    assert cause_text("of a newer harness") == "of a newer harness"


WHERE = Fact.of("where", step=0, steady=True, differing=8, steps=8)


@pytest.mark.parametrize(
    ("fact", "text"),
    [
        (
            Fact.of(
                "series.left", item="gradient norm", kind="accumulation", ratio=4.0, where=WHERE, twin=1.0, base=0.25
            ),
            "gradient norm is 4.000 x the single batch's at step 0, and on every step (1 against 0.25)",
        ),
        (
            Fact.of(
                "series.left", item="logged loss", kind="devices", ratio=1 - 1.7e-5, where=WHERE, twin=0.5, base=0.5
            ),
            "logged loss is -1.7e-05 off the single rank's at step 0, and on every step (0.5 against 0.5)",
        ),
        (
            Fact.of("several", facts=[Fact.of("argument.changed", name="optim", got=["a"], asked=None)]),
            "optim is ['a'] instead of None",
        ),
        (
            Fact.of("missing", item="attention", why=Fact.of("attention.unseen")),
            "attention (no product of attention was seen)",
        ),
        (Fact.of("missing", item="logits", why=None), "logits"),
        (Fact.of("logits.seen", shape=[240, 2], finite=True, evaluated=None), "shape (240, 2)"),
        (
            Fact.of("steps.wrong", wrong=[Fact.of("steps.in_loop", counted=3)], due=4, begun=2, expected=6, skipped=0),
            "the training loop counts 3 steps; 4 are due after resuming at step 2 of 6",
        ),
        (
            Fact.of("difference", item="final weights", layer="outcome", a="f" * 64, b=None, ratio=None, where=None),
            "final weights: ffffffffffff… -> nothing",
        ),
        (
            Fact.of("repeat.first_difference", item="logits", step=None, later=["scores.f1"], claimed=False),
            "not claimed (CUDA without deterministic algorithms): first difference: logits; then scores.f1",
        ),
        (
            Fact.of("pair.differs", found=[Fact.of("unfit.place")], issues=[LOSS_SCALE]),
            "the runs are from different environments or machines: rounding alone may part them; "
            "known as huggingface/transformers#47688",
        ),
        (
            Fact.of("run.errored", status="oom", why=Fact.of("run.failure", type="OutOfMemoryError", message="3 GiB")),
            "the run is oom: OutOfMemoryError: 3 GiB",
        ),
    ],
)
def test_sentences_are_exact(fact: Fact, text: str) -> None:
    assert say(fact) == text


def test_a_finding_names_its_item_once() -> None:
    assert finding_text(Finding("engine", "PASS", Fact.of("value.right", item="engine", got="loop"))) == (
        'engine is "loop"'
    )
    assert finding_text(Finding("optimizer", "PASS", Fact.of("optimizer.seen", name="SGD", fused=None))) == (
        "optimizer: the optimizer is SGD, fused in part"
    )
