"""Generate `harness/training_arguments.json`: `python -m harness.subject.argument_table > FILE`.

Run with the newest supported transformers, it describes every field as of today and keeps the shipped file's frozen
defaults of other versions. Run under another version with `--defaults-only`, it only refreshes that version's
defaults, in today's names.
"""

from __future__ import annotations

import argparse
import dataclasses
import enum
import json
import sys
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.subject.arguments import in_todays_names, installed_defaults, installed_version

SHIPPED = Path(__file__).resolve().parent.parent / "training_arguments.json"

_JSON_NAMES: Mapping[Any, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    type(None): "null",
}


def describe_fields() -> dict[str, dict[str, Any]]:
    """Describe every field of the installed `TrainingArguments`: accepted JSON types, default, choices, help."""
    from transformers import TrainingArguments

    hints = typing.get_type_hints(TrainingArguments)
    defaults = installed_defaults()
    described = {}
    for field in dataclasses.fields(TrainingArguments):
        if not field.init:
            continue
        entry: dict[str, Any] = {"types": _json_types(hints[field.name]), "default": defaults[field.name]}
        choices = field.metadata.get("choices") or _enum_values(hints[field.name])
        if choices:
            entry["choices"] = list(choices)
        entry["help"] = " ".join(str(field.metadata.get("help", "")).replace("%%", "%").split())
        described[field.name] = entry
    return described


def build_table(shipped: Mapping[str, Any], *, defaults_only: bool) -> dict[str, Any]:
    """Return the table for the installed version on top of the `shipped` one."""
    import torch

    table: dict[str, Any] = {
        "schema": 1,
        "generated_by": "python -m harness.subject.argument_table",
        "note": "Default optimizers as with torch 2.8 or newer; defaults are in today's names.",
    }
    if defaults_only:
        table.update({key: shipped[key] for key in ("transformers", "torch", "fields")})
    else:
        table.update(transformers=installed_version(), torch=torch.__version__.split("+")[0], fields=describe_fields())
    named = in_todays_names(installed_defaults())
    frozen = dict(shipped.get("defaults", {}))
    frozen[installed_version()] = {name: named[name] for name in table["fields"] if name in named}
    table["defaults"] = {version: frozen[version] for version in sorted(frozen, key=_version_key)}
    return table


def main(argv: Sequence[str] = ()) -> None:
    """Print the table as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--defaults-only", action="store_true", help="only refresh this version's defaults")
    options = parser.parse_args(list(argv))
    shipped = json.loads(SHIPPED.read_text(encoding="utf-8")) if SHIPPED.is_file() and SHIPPED.stat().st_size else {}
    table = build_table(shipped, defaults_only=options.defaults_only)
    print(json.dumps(table, indent=1, ensure_ascii=False, sort_keys=False))


def _json_types(hint: Any) -> list[str]:
    names: list[str] = []
    for part in _parts(hint):
        origin = typing.get_origin(part) or part
        if origin is typing.Literal:
            found = [_JSON_NAMES[type(value)] for value in typing.get_args(part)]
        elif isinstance(origin, type) and issubclass(origin, enum.Enum):
            found = ["string"]
        elif origin in _JSON_NAMES:
            found = [_JSON_NAMES[origin]]
        else:
            # Classes of other libraries (ParallelismConfig) have no form in a grid.
            found = []
        names += [name for name in found if name not in names]
    return names


def _enum_values(hint: Any) -> list[str]:
    return [
        member.value
        for part in _parts(hint)
        if isinstance(part, type) and issubclass(part, enum.Enum)
        for member in part
    ]


def _parts(hint: Any) -> Sequence[Any]:
    """Return the members of a union, whichever way it is spelled, or the hint itself."""
    union = typing.get_origin(hint)
    if union is typing.Union or getattr(union, "__name__", "") == "UnionType":
        return typing.get_args(hint)
    return (hint,)


def _version_key(version: str) -> list[int]:
    return [int(part) if part.isdigit() else 0 for part in version.split(".")]


if __name__ == "__main__":
    main(sys.argv[1:])
