"""Broken grids raise nothing but errors of our own."""

from __future__ import annotations

import contextlib
import datetime
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.grid.grid import grid_from_document, grid_from_text
from tests.grid.made_up import FILE, HEAD

ROOT = Path(__file__).parents[2]
TABLES = [
    "name", "task", "task_folder", "head_seeding", "recipe_defaults", "recipe", "matrix", "require",
    "reference", "quality", "throughput", "checkpoint", "environment", "execution",
]  # fmt: skip
KEYS = [
    *TABLES,
    "include", "exclude", "scaling", "seed", "precision", "devices", "engine", "from", "revision", "config",
    "python", "id", "metric", "value", "values", "split", "source", "statistic", "n", "sd", "margin", "threads",
    "slots", "accelerator", "learning_rate", "optim", "warmup_steps", "lr_scheduler_kwargs", "max_steps", "a",
    "b",
]  # fmt: skip
keys = st.sampled_from(KEYS) | st.text(max_size=5)
leaves = (
    st.booleans()
    | st.integers()
    | st.integers(4400, 4500).map(lambda digits: 10**digits)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["a", "x", "auto", "fp16", "strong", "current", "glue/mrpc", "validation", "test", "mean"])
    | st.just(datetime.date(2026, 1, 1))
    | st.just(datetime.time(1, 2))
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
SOUND = tomllib.loads((ROOT / "harness" / "shipped" / "mrpc.toml").read_text(encoding="utf-8"))


def survives(document: dict[str, Any]) -> None:
    with contextlib.suppress(HarnessError):
        grid = grid_from_document(document, FILE)
        assert len({cell.cell_id for cell in grid.cells()}) == len(grid.cells()) > 0


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(keys, values, max_size=8))
def test_arbitrary_documents_raise_only_our_errors(document: dict[str, Any]) -> None:
    survives(document)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(TABLES), values, max_size=2), st.dictionaries(keys, values, max_size=3))
def test_almost_sound_documents_raise_only_our_errors(changes: dict[str, Any], matrix: dict[str, Any]) -> None:
    survives({**SOUND, "matrix": {"checkpoint": "a", **matrix}, **changes})


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_arbitrary_bytes_raise_only_our_errors(content: bytes) -> None:
    for text in (content, HEAD.encode() + content):
        with pytest.raises(HarnessError):
            grid_from_text(text, FILE)
