"""What a difference between two runs can touch: where in a step of training it acts, or that it acts nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, get_args

from harness.checks.verify.fields import CODE, METRIC_CODE, Layer

Stage = Literal["batch", "forward", "loss", "rate", "update", "length", "watching", "evaluation"]
"""Where in training something acts.

`batch`: which examples, and how they are put together. `forward`: the model's own loss. `loss`: what the loop makes of
it, and the gradient. `rate`: the learning rate. `update`: what the optimizer makes of the gradient. `length`: how many
steps. `watching`: evaluation, logging, saving and workers, which should act nowhere and may draw random numbers.
`evaluation`: the answers of the trained model.
"""
Stages = frozenset[Stage]
EVERYWHERE: Final[Stages] = frozenset(get_args(Stage))
NOWHERE: Final[Stages] = frozenset()

_NEVER: Final = (
    "dataloader_pin_memory", "ddp_timeout", "debug", "disable_tqdm", "do_eval", "do_predict", "do_train",
    "enable_jit_checkpoint", "evaluation_strategy", "hub_", "include_", "local_rank", "log_", "logging_dir",
    "mp_parameters", "output_dir", "overwrite_output_dir", "past_index", "project", "push_to_hub", "push_to_hub_",
    "ray_scope", "report_to", "run_name", "save_on_each_node", "save_only_model", "save_safetensors",
    "save_total_limit", "skip_memory_metrics", "tpu_", "trackio_", "use_legacy_prediction_loop",
)  # fmt: skip
"""`TrainingArguments` fields, or beginnings of them, that touch nothing: hub, logging, tracking, places, old names."""

_RANKS_ONLY: Final = ("ddp_", "fsdp", "deepspeed", "average_tokens_across_devices", "parallelism_config")
"""Beginnings of fields that mean nothing to a single rank."""

_ARGUMENTS: Final[Mapping[str, tuple[Stage, ...]]] = {
    "accelerator_config": ("batch", "loss"),
    "adafactor": ("update",),
    "adam_": ("update",),
    "activation_checkpointing": ("forward", "loss"),
    "activation_checkpointing_": ("forward", "loss"),
    "auto_find_batch_size": ("batch",),
    "average_tokens_across_devices": ("loss",),
    "batch_eval_metrics": ("evaluation",),
    "bf16": ("forward", "loss", "evaluation"),
    "bf16_full_eval": ("evaluation",),
    "data_seed": ("batch",),
    "dataloader_": ("watching",),
    "dataloader_drop_last": ("batch", "length"),
    "ddp_": ("loss",),
    "deepspeed": ("forward", "loss", "update"),
    "eval_": ("watching",),
    "eval_accumulation_steps": ("evaluation",),
    "eval_do_concat_batches": ("evaluation",),
    "eval_use_gather_object": ("evaluation",),
    "fp16": ("forward", "loss", "evaluation"),
    "fp16_full_eval": ("evaluation",),
    "fsdp": ("forward", "loss", "update"),
    "fsdp_": ("forward", "loss", "update"),
    "full_determinism": ("batch", "forward"),
    "gradient_accumulation_steps": ("batch", "loss", "length"),
    "gradient_checkpointing": ("forward", "loss"),
    "gradient_checkpointing_": ("forward", "loss"),
    "greater_is_better": ("evaluation",),
    "group_by_length": ("batch", "evaluation"),
    "half_precision_backend": ("forward", "loss"),
    "ignore_data_skip": ("batch",),
    "jit_mode_eval": ("evaluation",),
    "label_names": ("forward", "evaluation"),
    "label_smoothing_factor": ("forward", "loss", "evaluation"),
    "learning_rate": ("rate",),
    "length_column_name": ("batch",),
    "liger_kernel_config": ("forward", "loss"),
    "load_best_model_at_end": ("evaluation", "watching"),
    "logging_": ("watching",),
    "lr_scheduler_": ("rate",),
    "max_grad_norm": ("update",),
    "max_length": ("batch", "forward", "evaluation"),
    "max_steps": ("length", "rate"),
    "metric_for_best_model": ("evaluation",),
    "neftune_noise_alpha": ("forward",),
    "num_train_epochs": ("length", "rate"),
    "optim": ("update",),
    "optim_": ("update",),
    "pad_to_multiple_of": ("batch", "forward", "evaluation"),
    "padding": ("batch", "forward", "evaluation"),
    "parallelism_config": ("batch", "forward", "loss"),
    "peft": ("forward", "loss", "update", "evaluation"),
    "per_device_eval_batch_size": ("evaluation",),
    "per_device_train_batch_size": ("batch", "forward", "loss", "length"),
    "per_gpu_": ("batch", "evaluation"),
    "prediction_loss_only": ("evaluation",),
    "remove_unused_columns": ("batch", "forward"),
    "restore_callback_states_from_checkpoint": ("watching",),
    "resume_from_checkpoint": ("watching",),
    "save_": ("watching",),
    "seed": ("batch", "forward"),
    "tf32": ("forward", "loss", "evaluation"),
    "torch_compile": ("forward", "loss", "evaluation"),
    "torch_compile_": ("forward", "loss", "evaluation"),
    "torch_empty_cache_steps": ("watching",),
    "torchdynamo": ("forward", "loss"),
    "train_sampling_strategy": ("batch", "evaluation"),
    "truncation": ("batch", "forward", "evaluation"),
    "use_cache": ("forward",),
    "use_cpu": ("forward", "loss", "evaluation"),
    "use_ipex": ("forward", "loss"),
    "use_liger_kernel": ("forward", "loss"),
    "warmup_": ("rate",),
    "weight_decay": ("update",),
}
"""By field of `TrainingArguments`, or the beginning of several; of those that fit the longest counts."""

_ASKED: Final[Mapping[str, tuple[Stage, ...]]] = {
    "task": ("batch", "forward", "evaluation"),
    "checkpoint ": ("batch", "forward"),
    "config.": ("forward",),
    "seed": ("batch", "forward"),
    "precision": ("forward", "loss", "evaluation"),
    "devices": ("batch", "loss", "length", "evaluation"),
    "environment": (),  # a label; its packages are compared by themselves
    "head_seeding": ("forward",),
    "threads": ("forward", "loss", "evaluation"),
    "recipe_defaults": (),  # it acts through the arguments
    "accepts_loss_kwargs": ("loss",),
    "dropout": ("forward",),
    "resume_at": ("watching",),
    "timing": (),
}
_DONE: Final[Mapping[str, tuple[Stage, ...]]] = {
    METRIC_CODE: ("evaluation",),
    "training data": ("batch", "forward"),
    "validation data": ("evaluation",),
    "checkpoint": ("forward",),
    "tokenizer": ("batch", "evaluation"),
    "model configuration": ("forward", "evaluation"),
    "inputs.": ("batch",),
    "evaluation inputs.": ("evaluation",),
    "evaluation order": ("batch",),  # how rows are put together, and so only rounding
    "newly initialised weights": ("forward",),
    "initial weights": ("forward",),
    "data order": ("batch",),
    "order within steps": ("batch",),
    "batch shapes": ("batch",),
    "examples seen": ("batch", "length"),
    "collator": ("batch",),
    "precision": ("forward", "loss", "evaluation"),
    "parallelism": ("batch", "loss", "evaluation"),
    "attention": ("forward", "evaluation"),
    "attention.kernels": ("forward", "evaluation"),
    "dropout": ("forward",),
    "dropout.": ("forward",),
    "adapter": ("forward", "loss", "update", "evaluation"),
    "clipping": ("update",),
    "loss scaling": ("loss",),
    "optimizer steps": ("length",),
    "model.": ("forward", "evaluation"),
    "optimizer.schedule": ("rate",),
    "optimizer.": ("update",),
}
_TRAINED: Final[Stages] = frozenset({"loss", "update"})
"""Where it acts which weights an optimizer has: those that it has not may have no gradient either."""
_PLACES: Final = (
    "packages.",
    "python",
    "threads",
    "determinism.",
    "machine.cpu",
    "machine.architecture",
    "machine.acc",
)
"""What of where a run ran can touch it."""

_PACKAGES: Final = ("transformers", "torch", "accelerate", "datasets", "tokenizers")

ROUNDS: Final = frozenset(
    {
        "attention", "attention.kernels", "model.attention", "order within steps", "batch shapes", "fused", "foreach",
        "recipe.padding", "recipe.pad_to_multiple_of",
    }
)  # fmt: skip
"""Fields, and settings of an optimizer's groups, behind which the same formula is computed in another order."""
TEXTS: Final = (CODE, METRIC_CODE)
"""Fields that are of a text: another one may well do the same, and is by itself no difference between runs."""
_SAME_UPDATE: Final = frozenset({"adamw_torch", "adamw_torch_fused", "adamw_hf"})

_MADE_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "checkpoint": ("checkpoint", "config."),
    "tokenizer": ("checkpoint",),
    "inputs.": ("checkpoint", "recipe.max_length", "recipe.truncation"),
    "evaluation inputs.": ("checkpoint", "recipe.max_length", "recipe.truncation"),
    "model configuration": ("checkpoint", "config."),
    "newly initialised weights": ("checkpoint", "config."),
    "initial weights": ("seed", "head_seeding", "checkpoint", "config.", "recipe.peft"),
    "adapter": ("recipe.peft", "checkpoint", "config.", "dropout"),
    CODE: ("subject",),
    METRIC_CODE: ("task",),
    "engine": ("engine",),
    "precision": ("precision",),
    "parallelism": ("devices", "engine"),
    "attention": ("checkpoint", "config.", "precision"),
    "attention.kernels": ("checkpoint", "config.", "precision", "seed", "devices"),
    "dropout": ("dropout", "config.", "checkpoint", "recipe.peft"),
    "dropout.": ("dropout", "config.", "checkpoint", "recipe.peft"),
    "clipping": ("recipe.max_grad_norm",),
    "loss scaling": ("accepts_loss_kwargs", "engine"),
    "model.": ("checkpoint", "config.", "dropout", "precision", "recipe.peft"),
    "model.device": ("devices",),
    "collator": ("engine",),
}
"""Whose doing a difference in what was done is, by what was asked for otherwise."""
_MADE_AT: Final[Mapping[str, Stages]] = {
    "data order": frozenset({"batch", "length"}),
    "order within steps": frozenset({"batch"}),
    "batch shapes": frozenset({"batch", "length"}),
    "attention.kernels": frozenset({"batch"}),  # padding rules some of them out
    "examples seen": frozenset({"batch", "length"}),
    "optimizer steps": frozenset({"batch", "length"}),
    "optimizer.": frozenset({"update", "rate"}),
}
"""The same by the stage at which what was asked for acts."""


def reach(layer: Layer, field: str, ranks: int = 1) -> Stages:
    """Where a difference in a field can act; nowhere, and everywhere for a field that is not known here.

    `ranks` is the larger number of ranks of the two runs.
    """
    if layer == "environment":
        return EVERYWHERE if field.startswith(_PLACES) else NOWHERE
    for prefix in ("recipe.", "arguments."):
        if field.startswith(prefix):
            return _of_argument(_name(field), ranks)
    if field.startswith("optimizer.groups.") and field.endswith(".tensors"):
        return _TRAINED
    table = _ASKED if layer == "asked" else _DONE
    found = _longest(table, field)
    return EVERYWHERE if found is None else frozenset(table[found])


def place_rank(field: str) -> tuple[int, str]:
    """The order of fields of where a run ran: the software under test first."""
    name = field.removeprefix("packages.")
    return (_PACKAGES.index(name) if name in _PACKAGES else len(_PACKAGES), field)


def known(field: str) -> bool:
    """Whether it is known where a `TrainingArguments` field, `arguments.NAME`, acts."""
    return not field.startswith("arguments.") or _longest(_ARGUMENTS, _name(field)) is not None


def made_by(field: str, asked: Mapping[str, Stages], ranks: int = 1) -> bool:
    """Whether a difference in what was done is the doing of what was asked for otherwise, by field with its reach."""
    if field.startswith("arguments."):  # one argument may be made of another: `eval_steps` of `logging_steps`
        acts = reach("exact", field, ranks)
        return any(name.startswith("recipe.") and acts & stages for name, stages in asked.items())
    owner, stage = _longest(_MADE_BY, field), _longest(_MADE_AT, field)
    if owner is not None and any(name.startswith(_MADE_BY[owner]) for name in asked):
        return True
    return stage is not None and any(_MADE_AT[stage] & stages for stages in asked.values())


def only_rounds(field: str, a: object, b: object) -> bool:
    """Whether two values of a field stand for one formula, summed in another order."""
    if field == "arguments.optim":
        return {a, b} <= _SAME_UPDATE
    return field in ROUNDS or (field.startswith("optimizer.groups.") and field.rpartition(".")[2] in ROUNDS)


def _name(field: str) -> str:
    """The argument of a path: `arguments.accelerator_config.split_batches` is one of `accelerator_config`."""
    return field.split(".")[1]


def _of_argument(name: str, ranks: int) -> Stages:
    if ranks == 1 and name.startswith(_RANKS_ONLY):
        return NOWHERE
    found, never = _longest(_ARGUMENTS, name), _longest(_NEVER, name)
    # `logging_dir` is longer than `logging_`, and says more.
    if never is not None and len(never) > len(found or ""):
        return NOWHERE
    return EVERYWHERE if found is None else frozenset(_ARGUMENTS[found])


def _longest(table: Iterable[str], name: str) -> str | None:
    """The key that is the name, or the longest that it begins with; a key that ends in a letter or digit is whole."""
    fits = [key for key in table if name == key or (not key[-1].isalnum() and name.startswith(key))]
    return max(fits, key=len, default=None)
