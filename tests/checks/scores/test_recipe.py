"""What run and reference do not share: each a sentence, none of them missed, none invented."""

from __future__ import annotations

from typing import Any

import pytest

from harness.checks.scores.recipe import DECLARABLE, global_batch, other_data, recipe_differences
from harness.references import find, registry
from tests.checks.made_up_scores import (
    COURSE,
    UNCASED,
    configurations,
    make_cells,
    make_entry,
    make_record,
    measured,
    published,
)

REFERENCE = find("hf-course-ch3")


def blocking(**asked: Any) -> tuple[str, ...]:
    recipe = {**COURSE, **asked.pop("recipe", {})}
    return recipe_differences(measured([85.0], recipe=recipe, **asked), REFERENCE).blocking


def test_the_courses_recipe_has_no_difference() -> None:
    found = recipe_differences(measured([85.0]), REFERENCE)
    assert found.blocking == ()
    assert any("head is seeded" in note for note in found.notes)
    assert any("does not state its precision" in note for note in found.notes)


def test_defaults_are_no_difference() -> None:
    assert recipe_differences(measured([85.0], recipe={}), REFERENCE).blocking == ()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"recipe": {"learning_rate": 2e-5}}, "learning_rate: run 2e-05, reference 5e-05"),
        ({"recipe": {"num_train_epochs": 4.0}}, "num_train_epochs: run 4, reference 3"),
        ({"recipe": {"max_steps": 100}}, "max_steps: run 100 steps, reference 1377 steps"),
        ({"recipe": {"per_device_train_batch_size": 16}}, "global_batch_size: run 16, reference 8"),
        ({"recipe": {"gradient_accumulation_steps": 2}}, "global_batch_size: run 16, reference 8"),
        ({"recipe": {"lr_scheduler_type": "cosine"}}, "lr_scheduler_type: run cosine, reference linear"),
        ({"recipe": {"weight_decay": 0.01}}, "weight_decay: run 0.01, reference 0"),
        ({"recipe": {"warmup_steps": 0.1}}, "warmup_steps: run 0.1, reference 0"),
        ({"recipe": {"label_smoothing_factor": 0.1}}, "label_smoothing_factor: run 0.1, reference 0"),
        ({"recipe": {"optim": "adafactor"}}, "optim: run adafactor, reference adamw_torch_fused"),
        ({"precision": "fp16"}, "precision: run fp16, reference fp32"),
        ({"dropout": False}, "dropout: run without, reference with the checkpoint's own"),
        (
            {"source": "google-bert/bert-base-cased"},
            f"checkpoint: run google-bert/bert-base-cased, reference {UNCASED}",
        ),
        ({"task": "embedded/paraphrase"}, "task: run embedded/paraphrase, reference glue/mrpc"),
    ],
)
def test_each_difference_is_a_sentence(asked: dict[str, Any], said: str) -> None:
    assert blocking(**asked) == (said,)


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
    assert recipe_differences(one, sample).blocking == ("devices: run 2, reference 1",)
    assert recipe_differences(one, sample, {"devices"}).harmless == ("devices: run 2, reference 1",)


def test_a_warm_up_ratio_is_compared_in_steps() -> None:
    reference = published(85.78431372549019, recipe={**COURSE, "warmup_steps": 138})
    entry_steps = measured([85.0], recipe={**COURSE, "warmup_steps": 0.1})  # ceil(0.1 x 1377) = 138
    assert recipe_differences(entry_steps, reference).blocking == ()
    other = measured([85.0], recipe={**COURSE, "warmup_steps": 0.2})
    assert recipe_differences(other, reference).blocking == ("warmup_steps: run 0.2, reference 138",)


def test_what_was_resolved_counts_where_nothing_was_asked_for() -> None:
    cells = make_cells([1], recipe={})
    entry = make_entry(cells[0], 85.0)
    record = make_record(cells[0], entry)
    assert record.observed is not None
    record = record.model_copy(
        update={"observed": record.observed.model_copy(update={"arguments": {"learning_rate": 3e-5}})}
    )
    (one,) = configurations(cells, [entry], {(entry.configuration_id, entry.environment_id): record})
    assert recipe_differences(one, REFERENCE).blocking == ("learning_rate: run 3e-05, reference 5e-05",)


def test_data_from_a_folder_is_the_same_where_the_counts_are() -> None:
    cells = make_cells([1], task="../mrpc")
    entry = make_entry(cells[0], 85.0)
    key = (entry.configuration_id, entry.environment_id)
    (same,) = configurations(cells, [entry], {key: make_record(cells[0], entry)})
    (other,) = configurations(cells, [entry], {key: make_record(cells[0], entry, (400, 270))})
    assert other_data(same, REFERENCE) is None
    assert any("as many examples and positives" in note for note in recipe_differences(same, REFERENCE).notes)
    said = "task: run ../mrpc (270 positive of 400 validation examples), reference glue/mrpc (279 of 408)"
    assert other_data(other, REFERENCE) == said


def test_what_is_not_known_of_a_reference_is_said_and_blocks_nothing() -> None:
    found = recipe_differences(measured([85.0]), published(85.78431372549019))
    assert found.blocking == ()
    assert "not known of the reference: num_train_epochs, global_batch_size, learning_rate" in found.notes


def test_every_difference_can_be_declared_harmless_under_its_name() -> None:
    one = measured(
        [85.0], recipe={"learning_rate": 1.0, "max_steps": 3, "optim": "sgd"}, task="t", source="s", precision="bf16",
        engine="loop", devices=3, dropout=False,
    )  # fmt: skip
    for reference in registry().references:
        everything = recipe_differences(one, reference, DECLARABLE)
        assert everything.blocking == ()
        assert len(everything.harmless) == len(recipe_differences(one, reference).blocking) > 0
