from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks.verdict import Fact
from harness.checks.verify.diff.compare import Comparison, Difference, compare
from harness.checks.verify.fields import DONE, LAYERS, ROOTS
from harness.checks.verify.series import EXACT, Tolerance, tolerance_between
from harness.record.run import Run
from harness.report.phrases.causes import CAUSES

MakeRun = Callable[..., Run]
Planted = Callable[..., Run]


def fields(comparison: Comparison) -> list[str]:
    return [found.field for found in comparison.differences]


def roots(comparison: Comparison) -> list[Difference]:
    return [found for found in comparison.differences if found.field in ROOTS]


@pytest.mark.parametrize("options", [{}, {"devices": 2, "batch": 4}, {"first": 5}, {"epochs": 1.0}])
@pytest.mark.parametrize("tolerance", [EXACT, Tolerance(1e-5, 20)])
def test_a_run_does_not_differ_from_itself(make_run: MakeRun, options: dict[str, Any], tolerance: Tolerance) -> None:
    run = make_run(**options)
    found = compare(run, make_run(**options), tolerance)
    assert (found.differences, found.consequences, found.not_available) == ((), (), ())
    assert found.equal
    assert found.steps == range(run.first_step, 12 if "epochs" not in options else 100)


@given(
    name=st.sampled_from(["loss", "micro_loss", "grad_norm", "learning_rate"]),
    ratio=st.one_of(st.floats(0.1, 0.99), st.floats(1.01, 10)),
)
def test_a_series_scaled_by_r_is_found_with_ratio_r_and_nothing_else_is(
    plain_run: Run, name: str, ratio: float
) -> None:
    scaled = Run(plain_run.record, {**plain_run.series, name: plain_run.series[name].astype(np.float64) * ratio})
    for tolerance in (EXACT, Tolerance(1e-5, 20)):
        found = compare(plain_run, scaled, tolerance)
        assert fields(found) == [name]
        one = found.differences[0]
        assert (one.layer, one.step) == ("trajectory", 0)
        assert one.where == Fact.of("where", step=0, steady=True, differing=12, steps=12)
        assert one.ratio == pytest.approx(ratio, rel=1e-6)
        assert one.finding("FAIL").cause == name


FACTS = [
    ("asked", "seed", {"asked.seed": 1}),
    ("asked", "recipe.max_steps", {"asked.recipe.max_steps": 5, "observed.arguments.max_steps": 5}),
    ("asked", "config.hidden_dropout_prob", {"asked.checkpoint.config": {"hidden_dropout_prob": 0.1}}),
    ("environment", "packages.transformers", {"observed.packages.transformers": "4.45.2"}),
    ("environment", "machine.cpu", {"observed.machine.cpu": "other"}),
    ("environment", "determinism.deterministic_algorithms", {"observed.determinism.deterministic_algorithms": True}),
    ("exact", "optimizer.class", {"observed.optimizer.class": "SGD"}),
    ("exact", "optimizer.groups.0.fused", {"observed.optimizer.groups.0.fused": False}),
    ("exact", "attention", {"observed.fingerprint.attention": "eager"}),
    ("exact", "attention.kernels", {"observed.fingerprint.attention_kernels": {"_flash": 2}}),
    ("exact", "dropout", {"observed.fingerprint.dropout": True}),
    ("exact", "clipping", {"observed.fingerprint.clipping": 5.0}),
    ("exact", "clipping", {"observed.fingerprint.clipping": None}),
    ("exact", "training data", {"observed.data.train.labels": [268, 532]}),
    ("exact", "validation data", {"observed.data.validation.sha256": "0" * 64}),
    ("exact", "precision", {"observed.fingerprint.precision.name": "bf16"}),
    ("exact", "parallelism", {"observed.fingerprint.parallel_mode": "distributed"}),
    ("exact", "optimizer steps", {"observed.fingerprint.optimizer_steps": 11}),
    ("exact", "examples seen", {"observed.fingerprint.seen.epochs.0.distinct": 90}),
    ("exact", "batch shapes", {"observed.fingerprint.batch_shapes_sha256": "0" * 64}),
    ("exact", "arguments.optim", {"observed.arguments.optim": "adamw_torch"}),
    ("outcome", "final weights", {"observed.weights.final_sha256": "0" * 64}),
    ("outcome", "scores.accuracy", {"measured.metrics.accuracy": 0.1}),
]


@pytest.mark.parametrize(("layer", "field", "changes"), FACTS, ids=[field for _, field, _ in FACTS])
def test_each_fact_is_found_in_its_layer_and_in_either_order(
    plain_run: Run, planted: Planted, layer: str, field: str, changes: dict[str, Any]
) -> None:
    other = planted(plain_run, changes)
    there, back = compare(plain_run, other), compare(other, plain_run)
    assert fields(there) == fields(back) == [field]
    one, mirror = there.differences[0], back.differences[0]
    assert (one.layer, one.a, one.b) == (layer, mirror.b, mirror.a)
    assert one.finding("FAIL").cause in CAUSES
    assert there.equal == (layer in ("asked", "environment"))


def test_an_older_records_word_for_the_same_products_is_no_difference(plain_run: Run, planted: Planted) -> None:
    old, new, other = (
        planted(plain_run, {"observed.determinism.matmul_precision": word}) for word in ("highest", "ieee", "tf32")
    )
    assert fields(compare(old, new)) == []
    assert fields(compare(old, other)) == ["determinism.matmul_precision"]


def test_layers_come_in_order_and_causes_first(plain_run: Run, planted: Planted) -> None:
    changes = {
        "asked.seed": 1,
        "observed.packages.torch": "2.4.0",
        "observed.fingerprint.attention": "eager",
        "observed.weights.final_sha256": "0" * 64,
    }
    loss, norm = (plain_run.series[name].copy() for name in ("loss", "grad_norm"))
    loss[6:] *= np.float32(1.1)
    norm[2:] *= np.float32(1.5)
    found = compare(plain_run, planted(plain_run, changes, loss=loss, grad_norm=norm))
    assert fields(found) == ["seed", "packages.torch", "attention", "grad_norm", "loss", "final weights"]
    layers = [LAYERS.index(one.layer) for one in found.differences]
    assert layers == sorted(layers)
    assert found.of(*DONE)[0].field == "attention"
    assert [one.step for one in found.of("trajectory")] == [2, 6]


def test_other_initial_weights_do_not_drown_in_their_consequences(make_run: MakeRun) -> None:
    a, b = make_run(seed=1), make_run(seed=2)
    found = compare(a, b)
    assert [one.field for one in roots(found)] == ["initial weights", "data order"]
    assert fields(found) == ["seed", "initial weights", "data order"]
    consequences = {one.field for one in found.consequences}
    assert {"micro_loss", "loss", "grad_norm", "final weights", "logits"} <= consequences
    assert found.of(*DONE)[0].field == "initial weights"


def test_another_data_order_is_named_with_step_and_examples(plain_run: Run, planted: Planted) -> None:
    ids, offsets = plain_run.series["example_ids"].copy(), plain_run.series["example_offsets"]
    ids[offsets[4]] = 999
    norm, loss = (plain_run.series[name].copy() for name in ("grad_norm", "loss"))
    norm[4:] *= np.float32(1.2)
    loss[1] *= np.float32(1.2)
    found = compare(plain_run, planted(plain_run, example_ids=ids, grad_norm=norm, loss=loss))
    (root,) = roots(found)
    assert (root.field, root.step, root.b) == ("data order", 4, Fact.of("examples", ids=[999]))
    assert root.a == Fact.of("examples", ids=[int(plain_run.series["example_ids"][offsets[4]])])
    assert root.where == Fact.of("where", step=4, steady=False, differing=1, steps=12)
    # What differs before that step is no consequence of it.
    assert fields(found) == ["data order", "loss"]
    assert [one.field for one in found.consequences] == ["grad_norm"]


def test_another_order_within_a_step_is_no_root(plain_run: Run, planted: Planted) -> None:
    ids = plain_run.series["example_ids"].copy()
    ids[:2] = ids[1::-1]
    columns = {name: rows.copy() for name, rows in plain_run.series.items() if name.startswith("inputs.")}
    for rows in columns.values():
        rows[:2] = rows[1::-1]
    found = compare(plain_run, planted(plain_run, example_ids=ids, **columns))
    assert (fields(found), roots(found)) == (["order within steps"], [])


def test_a_resumed_run_meets_its_own_steps(make_run: MakeRun, planted: Planted) -> None:
    whole, resumed = make_run(), make_run(first=5)
    found = compare(whole, resumed)
    assert fields(found) == ["resume_at"]
    assert found.steps == range(5, 12)
    assert set(found.not_shared) == {"initial weights", "batch shapes", "examples seen", "optimizer steps"}
    assert found.not_available == ()
    loss = resumed.series["loss"].copy()
    loss[2] *= np.float32(1.5)
    (one,) = compare(whole, planted(resumed, loss=loss)).of("trajectory")
    assert (one.field, one.step, one.ratio) == ("loss", 7, pytest.approx(1.5))


def test_beyond_the_tolerance_of_another_environment_a_difference_only_warns(
    make_run: MakeRun, planted: Planted
) -> None:
    run = make_run()
    other = planted(run, {"environment_id": "other", "observed.packages.torch": "2.4.0"})
    late, early = run.series["loss"].copy(), run.series["loss"].copy()
    late *= np.float32(1 + 2e-7)  # rounding, which grows
    late[3] *= np.float32(1.001)
    early[0] *= np.float32(1.001)
    tolerance = tolerance_between(run, other)
    (warned,) = compare(run, planted(other, loss=late), tolerance).of("trajectory")
    (found,) = compare(run, planted(other, loss=early), tolerance).of("trajectory")
    assert (warned.warning, found.warning) == (True, False)


def test_a_default_that_changed_between_versions_shows_but_not_a_field_that_one_lacks(
    plain_run: Run, planted: Planted
) -> None:
    older = planted(plain_run, {"observed.arguments.optim": "adamw_torch", "observed.arguments.past_index": -1})
    assert fields(compare(plain_run, older)) == ["arguments.optim"]
    set_there = planted(older, {"observed.fingerprint.non_default_arguments": {"past_index": -1}})
    assert fields(compare(plain_run, set_there)) == ["arguments.past_index", "arguments.optim"]


def test_nothing_is_nothing_however_it_is_written(plain_run: Run, planted: Planted) -> None:
    one = planted(plain_run, {"observed.arguments.x": None, "observed.arguments.y": "no", "observed.model.z": {"k": 1}})
    other = planted(plain_run, {"observed.arguments.x": {}, "observed.arguments.y": [], "observed.model.z": {"k": 1}})
    other = planted(other, {"observed.model.z": {"k": 1, "new": False}})
    assert fields(compare(one, other)) == []
    other = planted(other, {"observed.arguments.x": 0, "observed.model.z": {"k": 1, "new": True}})
    assert fields(compare(one, other)) == ["arguments.x", "model.z.new"]


def test_a_recipe_that_spells_a_default_out_asks_for_nothing_else(plain_run: Run, planted: Planted) -> None:
    spelled = planted(plain_run, {"asked.recipe.learning_rate": 5e-5})
    assert fields(compare(plain_run, spelled)) == []
    assert fields(compare(plain_run, planted(plain_run, {"asked.recipe.learning_rate": 1e-4}))) == [
        "recipe.learning_rate"
    ]


NEUTRAL = {
    "hub_private_repo": True, "trackio_space_id": "trackio", "report_to": ["wandb"], "disable_tqdm": True,
    "logging_dir": "runs", "push_to_hub": True, "save_total_limit": 3, "log_level": "info", "project": "p",
    "ddp_bucket_cap_mb": 25, "average_tokens_across_devices": True,
}  # fmt: skip


def test_an_argument_that_cannot_touch_training_is_no_difference_in_what_was_done(
    plain_run: Run, planted: Planted
) -> None:
    changes = {f"observed.arguments.{name}": value for name, value in NEUTRAL.items()}
    base = planted(plain_run, dict.fromkeys(changes, "other"))
    found = compare(base, planted(plain_run, changes))
    assert {one.field for one in found.of("harmless")} == {f"arguments.{name}" for name in NEUTRAL} - {
        "arguments.logging_dir"  # where the run lay
    }
    assert (found.of("exact"), found.equal) == ((), True)


def test_a_rate_that_nobody_told_is_no_difference(plain_run: Run, planted: Planted) -> None:
    """transformers 4.49 gave its callbacks no schedule, and records of then have nan at every step."""
    untold = planted(plain_run, learning_rate=np.full_like(plain_run.series["learning_rate"], np.nan))
    for a, b in ((plain_run, untold), (untold, plain_run), (untold, untold)):
        found = compare(a, b)
        assert [one.field for one in found.of("trajectory")] == []
        assert found.not_available == ("learning_rate",)


def test_what_one_run_cannot_tell_is_not_available(plain_run: Run, planted: Planted) -> None:
    blind = planted(plain_run, {"observed.fingerprint.attention": None})
    found = compare(plain_run, Run(blind.record, {}))
    assert found.differences == ()
    assert {"attention", "micro_loss", "loss", "grad_norm", "learning_rate", "logits"} <= set(found.not_available)


def test_batches_of_another_size_are_told_by_their_size(make_run: MakeRun) -> None:
    found = compare(make_run(batch=8), make_run(batch=16))
    (order,) = [one for one in found.differences if one.field == "data order"]
    assert (order.a, order.b, order.step) == (
        Fact.of("examples.taken", count=8),
        Fact.of("examples.taken", count=16),
        0,
    )
