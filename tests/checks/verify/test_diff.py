from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks.verify.diff import LAYERS, Comparison, compare
from harness.checks.verify.tolerance import EXACT, Tolerance, tolerance_between
from harness.record.run import Run

MakeRun = Callable[..., Run]
Planted = Callable[..., Run]


def fields(comparison: Comparison) -> list[str]:
    return [found.field for found in comparison.differences]


@pytest.mark.parametrize("options", [{}, {"devices": 2, "batch": 4}, {"first": 5}, {"epochs": 1.0}])
@pytest.mark.parametrize("tolerance", [EXACT, Tolerance(1e-5, 20)])
def test_a_run_does_not_differ_from_itself(make_run: MakeRun, options: dict[str, Any], tolerance: Tolerance) -> None:
    run = make_run(**options)
    found = compare(run, make_run(**options), tolerance)
    assert (found.differences, found.consequences, found.not_available) == ((), (), ())
    assert found.equal
    assert found.first is None
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
        assert (one.layer, one.step, one.steady) == ("trajectory", 0, True)
        assert one.ratio == pytest.approx(ratio, rel=1e-6)
        assert one.meaning


FACTS = [
    ("asked", "seed", {"asked.seed": 1}),
    ("asked", "recipe.max_steps", {"asked.recipe.max_steps": 5, "observed.arguments.max_steps": 5}),
    ("asked", "config.hidden_dropout_prob", {"asked.checkpoint.config": {"hidden_dropout_prob": 0.1}}),
    ("environment", "packages.transformers", {"observed.packages.transformers": "4.45.2"}),
    ("environment", "machine.cpu", {"observed.machine.cpu": "other"}),
    ("environment", "determinism.deterministic_algorithms", {"observed.determinism.deterministic_algorithms": True}),
    ("exact", "optimizer.class", {"observed.optimizer.class": "SGD"}),
    ("exact", "optimizer.groups", {"observed.optimizer.groups.0.fused": False}),
    ("exact", "attention", {"observed.fingerprint.attention": "eager"}),
    ("exact", "dropout", {"observed.fingerprint.dropout": True}),
    ("exact", "clipping", {"observed.fingerprint.clipping": 5.0}),
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
    assert one.meaning
    assert there.equal == (layer in ("asked", "environment"))


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
    assert found.first is not None
    assert found.first.field == "attention"
    assert [one.step for one in found.of("trajectory")] == [2, 6]


def test_other_initial_weights_do_not_drown_in_their_consequences(make_run: MakeRun) -> None:
    a, b = make_run(seed=1), make_run(seed=2)
    found = compare(a, b)
    assert [one.field for one in found.roots] == ["initial weights", "data order"]
    assert fields(found) == ["seed", "initial weights", "data order"]
    consequences = {one.field for one in found.consequences}
    assert {"micro_loss", "loss", "grad_norm", "final weights", "logits"} <= consequences
    assert found.first is not None
    assert found.first.field == "initial weights"


def test_another_data_order_is_named_with_step_and_examples(plain_run: Run, planted: Planted) -> None:
    ids, offsets = plain_run.series["example_ids"].copy(), plain_run.series["example_offsets"]
    ids[offsets[4]] = 999
    norm, loss = (plain_run.series[name].copy() for name in ("grad_norm", "loss"))
    norm[4:] *= np.float32(1.2)
    loss[1] *= np.float32(1.2)
    found = compare(plain_run, planted(plain_run, example_ids=ids, grad_norm=norm, loss=loss))
    root = found.roots[0]
    assert (root.field, root.step, root.b) == ("data order", 4, "examples 999")
    assert root.a == f"examples {plain_run.series['example_ids'][offsets[4]]}"
    assert root.where == "first at step 4, on 1 of 12 steps"
    # What differs before that step is no consequence of it.
    assert fields(found) == ["data order", "loss"]
    assert [one.field for one in found.consequences] == ["grad_norm"]


def test_another_order_within_a_step_is_no_root(plain_run: Run, planted: Planted) -> None:
    ids = plain_run.series["example_ids"].copy()
    ids[:2] = ids[1::-1]
    found = compare(plain_run, planted(plain_run, example_ids=ids))
    assert (fields(found), found.roots) == (["order within steps"], ())


def test_a_resumed_run_meets_its_own_steps(make_run: MakeRun, planted: Planted) -> None:
    whole, resumed = make_run(), make_run(first=5)
    found = compare(whole, resumed)
    assert fields(found) == ["resume_at"]
    assert found.steps == range(5, 12)
    assert "initial weights: the runs begin at different steps" in found.not_available
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
    late[3] *= np.float32(1.001)
    early[0] *= np.float32(1.001)
    tolerance = tolerance_between(run, other)
    (warned,) = compare(run, planted(other, loss=late), tolerance).of("trajectory")
    (found,) = compare(run, planted(other, loss=early), tolerance).of("trajectory")
    assert (warned.severity, found.severity) == ("warning", "difference")


def test_a_default_that_changed_between_versions_shows_but_not_a_field_that_one_lacks(
    plain_run: Run, planted: Planted
) -> None:
    older = planted(plain_run, {"observed.arguments.optim": "adamw_torch", "observed.arguments.past_index": -1})
    assert fields(compare(plain_run, older)) == ["arguments.optim"]
    set_there = planted(older, {"observed.fingerprint.non_default_arguments": {"past_index": -1}})
    assert fields(compare(plain_run, set_there)) == ["arguments.optim", "arguments.past_index"]


def test_what_one_run_cannot_tell_is_not_available(plain_run: Run, planted: Planted) -> None:
    blind = planted(plain_run, {"observed.fingerprint.attention": None})
    found = compare(plain_run, Run(blind.record, {}))
    assert found.differences == ()
    assert {"attention", "micro_loss", "loss", "grad_norm", "learning_rate", "logits"} <= set(found.not_available)


def test_texts_are_sentences_for_people(make_run: MakeRun) -> None:
    found = compare(make_run(batch=8), make_run(batch=2, accumulation=4, excess=4.0), Tolerance(1e-5, 20))
    texts = {one.field: one.text for one in found.differences}
    assert texts["loss"].endswith("ratio 4, at step 0, and on every step")
    assert texts["recipe.gradient_accumulation_steps"] == "recipe.gradient_accumulation_steps: 1 against 4"
