"""Today's `TrainingArguments` names, translated to the installed transformers (4.45 to 5.23), checked on arrival.

A grid speaks today's names only. What the installed version calls otherwise is translated; what it lacks, and
what does not come out of `args.to_dict()` as it went in, is an error that names the argument: never dropped.
"""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Callable, get_type_hints

from harness.errors import SpecError

if TYPE_CHECKING:
    from transformers import TrainingArguments

Arguments = dict[str, Any]

ABSENCE_MEANS: Mapping[str, Any] = {
    # 4.46 introduced it; before, every rank averaged over its own tokens.
    "average_tokens_across_devices": False,
    # Later switches whose "off" is exactly what a version without them does.
    "dataloader_in_order": True,
    "enable_jit_checkpoint": False,
    "include_for_metrics": [],
    "train_sampling_strategy": "random",
}
"""What a version that lacks the field does: asking for just that is granted, anything else is an error."""


class _Lacks(Exception):
    """The installed version has no way to do what is asked; the text says why."""


def installed_version() -> str:
    """Return the version of the transformers that this process imports."""
    import transformers

    return str(transformers.__version__)


def installed_defaults() -> Arguments:
    """Return field -> default of the installed `TrainingArguments`, as plain values, in the installed names."""
    from transformers import TrainingArguments

    return {field.name: _default(field) for field in dataclasses.fields(TrainingArguments) if field.init}


def translate(requested: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> Arguments:
    """Return `requested` (today's names) in the installed version's names and spellings.

    `defaults` are the installed version's (`installed_defaults`), looked up where they are not given.

    Raises
    ------
    SpecError
        Naming every argument that the installed version lacks or cannot express.
    """
    if defaults is None:
        defaults = installed_defaults()
    translated: Arguments = {}
    problems: list[str] = []
    for name, value in requested.items():
        try:
            for installed_name, installed_value in _translated(name, value, defaults):
                if installed_name in translated and translated[installed_name] != installed_value:
                    raise _Lacks(f"another requested argument already sets {installed_name}")
                translated[installed_name] = installed_value
        except _Lacks as lacks:
            problems.append(f"argument {name}: got {value!r}; transformers {installed_version()} {lacks}")
    if problems:
        raise SpecError("\n".join(problems))
    return translated


def build(requested: Mapping[str, Any]) -> TrainingArguments:
    """Build the installed version's `TrainingArguments` from today's names and verify that all arrived.

    Raises
    ------
    SpecError
        Where an argument is lacking, refused by transformers, or changed on its way.
    """
    from transformers import TrainingArguments

    translated = translate(requested)
    try:
        arguments = TrainingArguments(**translated)
    except (TypeError, ValueError, NotImplementedError, ImportError) as error:
        raise SpecError(f"transformers {installed_version()} refuses these training arguments: {error}") from error
    verify(arguments, requested)
    return arguments


def verify(arguments: TrainingArguments, requested: Mapping[str, Any]) -> None:
    """Check that every requested argument (today's names) is what `arguments.to_dict()` says.

    Raises
    ------
    SpecError
        Naming each argument that did not arrive, with what was asked for and what is there.
    """
    resolved = arguments.to_dict()
    problems = [
        f"argument {name}: asked for {value!r}; transformers {installed_version()} resolved it to "
        f"{resolved.get(name, 'nothing: to_dict() lacks it')!r}"
        for name, value in translate(requested).items()
        if name not in resolved or not _arrived(name, value, resolved[name])
    ]
    if problems:
        raise SpecError("\n".join(problems))


def differing_from_defaults(arguments: TrainingArguments) -> Arguments:
    """Return the resolved arguments (installed names) that are not the installed version's defaults.

    Values that transformers derives by itself (a log folder under `output_dir`, `do_eval` from the evaluation
    strategy) do not count. No second `TrainingArguments` is built for the comparison: that would reset
    accelerate's process state.
    """
    resolved = arguments.to_dict()
    return {
        name: resolved[name]
        for name, default in installed_defaults().items()
        if name in resolved and not _arrived(name, default, resolved[name]) and not _derived(name, arguments, resolved)
    }


def in_todays_names(values: Mapping[str, Any]) -> Arguments:
    """Return the installed version's `values` (its names) in today's names; the inverse of `translate` on defaults.

    Fields that no longer exist are left out; fields that the installed version lacks appear with what their
    absence means. Serves the generated table of frozen defaults.
    """
    today = dict(values)
    for old, new in (
        ("gradient_checkpointing", "activation_checkpointing"),
        ("gradient_checkpointing_kwargs", "activation_checkpointing_kwargs"),
    ):
        alias = today.pop(old, None)
        # None is today's spelling of "off".
        today.setdefault(new, alias or None)
    if "group_by_length" in today:
        today["train_sampling_strategy"] = "group_by_length" if today.pop("group_by_length") else "random"
    ratio = today.pop("warmup_ratio", None)
    if ratio:
        today["warmup_steps"] = ratio
    seen = today.get("include_num_input_tokens_seen")
    if isinstance(seen, bool):
        today["include_num_input_tokens_seen"] = "all" if seen else "no"
    if today.get("lr_scheduler_kwargs") == {}:
        today["lr_scheduler_kwargs"] = None
    for name, value in ABSENCE_MEANS.items():
        today.setdefault(name, value)
    return today


def _translated(name: str, value: Any, defaults: Mapping[str, Any]) -> list[tuple[str, Any]]:
    translator = _TRANSLATORS.get(name)
    if translator is not None:
        pairs = translator(value, defaults)
        if pairs is not None:
            return pairs
    if name in defaults:
        return [(name, value)]
    if name in ABSENCE_MEANS:
        if ABSENCE_MEANS[name] == value:
            return []
        raise _Lacks(f"lacks it and always behaves as {ABSENCE_MEANS[name]!r}")
    raise _Lacks("has no such argument")


_Pairs = list[tuple[str, Any]]
_Translator = Callable[[Any, Mapping[str, Any]], "_Pairs | None"]


def _activation_checkpointing(value: Any, defaults: Mapping[str, Any]) -> _Pairs | None:
    """Until 5.2x it was `gradient_checkpointing`, a plain bool."""
    if "activation_checkpointing" in defaults:
        # None means off, and resolves to False.
        return [("activation_checkpointing", bool(value))]
    return [("gradient_checkpointing", bool(value))]


def _activation_checkpointing_kwargs(value: Any, defaults: Mapping[str, Any]) -> _Pairs | None:
    """Until 5.2x `gradient_checkpointing_kwargs`, which knew neither of the two newer keys."""
    if "activation_checkpointing_kwargs" in defaults:
        return None
    newer = sorted({"every_n_layers", "offload"} & set(value or ()))
    if newer:
        raise _Lacks(f"has gradient_checkpointing_kwargs instead, without {', '.join(newer)}")
    return [("gradient_checkpointing_kwargs", value)]


def _train_sampling_strategy(value: Any, defaults: Mapping[str, Any]) -> _Pairs | None:
    """Until 5.1 only `group_by_length`, a bool, could leave the random order."""
    if "train_sampling_strategy" in defaults or "group_by_length" not in defaults:
        return None
    if value not in ("random", "group_by_length"):
        raise _Lacks("has group_by_length instead, which allows 'random' and 'group_by_length'")
    return [("group_by_length", value == "group_by_length")]


def _warmup_steps(value: Any, defaults: Mapping[str, Any]) -> _Pairs | None:
    """Since 5.0 a float below 1 is a ratio; 4.x had `warmup_ratio` for it and insists on an int here.

    5.0 and 5.1 still list `warmup_ratio`, but with default None, and understand ratios in `warmup_steps`.
    """
    if defaults.get("warmup_ratio") is None:
        return None
    if 0 < value < 1:
        return [("warmup_steps", 0), ("warmup_ratio", value)]
    return [("warmup_steps", int(value))]


def _include_num_input_tokens_seen(value: Any, defaults: Mapping[str, Any]) -> _Pairs | None:
    """A bool until 4.5x: the string 'no' would count as true there."""
    spelled = {True: "all", False: "no"}.get(value, value) if isinstance(value, bool) else value
    if _accepts_strings("include_num_input_tokens_seen"):
        return [("include_num_input_tokens_seen", spelled)]
    if spelled not in ("all", "no"):
        raise _Lacks("allows 'all' and 'no' only")
    return [("include_num_input_tokens_seen", spelled == "all")]


_TRANSLATORS: Mapping[str, _Translator] = {
    "activation_checkpointing": _activation_checkpointing,
    "activation_checkpointing_kwargs": _activation_checkpointing_kwargs,
    "train_sampling_strategy": _train_sampling_strategy,
    "warmup_steps": _warmup_steps,
    "include_num_input_tokens_seen": _include_num_input_tokens_seen,
}


def _accepts_strings(name: str) -> bool:
    from transformers import TrainingArguments

    return "str" in str(get_type_hints(TrainingArguments)[name])


def _default(field: Any) -> Any:
    if field.default is not dataclasses.MISSING:
        return _plain(field.default)
    if field.default_factory is not dataclasses.MISSING:
        return _plain(field.default_factory())
    return None


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _arrived(name: str, asked: Any, got: Any) -> bool:
    """Say whether `got`, from `to_dict()`, is what `asked` means: 3 is 3.0, "none" an empty list of trackers."""
    asked, got = _plain(asked), _plain(got)
    if isinstance(asked, bool) or isinstance(got, bool):
        return asked is got or (asked is None and got is False)
    if name == "accelerator_config" and isinstance(asked, dict) and isinstance(got, dict):
        # accelerate completes the table with its own defaults; nothing asked for may be missing from it.
        return all(key in got and got[key] == value for key, value in asked.items())
    if isinstance(got, list):
        if asked in ("none", "", None):
            return got == []
        # debug = "underflow_overflow" and report_to = "wandb" become lists of words.
        return got == (asked.split() if isinstance(asked, str) else asked)
    if asked in (None, {}) and got in (None, {}):
        return True
    if isinstance(asked, str) and asked.startswith("{") and isinstance(got, dict):
        return bool(json.loads(asked) == got)
    return bool(asked == got)


def _derived(name: str, arguments: TrainingArguments, resolved: Mapping[str, Any]) -> bool:
    if name.endswith("_token") or name == "local_rank":
        # Tokens are blotted out by `to_dict`, the rank comes from the launcher.
        return True
    if name == "include_num_input_tokens_seen":
        # 4.5x spells its own default False as "no".
        return resolved[name] in ("no", False)
    if name == "do_eval":
        return bool(resolved["eval_strategy"] != "no")
    if name in ("logging_dir", "run_name"):
        return str(resolved[name]).startswith(str(resolved["output_dir"]))
    if name == "fsdp_config":
        return not resolved.get("fsdp")
    if name == "accelerator_config":
        config = arguments.accelerator_config
        return hasattr(config, "to_dict") and config.to_dict() == type(config)().to_dict()
    if name == "gradient_checkpointing":
        # 5.2x mirrors the new name in the old one.
        return "activation_checkpointing" in resolved
    if name == "gradient_checkpointing_kwargs":
        return "activation_checkpointing_kwargs" in resolved
    return False
