"""Every key of a grid as a row: what it is called, takes, means, and an example."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from harness.grid.arguments import recipe_fields
from harness.grid.form.schema import NAME, TEXT, UNIT, Schema, grid_schema, tables_of, words
from harness.text import dotted
from harness.validation import ALLOWED

SEVERAL: Final = ("reference", "compare", "waiver")
"""Tables that come once an entry: [[reference]]."""
_KINDS: Final = {
    "string": "text", "integer": "integer", "number": "number", "boolean": "true or false", "array": "list",
    "object": "table",
}  # fmt: skip


@dataclass(frozen=True)
class Key:
    """One key: `path` from the top of the grid, all else as text; `example` and `default` are values, None unsaid."""

    path: str
    says: str
    kind: str
    unit: str
    allowed: str
    default: Any
    example: Any
    required: bool

    @property
    def table(self) -> str:
        """The table that it stands in, as its header spells it; empty at the top."""
        head = self.path.split(".")[0]
        if "." not in self.path:
            return ""
        return f"{head}.{NAME}" if self.path.startswith(f"{head}.{NAME}.") else head

    @property
    def name(self) -> str:
        """What stands before the equals sign in its table."""
        return self.path.removeprefix(f"{self.table}.") if self.table else self.path


def keys() -> Iterator[Key]:
    """Every key that a grid may have, tables in the order of the models; fields of a recipe once, in `[recipe]`."""
    schema = _schema()
    yield from _walk(schema, schema, "")


def about(table: str) -> str:
    """What a table is for."""
    schema = _schema()
    key = schema["properties"][table]
    inner = next(tables_of(key, schema))
    if NAME not in table and isinstance(inner.get("additionalProperties"), dict):
        inner = next(tables_of(inner["additionalProperties"], schema), inner)
    return str(inner.get("description", ""))


def toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{dotted(key)} = {toml(one)}" for key, one in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


@cache
def _schema() -> Schema:
    return grid_schema()


def _walk(key: Schema, schema: Schema, prefix: str) -> Iterator[Key]:
    table = next(tables_of(key, schema), None)
    if table is None:
        return
    inner = table.get("properties") or {NAME: table["additionalProperties"]}
    for name, one in inner.items():
        path = f"{prefix}{name}"
        if prefix == "matrix." and name in recipe_fields():
            continue
        known = path in words()
        whole = next(tables_of(one, schema), None) is None
        if known or whole:
            yield _row(path, one, name in table.get("required", ()))
        if not whole and (not known or any(other.startswith(f"{path}.") for other in words())):
            yield from _walk(one, schema, f"{path}.")


def _row(path: str, key: Schema, required: bool) -> Key:
    return Key(
        path=path,
        says=" ".join(key.get("description", "").split()),
        kind=_kind(key),
        unit=key.get(UNIT, ""),
        allowed=_allowed(key),
        default=key.get("default"),
        example=key.get("examples", [None])[0],
        required=required,
    )


def _kind(key: Schema) -> str:
    """Its type in words."""
    if "$ref" in key:
        return "table"
    if "anyOf" in key:
        first, last = key["anyOf"][0], key["anyOf"][-1]
        if last.get("items") == first:
            return f"{_kind(first)}, or a list of them"
        return " or ".join(dict.fromkeys(map(_kind, key["anyOf"])))
    if "enum" in key:
        return " or ".join(dict.fromkeys("text" if isinstance(one, str) else json.dumps(one) for one in key["enum"]))
    types = key.get("type", "anything")
    if isinstance(types, list):
        return " or ".join(_KINDS[one] for one in types)
    if types == "array":
        return f"list of {_kind(key.get('items', {}))}s"
    return _KINDS.get(types, str(types))


def _allowed(key: Schema) -> str:
    """Which values, in words; empty where its type says all."""
    if "anyOf" in key:
        return "; ".join(dict.fromkeys(filter(None, map(_allowed, key["anyOf"]))))
    if "enum" in key:
        return ", ".join(map(toml, key["enum"]))
    if ALLOWED in key:
        return "" if key.get("maxLength") == TEXT["maxLength"] else str(key[ALLOWED])
    if isinstance(key.get("items"), dict):
        return _allowed(key["items"])
    low, high = key.get("minimum"), key.get("maximum")
    if low is not None and high is not None:
        return f"from {_number(low)} to {_number(high)}"
    signs = (("minimum", ">="), ("exclusiveMinimum", ">"), ("maximum", "<="), ("exclusiveMaximum", "<"))
    return ", ".join(f"{sign} {_number(key[word])}" for word, sign in signs if word in key)


def _number(value: float) -> str:
    return str(int(value) if value == int(value) else value)
