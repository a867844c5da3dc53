"""What run and reference do not share: each a fact, none of them missed, none invented."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.checks.scores.recipe import global_batch, other_data, recipe_differences
from harness.checks.verdict import Fact
from harness.grid.names import DECLARABLE
from harness.references import find, registry
from tests.checks.made_up_scores import (
    COURSE,
    UNCASED,
    VALUE,
    configurations,
    make_cells,
    make_entry,
    make_record,
    measured,
    published,
)

REFERENCE = find("hf-course-ch3")


def differs(field: str, run: Any, reference: Any) -> Fact:
    return Fact.of("recipe.differs", field=field, run=run, reference=reference)


def codes(facts: tuple[Fact, ...]) -> list[str]:
    return [fact.code for fact in facts]


def blocking(**asked: Any) -> tuple[Fact, ...]:
    recipe = {**COURSE, **asked.pop("recipe", {})}
    return recipe_differences(measured([85.0], recipe=recipe, **asked), REFERENCE).blocking


def test_the_courses_recipe_has_no_difference() -> None:
    found = recipe_differences(measured([85.0]), REFERENCE)
    assert found.blocking == ()
    assert codes(found.notes)[:2] == ["recipe.head", "recipe.precision_unstated"]


def test_defaults_are_no_difference() -> None:
    assert recipe_differences(measured([85.0], recipe={}), REFERENCE).blocking == ()


@pytest.mark.parametrize(
    ("asked", "fact"),
    [
        ({"recipe": {"learning_rate": 2e-5}}, differs("learning_rate", 2e-5, 5e-5)),
        ({"recipe": {"num_train_epochs": 4.0}}, differs("num_train_epochs", 4.0, 3)),
        ({"recipe": {"max_steps": 100}}, Fact.of("recipe.max_steps", run=100, steps=1377, epochs=3)),
        ({"recipe": {"per_device_train_batch_size": 16}}, differs("global_batch_size", 16, 8)),
        ({"recipe": {"gradient_accumulation_steps": 2}}, differs("global_batch_size", 16, 8)),
        ({"recipe": {"lr_scheduler_type": "cosine"}}, differs("lr_scheduler_type", "cosine", "linear")),
        ({"recipe": {"weight_decay": 0.01}}, differs("weight_decay", 0.01, 0.0)),
        ({"recipe": {"warmup_steps": 0.1}}, differs("warmup_steps", 0.1, 0)),
        ({"recipe": {"label_smoothing_factor": 0.1}}, differs("label_smoothing_factor", 0.1, 0.0)),
        ({"recipe": {"optim": "adafactor"}}, differs("optim", "adafactor", "adamw_torch_fused")),
        ({"precision": "fp16"}, differs("precision", "fp16", "fp32")),
        ({"dropout": False}, Fact.of("recipe.dropout")),
        (
            {"recipe": {"load_best_model_at_end": True, "metric_for_best_model": "f1"}},
            Fact.of("recipe.selection", best=True, metric="f1", reference="last"),
        ),
        ({"source": "google-bert/bert-base-cased"}, differs("checkpoint", "google-bert/bert-base-cased", UNCASED)),
        ({"task": "embedded/paraphrase"}, Fact.of("recipe.task", run="embedded/paraphrase", reference="glue/mrpc")),
    ],
)
def test_each_difference_is_a_fact(asked: dict[str, Any], fact: Fact) -> None:
    assert blocking(**asked) == (fact,)


@pytest.mark.parametrize(
    "asked",
    [
        {"recipe": {"optim": "adamw_torch"}},  # another kernel of one update rule
        {"recipe": {"per_device_eval_batch_size": 32, "dataloader_num_workers": 2, "logging_steps": 10}},
        {"recipe": {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}},
        {"precision": "tf32"},  # not stated there, so it cannot be excluded
        {"source": "bert-base-uncased"},  # the hub's former name
        {"head_seeding": "course"},
        {"accepts_loss_kwargs": False},
        {"resume_at": 100},
        {"threads": 4},
    ],
)
def test_what_does_not_change_the_recipe_is_no_difference(asked: dict[str, Any]) -> None:
    assert blocking(**asked) == ()


def test_devices_differ_only_where_both_are_known() -> None:
    recipe = {**COURSE, "per_device_train_batch_size": 4}
    one = measured([85.0], recipe=recipe, devices=2)
    assert global_batch(one) == 8
    assert recipe_differences(one, REFERENCE).blocking == ()
    sample = find("replication-course-uncased")
    assert recipe_differences(one, sample).blocking == (differs("devices", 2, 1),)
    assert recipe_differences(one, sample, {"devices"}).harmless == (differs("devices", 2, 1),)


def test_a_warm_up_ratio_is_compared_in_steps() -> None:
    reference = published(VALUE, recipe={**COURSE, "warmup_steps": 138})
    entry_steps = measured([85.0], recipe={**COURSE, "warmup_steps": 0.1})  # ceil(0.1 x 1377) = 138
    assert recipe_differences(entry_steps, reference).blocking == ()
    other = measured([85.0], recipe={**COURSE, "warmup_steps": 0.2})
    assert recipe_differences(other, reference).blocking == (differs("warmup_steps", 0.2, 138),)


def test_what_was_resolved_counts_where_nothing_was_asked_for() -> None:
    cells = make_cells([1], recipe={})
    entry = make_entry(cells[0], 85.0)
    record = make_record(cells[0], entry)
    assert record.observed is not None
    record = record.model_copy(
        update={"observed": record.observed.model_copy(update={"arguments": {"learning_rate": 3e-5}})}
    )
    (one,) = configurations(cells, [entry], {(entry.configuration_id, entry.environment_id): record})
    assert recipe_differences(one, REFERENCE).blocking == (differs("learning_rate", 3e-5, 5e-5),)


def test_data_from_a_folder_is_the_same_where_the_counts_are() -> None:
    cells = make_cells([1], task="../mrpc")
    entry = make_entry(cells[0], 85.0)
    key = (entry.configuration_id, entry.environment_id)
    (same,) = configurations(cells, [entry], {key: make_record(cells[0], entry)})
    (other,) = configurations(cells, [entry], {key: make_record(cells[0], entry, (400, 270))})
    assert other_data(same, REFERENCE) is None
    noted = Fact.of("recipe.same_data", task="../mrpc", reference="glue/mrpc")
    assert noted in recipe_differences(same, REFERENCE).notes
    task = Fact.of("recipe.task", run="../mrpc", reference="glue/mrpc", counts=(400, 270), known=(408, 279))
    assert other_data(other, REFERENCE) == task


def test_what_is_not_known_of_a_reference_is_said_and_blocks_nothing() -> None:
    found = recipe_differences(measured([85.0]), published(VALUE))
    assert found.blocking == ()
    silent = Fact.of("recipe.unknown", fields=("num_train_epochs", "global_batch_size", "learning_rate"))
    assert silent in found.notes


def test_every_difference_can_be_declared_harmless_under_its_name() -> None:
    one = measured(
        [85.0], recipe={"learning_rate": 1.0, "max_steps": 3, "optim": "sgd"}, task="t", source="s", precision="bf16",
        engine="loop", devices=3, dropout=False,
    )  # fmt: skip
    for reference in registry().references:
        everything = recipe_differences(one, reference, DECLARABLE)
        assert everything.blocking == ()
        assert len(everything.harmless) == len(recipe_differences(one, reference).blocking) > 0


def test_a_reference_that_is_a_best_epoch_is_of_another_model() -> None:
    best = {**COURSE, "load_best_model_at_end": True}
    other = Fact.of("recipe.selection", best=False, metric=None, reference="best epoch")
    # Said in a word, or by the recipe.
    for reference in (published(VALUE, recipe=COURSE, selection="best epoch"), published(VALUE, recipe=best)):
        assert recipe_differences(measured([85.0]), reference).blocking == (other,)
        assert recipe_differences(measured([85.0]), reference, {"selection"}).harmless == (other,)
        assert recipe_differences(measured([85.0], recipe=best), reference).blocking == ()


def test_the_registry_says_which_of_its_values_are_best_epochs() -> None:
    found = [one.id for one in registry().references if one.selection == "best epoch"]
    assert len(found) == 5
    assert all((find(name).notes or "").startswith("Best ") for name in found)


def test_a_reference_may_state_all_that_a_cell_has() -> None:
    """Else "recipes differ" could never be answered."""
    stated = REFERENCE.model_copy(
        update={
            "recipe": {**COURSE, "max_steps": 100},
            "setup": {"config": {"num_hidden_layers": 2}, "engine": "loop", "dropout": False, "subset": 64},
        }
    )
    asked = {"recipe": {**COURSE, "max_steps": 100}, "engine": "loop", "dropout": False, "subset": 64}
    run = measured([85.0], **asked)
    checkpoint = run.asked.checkpoint.model_copy(update={"config": {"num_hidden_layers": 2}})
    run = replace(run, asked=run.asked.model_copy(update={"checkpoint": checkpoint}))
    assert recipe_differences(run, stated).blocking == ()
    assert {one.values.get("field", one.code) for one in recipe_differences(measured([85.0]), stated).blocking} == {
        "recipe.max_steps", "config", "engine", "dropout", "subset",
    }  # fmt: skip
