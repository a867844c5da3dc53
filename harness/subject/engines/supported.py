"""What the plain loops know of a recipe: a table of arguments. Anything else is refused, never ignored.

The Trainer has some 120 arguments. A loop that left one out in silence would be compared with a run of another recipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import SpecError
from harness.subject import arguments as subject_arguments

HONOURED = frozenset(
    {
        "per_device_train_batch_size", "per_device_eval_batch_size", "num_train_epochs", "max_steps",
        "gradient_accumulation_steps", "learning_rate", "lr_scheduler_kwargs", "warmup_steps", "weight_decay",
        "adam_beta1", "adam_beta2", "adam_epsilon", "max_grad_norm", "seed", "data_seed", "full_determinism",
        "fp16", "bf16", "dataloader_drop_last", "dataloader_num_workers", "dataloader_pin_memory",
        "dataloader_persistent_workers", "dataloader_prefetch_factor",
        # `TrainingArguments` itself sees to these when it is made.
        "tf32", "use_cpu", "ddp_backend", "ddp_timeout",
    }
)  # fmt: skip
"""Arguments of any value."""

WITHOUT_EFFECT = frozenset(
    {
        "output_dir", "disable_tqdm", "report_to", "run_name", "project", "logging_strategy", "logging_steps",
        "logging_first_step", "logging_nan_inf_filter", "log_level", "log_level_replica", "log_on_each_node",
        # It says over what the Trainer's `num_items_in_batch` counts; a loop divides by no such count.
        "average_tokens_across_devices",
    }
)  # fmt: skip
"""Arguments that decide how the Trainer writes its own log: no value of a record depends on them."""

ALLOWED: Mapping[str, tuple[Any, ...]] = {
    "optim": ("adamw_torch", "adamw_torch_fused"),
    # Those that go by the number of the step alone.
    "lr_scheduler_type": (
        "linear", "cosine", "cosine_with_restarts", "cosine_with_min_lr", "cosine_warmup_with_min_lr", "polynomial",
        "constant", "constant_with_warmup", "inverse_sqrt", "warmup_stable_decay",
    ),
    "eval_strategy": ("no", "epoch"),
    "save_strategy": ("no",),
    "use_cache": (None, False),
}  # fmt: skip
"""Arguments of some values. What stands in none of the three tables may have its default only."""


def check(engine: str, cell: dict[str, Any], requested: Mapping[str, Any]) -> None:
    """Refuse what a plain loop cannot do; `requested` are the arguments asked for, in today's names.

    Raises
    ------
    SpecError
        With a line for each argument: its name, its value, and what the engine allows.
    """
    problems = [*_of_the_cell(engine, cell), *_of_the_arguments(engine, requested)]
    if problems:
        raise SpecError("; ".join(problems))


def _of_the_cell(engine: str, cell: dict[str, Any]) -> list[str]:
    problems = []
    if engine == "loop" and cell["devices"] != 1:
        problems.append(f'devices: got {cell["devices"]}; engine "loop" allows 1 (engine "accelerate" knows ranks)')
    if cell.get("resume_at", 0):
        problems.append(f'resume_at: got {cell["resume_at"]}; engine "{engine}" allows 0: it saves no checkpoint')
    if cell.get("accepts_loss_kwargs", "model") is False:
        problems.append(f'accepts_loss_kwargs: got False; engine "{engine}" allows "model": it is an option of Trainer')
    if cell.get("evaluation_draws", "model") is False:
        problems.append(f'evaluation_draws: got False; engine "{engine}" allows "model": it is an option of Trainer')
    return problems


def _of_the_arguments(engine: str, requested: Mapping[str, Any]) -> list[str]:
    defaults = subject_arguments.in_todays_names(subject_arguments.installed_defaults())
    problems = []
    for name, value in requested.items():
        if name in HONOURED or name in WITHOUT_EFFECT:
            continue
        allowed = ALLOWED.get(name, (defaults[name],) if name in defaults else ())
        if value not in allowed:
            words = " or ".join(map(repr, allowed)) or "none of its values"
            problems.append(f'argument {name}: got {value!r}; engine "{engine}" allows {words}')
    return problems
