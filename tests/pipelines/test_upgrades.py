"""`harness ab` on real software: copies with one line changed, and releases where an index can be reached."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from benchmarks.upgrades import compared, leading, planted, read_list
from harness.errors import RequirementError
from harness.execution.environments.build import build
from harness.execution.environments.uv import BuildFailed
from harness.grid.environments import EnvironmentSpec
from harness.pipelines.bisect.index import releases
from harness.report.phrases.say import say

pytestmark = pytest.mark.slow

MOST_S: Final = 150.0
"""How long building the first environment may take: without uv's cache three of them are half a gigabyte."""
NAMED: Final = [entry for entry in read_list("changed") if entry["package"] != "torch"][::3]
"""A few of the list; torch is too large to be copied in a test."""


@pytest.mark.parametrize("change", NAMED, ids=lambda change: change["what"])
def test_one_line_changed_in_a_copy_is_found_and_named(change: Mapping[str, Any], tmp_path: Path) -> None:
    found, section = compared("current", planted(change, tmp_path / "copy"), tmp_path / "results")
    assert section.code == 1
    assert found.answer.values["state"] == "different"
    assert set(change["names"]) & set(leading(found))


@pytest.fixture
def index() -> None:
    """Skips where no index answers, or building the first environment takes too long."""
    try:
        releases("transformers", "4.45.2", "4.46.0")
        began = time.monotonic()
        build(EnvironmentSpec(packages=["transformers==4.45.2"]), "transformers==4.45.2")
    except (RequirementError, BuildFailed) as error:
        pytest.skip(f"no package index: {error}")
    if (took := time.monotonic() - began) > MOST_S:
        pytest.skip(f"one environment took {took:.0f} s to build: uv has no cache of these releases")


@pytest.mark.usefixtures("index")
def test_a_release_that_changed_training_is_found(tmp_path: Path) -> None:
    _, section = compared("transformers==4.45.2", "transformers==4.46.0", tmp_path)
    assert section.code == 1
    (new,) = [one for one in section.head.problems if one.state == "new" and one.item == "gradient norm"]
    assert (new.upstream, round(new.ratio or 0, 2)) == ("huggingface/transformers#35207", 4.0)
    assert any("fail alike" in say(fact) for fact in section.head.facts)  # resuming, in both


@pytest.mark.usefixtures("index")
def test_a_release_that_changed_nothing_raises_nothing(tmp_path: Path) -> None:
    found, section = compared("transformers==4.45.1", "transformers==4.45.2", tmp_path)
    assert (section.code, found.answer.values["state"]) == (0, "identical")
