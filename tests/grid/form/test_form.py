"""What a grid may have: the schema, the page and the file to begin with say of every key what the models do."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from harness.errors import SpecError
from harness.grid.arguments import check_recipe, frozen_versions, recipe_fields
from harness.grid.form.page import page
from harness.grid.form.rows import Key, keys
from harness.grid.form.schema import FILE, FIRST_LINE, grid_schema, grid_schema_text, key_at, words
from harness.grid.form.template import template
from harness.grid.grid import grid_from_document
from harness.stats import throughput, variance
from harness.task import GLUE

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = sorted((ROOT / "harness/shipped").glob("*.toml"))
GRIDS = [
    path
    for path in (*SHIPPED, *sorted((ROOT / "benchmarks").rglob("*.toml")))
    if "matrix" in tomllib.loads(path.read_text(encoding="utf-8"))
]
SCHEMA = grid_schema()
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
KEYS = list(keys())
QUICKSTART: dict[str, Any] = tomllib.loads((ROOT / "harness/shipped/quickstart.toml").read_text(encoding="utf-8"))


def test_the_schema_is_one_and_the_shipped_file_is_it() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert (ROOT / "harness/shipped" / FILE).read_text(encoding="utf-8") == grid_schema_text()


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.name)
def test_it_takes_every_grid_that_there_is(path: Path) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(tomllib.loads(path.read_text(encoding="utf-8")))] == []


def test_a_shipped_grid_names_it_first() -> None:
    assert [path.name for path in SHIPPED if path.read_text(encoding="utf-8").splitlines()[0] != FIRST_LINE] == []
    assert len(SHIPPED) >= 3


@pytest.mark.parametrize(
    ("table", "typo"),
    [
        ("", {"nmae": "x"}),
        ("recipe", {"lerning_rate": 1e-4}),
        ("recipe", {"max_steps": "100"}),
        ("recipe", {"seed": 1}),
        ("recipe", {"peft": {"method": "lora", "rank": 8}}),
        ("matrix", {"sede": [1]}),
        ("matrix", {"precision": ["fp61"]}),
        ("matrix", {"devices": 0}),
        ("matrix", {"lerning_rate": [1e-4]}),
        ("matrix", {"exclude": [{"precison": "fp16"}]}),
        ("matrix", {"seeds": {"looks": 5}}),
        ("quality", {"margin": "automatic"}),
        ("quality", {"harmless": ["confg"]}),
        ("require", {"accelerator": "gpu"}),
        ("checkpoint", {"minilm": {"from": "x", "revison": "y"}}),
        ("environment", {"old": {"package": ["x"]}}),
        ("task", {"train": "a.csv", "validation": "b.csv", "text": "t", "lable": "l"}),
        ("reference", [{"id": "x", "recipe": {"learning_rat": 1}}]),
        ("waiver", [{"check": "quality"}]),
        ("execution", {"threads": 0}),
    ],
)
def test_a_typo_is_refused_as_the_command_does(table: str, typo: Any) -> None:
    whole = {**QUICKSTART, **typo} if not table else {**QUICKSTART, table: _added(QUICKSTART.get(table), typo)}
    assert not VALIDATOR.is_valid(whole)
    with pytest.raises(SpecError):
        grid_from_document(whole, Path("grid.toml"))


def _added(table: Any, more: Any) -> Any:
    return {**table, **more} if isinstance(table, dict) else more


def test_every_key_is_explained_and_none_that_is_not_there() -> None:
    paths = [key.path for key in KEYS]
    assert len(set(paths)) == len(paths) > 150
    assert set(words()) <= set(paths)
    assert [key.path for key in KEYS if not key.says or key.example is None] == []


def test_an_example_may_stand_where_it_is() -> None:
    for key in KEYS:
        inner = {**key_at(SCHEMA, key.path), "definitions": SCHEMA["definitions"]}
        assert list(jsonschema.Draft7Validator(inner).iter_errors(key.example)) == [], key.path
    for name in recipe_fields():
        check_recipe(name, next(key.example for key in KEYS if key.path == f"recipe.{name}"), name)


def test_the_page_is_written_from_it() -> None:
    assert (ROOT / "docs/grid.md").read_text(encoding="utf-8") == page()


def test_the_words_above_it_have_todays_figures() -> None:
    oldest, *_, newest = (version.rpartition(".")[0] for version in frozen_versions())
    said = " ".join(page().split())
    assert (len(GLUE), variance.LEAST, throughput.PAIRS) == (9, 5, 5)
    for words_of in (
        "any of GLUE's nine tasks",
        "folder that has all nine",
        "two seeds where a check needs five",
        "four timing processes where five are needed",
        f"transformers {oldest} to {newest} are driven",
    ):
        assert words_of in said


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_grid_to_begin_with_says_what_it_was_made_of(path: Path) -> None:
    live = tomllib.loads(path.read_text(encoding="utf-8"))
    assert tomllib.loads(template(live, ["Words."])) == live


def test_a_key_that_is_switched_off_is_on_without_its_sign() -> None:
    """Each line `#key = value` of a table, alone in it, is what the schema takes there, and every key is a line."""
    seen = set()
    table = ""
    for line in template(QUICKSTART, ["Words."]).splitlines():
        text = line.removeprefix("#")
        if text.startswith("["):
            table = text.strip("[]").replace("checkpoint.minilm", "checkpoint.NAME")
        elif text and not text.startswith((" ", ":")):
            name, _, value = text.partition(" = ")
            path = "label.NAME" if table == "label" else f"{table}.{name}" if table else name
            inner = {**key_at(SCHEMA, path), "definitions": SCHEMA["definitions"]}
            assert jsonschema.Draft7Validator(inner).is_valid(tomllib.loads(f"x = {value}")["x"]), line
            seen.add(path)
    assert seen == {key.path for key in KEYS}


def test_a_default_is_the_models_own() -> None:
    found = {key.path: key for key in KEYS}
    shown = {path: found[path].default for path in ("execution.timeout_minutes", "recipe.eval_strategy", "matrix.seed")}
    assert shown == {"execution.timeout_minutes": 240, "recipe.eval_strategy": "epoch", "matrix.seed": 42}
    assert _facts(found["require.memory_gib"]) == ("number", "GiB", "> 0, <= 1000000", False)
    assert _facts(found["matrix.precision"]) == (
        "text, or a list of them", "", '"fp32", "tf32", "fp16", "bf16"', False,
    )  # fmt: skip
    assert found["name"].required
    assert json.loads(grid_schema_text()) == SCHEMA


def _facts(key: Key) -> tuple[str, str, str, bool]:
    return key.kind, key.unit, key.allowed, key.required
