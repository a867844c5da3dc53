"""The `TrainingArguments` a grid may set, known without torch from a generated table, and those it may not."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

from harness.errors import SpecError
from harness.grid.keys import KEYS, check_key, key_contradiction, normalized_key
from harness.text import listed, show, suggestion

OVERLAY: Final[Mapping[str, Any]] = {
    "eval_strategy": "epoch",
    "save_strategy": "no",
    "report_to": "none",
    "disable_tqdm": True,
}
"""What the harness sets where a recipe does not: evaluation each epoch, no checkpoints, no trackers."""

_HUB: Final = "nothing is published from a benchmark"
_PRECISION: Final = "use the axis `precision`"
_TRACKER: Final = "trackers are not supported yet; the record holds every value"
_RESUME: Final = "the harness resumes by whole cells, never inside a run"
_SCRIPT: Final = "Trainer ignores it; the harness always trains, evaluates and predicts"
_SHARDING: Final = "the axis `devices` runs plain data parallelism; sharding is not supported yet"

OWNED: Final[Mapping[str, str]] = {
    "output_dir": "each attempt gets a folder of its own",
    "seed": "use the axis `seed`",
    **dict.fromkeys(("fp16", "bf16", "tf32", "fp16_full_eval", "bf16_full_eval"), _PRECISION),
    "use_cpu": "the accelerator is the machine's; insist on one in [require]",
    "local_rank": "use the axis `devices`",
    "ddp_backend": "gloo on CPU and nccl on GPU, chosen by the harness",
    **dict.fromkeys(("fsdp", "fsdp_config", "deepspeed", "parallelism_config"), _SHARDING),
    "auto_find_batch_size": "it would silently train with another batch size than asked for",
    **dict.fromkeys(("resume_from_checkpoint", "ignore_data_skip", "restore_callback_states_from_checkpoint"), _RESUME),
    "enable_jit_checkpoint": "the harness handles SIGTERM itself",
    **dict.fromkeys(("do_train", "do_eval", "do_predict"), _SCRIPT),
    **dict.fromkeys(("report_to", "run_name", "project"), _TRACKER),
    **dict.fromkeys(("trackio_space_id", "trackio_bucket_id", "trackio_static_space_id"), _TRACKER),
    "disable_tqdm": "the harness shows its own progress",
    **dict.fromkeys(("push_to_hub", "hub_token", "hub_private_repo", "hub_model_id"), _HUB),
    **dict.fromkeys(("hub_strategy", "hub_always_push", "hub_revision"), _HUB),
    "prediction_loss_only": "accuracy and F1 need the logits",
    "batch_eval_metrics": "the metrics see the whole validation set at once",
    "eval_do_concat_batches": "the logits must come out as one array",
    "skip_memory_metrics": "the harness records peak memory; Trainer's tracker would disturb the timing",
}
"""Fields that no recipe may set, and why."""

FORMER: Final[Mapping[str, str]] = {
    "evaluation_strategy": "today's name is eval_strategy",
    "warmup_ratio": "today's name is warmup_steps, where a value below 1 is the ratio",
    "gradient_checkpointing": "today's name is activation_checkpointing",
    "gradient_checkpointing_kwargs": "today's name is activation_checkpointing_kwargs",
    "group_by_length": 'today\'s name is train_sampling_strategy, with the value "group_by_length"',
    "include_inputs_for_metrics": 'today\'s name is include_for_metrics, with the value ["inputs"]',
    "include_tokens_per_second": "today's name is include_num_input_tokens_seen",
    "per_gpu_train_batch_size": "today's name is per_device_train_batch_size",
    "per_gpu_eval_batch_size": "today's name is per_device_eval_batch_size",
    "torchdynamo": "today's name is torch_compile_backend",
    "adafactor": 'today\'s spelling is optim = "adafactor"',
    "dispatch_batches": "today's spelling is accelerator_config = { dispatch_batches = ... }",
    "split_batches": "today's spelling is accelerator_config = { split_batches = ... }",
    "no_cuda": f"today's name is use_cpu, and the harness owns it: {OWNED['use_cpu']}",
    "use_mps_device": f"it is gone, and the harness owns the device: {OWNED['use_cpu']}",
    **dict.fromkeys(
        ("fp16_backend", "fp16_opt_level", "half_precision_backend"),
        f"it is gone with apex, and the harness owns it: {_PRECISION}",
    ),
    **dict.fromkeys(
        ("logging_dir", "overwrite_output_dir"),
        f"it is gone, and the harness owns it: {OWNED['output_dir']}",
    ),
    "save_safetensors": "it is gone: safetensors is the only format",
    **dict.fromkeys(
        ("push_to_hub_model_id", "push_to_hub_organization", "push_to_hub_token"),
        f"it is gone, and the harness owns it: {_HUB}",
    ),
    **dict.fromkeys(
        ("fsdp_min_num_params", "fsdp_transformer_layer_cls_to_wrap"),
        f"it is gone, and the harness owns it: {_SHARDING}",
    ),
    **dict.fromkeys(
        ("use_ipex", "jit_mode_eval", "past_index", "mp_parameters", "ray_scope", "tpu_num_cores"),
        "it was removed from transformers",
    ),
    **dict.fromkeys(("tpu_metrics_debug", "use_legacy_prediction_loop"), "it was removed from transformers"),
}
"""Arguments of transformers 4.45 that today's lacks, and what to write instead."""

_LARGE: Final = 2.0**53
_POSITIVE_INT: Final = (1, 2**31 - 1, "an integer >= 1")
_SEED: Final = (0, 2**32 - 1, "an integer from 0 to 4294967295")
_AT_LEAST_0: Final = (0, _LARGE, "a finite number >= 0")
_ABOVE_0: Final = (math.ulp(0.0), _LARGE, "a finite number > 0")
_BELOW_1: Final = (0, math.nextafter(1.0, 0.0), "a number in [0, 1)")

BOUNDS: Final[Mapping[str, tuple[float, float, str]]] = {
    **dict.fromkeys(("per_device_train_batch_size", "per_device_eval_batch_size"), _POSITIVE_INT),
    **dict.fromkeys(("gradient_accumulation_steps", "eval_accumulation_steps"), _POSITIVE_INT),
    **dict.fromkeys(("torch_empty_cache_steps", "save_total_limit", "dataloader_prefetch_factor"), _POSITIVE_INT),
    **dict.fromkeys(("ddp_bucket_cap_mb", "ddp_timeout"), _POSITIVE_INT),
    "dataloader_num_workers": (0, 1024, "an integer from 0 to 1024"),
    "max_steps": (-1, 2**31 - 1, "-1 (off) or an integer >= 1"),
    "data_seed": _SEED,
    "warmup_steps": (0, _LARGE, "an integer >= 0, or a ratio in [0, 1)"),
    **dict.fromkeys(("num_train_epochs", "adam_epsilon", "logging_steps", "eval_steps", "save_steps"), _ABOVE_0),
    **dict.fromkeys(("learning_rate", "weight_decay", "max_grad_norm"), _AT_LEAST_0),
    **dict.fromkeys(("neftune_noise_alpha", "eval_delay"), _AT_LEAST_0),
    **dict.fromkeys(("adam_beta1", "adam_beta2", "label_smoothing_factor"), _BELOW_1),
}
_STEPS_OR_RATIO: Final = ("warmup_steps", "logging_steps", "eval_steps", "save_steps")
CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "include_num_input_tokens_seen": ("all", "non_padding", "no"),
    "debug": ("underflow_overflow",),
    "include_for_metrics": ("inputs", "loss"),
}
_FLAG: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*", re.ASCII)
_TYPE_NAMES: Final = {
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a finite number",
    "string": "a string",
    "array": "a list of strings",
    "object": "a table",
}


@cache
def table() -> Mapping[str, Any]:
    """Return the generated table: `fields` (types, default, choices, help by name), `defaults` by version."""
    text = resources.files("harness").joinpath("subject", "training_arguments.json").read_text(encoding="utf-8")
    loaded: Mapping[str, Any] = json.loads(text)
    return loaded


@cache
def known_fields() -> Mapping[str, Mapping[str, Any]]:
    """Return what a recipe may name: today's `TrainingArguments` as in the table, and the harness's own keys."""
    return {**table()["fields"], **KEYS}


@cache
def recipe_fields() -> tuple[str, ...]:
    """Return the names that a recipe may set, in the order transformers lists them; the harness's own come last."""
    return tuple(name for name in known_fields() if name not in OWNED and name not in FORMER)


def default_of(field: str) -> Any:
    """Return today's default of a field."""
    return known_fields()[field]["default"]


def written_defaults(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What a recipe says that would be so without it, by today's transformers or what the harness sets itself.

    Ids of cells are of what was written.
    """
    unsaid = {**{name: field["default"] for name, field in known_fields().items()}, **OVERLAY}
    return {name: value for name, value in recipe.items() if value is not None and unsaid.get(name) == value}


def frozen_versions() -> tuple[str, ...]:
    """Return the transformers versions whose defaults `recipe_defaults` can freeze."""
    return tuple(table()["defaults"])


@cache
def frozen_defaults(version: str) -> Mapping[str, Any]:
    """Return the defaults of `version` for the recipe fields whose default differs between known versions.

    Raises
    ------
    SpecError
        For a version whose defaults are not in the table.
    """
    known = table()["defaults"]
    if version not in known:
        raise SpecError(f"recipe_defaults: got {show(version)}; allowed {listed(known)}")
    frozen = known[version]
    return {
        name: frozen[name]
        for name in recipe_fields()
        if name in frozen and any(name in other and other[name] != frozen[name] for other in known.values())
    }


def with_overlay(recipe: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the recipe completed by the overlay, and the names of the fields that the overlay set."""
    added = tuple(name for name in OVERLAY if name not in recipe)
    return {**OVERLAY, **recipe}, added


class UnknownField(SpecError):
    """A name that no field of `TrainingArguments` has."""


def check_recipe_field(field: str, value: Any, where: str) -> None:
    """Refuse what no recipe may set; `where` names file and dotted field.

    Raises
    ------
    SpecError
        For a field that the harness owns, or an old name.
    UnknownField
        For no `TrainingArguments` field at all.
    """
    if field in OWNED:
        raise SpecError(f"{where}: got {show(value)}; the harness owns it: {OWNED[field]}")
    if field in FORMER:
        raise SpecError(f"{where}: got {show(value)}; {FORMER[field]}")
    if field not in known_fields():
        close = suggestion(field, recipe_fields())
        raise UnknownField(f"{where}: got {show(value)}; not a TrainingArguments field{close}")


def check_recipe(field: str, value: Any, where: str) -> None:
    """Check one recipe entry against type, choices and bounds; `where` names file and dotted field.

    Raises
    ------
    SpecError
        With the value got and what is allowed, or why the field may not be set at all.
    """
    check_recipe_field(field, value, where)
    if field in KEYS:
        check_key(field, value, where)
        return
    entry = table()["fields"][field]
    # Text for a table would be the path of a file, which no cell id could see.
    unwelcome = {"null", "string"} if "object" in entry["types"] else {"null"}
    types = [name for name in entry["types"] if name not in unwelcome]
    kind = _json_type(value)
    if kind not in types and not (kind == "integer" and "number" in types):
        allowed = " or ".join(_TYPE_NAMES[name] for name in types)
        raise SpecError(f"{where}: got {show(value)}; allowed {allowed}")
    choices = entry.get("choices") or CHOICES.get(field)
    words = value if isinstance(value, list) else [value] if isinstance(value, str) else []
    for word in words:
        if not isinstance(word, str):
            raise SpecError(f"{where}: got {show(value)}; allowed {_TYPE_NAMES['array']}")
        if choices and word not in choices:
            close = suggestion(word, choices)
            raise SpecError(f"{where}: got {show(word)}; allowed {listed(choices)}{close}")
    if field in BOUNDS and kind in ("integer", "number"):
        _check_bounds(field, value, where)


def normalized(field: str, value: Any) -> Any:
    """Return a checked value in the one spelling that enters cell ids: 3 and 3.0 epochs are one recipe."""
    if field in KEYS:
        return normalized_key(field, value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if whole and "number" in table()["fields"][field]["types"] else value


def contradiction(recipe: Mapping[str, Any]) -> str:
    """Return why transformers would refuse a complete recipe whose entries are each sound, or an empty text."""
    resolved, _ = with_overlay(recipe)
    evaluate, save = resolved["eval_strategy"], resolved["save_strategy"]
    if resolved.get("load_best_model_at_end") and save not in (evaluate, "best"):
        return f"load_best_model_at_end: got true; allowed where save_strategy ({save}) is eval_strategy ({evaluate})"
    if evaluate == "no" and resolved.get("lr_scheduler_type") in ("reduce_lr_on_plateau", "greedy"):
        return f"lr_scheduler_type: got {show(resolved['lr_scheduler_type'])}; allowed with an eval_strategy only"
    if "dataloader_prefetch_factor" in resolved and not resolved.get("dataloader_num_workers"):
        return "dataloader_prefetch_factor: allowed with dataloader_num_workers >= 1 only"
    return key_contradiction(recipe)


def argument_problem(name: str, value: Any) -> str:
    """Why a grid may not give a script's flag this value, or an empty text; what the recipe says is no script's own."""
    if not _FLAG.fullmatch(name):
        return "allowed the name of a flag without its dashes"
    if name in OWNED and OWNED[name] != _SCRIPT:
        return f"the harness owns it: {OWNED[name]}"
    if name in FORMER:
        return FORMER[name]
    if name in table()["fields"] and name not in OWNED:
        return "it is a TrainingArguments field; allowed in [recipe]"
    values = value if isinstance(value, list) else [value]
    kinds = {"boolean", "integer", "number", "string"}
    return "" if all(_json_type(one) in kinds for one in values) else "allowed text, a number, true, false, or a list"


def _check_bounds(field: str, value: float, where: str) -> None:
    low, high, allowed = BOUNDS[field]
    inside = low <= value <= high
    if field == "max_steps":
        inside = inside and value != 0
    if field in _STEPS_OR_RATIO and value >= 1:
        # 1.0 is one step to transformers, and to its reader all of them; 100.0 can only be steps.
        inside = inside and value == int(value) and not (value == 1 and isinstance(value, float))
        allowed = allowed if field == "warmup_steps" else "an integer >= 1, or a ratio in (0, 1)"
        allowed += "; for one step write 1" if value == 1 else ""
    if not inside:
        raise SpecError(f"{where}: got {show(value)}; allowed {allowed}")


def _json_type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer" if abs(value) < 2**63 else "an integer beyond 64 bits"
    if isinstance(value, float):
        return "number" if math.isfinite(value) else "not finite"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        return "array"
    return "object" if isinstance(value, dict) else "nothing JSON has"
