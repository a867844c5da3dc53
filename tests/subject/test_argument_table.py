"""The generated table is the installed transformers'."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("transformers")

from harness.subject.argument_table import SHIPPED, build_table
from harness.subject.arguments import installed_version

TABLE = json.loads(SHIPPED.read_text(encoding="utf-8"))


def test_the_table_equals_the_installed_versions() -> None:
    if installed_version() != TABLE["transformers"]:
        pytest.skip(f"the table describes transformers {TABLE['transformers']}, installed is {installed_version()}")
    fresh = build_table(TABLE, defaults_only=False)
    # The optimizer's default follows torch's version, so only the same side of torch 2.8 must agree exactly.
    assert {**fresh, "torch": TABLE["torch"]} == TABLE
    assert list(fresh) == list(TABLE)
    assert installed_version() in TABLE["defaults"]


def test_types_and_choices() -> None:
    untyped = [name for name, entry in TABLE["fields"].items() if not set(entry["types"]) - {"null"}]
    assert untyped == ["parallelism_config"]
    choices = {name: entry["choices"] for name, entry in TABLE["fields"].items() if "choices" in entry}
    assert choices["eval_strategy"] == ["no", "steps", "epoch"]
    assert {"adamw_torch", "adamw_torch_fused"} <= set(choices["optim"])
    assert choices["train_sampling_strategy"][0] == "random"


def test_defaults_only_leaves_the_fields_alone() -> None:
    shipped: dict[str, Any] = {"transformers": "9.9", "torch": "9.9", "fields": {"optim": {}}, "defaults": {"9.9": {}}}
    table = build_table(shipped, defaults_only=True)
    assert table["fields"] == {"optim": {}}
    assert list(table["defaults"]) == [installed_version(), "9.9"]
    assert list(table["defaults"][installed_version()]) == ["optim"]
