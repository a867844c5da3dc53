from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.checks.verdict import Fact, Finding, Verdict
from harness.checks.verify.fidelity import fidelity
from harness.record.run import Run

MakeRun = Callable[..., Run]


def failed(verdict: Verdict) -> list[str]:
    return [finding.item for finding in verdict.failures]


def several(finding: Finding) -> list[Fact]:
    """The facts of a finding that has several."""
    assert finding.fact.code == "several"
    return list(finding.fact.values["facts"])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"steps": 30},
        {"epochs": 1.0},
        {"epochs": 2.0, "batch": 3, "accumulation": 4},
        {"epochs": 1.0, "batch": 24, "devices": 2},
        {"steps": 12, "first": 5},
        {"dropout": 0.1},
        {"devices": 2, "accepts": False},
    ],
)
def test_a_faithful_run_passes_with_nothing_unseen(make_run: MakeRun, options: dict[str, Any]) -> None:
    verdict = fidelity(make_run(**options))
    assert (verdict.outcome, failed(verdict), verdict.not_available) == ("PASS", [], ())
    assert len(verdict.findings) >= 25
    assert verdict.reason == Fact.of("items.right", count=len(verdict.findings))
    assert (verdict.subject.configuration_id, len(verdict.subject.cell_ids), verdict.against) == ("c", 1, None)


FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("arguments", {"observed.requested.weird": 3}),
    ("arguments", {"observed.arguments.max_steps": 12, "observed.requested.label_smoothing_factor": 0.1}),
    ("arguments", {"observed.arguments.seed": 43}),
    ("engine", {"observed.fingerprint.engine": "loop"}),
    ("world size", {"asked.devices": 1, "observed.fingerprint.world_size": 3}),
    ("parallel mode", {"observed.fingerprint.parallel_mode": "not_distributed"}),
    ("precision", {"observed.fingerprint.precision.name": "bf16"}),
    ("precision", {"observed.fingerprint.precision.name": None}),
    ("attention", {"observed.fingerprint.attention": "eager"}),
    ("attention", {"observed.model.attention": "eager", "observed.fingerprint.attention": "eager"}),
    ("attention", {"asked.checkpoint.config": {"attn_implementation": "eager"}}),
    ("dropout", {"observed.fingerprint.dropout": True}),
    ("dropout", {"observed.model.dropout.hidden_dropout_prob": 0.2, "observed.fingerprint.dropout": True}),
    ("clipping", {"observed.fingerprint.clipping": 5.0}),
    ("clipping", {"observed.fingerprint.clipping": None}),
    ("clipping", {"observed.arguments.max_grad_norm": 0.0}),
    ("loss scaling", {"asked.accepts_loss_kwargs": False}),
    ("optimizer", {"observed.optimizer.class": "SGD"}),
    ("optimizer", {"observed.optimizer.groups.1.fused": False}),
    ("optimizer", {"observed.arguments.optim": "adamw_torch"}),
    ("optimizer settings", {"observed.optimizer.groups.1.betas": [0.9, 0.99]}),
    ("optimizer settings", {"observed.optimizer.groups.0.eps": 1e-6}),
    ("weight decay", {"observed.optimizer.groups.0.weight_decay": 0.01}),
    ("weight decay", {"observed.arguments.weight_decay": 0.01}),
    ("trainable weights", {"observed.optimizer.groups.0.tensors": 14}),
    ("collator", {"observed.collator": "default_data_collator"}),
    ("data", {"observed.data.train.sha256": "0" * 64}),
    ("unknown tokens", {"observed.data.unknown_tokens": 0.06}),
    ("newly initialised weights", {"observed.weights.newly_initialised": ["bert.encoder.layer.0.output.dense.weight"]}),
    ("newly initialised weights", {"observed.weights.newly_initialised": []}),
    ("weights as saved", {"observed.weights.not_as_saved": ["bert.embeddings.word_embeddings.weight"]}),
    ("optimizer steps", {"observed.fingerprint.optimizer_steps": 11}),
    ("optimizer steps", {"observed.optimizer_steps": 13}),
    ("learning rate", {"observed.arguments.lr_scheduler_type": "constant"}),
    ("learning rate", {"observed.arguments.warmup_steps": 2}),
    ("logits", {"observed.fingerprint.eval_examples": 232}),
    ("evaluation loss", {"measured.metrics.loss": 0.5}),
    ("accuracy", {"measured.metrics.accuracy": 0.9}),
    ("f1", {"measured.metrics.f1": 0.9}),
    ("confusion", {"measured.confusion": {"tp": 160, "fp": 80, "fn": 0, "tn": 0}}),
    ("samples", {"measured.train_samples_per_second": 1000.0}),
    ("examples seen", {"observed.fingerprint.seen.expected": 799}),
    ("segments", {"observed.fingerprint.segments": 0}),
    ("segments", {"observed.fingerprint.segments": 1}),
    ("dtype of weights", {"observed.model.dtype": "bfloat16"}),
    ("dtype of optimizer states", {"observed.optimizer.state_dtypes": ["bfloat16"]}),
    ("inputs", {"observed.fingerprint.altered.attention_mask": {"rows": 5, "of": 96, "example": 17, "step": 2}}),
]  # fmt: skip


@pytest.mark.parametrize(("item", "changes"), FAULTS, ids=[f"{n}-{item}" for n, (item, _) in enumerate(FAULTS)])
def test_each_planted_fault_is_found_by_name_and_nothing_else(
    plain_run: Run, planted: Callable[..., Run], item: str, changes: dict[str, Any]
) -> None:
    verdict = fidelity(planted(plain_run, changes))
    assert verdict.outcome == "FAIL"
    also = ["first update"] if "observed.arguments.weight_decay" in changes else []
    assert failed(verdict) == [item, *also], [finding.fact for finding in verdict.failures]
    assert verdict.reason == Fact.of("items.wrong", items=[item, *also])


def test_fewer_training_examples_are_a_fault_of_the_data(plain_run: Run, planted: Callable[..., Run]) -> None:
    changes = {"observed.data.train.examples": 792, "observed.fingerprint.seen.expected": 792}
    verdict = fidelity(planted(plain_run, changes))
    assert failed(verdict) == ["data"]
    split = {"split": "training", "examples": 792, "positives": 533, "due": 800, "due_positives": 533}
    assert several(verdict.failures[0]) == [Fact("split.size", split)]


def test_a_folder_of_mrpcs_size_must_hold_mrpc(plain_run: Run, planted: Callable[..., Run]) -> None:
    sizes = {"examples": 3668, "positives": 2474, "sha256": "0" * 64}
    changes = {
        "asked.task": "some/folder",
        "observed.data.train": sizes,
        "observed.data.validation": {"examples": 408, "positives": 279, "sha256": "1" * 64},
    }
    found = {finding.item: finding for finding in fidelity(planted(plain_run, changes)).failures}
    assert [fact.code for fact in several(found["data"])] == ["split.content", "split.content"]
    other = fidelity(planted(plain_run, {"asked.task": "some/folder"}))
    assert other.outcome == "PASS"
    why = Fact.of("task.unknown", task="some/folder")
    assert other.not_available == (Fact.of("missing", item="data hash", why=why),)


@pytest.mark.parametrize("shift", ["before", "after"])
def test_a_rate_shifted_by_one_step_is_called_so(plain_run: Run, planted: Callable[..., Run], shift: str) -> None:
    rates = plain_run.series["learning_rate"]
    moved = np.r_[rates[0], rates[:-1]] if shift == "before" else np.r_[rates[1:], 0.0]
    verdict = fidelity(planted(plain_run, learning_rate=moved))
    finding, *also = verdict.failures
    assert [one.item for one in also] == ([] if shift == "before" else ["first update"])
    assert (finding.item, finding.step) == ("learning rate", 1 if shift == "before" else 0)
    assert finding.fact.values["shift"] == shift


def test_a_wrong_rate_on_one_step_of_a_resumed_run_names_the_runs_own_step(
    make_run: MakeRun, planted: Callable[..., Run]
) -> None:
    run = make_run(steps=12, first=5)
    rates = run.series["learning_rate"].copy()
    rates[3] *= 2
    (finding,) = fidelity(planted(run, learning_rate=rates)).failures
    assert (finding.item, finding.step, finding.ratio) == ("learning rate", 8, pytest.approx(2.0))
    values = finding.fact.values
    assert (values["differing"], values["steps"], values["shift"]) == (1, 7, None)


def test_a_loss_that_accumulation_multiplies_is_found_with_its_ratio_and_its_issue(make_run: MakeRun) -> None:
    (finding,) = fidelity(make_run(batch=2, accumulation=4, excess=4.0)).failures
    assert (finding.item, finding.fact.code) == ("logged loss", "logged_loss.wrong")
    assert (finding.step, finding.ratio) == (0, pytest.approx(4.0))
    assert finding.upstream == finding.cause == "huggingface/transformers#47688"


@pytest.mark.parametrize(
    "options", [{"excess": 3.0}, {"excess": 4.0, "accepts": False}, {"excess": 4.0, "engine": "loop"}]
)
def test_a_ratio_that_the_known_issue_does_not_explain_is_not_laid_to_it(
    make_run: MakeRun, options: dict[str, Any]
) -> None:
    (finding,) = fidelity(make_run(batch=2, accumulation=4, **options)).failures
    assert (finding.item, finding.upstream, finding.cause) == ("logged loss", None, "logged_loss")


def test_one_odd_logged_loss_is_found(plain_run: Run, planted: Callable[..., Run]) -> None:
    loss = plain_run.series["loss"].copy()
    loss[7] *= np.float32(1.001)
    (finding,) = fidelity(planted(plain_run, loss=loss)).failures
    assert (finding.item, finding.step) == ("logged loss", 7)
    assert finding.fact.values["where"] == Fact.of("where", step=7, steady=False, differing=1, steps=12)


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


@pytest.mark.parametrize(
    ("epoch", "fact"),
    [
        ({"seen": 796, "distinct": 796}, Fact.of("epoch.rows", epoch=1, rows=796, due=800)),
        (
            {"seen": 800, "distinct": 798, "repeated": [3, 9], "repeated_count": 2},
            Fact.of("epoch.examples", epoch=1, distinct=798, of=800, count=2, repeated=[3, 9]),
        ),
        ({"seen": 800, "distinct": 800, "complete": False}, Fact.of("seen.cut", epoch=1, examples=800, there=800)),
    ],
    ids=["rows", "examples", "cut"],
)
def test_examples_left_out_or_repeated_are_named(
    make_run: MakeRun, planted: Callable[..., Run], epoch: dict[str, Any], fact: Fact
) -> None:
    run = make_run(epochs=1.0)
    fields = {"repeated": [], "repeated_count": 0, "complete": True, **epoch}
    changes = {"observed.fingerprint.seen.epochs": [fields]}
    changes["measured.train_samples"] = epoch["seen"]
    changes["measured.train_samples_per_second"] = epoch["seen"] / 2.0
    (finding,) = fidelity(planted(run, changes)).failures
    assert (finding.item, several(finding)) == ("examples seen", [fact])


def test_repetitions_that_padding_does_not_explain(make_run: MakeRun, planted: Callable[..., Run]) -> None:
    run = make_run(steps=12)
    changes = {"observed.fingerprint.seen.epochs.0.distinct": 90, "observed.fingerprint.seen.epochs.0.repeated": [1]}
    (finding,) = fidelity(planted(run, changes)).failures
    (fact,) = several(finding)
    assert (finding.item, fact.code, fact.values["extra"]) == ("examples seen", "epoch.repeats", 6)


def test_fp16_may_leave_out_steps_and_the_schedule_waits_for_them(plain_run: Run, planted: Callable[..., Run]) -> None:
    scale = {"initial": 65536.0, "minimum": 16384.0, "final": 16384.0, "skipped_steps": 2, "nonfinite_steps": 2}
    norms, at = plain_run.series["grad_norm"].copy(), np.array([0, 0, 0, *range(1, 10)])
    norms[:2] = np.inf
    changes = {
        "asked.precision": "fp16",
        "observed.requested.fp16": True,
        "observed.arguments.fp16": True,
        "observed.fingerprint.precision.name": "fp16",
        "observed.fingerprint.loss_scale": scale,
        "observed.fingerprint.optimizer_steps": 10,
    }
    rates = plain_run.series["learning_rate"][at]
    assert fidelity(planted(plain_run, changes, grad_norm=norms, learning_rate=rates)).outcome == "PASS"
    fewer = {**changes, "observed.fingerprint.optimizer_steps": 9}
    assert failed(fidelity(planted(plain_run, fewer, grad_norm=norms, learning_rate=rates))) == ["optimizer steps"]
    assert failed(fidelity(planted(plain_run, changes, grad_norm=norms))) == ["learning rate"]


def test_what_cannot_be_seen_is_named_and_no_pass(plain_run: Run, planted: Callable[..., Run]) -> None:
    verdict = fidelity(planted(plain_run, {"observed.fingerprint": None, "observed.weights.not_as_saved": None}))
    assert verdict.outcome == "PASS"
    assert [fact.values["item"] for fact in verdict.not_available] == ["fingerprint", "weights as saved"]
    items = {finding.item for finding in verdict.findings}
    assert not items & {"precision", "world size", "weights as saved", "learning rate"}


def test_a_run_that_failed_is_an_error_and_a_skipped_one_a_skip(plain_run: Run, planted: Callable[..., Run]) -> None:
    failure = {"type": "OutOfMemoryError", "message": "tried to allocate 3 GiB", "details": ""}
    oom = fidelity(planted(plain_run, {"status": "oom", "failure": failure}))
    why = Fact.of("run.failure", type="OutOfMemoryError", message="tried to allocate 3 GiB")
    assert (oom.outcome, oom.reason) == ("ERROR", Fact.of("run.errored", status="oom", why=why))
    skipped = fidelity(
        planted(plain_run, {"status": "skipped", "observed": None, "failure": {**failure, "type": "fp16"}})
    )
    assert (skipped.outcome, skipped.reason.values["type"]) == ("SKIP", "fp16")
    nonfinite = fidelity(planted(plain_run, {"status": "nonfinite"}))
    fact = Fact.of("run.errored", status="nonfinite", why=Fact.of("run.nonfinite"))
    assert (nonfinite.outcome, nonfinite.reason) == ("ERROR", fact)


def test_weight_decay_spares_biases_and_layer_norms(make_run: MakeRun, planted: Callable[..., Run]) -> None:
    run, right = make_run(recipe={"weight_decay": 0.01}), {"observed.optimizer.groups.0.weight_decay": 0.01}
    assert fidelity(planted(run, right)).outcome == "PASS"
    both = {**right, "observed.optimizer.groups.1.weight_decay": 0.01}
    assert failed(fidelity(planted(run, both))) == ["weight decay"]


def test_a_pooler_that_the_checkpoint_has_may_not_be_new(plain_run: Run, planted: Callable[..., Run]) -> None:
    new = ["classifier.bias", "classifier.weight", "bert.pooler.dense.bias", "bert.pooler.dense.weight"]
    lacking = {"observed.weights.newly_initialised": new, "observed.weights.unused": ["cls.predictions.bias"]}
    assert fidelity(planted(plain_run, lacking)).outcome == "PASS"
    spurned = {**lacking, "observed.weights.unused": ["pooler.dense.weight"]}
    assert failed(fidelity(planted(plain_run, spurned))) == ["newly initialised weights"]


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
        epochs.append({"epoch": float(number), "step": 100 * number, **scores})
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
    epochs[1]["loss"] = epochs[2]["loss"] = 0.01
    finding = selection_of(fidelity(planted(run, {"measured.epochs": epochs})))
    assert (finding.outcome, finding.fact.values["model"].values["greater"]) == ("PASS", True)


@pytest.mark.parametrize(
    "changes",
    [
        {"measured.epochs": []},
        {"measured.epochs.0.accuracy": None},
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


def found(verdict: Verdict, item: str) -> Finding:
    (finding,) = [one for one in verdict.findings if one.item == item]
    return finding


def test_an_altered_column_is_named_with_its_step_and_an_example(
    make_run: MakeRun, planted: Callable[..., Run]
) -> None:
    seen = {"rows": 5, "of": 56, "example": 17, "step": 2}
    run = planted(make_run(first=5), {"observed.fingerprint.altered.attention_mask": seen})
    finding = found(fidelity(run), "inputs")
    assert (finding.outcome, finding.step, finding.cause) == ("FAIL", 7, "inputs")
    (fact,) = several(finding)
    expected = {"column": "attention_mask", "rows": 5, "of": 56, "example": 17, "step": 7, "absent": False}
    assert fact == Fact("inputs.altered", expected)


def test_a_model_of_one_segment_needs_no_token_types(plain_run: Run, planted: Callable[..., Run]) -> None:
    for known in (1, None):
        changes = {"observed.model.segments": known, "observed.fingerprint.segments": 0}
        assert fidelity(planted(plain_run, changes)).outcome == "PASS"


@pytest.mark.parametrize(("version", "kept"), [("5.23.0", True), ("4.57.6", False)])
def test_weights_kept_as_they_were_saved_say_so(
    plain_run: Run, planted: Callable[..., Run], version: str, kept: bool
) -> None:
    changes = {
        "observed.model.dtype": "bfloat16",
        "observed.weights.saved_dtypes": ["bfloat16"],
        "observed.packages.transformers": version,
    }
    finding = found(fidelity(planted(plain_run, changes)), "dtype of weights")
    assert finding.fact == Fact.of("dtype.wrong", dtype="bfloat16", saved="bfloat16", kept=kept)


def test_an_update_that_is_not_what_its_settings_say_is_found_with_its_ratio(
    plain_run: Run, planted: Callable[..., Run]
) -> None:
    before, gradient = (plain_run.series[f"update_{name}"].astype(np.float64) for name in ("before", "gradient"))
    mean, root = 0.1 * gradient, np.sqrt(0.001 * gradient**2)  # without the correction of their bias
    after = before - plain_run.series["learning_rate"][0] * mean / (root + 1e-8)
    finding = found(fidelity(planted(plain_run, update_after=after.astype(np.float32))), "first update")
    assert (finding.outcome, finding.step) == ("FAIL", 0)
    assert finding.ratio == pytest.approx(0.1 / math.sqrt(0.001), rel=1e-2)
    assert finding.fact.values["tensor"] == "classifier.weight"


def test_an_update_of_sgd_and_of_a_warm_ups_second_step(plain_run: Run, planted: Callable[..., Run]) -> None:
    before, gradient = plain_run.series["update_before"], plain_run.series["update_gradient"]
    rates = plain_run.series["learning_rate"]
    sgd = {"observed.arguments.optim": "sgd"}
    after = before - np.float32(rates[0]) * gradient
    assert found(fidelity(planted(plain_run, sgd, update_after=after)), "first update").outcome == "PASS"
    both = np.stack([gradient[0], -2 * gradient[0]]).astype(np.float64)
    warm = np.r_[0.0, rates[1:]]
    mean = (0.9 * 0.1 * both[0] + 0.1 * both[1]) / (1 - 0.9**2)
    square = (0.999 * 0.001 * both[0] ** 2 + 0.001 * both[1] ** 2) / (1 - 0.999**2)
    moved = before[0] - warm[1] * mean / (np.sqrt(square) + 1e-8)
    series = {"update_before": np.r_[before, before], "update_gradient": both, "update_after": [before[0], moved]}
    run = planted(plain_run, learning_rate=warm, **{name: np.float32(array) for name, array in series.items()})
    assert found(fidelity(run), "first update").outcome == "PASS"


def test_an_evaluation_that_draws_answers_otherwise_the_second_time(
    plain_run: Run, planted: Callable[..., Run]
) -> None:
    again = plain_run.series["logits_again"].copy()
    again[1, 3] += 0.01
    finding = found(fidelity(planted(plain_run, logits_again=again)), "evaluation repeated")
    assert (finding.outcome, finding.cause) == ("FAIL", "evaluation mode")
    assert (finding.fact.values["differing"], finding.fact.values["examples"]) == (1, 8)


def test_rows_that_no_optimizer_step_took_are_told(make_run: MakeRun, planted: Callable[..., Run]) -> None:
    run = make_run(epochs=1.0)
    ids = run.series["example_ids"]
    finding = found(fidelity(planted(run, example_ids=ids[:-8])), "examples seen")
    assert finding.outcome == "FAIL"
    assert several(finding) == [Fact.of("seen.left_out", rows=800, left_out=8)]
    passed = found(fidelity(run), "examples seen").fact.values
    assert (passed["examples"], passed["there"]) == (800, 800)
