"""Generate `training_arguments.json`, beside this file: `python -m harness.subject.argument_table > FILE`.

Run with the newest supported transformers, it describes every field as of today and keeps the shipped file's frozen
defaults of other versions. Run under another version with `--defaults-only`, it only refreshes that version's
defaults, in today's names.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import sys
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.subject.arguments import in_todays_names, installed_defaults, installed_version

SHIPPED = Path(__file__).with_name("training_arguments.json")
JSON_NAMES = {
    bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object", type(None): "null",
}  # fmt: skip


def build_table(shipped: Mapping[str, Any], *, defaults_only: bool) -> dict[str, Any]:
    """Return the table for the installed version on top of the `shipped` one."""
    import torch

    described = shipped if defaults_only else {
        "transformers": installed_version(), "torch": torch.__version__.split("+")[0], "fields": describe_fields(),
    }  # fmt: skip
    named = in_todays_names(installed_defaults())
    frozen = dict(shipped["defaults"])
    frozen[installed_version()] = {name: named[name] for name in described["fields"] if name in named}
    return {
        "schema": 1,
        "generated_by": "python -m harness.subject.argument_table",
        "note": "Default optimizers as with torch 2.8 or newer; defaults are in today's names.",
        **{name: described[name] for name in ("transformers", "torch", "fields")},
        "defaults": {version: frozen[version] for version in sorted(frozen, key=_by_number)},
    }


def describe_fields() -> dict[str, dict[str, Any]]:
    """Describe every field of the installed `TrainingArguments`: accepted JSON types, default, choices, help."""
    from transformers import TrainingArguments

    hints, defaults, described = typing.get_type_hints(TrainingArguments), installed_defaults(), {}
    for field in dataclasses.fields(TrainingArguments):
        if not field.init:
            continue
        parts = _parts(hints[field.name])
        entry: dict[str, Any] = {"types": _json_types(parts), "default": defaults[field.name]}
        members = [member.value for part in parts if _is_enum(part) for member in part]
        if choices := field.metadata.get("choices") or members:
            entry["choices"] = list(choices)
        entry["help"] = " ".join(str(field.metadata.get("help", "")).replace("%%", "%").split())
        described[field.name] = entry
    return described


def _json_types(parts: Sequence[Any]) -> list[str]:
    """Names of the types, each once; classes of other libraries (ParallelismConfig) have no form in a grid."""
    kinds: list[Any] = []
    for part in parts:
        origin = typing.get_origin(part) or part
        kinds += map(type, typing.get_args(part)) if origin is typing.Literal else [str if _is_enum(origin) else origin]
    return [JSON_NAMES[kind] for kind in dict.fromkeys(kinds) if kind in JSON_NAMES]


def _parts(hint: Any) -> Sequence[Any]:
    """The members of a union, whichever way it is spelled, or the hint itself."""
    union = typing.get_origin(hint)
    if union is typing.Union or getattr(union, "__name__", "") == "UnionType":
        return typing.get_args(hint)
    return (hint,)


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, enum.Enum)


def _by_number(version: str) -> list[int]:
    return [int(part) if part.isdigit() else 0 for part in version.split(".")]


if __name__ == "__main__":
    table = build_table(
        json.loads(SHIPPED.read_text(encoding="utf-8")), defaults_only="--defaults-only" in sys.argv[1:]
    )
    print(json.dumps(table, indent=1, ensure_ascii=False))
