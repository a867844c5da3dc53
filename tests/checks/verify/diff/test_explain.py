"""What explains a difference: the effect comes first, and then what can have made it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from harness.checks.verdict import Fact, exit_code
from harness.checks.verify.series import tolerance_between
from harness.record.run import Run
from tests.checks.verify.diff.made_up import NOISE, cause, first, scaled, told

MakeRun = Callable[..., Run]
Planted = Callable[..., Run]
NEUTRAL = {"observed.arguments.hub_private_repo": True, "observed.arguments.trackio_space_id": "space"}
LEAKED = {"observed.arguments.hub_private_repo": None, "observed.arguments.trackio_space_id": "trackio"}

PLANTED: list[tuple[str, Mapping[str, Any], tuple[int, float, tuple[str, ...]], tuple[Any, ...], Any]] = [
    # name, changes of B, (since, ratio, series), the first difference, what explains it
    ("texts", {"observed.data.train.sha256": "1" * 64}, (0, 1.3, ("micro_loss", "loss", "grad_norm")),
     ("the model's own loss", 0, 1.3, "data"), "training data"),
    ("labels", {"observed.data.train.sha256": "1" * 64, "observed.data.train.labels": [268, 532]},
     (5, 1.01, ("micro_loss", "loss", "grad_norm")), ("the model's own loss", 5, 1.01, "data"), "training data"),
    ("checkpoint", {"observed.weights.checkpoint_sha256": "1" * 64, "observed.weights.weights_sha256": "3" * 64,
                    "observed.fingerprint.init_sha256": "2" * 64},
     (0, 1.01, ("micro_loss", "loss", "grad_norm")), ("the model's own loss", 0, 1.01, "checkpoint weights"),
     "checkpoint weights"),
    ("head", {"observed.fingerprint.init_sha256": "2" * 64}, (0, 1.01, ("micro_loss", "loss", "grad_norm")),
     ("the model's own loss", 0, 1.01, "initial weights"), "initial weights"),
    ("dropout", {"observed.fingerprint.dropout": True}, (0, 1.02, ("micro_loss", "loss", "grad_norm")),
     ("the model's own loss", 0, 1.02, "dropout"), "dropout"),
    ("one dropout", {"observed.model.dropouts": {"0": 1, "0.1": 6}}, (0, 1.02, ("micro_loss", "loss", "grad_norm")),
     ("the model's own loss", 0, 1.02, "dropout"), "dropout.probabilities"),
    ("frozen weights", {"observed.optimizer.groups.0.tensors": 14}, (0, 0.9, ("grad_norm",)),
     ("gradient norm", 0, 0.9, "optimizer"), "optimizer group 0: tensors"),
    ("tokenizer", {"observed.weights.tokenizer_sha256": "1" * 64, "observed.fingerprint.inputs.input_ids": "2" * 64},
     (0, 1.01, ("micro_loss", "loss", "grad_norm")), ("the model's own loss", 0, 1.01, "tokenizer"), "tokenizer"),
    ("tokenizer by its gradient", {"observed.weights.tokenizer_sha256": "1" * 64,
     "observed.fingerprint.inputs.input_ids": "2" * 64}, (0, 1.01, ("grad_norm",)),
     ("gradient norm", 0, 1.01, "tokenizer"), "tokenizer"),
    ("attention", {"observed.fingerprint.attention": "eager"}, (0, 1.02, ("micro_loss", "loss", "grad_norm")),
     ("the model's own loss", 0, 1.02, "attention"), "attention"),
    ("precision", {"observed.fingerprint.precision.name": "bf16"}, (0, 1.001, ("micro_loss", "loss", "grad_norm")),
     ("the model's own loss", 0, 1.001, "precision"), "precision"),
    ("dtype of the weights", {"observed.model.dtype": "bfloat16"}, (0, 1.001, ("micro_loss", "loss", "grad_norm")),
     ("the model's own loss", 0, 1.001, "dtype"), "model.dtype"),
    ("label smoothing", {"observed.arguments.label_smoothing_factor": 0.1}, (0, 1.05, ("loss", "grad_norm")),
     ("gradient norm", 0, 1.05, "arguments"), "arguments.label_smoothing_factor"),
    ("weight decay", {"observed.optimizer.groups.0.weight_decay": 0.1, "observed.arguments.weight_decay": 0.1},
     (1, 1.001, ("micro_loss", "loss", "grad_norm")), ("the model's own loss", 1, 1.001, "optimizer"),
     "optimizer group 0: weight_decay"),
    ("betas", {"observed.optimizer.groups.1.betas": [0.9, 0.99]}, (2, 1.001, ("micro_loss", "loss", "grad_norm")),
     ("the model's own loss", 2, 1.001, "optimizer"), "optimizer group 1: betas"),
    ("optimizer", {"observed.optimizer.class": "SGD"}, (1, 1.01, ("micro_loss", "loss", "grad_norm")),
     ("the model's own loss", 1, 1.01, "optimizer"), "optimizer.class"),
    ("fewer steps an epoch", {"observed.fingerprint.optimizer_steps": 6,
                              "observed.fingerprint.seen.epochs.0.distinct": 90},
     (1, 0.95, ("learning_rate",)), ("learning rate", 1, 0.95, "optimizer steps"), "optimizer steps"),
    ("clipping", {"observed.fingerprint.clipping": None}, (1, 1.01, ("micro_loss", "loss", "grad_norm")),
     ("the model's own loss", 1, 1.01, "clipping"), "clipping"),
    ("warm-up", {"observed.arguments.warmup_steps": 4}, (0, 0.25, ("learning_rate",)),
     ("learning rate", 0, 0.25, "arguments"), "arguments.warmup_steps"),
    ("schedule", {"observed.arguments.lr_scheduler_type": "cosine"}, (3, 0.9, ("learning_rate",)),
     ("learning rate", 3, 0.9, "arguments"), "arguments.lr_scheduler_type"),
    ("no cause recorded", {}, (1, 1.01, ("micro_loss", "loss", "grad_norm")),
     ("the model's own loss", 1, 1.01, "update"), None),
    ("gradient alone", {}, (0, 1.01, ("grad_norm",)), ("gradient norm", 0, 1.01, "grad_norm"), None),
    ("version", {"observed.packages.transformers": "4.45.2", "environment_id": "other"},
     (0, 1.01, ("micro_loss", "loss", "grad_norm")), ("the model's own loss", 0, 1.01, "packages"),
     "packages.transformers"),
    ("seed", {"asked.seed": 7}, (0, 1.01, ("micro_loss", "loss", "grad_norm")),
     ("the model's own loss", 0, 1.01, "asked"), "seed"),
    ("learning rate asked", {"asked.recipe.learning_rate": 1e-4, "observed.arguments.learning_rate": 1e-4},
     (0, 2.0, ("learning_rate",)), ("learning rate", 0, 2.0, "asked"), "recipe.learning_rate"),
]  # fmt: skip


@pytest.mark.parametrize("first_step", [0, 5])
@pytest.mark.parametrize("exchanged", [False, True])
@pytest.mark.parametrize(
    ("changes", "series", "shows", "explained"), [row[1:] for row in PLANTED], ids=[row[0] for row in PLANTED]
)
def test_the_effect_comes_first_and_then_what_can_have_made_it(
    make_run: MakeRun,
    planted: Planted,
    changes: Mapping[str, Any],
    series: tuple[int, float, tuple[str, ...]],
    shows: tuple[Any, ...],
    explained: Any,
    exchanged: bool,
    first_step: int,
) -> None:
    since, ratio, names = series
    base = make_run(first=first_step)
    a = planted(base, LEAKED)
    b = planted(base, {**NEUTRAL, **changes}, **scaled(base, since, ratio, *names))
    verdict = told(b, a) if exchanged else told(a, b)
    item, step, _, code = shows
    found = first(verdict)
    assert (found[0], found[1], found[3], cause(verdict)) == (item, step + first_step, code, explained)
    assert found[2] == pytest.approx(1 / ratio if exchanged else ratio, abs=6e-4)
    assert verdict.reason.values["first_step"] == step + first_step
    if explained is not None:
        assert verdict.findings[1].item == explained
    assert exit_code([verdict]) == 1


@pytest.mark.parametrize("first_step", [0, 5])
@pytest.mark.parametrize("exchanged", [False, True])
@pytest.mark.parametrize(
    ("old", "issue", "explained"),
    [
        ({"asked.accepts_loss_kwargs": "model", "observed.packages.transformers": "5.4.0",
          "observed.fingerprint.accepts_loss_kwargs": False}, "huggingface/transformers#47688", "loss scaling"),
        ({"observed.packages.transformers": "4.57.6"}, "huggingface/transformers#47688", "packages.transformers"),
        ({"observed.packages.transformers": "4.45.2", "observed.fingerprint.accepts_loss_kwargs": None},
         "huggingface/transformers#35207", "packages.transformers"),
    ],
    ids=["5.4.0 and 5.23.0", "4.57.6 and 5.23.0", "4.45.2 and 4.47.1"],
)  # fmt: skip
def test_a_known_issue_of_one_version_is_named_with_the_fields_that_prove_it(
    make_run: MakeRun,
    planted: Planted,
    old: Mapping[str, Any],
    issue: str,
    explained: str,
    exchanged: bool,
    first_step: int,
) -> None:
    run = make_run(batch=2, accumulation=4, first=first_step)
    a = planted(run, {**LEAKED, **old, "environment_id": "old"})
    new = {"observed.packages.transformers": "4.47.1", "observed.fingerprint.accepts_loss_kwargs": None}
    b = planted(
        run, {**NEUTRAL, **(new if "35207" in issue else {})}, grad_norm=run.series["grad_norm"] * np.float32(4)
    )
    a, b = (b, a) if exchanged else (a, b)
    verdict = told(a, b, tolerance_between(a, b))
    assert first(verdict) == ("gradient norm", first_step, 0.25 if exchanged else 4.0, issue)
    assert (verdict.findings[0].upstream, verdict.reason.values["upstream"]) == (issue, issue)
    known = verdict.reason.values["causes"][0]
    assert (known.code, known.values["issue"], known.values["side"]) == ("cause.scaling", issue, "AB"[not exchanged])
    assert known.values["accumulation"] == [4, 4]
    assert sorted(known.values["excess"]) == [1, 4]
    assert cause(verdict) == explained


def test_a_defect_that_other_examples_hide_is_told_beside_the_cause(make_run: MakeRun, planted: Planted) -> None:
    a, b = make_run(batch=8), make_run(batch=8, accumulation=2, excess=2.0)
    found = told(a, planted(b, **scaled(b, 0, 1.01, "micro_loss", "loss"))).reason.values["causes"]
    assert [fact.code for fact in found] == ["cause.asked", "cause.scaling"]
    assert found[0].values["through"] == [Fact.of("through.taken", a=8, b=16)]
    assert [found[1].values[key] for key in ("side", "harm", "excess")] == ["B", "unknown", [1, 2]]
    assert found[1].values["logged"] == pytest.approx([1.0, 2.0])
    seen = planted(b, **scaled(b, 0, 1.01, "micro_loss"), loss=b.series["micro_loss"])  # its log is right
    assert [fact.code for fact in told(a, seen).reason.values["causes"]] == ["cause.asked"]


@pytest.mark.parametrize("exchanged", [False, True])
def test_a_defect_of_the_log_alone_is_told_as_that(make_run: MakeRun, planted: Planted, exchanged: bool) -> None:
    run = make_run(batch=2, accumulation=4)
    a = planted(run, {"observed.packages.transformers": "4.57.6", "observed.fingerprint.accepts_loss_kwargs": False})
    b = planted(run, {"observed.packages.transformers": "5.4.0"}, **scaled(run, 0, 4.0, "loss"))
    verdict = told(b, a) if exchanged else told(a, b)
    known = verdict.reason.values["causes"][0].values
    assert first(verdict)[:2] == ("logged loss", 0)
    assert (known["harm"], known["side"]) == ("log", "AB"[not exchanged])


@pytest.mark.parametrize("part", ["train", "validation"])
def test_edited_examples_are_named(plain_run: Run, planted: Planted, part: str) -> None:
    prefix = "" if part == "train" else "evaluation_"
    column = plain_run.series[f"{prefix}inputs.input_ids"].copy()
    column[7] += 1
    ids = plain_run.series["example_ids"] if part == "train" else np.arange(240)
    # A folder of edited files may have another name.
    changes = {f"observed.data.{part}.sha256": "1" * 64, "asked.task": "edited"}
    other = planted(plain_run, changes, **{f"{prefix}inputs.input_ids": column})
    (found,) = told(plain_run, other).reason.values["causes"]
    known = 96 if part == "train" else 240
    assert (found.code, found.values["changed"], found.values["known"]) == ("cause.data", 1, known)
    assert (found.values["ids"], found.values["tasks"]) == ([int(ids[7])], ["embedded/paraphrase", "edited"])


def test_what_else_was_asked_for_stands_behind_what_explains_it(make_run: MakeRun, planted: Planted) -> None:
    a, b = make_run(), make_run(seed=7)
    b = planted(b, {"asked.recipe.weight_decay": 0.1, "observed.arguments.weight_decay": 0.1})
    fields = [fact.values["field"] for fact in told(a, b).reason.values["causes"]]
    assert fields == ["seed", "recipe.weight_decay"]


def test_equality_within_rounding_has_its_cause_too(plain_run: Run, planted: Planted) -> None:
    noisy = plain_run.series["grad_norm"].copy()
    noisy[3:] *= np.float32(NOISE)
    verdict = told(plain_run, planted(plain_run, {"asked.threads": 2, "observed.threads": 2}, grad_norm=noisy))
    values = verdict.reason.values
    assert (verdict.reason.code, values["first_step"], values["largest"]["step"] >= 3) == ("diff.equal", 3, True)
    assert values["causes"][0] == Fact.of("cause.asked", field="threads", a=1, b=2, through=[])


def test_what_was_asked_for_explains_what_follows(make_run: MakeRun, planted: Planted) -> None:
    other = make_run(batch=16)
    verdict = told(make_run(batch=8), planted(other, **scaled(other, 0, 1.01, "micro_loss", "loss", "grad_norm")))
    batch = "recipe.per_device_train_batch_size"
    assert cause(verdict) == batch
    follows = {one.item for one in verdict.findings if one.fact.code == "consequence"}
    assert {"data order", "batch shapes", "examples seen"} <= follows
    assert [one.item for one in verdict.failures if one.fact.values["layer"] == "exact"] == []


def test_accumulated_twins_are_equal_whatever_their_batches_look_like(make_run: MakeRun, planted: Planted) -> None:
    a, b = make_run(batch=8), make_run(batch=2, accumulation=4)
    verdict = told(a, planted(b, loss=b.series["loss"] * np.float32(NOISE)))
    assert (verdict.outcome, verdict.reason.code) == ("PASS", "diff.equal")
    defect = told(a, make_run(batch=2, accumulation=4, excess=4.0))
    assert first(defect) == ("gradient norm", 0, 4.0, "huggingface/transformers#47688")
    assert cause(defect) == "recipe.gradient_accumulation_steps"


def test_another_kernel_of_one_formula_is_equal_where_it_only_rounds(plain_run: Run, planted: Planted) -> None:
    changes = {
        "observed.arguments.optim": "adamw_torch",
        "observed.optimizer.groups.0.fused": False,
        "observed.fingerprint.attention": "eager",
    }
    noisy = {"grad_norm": plain_run.series["grad_norm"] * np.float32(NOISE)}
    verdict = told(plain_run, planted(plain_run, changes, **noisy))
    assert (verdict.outcome, verdict.reason.code) == ("PASS", "diff.equal")
    other = told(plain_run, planted(plain_run, {"observed.optimizer.groups.0.eps": 1e-6}, **noisy))
    assert first(other)[::3] == ("gradient norm", "optimizer")
    assert cause(other) == "optimizer group 0: eps"


def test_a_resumption_that_goes_on_otherwise_is_named(make_run: MakeRun, planted: Planted) -> None:
    resumed = make_run(first=5)
    verdict = told(make_run(), planted(resumed, **scaled(resumed, 0, 1.01, "micro_loss", "loss")))
    assert first(verdict) == ("the model's own loss", 5, 1.01, "jump.resumed")
    assert cause(verdict) == "resume_at"
