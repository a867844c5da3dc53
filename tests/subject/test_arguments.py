"""Translation to the installed transformers, and the check on arrival; runs under any supported version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import SpecError
from harness.grid.arguments import table
from harness.subject.arguments import (
    build,
    differing_from_defaults,
    in_todays_names,
    installed_defaults,
    installed_version,
    translate,
    verify,
)

pytest.importorskip("transformers")

TABLE = table()
MAJOR = int(installed_version().split(".")[0])

# The defaults that matter here, as transformers 4.45.2 has them.
OLD: dict[str, Any] = {
    "output_dir": None,
    "learning_rate": 5e-5,
    "gradient_checkpointing": False,
    "gradient_checkpointing_kwargs": None,
    "group_by_length": False,
    "warmup_ratio": 0.0,
    "warmup_steps": 0,
}


@pytest.mark.parametrize(
    ("today", "old"),
    [
        ({"learning_rate": 1e-5}, {"learning_rate": 1e-5}),
        ({"warmup_steps": 0.1}, {"warmup_steps": 0, "warmup_ratio": 0.1}),
        ({"warmup_steps": 100.0}, {"warmup_steps": 100}),
        ({"train_sampling_strategy": "group_by_length"}, {"group_by_length": True}),
        ({"activation_checkpointing": True}, {"gradient_checkpointing": True}),
        (
            {"activation_checkpointing_kwargs": {"use_reentrant": False}},
            {"gradient_checkpointing_kwargs": {"use_reentrant": False}},
        ),
        ({"average_tokens_across_devices": False, "dataloader_in_order": True}, {}),
    ],
)
def test_todays_names_in_4_45(today: dict[str, Any], old: dict[str, Any]) -> None:
    translated = translate(today, OLD)
    assert translated == old
    assert type(translated.get("warmup_steps", 0)) is int


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("average_tokens_across_devices", True),
        ("train_sampling_strategy", "sequential"),
        ("activation_checkpointing_kwargs", {"offload": True}),
        ("use_cache", False),
        ("no_such_argument", 1),
    ],
)
def test_what_4_45_lacks_is_an_error_that_names_it(name: str, value: Any) -> None:
    with pytest.raises(SpecError, match=rf"^argument {name}: got "):
        translate({name: value, "learning_rate": 1e-5}, OLD)


def test_all_that_is_lacking_is_named_at_once() -> None:
    with pytest.raises(SpecError) as raised:
        translate({"nonsense": 1, "learning_rate": 1e-5, "more": 2})
    assert [line.split(":")[0] for line in str(raised.value).splitlines()] == ["argument nonsense", "argument more"]


def test_a_recipe_arrives(tmp_path: Path) -> None:
    recipe = {
        "output_dir": str(tmp_path),
        "seed": 7,
        "learning_rate": 3e-5,
        "num_train_epochs": 2.0,
        "per_device_train_batch_size": 4,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.1,
        "optim": "adamw_torch",
        "eval_strategy": "epoch",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "train_sampling_strategy": "group_by_length",
        "activation_checkpointing": True,
        "lr_scheduler_kwargs": {"num_cycles": 1},
        "accelerator_config": {"split_batches": True},
        "logging_steps": 5.0,
        "debug": "underflow_overflow",
        "use_cpu": True,
    }
    arguments = build(recipe)
    assert arguments.get_warmup_steps(1000) == 100
    assert arguments.learning_rate == 3e-5
    assert str(arguments.optim.value) == "adamw_torch"
    different = differing_from_defaults(arguments)
    expected = {
        "output_dir", "seed", "learning_rate", "num_train_epochs", "per_device_train_batch_size",
        "lr_scheduler_type", "eval_strategy", "save_strategy", "disable_tqdm", "lr_scheduler_kwargs",
        "accelerator_config", "logging_steps", "debug", "use_cpu",
    }  # fmt: skip
    assert expected <= set(different)
    # What is equal to a default in one version and not in another, or named otherwise.
    assert set(different) - expected <= {
        "optim", "warmup_steps", "warmup_ratio", "report_to", "group_by_length", "train_sampling_strategy",
        "gradient_checkpointing", "activation_checkpointing", "dataloader_pin_memory",
    }  # fmt: skip


def test_todays_defaults_arrive_or_are_named(tmp_path: Path) -> None:
    asked = {
        name: entry["default"]
        for name, entry in TABLE["fields"].items()
        if entry["default"] is not None
        and not name.startswith(("hub_", "output", "local_rank", "gradient_checkpointing"))
    }
    asked["output_dir"] = str(tmp_path)
    lacking: list[str] = []
    try:
        translate(asked)
    except SpecError as error:
        lacking = [line.split(":")[0].removeprefix("argument ") for line in str(error).splitlines()]
    assert set(lacking) <= {"use_cache", "project", "average_tokens_across_devices"}
    assert not lacking or MAJOR < 5
    build({name: value for name, value in asked.items() if name not in lacking})


def test_frozen_defaults_of_4_45_2_can_be_built_everywhere(tmp_path: Path) -> None:
    from transformers import TrainingArguments

    arguments = build({"output_dir": str(tmp_path), "optim": "adamw_torch", "average_tokens_across_devices": False})
    assert isinstance(arguments, TrainingArguments)
    assert getattr(arguments, "average_tokens_across_devices", False) is False


def test_an_argument_that_transformers_refuses_names_it(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"refuses these training arguments: .*no-such-optimizer"):
        build({"output_dir": str(tmp_path), "optim": "no-such-optimizer"})


class Resolved:
    """Stands for arguments that came out otherwise than they went in."""

    def __init__(self, **values: Any) -> None:
        self.values = values

    def to_dict(self) -> dict[str, Any]:
        return self.values


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ({"learning_rate": 1e-5}, {"learning_rate": 2e-5}),
        ({"learning_rate": 1e-5}, {}),
        ({"dataloader_pin_memory": True}, {"dataloader_pin_memory": False}),
        ({"max_steps": 1}, {"max_steps": True}),
        ({"report_to": "none"}, {"report_to": ["wandb"]}),
        ({"accelerator_config": {"split_batches": True}}, {"accelerator_config": {"split_batches": False}}),
        ({"debug": "underflow_overflow"}, {"debug": []}),
    ],
)
def test_what_does_not_arrive_is_an_error(asked: dict[str, Any], got: dict[str, Any]) -> None:
    (name,) = asked
    with pytest.raises(SpecError, match=rf"^argument {name}: asked for .* resolved it to "):
        verify(Resolved(**got), asked)  # type: ignore[arg-type]


def test_equal_in_meaning_is_arrived() -> None:
    verify(
        Resolved(num_train_epochs=3, report_to=[], lr_scheduler_kwargs={}, logging_steps=5),  # type: ignore[arg-type]
        {"num_train_epochs": 3.0, "report_to": "none", "lr_scheduler_kwargs": None, "logging_steps": 5.0},
    )


def test_the_installed_defaults_are_in_the_table_of_frozen_ones() -> None:
    version = installed_version()
    if version not in TABLE["defaults"]:
        pytest.skip(f"transformers {version} is installed; frozen are {', '.join(TABLE['defaults'])}")
    named = in_todays_names(installed_defaults())
    assert TABLE["defaults"][version] == {name: named[name] for name in TABLE["fields"] if name in named}
