"""Fidelity: a faithful run passes, and each planted fault is found by name; material and weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.checks.verdict import Fact
from harness.checks.verify.fidelity import fidelity
from harness.record.run import Run
from tests.checks.verify.findings import failed, found, several

MakeRun = Callable[..., Run]


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
    ("device", {"observed.machine.accelerators": ["NVIDIA H100"]}),
    ("device", {"observed.machine.boards": {"mig": [False]}}),
    ("device", {"observed.model.device": "cuda:0"}),
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
    ("confusion", {"measured.confusion": {"counts": [[0, 80], [0, 160]]}}),
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
    sizes = {"examples": 3668, "labels": [1194, 2474], "sha256": "0" * 64}
    changes = {
        "asked.task": "some/folder",
        "observed.data.train": sizes,
        "observed.data.validation": {"examples": 408, "labels": [129, 279], "sha256": "1" * 64},
    }
    found = {finding.item: finding for finding in fidelity(planted(plain_run, changes)).failures}
    assert [fact.code for fact in several(found["data"])] == ["split.content", "split.content"]
    other = fidelity(planted(plain_run, {"asked.task": "some/folder"}))
    assert other.outcome == "PASS"
    why = Fact.of("task.unknown", task="some/folder")
    assert other.not_available == (Fact.of("missing", item="data hash", why=why),)


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


def test_a_trained_classifier_may_be_trained_on_where_the_table_is_the_users_own(
    plain_run: Run, planted: Callable[..., Run]
) -> None:
    trained = {"observed.weights.newly_initialised": []}
    assert failed(fidelity(planted(plain_run, trained))) == ["newly initialised weights"]
    own = {"asked.task_table": {"train": "train.csv", "validation": "dev.csv", "text": "text", "label": "label"}}
    assert "newly initialised weights" not in failed(fidelity(planted(plain_run, {**own, **trained})))
    half = {"observed.weights.newly_initialised": ["bert.pooler.dense.weight"]}
    assert "newly initialised weights" in failed(fidelity(planted(plain_run, {**own, **half})))


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


def test_an_evaluation_that_draws_answers_otherwise_the_second_time(
    plain_run: Run, planted: Callable[..., Run]
) -> None:
    again = plain_run.series["logits_again"].copy()
    again[1, 3] += 0.01
    finding = found(fidelity(planted(plain_run, logits_again=again)), "evaluation repeated")
    assert (finding.outcome, finding.cause) == ("FAIL", "evaluation mode")
    assert (finding.fact.values["differing"], finding.fact.values["examples"]) == (1, 8)


ADAPTER = {
    "method": "lora", "r": 4, "alpha": 16.0, "dropout": 0.1, "targets": ["query", "value"], "layers": 4,
    "features": 256, "head": 66, "trainable": 1090, "sha256": "a", "frozen_sha256": "b", "frozen_before_sha256": "b",
}  # fmt: skip
LORA = {"method": "lora", "r": 4, "alpha": 16.0, "targets": ["self.query", "value"], "dropout": 0.1}


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, []),
        ({"trainable": 48484}, ["adapter.trainable"]),
        ({"frozen_sha256": "c"}, ["adapter.base_moved"]),
        ({"new_frozen": ["bert.pooler.dense.weight"]}, ["adapter.new_frozen"]),
        ({"targets": ["query"], "alpha": 8.0}, ["argument.changed", "argument.changed"]),
    ],
)
def test_adapters_are_those_asked_for_and_the_base_stays(
    make_run: MakeRun, planted: Callable[..., Run], changes: dict[str, Any], wrong: list[str]
) -> None:
    run = planted(make_run(recipe={"peft": LORA}), {"observed.adapter": {**ADAPTER, **changes}})
    finding = found(fidelity(run), "adapter")
    assert finding.outcome == ("FAIL" if wrong else "PASS")
    assert [fact.code for fact in several(finding)] == wrong if wrong else finding.fact.code == "adapter.right"


def test_a_run_that_trained_all_weights_is_no_lora(make_run: MakeRun) -> None:
    finding = found(fidelity(make_run(recipe={"peft": LORA})), "adapter")
    assert (finding.outcome, finding.fact.code) == ("FAIL", "adapter.none")


@pytest.mark.parametrize(
    ("recipe", "right", "wrong"),
    [
        ({"pad_to_multiple_of": 8}, (40, 48, 8), (40, 47, 1)),
        ({"max_length": 40}, (33, 40, 1), (33, 41, 1)),
        ({"max_length": 41, "pad_to_multiple_of": 8}, (40, 48, 8), (40, 56, 8)),
        ({"padding": "max_length"}, (128, 128, 128), (64, 128, 64)),
        ({"padding": "max_length", "max_length": 60}, (60, 60, 60), (47, 47, 47)),
    ],
)
def test_batches_have_the_widths_that_padding_and_truncation_make(
    make_run: MakeRun, planted: Callable[..., Run], recipe: dict[str, Any], right: Any, wrong: Any
) -> None:
    names = ("least", "most", "divisor")
    for widths, outcome in ((right, "PASS"), (wrong, "FAIL")):
        seen = dict(zip(names, widths, strict=True))
        finding = found(
            fidelity(planted(make_run(recipe=recipe), {"observed.fingerprint.widths": seen})), "batch widths"
        )
        assert finding.outcome == outcome


def foreign(plain_run: Run, planted: Callable[..., Run], **changes: Any) -> Run:
    code = {"kind": "script", "name": "train.py", "sha256": "0" * 64, "trainer": "Trainer"}
    return planted(plain_run, {"observed.subject": code, **changes})


def test_scores_of_foreign_code_are_held_against_its_answers(plain_run: Run, planted: Callable[..., Run]) -> None:
    """Accuracy has one meaning; another F1 is its own; what no answer gives is said not to be known."""
    assert plain_run.record.measured is not None
    mine = dict(plain_run.record.measured.metrics)
    right = fidelity(foreign(plain_run, planted, **{"measured.metrics": {**mine, "speed": 3.0}}))
    assert (right.outcome, failed(right)) == ("PASS", [])
    assert {found(right, name).fact.code for name in ("accuracy", "f1", "loss")} == {"score.right"}
    assert Fact.of("missing", item="speed", why=Fact.of("foreign.unknown")) in right.not_available
    other = {"accuracy": mine["accuracy"] + 0.01, "f1": mine["f1"] - 0.01, "loss": mine["loss"] * 2}
    wrong = fidelity(foreign(plain_run, planted, **{"measured.metrics": other}))
    assert failed(wrong) == ["accuracy"]
    own = {fact.values["item"]: fact.values["why"] for fact in wrong.not_available}
    assert own["f1"] == Fact.of("foreign.formula", value=other["f1"], expected=mine["f1"])
    assert own["loss"].code == "foreign.formula"
    blind = Run(foreign(plain_run, planted).record, {k: v for k, v in plain_run.series.items() if k != "logits"})
    said = {fact.values["item"]: fact.values["why"] for fact in fidelity(blind).not_available}
    assert said["scores recomputed from logits"] == Fact.of("foreign.unanswered")


def test_one_text_has_no_segments_to_be_told_apart(plain_run: Run, planted: Callable[..., Run]) -> None:
    told = {"observed.model.segments": 2, "observed.fingerprint.segments": 1}
    assert "segments" in failed(fidelity(planted(plain_run, told)))
    table = {"train": "a.csv", "validation": "b.csv", "text": ["t"], "label": "y", "metrics": ["accuracy", "f1"]}
    one = fidelity(planted(plain_run, {**told, "asked.task": "mine", "asked.task_table": table}))
    assert "segments" not in [*failed(one), *(fact.values["item"] for fact in one.not_available)]
