"""The recipe's entries: what is refused and how, what is frozen, what the overlay adds."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import SpecError
from harness.grid.arguments import (
    FORMER,
    OWNED,
    check_recipe,
    contradiction,
    default_of,
    frozen_defaults,
    frozen_versions,
    normalized,
    recipe_fields,
    table,
    with_overlay,
)
from harness.text import show


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("learning_rate", 5e-5),
        ("learning_rate", 0),
        ("num_train_epochs", 3),
        ("max_steps", -1),
        ("max_steps", 100),
        ("warmup_steps", 0.1),
        ("warmup_steps", 100),
        ("warmup_steps", 100.0),
        ("warmup_steps", 1),
        ("eval_steps", 1),
        ("optim", "adamw_torch"),
        ("lr_scheduler_kwargs", {"num_cycles": 2}),
        ("accelerator_config", {"split_batches": True}),
        ("include_for_metrics", ["loss"]),
        ("include_num_input_tokens_seen", "all"),
        ("include_num_input_tokens_seen", True),
        ("logging_steps", 0.25),
        ("data_seed", 7),
        ("eval_strategy", "steps"),
        ("save_strategy", "best"),
        ("activation_checkpointing", True),
    ],
)
def test_sound_values_pass(field: str, value: Any) -> None:
    check_recipe(field, value, f"g.toml: recipe.{field}")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("learning_rate", -1, "got -1; allowed a finite number >= 0"),
        ("learning_rate", math.inf, "got Infinity; allowed a finite number"),
        ("learning_rate", "5e-5", 'got "5e-5"; allowed a finite number'),
        ("num_train_epochs", 0, "got 0; allowed a finite number > 0"),
        ("num_train_epochs", True, "got true; allowed a finite number"),
        ("per_device_train_batch_size", 0, "got 0; allowed an integer >= 1"),
        ("per_device_train_batch_size", 8.0, "got 8.0; allowed an integer"),
        ("gradient_accumulation_steps", 0, "got 0; allowed an integer >= 1"),
        ("max_steps", 0, "got 0; allowed -1 (off) or an integer >= 1"),
        ("max_steps", -2, "got -2; allowed -1 (off) or an integer >= 1"),
        ("warmup_steps", 2.5, "got 2.5; allowed an integer >= 0, or a ratio in [0, 1)"),
        # transformers takes 1.0 for one step; who writes a ratio means the whole run.
        ("warmup_steps", 1.0, "got 1.0; allowed an integer >= 0, or a ratio in [0, 1); for one step write 1"),
        ("logging_steps", 1.0, "got 1.0; allowed an integer >= 1, or a ratio in (0, 1); for one step write 1"),
        ("eval_steps", 1.0, "got 1.0; allowed an integer >= 1, or a ratio in (0, 1); for one step write 1"),
        ("save_steps", 1.0, "got 1.0; allowed an integer >= 1, or a ratio in (0, 1); for one step write 1"),
        ("adam_beta1", 1.0, "got 1.0; allowed a number in [0, 1)"),
        ("adam_epsilon", 0, "got 0; allowed a finite number > 0"),
        ("label_smoothing_factor", 1, "got 1; allowed a number in [0, 1)"),
        ("dataloader_drop_last", 1, "got 1; allowed true or false"),
        ("lr_scheduler_kwargs", "kwargs.json", 'got "kwargs.json"; allowed a table'),
        ("label_names", ["labels", 1], 'got [\'labels\', 1]; allowed a list of strings'),
        ("eval_strategy", "epochs", 'got "epochs"; allowed no, steps, epoch; did you mean epoch?'),
        ("evaluation_strategy", "epoch", 'got "epoch"; today\'s name is eval_strategy'),
        ("seed", 1, "got 1; the harness owns it: use the axis `seed`"),
        ("no_cuda", True, "got true; today's name is use_cpu, and the harness owns it: the accelerator is the "
         "machine's; insist on one in [require]"),
    ],
)  # fmt: skip
def test_impossible_values_are_named(field: str, value: Any, message: str) -> None:
    with pytest.raises(SpecError) as raised:
        check_recipe(field, value, f"g.toml: recipe.{field}")
    assert str(raised.value) == f"g.toml: recipe.{field}: {message}"


def test_what_the_harness_owns_is_refused_with_a_reason() -> None:
    must = {
        "output_dir", "seed", "fp16", "bf16", "tf32", "fp16_full_eval", "bf16_full_eval", "use_cpu", "local_rank",
        "push_to_hub", "resume_from_checkpoint", "do_train", "do_eval", "do_predict", "report_to", "run_name",
        "disable_tqdm", "deepspeed", "fsdp",
    }  # fmt: skip
    must |= {name for name in table()["fields"] if name.startswith("hub_")}
    assert must <= set(OWNED)
    assert all(len(reason) > 10 for reason in OWNED.values())
    assert set(OWNED) <= set(table()["fields"])
    assert not set(OWNED) & set(recipe_fields())


def test_former_names_are_former() -> None:
    # The two that today's version still lists are its own deprecated aliases.
    still_listed = set(FORMER) & set(table()["fields"])
    assert still_listed == {"gradient_checkpointing", "gradient_checkpointing_kwargs"}


def test_defaults_pass_their_own_check() -> None:
    for field in recipe_fields():
        default = default_of(field)
        if default not in (None, ""):
            check_recipe(field, default, field)


def test_frozen_defaults_are_those_that_drifted() -> None:
    assert frozen_defaults("4.45.2") == {"optim": "adamw_torch", "average_tokens_across_devices": False}
    assert frozen_defaults("5.23.0") == {"optim": "adamw_torch_fused", "average_tokens_across_devices": True}
    assert {"4.45.2", "5.23.0"} <= set(frozen_versions())
    with pytest.raises(SpecError, match=r"allowed 4\.45\.2"):
        frozen_defaults("3.0")


def test_the_overlay_yields_to_the_recipe() -> None:
    resolved, added = with_overlay({"eval_strategy": "steps", "learning_rate": 1e-5})
    assert resolved == {
        "eval_strategy": "steps", "save_strategy": "no", "report_to": "none", "disable_tqdm": True,
        "learning_rate": 1e-5,
    }  # fmt: skip
    assert added == ("save_strategy", "report_to", "disable_tqdm")


def test_contradictions() -> None:
    assert contradiction({}) == ""
    assert "save_strategy (no)" in contradiction({"load_best_model_at_end": True})
    assert contradiction({"load_best_model_at_end": True, "save_strategy": "epoch"}) == ""
    assert contradiction({"dataloader_prefetch_factor": 2}) != ""


def test_one_spelling_enters_ids() -> None:
    assert repr(normalized("num_train_epochs", 3)) == "3.0"
    assert repr(normalized("max_steps", 3)) == "3"
    assert normalized("dataloader_drop_last", True) is True


# Too many digits for str(); mapped, because hypothesis prints constants.
HUGE = st.integers(4400, 4500).map(lambda digits: 10**digits)
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | HUGE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([*table()["fields"], *FORMER, "nonsense"]) | st.text(), junk)
def test_junk_raises_nothing_but_spec_errors(field: str, value: Any) -> None:
    assert "\n" not in show(value)
    with contextlib.suppress(SpecError):
        check_recipe(field, value, "here")
