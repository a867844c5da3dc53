"""Keys of a recipe that are no `TrainingArguments` fields: texts become tokens, examples batches, weights adapters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from harness.errors import SpecError
from harness.text import listed, show, suggestion

LONGEST: Final = "longest"
PADDINGS: Final = (LONGEST, "max_length")
MAX_LENGTH: Final = 2**20

KEYS: Final[Mapping[str, Mapping[str, Any]]] = {
    "max_length": {"types": ["integer"], "default": None},
    "truncation": {"types": ["boolean"], "default": True},
    "padding": {"types": ["boolean", "string"], "default": LONGEST},
    "pad_to_multiple_of": {"types": ["integer"], "default": None},
    "peft": {"types": ["boolean", "object"], "default": False},
}
"""By name, as the table of `TrainingArguments` has its fields.

`max_length`: tokens of an example, special ones included, beyond which it is truncated; without it the tokenizer's own
`model_max_length`. `padding`: to the longest example of a batch (true means so too), or always to that length. `peft`:
adapters in place of the model's own weights; false, or a table whose silence is peft's own default.
"""

METHODS: Final = ("lora",)
PEFT: Final = ("method", "r", "alpha", "targets", "dropout", "modules_to_save")
ALL_LINEAR: Final = "all-linear"
"""As targets: every linear layer but the head's."""

TOKENS: Final = ("max_length", "truncation")
"""What decides how an example is tokenized; the others how examples make a batch."""


def check_key(key: str, value: Any, where: str) -> None:
    """Check the value of one key; `where` names file and dotted field.

    Raises
    ------
    SpecError
        With the value got and what is allowed.
    """
    if key == "peft":
        _check_peft(value, where)
        return
    allowed, close = "", ""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if key in ("max_length", "pad_to_multiple_of"):
        allowed = "" if whole and 1 <= value <= MAX_LENGTH else f"an integer from 1 to {MAX_LENGTH}"
    elif key == "truncation":
        allowed = "" if isinstance(value, bool) else "true or false"
    elif value is not True and value not in PADDINGS:
        # Examples of several lengths make no tensor without padding.
        allowed = f"true, {listed(PADDINGS)}"
        close = suggestion(value, PADDINGS) if isinstance(value, str) else ""
    if allowed:
        raise SpecError(f"{where}: got {show(value)}; allowed {allowed}{close}")


def normalized_key(key: str, value: Any) -> Any:
    """A checked value in the one spelling that enters cell ids."""
    if key == "peft" and value is not False:
        spelled = {name: float(value[name]) for name in ("alpha", "dropout") if name in value}
        names = {name: sorted(got) for name, got in value.items() if isinstance(got, list)}  # sets, to peft
        return {**value, **spelled, **names}
    return LONGEST if key == "padding" and value is True else value


def _check_peft(value: Any, where: str) -> None:
    if value is False:
        return
    if not isinstance(value, dict):
        raise SpecError(f"{where}: got {show(value)}; allowed false, or a table of {listed(PEFT)}")
    if "method" not in value:
        raise SpecError(f"{where}.method: missing; allowed {listed(METHODS)}")
    for name, got in value.items():
        number = isinstance(got, int | float) and not isinstance(got, bool) and math.isfinite(got)
        if name == "method":
            allowed = "" if got in METHODS else listed(METHODS)
        elif name == "r":
            allowed = "" if type(got) is int and 1 <= got <= MAX_LENGTH else f"an integer from 1 to {MAX_LENGTH}"
        elif name == "alpha":
            allowed = "" if number and got > 0 else "a finite number > 0"
        elif name == "dropout":
            allowed = "" if number and 0 <= got < 1 else "a number in [0, 1)"
        elif name == "targets":
            sound = got == ALL_LINEAR or _are_names(got)
            allowed = "" if sound else f"names of linear layers, each once, or {show(ALL_LINEAR)}"
        elif name == "modules_to_save":
            allowed = "" if _are_names(got) else "names of modules to be trained whole, each once"
        else:
            raise SpecError(f"{where}.{name}: got {show(got)}; allowed only {listed(PEFT)}{suggestion(name, PEFT)}")
        if allowed:
            raise SpecError(f"{where}.{name}: got {show(got)}; allowed {allowed}")


def _are_names(value: Any) -> bool:
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        return False
    return 0 < len(value) == len(set(value))


def key_contradiction(recipe: Mapping[str, Any]) -> str:
    """Why keys that are each sound cannot stand together, or an empty text."""
    if recipe.get("truncation") is False and "max_length" in recipe:
        return f"max_length: got {show(recipe['max_length'])}; allowed without truncation = false"
    return ""


def arguments_of(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's `TrainingArguments` alone."""
    return {name: value for name, value in recipe.items() if name not in KEYS}


def tokens_of(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """How a recipe tokenizes: `max_length` and `truncation`, at their defaults where it is silent."""
    return {name: recipe.get(name, KEYS[name]["default"]) for name in TOKENS}


def batches_of(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """How a recipe makes batches: `padding`, `max_length`, `pad_to_multiple_of`; likewise."""
    return {name: recipe.get(name, KEYS[name]["default"]) for name in ("padding", "max_length", "pad_to_multiple_of")}
