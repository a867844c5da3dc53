"""`diff` on a terminal: the answer in the first line, on one screen of 100 columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from harness.checks.verdict import Verdict
from harness.checks.verify.diff.difference import difference
from harness.checks.verify.diff.paired import summary
from harness.checks.verify.series import EXACT, Tolerance
from harness.record.run import Run
from harness.report.verdicts.diff import ROOM, WIDTH, diff_text
from harness.report.verdicts.json import verdicts_from_json, verdicts_json
from harness.report.verdicts.words import Head
from tests.checks.conftest import build_run, plant

WITHIN = Tolerance(1e-5, 20)
PLAIN = build_run()


def times(run: Run, since: int, ratio: float, *names: str) -> dict[str, Any]:
    found = {name: run.series[name].copy() for name in names}
    for array in found.values():
        array[since:] = array[since:] * array.dtype.type(ratio)
    return found


def text(*verdicts: Verdict, every: bool = False) -> list[str]:
    shown = diff_text(summary(verdicts), verdicts, ("aaaa/e1 m", "bbbb/e2 m"), every)
    assert all(len(line) <= WIDTH for line in shown.split("\n"))
    return shown.split("\n")


def between(a: Run, b: Run, tolerance: Tolerance = WITHIN) -> list[str]:
    lines = text(difference(a, b, tolerance))
    assert len(lines) <= ROOM
    return lines


def answer(lines: list[str]) -> str:
    """The answer as one line."""
    return " ".join(line.strip() for line in lines[: next(n for n, line in enumerate(lines) if line[:3] == "A  ")])


ASKED: Mapping[str, Mapping[str, Any]] = {
    "threads": {"asked.threads": 2, "observed.threads": 2},
    "decay": {"asked.recipe.weight_decay": 0.1, "observed.arguments.weight_decay": 0.1},
}
NORMS = PLAIN.series["grad_norm"]


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (PLAIN, PLAIN, "IDENTICAL  to the last bit: 12 steps (losses, gradient norms, weights, logits, scores)"),
        (
            PLAIN,
            plant(PLAIN, ASKED["threads"], **times(PLAIN, 3, 1 + 3e-7, "grad_norm")),
            "EQUAL      within 1e-05, not bit for bit: from step 3 on, by at most 4.0e-07 (gradient norm, step 3). "
            "Why: threads 1 -> 2",
        ),
        (
            PLAIN,
            plant(PLAIN, ASKED["decay"], **times(PLAIN, 1, 1.01, "micro_loss", "loss")),
            "DIFFERENT  from step 1 on: the model's own loss 0.700523 -> 0.7075282, ratio 1.01. "
            "Why: weight_decay 0 -> 0.1",
        ),
        (
            build_run(batch=2, accumulation=4, accepts=False),
            build_run(batch=2, accumulation=4, excess=4.0),
            "DIFFERENT  from step 0 on: the gradient norm of B is 4.000 x A's. Why: in B nobody divides the loss by "
            "its 4 micro-batches (huggingface/transformers#47688); accepts_loss_kwargs false -> model",
        ),
        (
            PLAIN,
            plant(PLAIN, {"observed.data.train.sha256": "1" * 64}),
            "DIFFERENT  in what was done, though no loss, norm or answer shows it. "
            "Why: training data: changed, but in no example that was seen",
        ),
        (
            PLAIN,
            plant(PLAIN, logits=-PLAIN.series["logits"]),
            "DIFFERENT  in the logits of 240 of 240 examples. Why: nothing that was recorded says",
        ),
    ],
    ids=["identical", "equal", "decay", "upstream", "data", "answers"],
)
def test_the_first_line_is_the_answer(a: Run, b: Run, said: str) -> None:
    assert answer(between(a, b)).startswith(said)


def test_an_answer_that_fits_is_one_line_and_else_the_reason_is_the_second() -> None:
    other = plant(PLAIN, ASKED["decay"], **times(PLAIN, 1, 1.01, "micro_loss", "loss"))
    lines = between(PLAIN, other)
    assert lines[0].startswith("DIFFERENT  from step 1 on: ")
    assert lines[1] == "           Why: weight_decay 0 -> 0.1"
    rate = plant(PLAIN, {"asked.recipe.learning_rate": 1e-4}, **times(PLAIN, 0, 2, "learning_rate"))
    assert between(PLAIN, rate)[0] == (
        "DIFFERENT  from step 0 on: the learning rate of B is 2.000 x A's. Why: learning_rate 5e-05 -> 0.0001"
    )


def test_the_table_is_always_there() -> None:
    lines = between(PLAIN, plant(PLAIN, **times(PLAIN, 5, 2.0, "grad_norm")))
    table = [line.split("  ") for line in lines]
    (heads,) = (line for line in lines if "last step (11)" in line)
    assert heads.split() == ["step", "5", "last", "step", "(11)", "differ"]
    (norms,) = (line for line in lines if line.startswith("gradient norm"))
    assert norms.count("2.000 x") == 2
    assert norms.endswith("7 of 12 steps")
    assert any(row[0] == "accuracy" and row[-1] == "same" for row in table)
    assert [line for line in between(PLAIN, PLAIN) if line.startswith("gradient norm")]


def test_scores_are_read_in_points() -> None:
    better = plant(PLAIN, {"measured.metrics.accuracy": 0.7525})
    was = PLAIN.record.measured.metrics["accuracy"] if PLAIN.record.measured else 0.0
    (row,) = (line for line in between(PLAIN, better) if line.startswith("accuracy"))
    assert row.split() == ["accuracy", f"{100 * was:.2f}", "->", "75.25", f"{75.25 - 100 * was:+.2f}", "points"]
    (told,) = (line for line in text(difference(PLAIN, better), every=True) if line.startswith("  accuracy"))
    assert told == f"  accuracy: {100 * was:.2f} -> 75.25, {75.25 - 100 * was:+.2f} points"


def test_the_rest_is_told_on_request() -> None:
    other = plant(build_run(batch=16), **times(build_run(batch=16), 0, 1.01, "micro_loss", "loss", "grad_norm"))
    verdict = difference(PLAIN, other, WITHIN)
    short, long = text(verdict), text(verdict, every=True)
    assert short[-1].endswith("told by --all")
    assert "Follows from it:" in long
    assert any(line.startswith("  recipe.per_device_train_batch_size: 8 -> 16") for line in long)
    assert "B takes 16 examples a step, A 8" in answer(short)


def test_the_screen_holds_whatever_there_is_to_say() -> None:
    a, b = build_run(batch=2, accumulation=4, accepts=False), build_run(batch=2, accumulation=4, excess=4.0)
    asked = {f"asked.recipe.lr_scheduler_kwargs_{n}": "x" * 90 for n in range(9)}
    done = {f"observed.arguments.unheard_of_{n}": n + 1 for n in range(9)}
    gone = {"observed.fingerprint.inputs": None, "observed.fingerprint.final_sha256": None}
    other = plant(b, {**asked, **done, **gone}, **times(b, 0, 2, "learning_rate"))
    lines = between(a, other)
    assert lines[-1].endswith("told by --all")
    assert any(line.startswith("learning rate") for line in lines)
    assert len(lines) == ROOM


def test_several_pairs_fit_on_the_screen_too() -> None:
    same = [difference(build_run(seed=seed), build_run(seed=seed)) for seed in range(5)]
    other = difference(PLAIN, plant(PLAIN, **times(PLAIN, 3, 1.5, "micro_loss")), EXACT)
    lines = text(*same, other)
    assert lines[0].startswith("DIFFERENT  5 of 6 identical, 1 different: tiny · seed 42 · transformers ")
    many = text(*same, *([other] * 30))
    assert len(many) <= ROOM
    assert sum(line.startswith("DIFFERENT") for line in many) > 3
    assert any(line.endswith("more pairs, told by --all") for line in many)
    assert sum(line.startswith("DIFFERENT") for line in text(*same, *([other] * 30), every=True)) == 30
    assert text(*same)[0] == "IDENTICAL  to the last bit: 5 of 5 runs"


def test_means_are_of_pairs_that_did_not_collapse() -> None:
    def pair(seed: int, status: str, accuracy: float) -> Verdict:
        a, b = build_run(seed=seed), build_run(seed=seed)
        found = {"status": status, "measured.metrics.accuracy": accuracy}
        return difference(plant(a, found), plant(b, {**found, "measured.metrics.accuracy": accuracy + 0.01}))

    lines = text(pair(1, "ok", 0.8), pair(2, "ok", 0.9), pair(3, "collapsed", 0.5))
    (means,) = (line for line in lines if line.startswith("2 of 3 pairs"))
    assert means.startswith("2 of 3 pairs (the others collapsed or lack a score): accuracy 85.00 -> 86.00")
    assert any(
        line.startswith("all pairs: accuracy 85.00 -> 86.00") for line in text(pair(1, "ok", 0.8), pair(2, "ok", 0.9))
    )


def test_json_has_the_answer_in_its_head_and_can_be_read_back() -> None:
    noisy = plant(PLAIN, ASKED["threads"], grad_norm=NORMS * np.float32(1 + 3e-7))
    verdicts = (difference(PLAIN, noisy, WITHIN), difference(PLAIN, build_run(seed=7), WITHIN))
    head = Head("diff", "harness diff", facts=(summary(verdicts),))
    again, found = verdicts_from_json(verdicts_json(head, verdicts))
    assert again.facts[0].values["state"] == "different"
    assert [one.reason.code for one in found] == ["diff.equal", "diff.different"]
    assert found[1].reason.values["causes"][0].values["field"] == "seed"
