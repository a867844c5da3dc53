"""The JSON Schema of a grid: what a user may write, as editors and taplo take it (draft 7).

Structure, types, bounds and defaults are the models'; words, units and examples are those of `keys.toml`. What a
schema cannot say (a reference is whole, a checkpoint is defined) `harness validate` does.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

from harness.grid.arguments import BOUNDS, CHOICES, OVERLAY, frozen_versions, known_fields, recipe_fields
from harness.grid.cell import AXES, DEFAULTS, OneOf, Whole, or_false
from harness.grid.environments import EnvironmentSpec
from harness.grid.grid import Grid
from harness.grid.keys import ALL_LINEAR, KEYS, MAX_LENGTH, METHODS, PADDINGS
from harness.grid.looks import MAX_SEED, MOST_LOOKS, MOST_SEEDS
from harness.grid.names import DECLARABLE
from harness.grid.tasks import TaskSpec
from harness.grid.waivers import CHECKS
from harness.validation import ALLOWED

Schema = dict[str, Any]

FILE: Final = "grid.schema.json"
"""The name of the file with it, beside the grids that name it in their first line."""
FIRST_LINE: Final = f"#:schema ./{FILE}"
"""By which editors and taplo find it: relative to the grid, without a network."""
UNIT: Final = "x-unit"
TABLES: Final = "definitions"
NAME: Final = "NAME"
"""In the path of a key: a name that the user gives."""

RECIPE: Final = (
    "Fields of TrainingArguments by today's names, and some of the harness; what is not set has its default. "
    "The words are those of transformers."
)
MATRIX: Final = "Axes: every combination of their values is a cell. Any key of [recipe] may be an axis too."
TEXT: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 300}
OR_FALSE: Final[Schema] = {"enum": ["model", False]}
_TYPES: Final = {"boolean", "integer", "number", "string", "array", "object"}


def grid_schema_text() -> str:
    """The schema as a file has it."""
    return json.dumps(grid_schema(), indent=1, ensure_ascii=False) + "\n"


@cache
def words() -> Mapping[str, Mapping[str, Any]]:
    """What `keys.toml` says of each key, by its path."""
    text = resources.files("harness").joinpath("grid", "form", "keys.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def grid_schema() -> Schema:
    """The schema of a grid, in terms of JSON."""
    raw = Grid.model_json_schema(by_alias=True, ref_template=f"#/{TABLES}/{{model}}")
    for spec in (TaskSpec, EnvironmentSpec):
        one = spec.model_json_schema(by_alias=True, ref_template=f"#/{TABLES}/{{model}}")
        raw["$defs"][spec.__name__] = one
    tables: Schema = {}
    for name, one in raw.pop("$defs").items():
        what = " ".join(one["description"].partition("\n\n")[0].split())
        tables[name] = {**_plain(one), "description": what}
    keys = _plain(raw)["properties"]
    tables["Recipe"] = _table({name: recipe_key(name) for name in recipe_fields()}, description=RECIPE)
    tables["Matrix"] = {**_matrix(), "description": MATRIX}
    tables["Place"] = _table({name: _axis_value(name) for name in (*AXES, *recipe_fields())}, minProperties=1)
    keys["task"] = {"anyOf": [TEXT, _ref("TaskSpec"), {"type": "object", "additionalProperties": _ref("TaskSpec")}]}
    keys["recipe"] = _ref("Recipe")
    tables["CheckpointSpec"]["properties"]["recipe"] = _ref("Recipe")
    keys["recipe_defaults"] = {"enum": list(frozen_versions())}
    keys["matrix"] = _ref("Matrix")
    published = {name: _axis_value(name) for name in recipe_fields()}
    published["global_batch_size"] = _axis_value("per_device_train_batch_size")
    tables["Reference"]["properties"]["recipe"] = _table(published)
    tables["Reference"]["properties"]["split"] = {"enum": ["validation"]}
    tables["Quality"]["properties"]["harmless"]["items"] = {"enum": list(DECLARABLE)}
    tables["Waiver"]["properties"]["check"] = {"enum": list(CHECKS)}
    tables["Waiver"]["properties"]["expires"] = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$", ALLOWED: "a day"}
    schema: Schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A grid of finetune-harness",
        "description": "What to train, and how it is judged: `harness validate` says what is wrong with one.",
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "matrix"],
        "anyOf": [{"required": ["task"]}, {"required": ["subject"]}],
        "properties": keys,
        TABLES: tables,
    }
    schema = json.loads(json.dumps(schema))  # what is said of one key is not said of another that was made with it
    for path, said in words().items():
        _describe(key_at(schema, path), said)
    for name in recipe_fields():
        _example(key_at(schema, f"recipe.{name}"))
    return schema


def key_at(schema: Schema, path: str) -> Schema:
    """The key at a path, as `quality.margin`, `checkpoint.NAME.from`.

    Raises
    ------
    KeyError
        Where a grid has none.
    """
    found = schema
    for part in path.split("."):
        fitting = (one for one in tables_of(found, schema) if _has(one, part))
        table = next(fitting, None)
        if table is None:
            raise KeyError(path)
        found = table["additionalProperties"] if part == NAME else table["properties"][part]
    return found


def recipe_key(name: str) -> Schema:
    """The schema of one key of a recipe."""
    if name == "peft":
        return {"anyOf": [{"enum": [False]}, _peft()], "default": False}
    entry = known_fields()[name]
    # Text for a table would be the path of a file, which no cell id could see.
    unwelcome = {"null", "string"} if "object" in entry["types"] else {"null"}
    types = [one for one in entry["types"] if one in _TYPES - unwelcome]
    found: Schema = {"type": types if len(types) > 1 else types[0]}
    default = OVERLAY.get(name, entry["default"])  # the harness has some of its own
    if default is not None:
        found["default"] = default
    choices = PADDINGS if name == "padding" else entry.get("choices") or CHOICES.get(name)
    if choices and "array" in types:
        found["items"] = {"enum": list(choices)}
    elif "array" in types:
        found["items"] = {"type": "string"}
    if choices and types == ["string"]:
        found = {"enum": list(choices), **{key: one for key, one in found.items() if key == "default"}}
    elif choices and types == ["boolean", "string"]:
        found = {"enum": [True, *choices], "default": default}
    if name in BOUNDS:
        low, high, allowed = BOUNDS[name]
        found |= {"exclusiveMinimum": 0} if low == math.ulp(0.0) else {"minimum": low}
        found |= {"exclusiveMaximum": 1} if high < 1 else {}
        found[ALLOWED] = allowed
    elif name in KEYS and types == ["integer"]:
        found |= {"minimum": 1, "maximum": MAX_LENGTH}
    if said := entry.get("help"):
        found["description"] = said
    return found


def _peft() -> Schema:
    names: Schema = {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1, "uniqueItems": True}
    keys: Schema = {
        "method": {"enum": list(METHODS)},
        "r": {"type": "integer", "minimum": 1, "maximum": MAX_LENGTH},
        "alpha": {"type": "number", "exclusiveMinimum": 0},
        "targets": {"anyOf": [{"enum": [ALL_LINEAR]}, names]},
        "dropout": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
        "modules_to_save": names,
    }
    return _table(keys, required=["method"])


def _matrix() -> Schema:
    keys: Schema = {}
    for name in AXES:
        value = _axis_value(name)
        keys[name] = {"anyOf": [value, {"type": "array", "items": value, "minItems": 1, "uniqueItems": True}]}
        if name in DEFAULTS:
            keys[name]["default"] = DEFAULTS[name]
    whole = {"type": "array", "items": {"type": "integer", "minimum": 2, "maximum": MOST_SEEDS}}
    seeds = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": MAX_SEED}, "uniqueItems": True}
    looks = {**whole, "minItems": 1, "maxItems": MOST_LOOKS, "uniqueItems": True}
    keys["seeds"] = _table({"looks": looks, "list": seeds}, required=["looks"])
    keys["include"] = keys["exclude"] = {"type": "array", "items": _ref("Place")}
    keys["scaling"] = {"enum": ["strong", "weak"], "default": "strong"}
    for name in recipe_fields():
        value = _axis_value(name)
        keys[name] = {"anyOf": [value, {"type": "array", "items": value, "minItems": 1}]}
    required = [{"required": ["checkpoint"]}, {"required": ["include"]}]
    return {**_table(keys), "anyOf": required}


def _axis_value(name: str) -> Schema:
    if name == "environment":
        one = EnvironmentSpec.model_json_schema(by_alias=True)["properties"]
        named = _table({"name": TEXT, **{key: _plain(value) for key, value in one.items()}}, required=["name"])
        return {"anyOf": [TEXT, named]}
    if name not in AXES:
        return {"$ref": f"#/{TABLES}/Recipe/properties/{name}"}
    allowed = AXES[name]
    if isinstance(allowed, OneOf):
        return {"enum": list(allowed.choices)}
    if isinstance(allowed, Whole):
        return {"type": "integer", "minimum": allowed.low, "maximum": allowed.high}
    return OR_FALSE if allowed is or_false else TEXT


def _table(properties: Schema, **more: Any) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": properties, **more}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/{TABLES}/{name}"}


def _plain(schema: Any) -> Any:
    """A schema without what TOML has no use for: null, titles, docstrings."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {
        key: {name: _plain(one) for name, one in value.items()} if key == "properties" else _plain(value)
        for key, value in schema.items()
        if key not in ("title", "description", "$defs") and not (key == "default" and value is None)
    }
    if "patternProperties" in found:  # by names that the user gives
        ((pattern, one),) = found.pop("patternProperties").items()
        found |= {"additionalProperties": one, "propertyNames": {"pattern": pattern}}
    branches = [one for one in found.get("anyOf", ()) if one != {"type": "null"}]
    if len(branches) == 1:
        return {**branches[0], **{key: value for key, value in found.items() if key != "anyOf"}}
    values = [one["const"] if "const" in one else one.get("enum", [None])[0] for one in branches]
    if values and None not in values:
        return {"enum": values, **{key: value for key, value in found.items() if key != "anyOf"}}
    if branches:
        found["anyOf"] = branches
    if "const" in found:
        found["enum"] = [found.pop("const")]
    return found


def tables_of(key: Schema, schema: Schema) -> Iterator[Schema]:
    """The tables that a value may be, itself one, behind a reference, in a list, or a branch."""
    if "$ref" in key:
        name = key["$ref"].rpartition("/")[2]
        # Of a field of a recipe the reference has more parts, and is followed nowhere.
        yield from tables_of(schema[TABLES][name], schema) if name in schema[TABLES] else ()
        return
    if "properties" in key or isinstance(key.get("additionalProperties"), dict):
        yield key
        return
    for inner in key.get("anyOf", ()):
        yield from tables_of(inner, schema)
    if isinstance(key.get("items"), dict):
        yield from tables_of(key["items"], schema)


def _has(table: Schema, part: str) -> bool:
    return isinstance(table.get("additionalProperties"), dict) if part == NAME else part in table.get("properties", {})


def _describe(key: Schema, said: Mapping[str, Any]) -> None:
    """Say of a key what it means."""
    if "says" in said:
        key["description"] = said["says"]
    if "unit" in said:
        key[UNIT] = said["unit"]
    key["examples"] = [said["example"]]


def _example(key: Schema) -> None:
    """A field that `keys.toml` gives no example has its default, a flag the other value, a word another word."""
    if "examples" in key:
        return
    default = key["default"]
    if isinstance(default, bool):
        default = not default
    elif "enum" in key:
        default = next(one for one in key["enum"] if one != default)
    key["examples"] = [default]
