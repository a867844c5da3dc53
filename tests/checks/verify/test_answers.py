"""Fidelity of answers: logits, labels, the evaluation's loss, and which model was scored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.checks.verdict import Fact, Finding, Verdict
from harness.checks.verify.fidelity import fidelity
from harness.record.run import Run
from tests.checks.verify.findings import failed

MakeRun = Callable[..., Run]


def test_an_evaluation_loss_that_ranks_multiply_is_the_known_issue(
    make_run: MakeRun, planted: Callable[..., Run]
) -> None:
    run = make_run(batch=4, devices=2)
    assert run.record.measured is not None
    twice = 2 * run.record.measured.metrics["loss"]
    (finding,) = fidelity(planted(run, {"measured.metrics.loss": twice})).failures
    assert finding.item == "evaluation loss"
    assert finding.upstream == "huggingface/transformers#47688"
    assert finding.ratio == pytest.approx(2.0)


def test_logits_of_another_shape_and_labels_that_are_not_the_tasks(plain_run: Run, planted: Callable[..., Run]) -> None:
    logits, labels = plain_run.series["logits"], plain_run.series["labels"]
    assert "logits" in failed(fidelity(planted(plain_run, logits=logits[:-1])))
    assert "labels" in failed(fidelity(planted(plain_run, labels=1 - labels)))


def test_answers_paired_with_other_labels_than_the_model_was_given(plain_run: Run, planted: Callable[..., Run]) -> None:
    labels = plain_run.series["labels"]
    verdict = fidelity(planted(plain_run, {}, labels=np.roll(labels, 1)))
    (found,) = [one for one in verdict.failures if one.item == "labels"]
    assert found.fact == Fact.of(
        "labels.paired", differing=int((np.roll(labels, 1) != labels).sum()), count=len(labels)
    )


def test_a_label_that_no_logit_answers_for_is_found_and_scores_are_not_recomputed(
    plain_run: Run, planted: Callable[..., Run]
) -> None:
    logits, labels = plain_run.series["logits"], plain_run.series["labels"]
    ignored = np.where(np.arange(len(labels)) == np.argmax(labels == 1), -100, labels)
    for found, item in (({"logits": logits[:, :1]}, "logits"), ({"labels": ignored}, "labels")):
        verdict = fidelity(planted(plain_run, **found))
        assert failed(verdict) == [item]
        assert "scores recomputed from logits" in [fact.values["item"] for fact in verdict.not_available]


# Which model was scored.

BEST = {"load_best_model_at_end": True, "save_strategy": "epoch", "metric_for_best_model": "accuracy"}


def scored(make_run: MakeRun, planted: Callable[..., Run], epoch: int, **changes: Any) -> Run:
    """A run of three epochs, the second the best by accuracy and the third by loss, that scored one of them."""
    run = make_run(epochs=3.0, recipe={**BEST, **changes})
    assert run.record.measured is not None
    final = run.record.measured.metrics
    other = [{"accuracy": 0.51, "f1": 0.61, "loss": 0.9}, {"accuracy": 0.99, "f1": 0.98, "loss": 0.8},
             {"accuracy": 0.53, "f1": 0.63, "loss": 0.1}]  # fmt: skip
    # The final scores are those that the logits give: the scored epoch has them, and is best, or is not, by the others.
    moved = 0.3 if epoch == 2 else 0.0
    epochs = []
    for number, one in enumerate(other, start=1):
        scores = (
            dict(final) if number == epoch else {**one, "accuracy": one["accuracy"] - (moved if number != 2 else 0)}
        )
        epochs.append({"epoch": float(number), "step": 100 * number, "metrics": scores})
    return planted(run, {"measured.epochs": epochs})


def selection_of(verdict: Verdict) -> Finding:
    return next(finding for finding in verdict.findings if finding.item == "selection")


def test_the_scored_model_is_the_best_that_was_asked_for(make_run: MakeRun, planted: Callable[..., Run]) -> None:
    verdict = fidelity(scored(make_run, planted, 2))
    finding = selection_of(verdict)
    assert (verdict.outcome, finding.outcome, finding.fact.code) == ("PASS", "PASS", "selection.best")
    assert finding.fact.values["model"].values["epoch"] == 2.0


def test_another_model_than_the_best_is_named(make_run: MakeRun, planted: Callable[..., Run]) -> None:
    """As transformers 4.57.6 does with `save_strategy = "best"`: the last epoch is scored."""
    verdict = fidelity(scored(make_run, planted, 3, save_strategy="best"))
    (finding,) = verdict.failures
    assert (finding.item, finding.cause) == ("selection", "selection")
    values = finding.fact.values
    assert (values["scored"], values["asked"].values["epoch"], values["asked"].values["value"]) == (3.0, 2.0, 0.99)


def test_the_direction_that_was_asked_for_counts(make_run: MakeRun, planted: Callable[..., Run]) -> None:
    """The worst is what was asked for: `validate` says so beforehand, and here its name does."""
    run = scored(make_run, planted, 1, metric_for_best_model="loss", greater_is_better=True)
    assert run.record.measured is not None
    epochs = [one.model_dump() for one in run.record.measured.epochs]
    epochs[1]["metrics"]["loss"] = epochs[2]["metrics"]["loss"] = 0.01
    finding = selection_of(fidelity(planted(run, {"measured.epochs": epochs})))
    assert (finding.outcome, finding.fact.values["model"].values["greater"]) == ("PASS", True)


@pytest.mark.parametrize(
    "changes",
    [
        {"measured.epochs": []},
        {"measured.epochs.0.metrics": {"f1": 0.5}},
        {"measured.epochs.0.epoch": 2.0},  # its earliest ones were cut to fit
        {"observed.arguments.eval_delay": 2},
        {"observed.arguments.eval_strategy": "steps", "observed.arguments.eval_steps": 50},
    ],
)
def test_what_the_record_does_not_tell_is_not_available(
    make_run: MakeRun, planted: Callable[..., Run], changes: dict[str, Any]
) -> None:
    verdict = fidelity(planted(scored(make_run, planted, 3), changes))
    assert "selection" not in failed(verdict)
    assert Fact.of("missing", item="selection", why=None) in verdict.not_available
