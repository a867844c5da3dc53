"""`harness.check` in Python: what it says is what the command says, of the same words."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import harness as package
from harness.errors import SpecError
from tests.published.notebook import DATA

Harness = Callable[..., tuple[int, str, str]]


@pytest.fixture
def below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This process in a folder of notebooks, below that of the grid and its results."""
    shutil.copytree(DATA, tmp_path, dirs_exist_ok=True)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    return tmp_path


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, []),
        ({"select": "precision=fp32", "max_age": "90m"}, ["--select", "precision=fp32", "--max-age", "90m"]),
        (
            {"environment": "all", "fail_on": ["parity"], "inconclusive": "pass", "skipped": "fail"},
            ["--environment", "all", "--fail-on", "parity", "--inconclusive", "pass", "--skipped", "fail"],
        ),
    ],
)
def test_the_same_words_are_the_same_verdicts(
    harness: Harness, below: Path, given: dict[str, Any], words: list[str]
) -> None:
    found = package.check("night", **given)
    code, out, _ = harness("check", "night", *words)
    assert (found.exit_code, f"{found}\n") == (code, out)
    assert f"{found.evidence()}\n" == harness("check", "night", *words, "-v")[1]
    told = json.loads(harness("check", "night", *words, "--json")[1])
    assert [one["outcome"] for one in told["verdicts"]] == [one.outcome for one in found]
    assert shlex.split(f"{found.section.head.command} --json") == shlex.split(told["head"]["command"])


def test_why_reads_what_was_judged_in_python(harness: Harness, below: Path) -> None:
    assert not (below / "results" / "night" / "check.json").exists()
    first = package.check("night")[0]
    assert first.outcome == "FAIL"
    assert harness("why", first.id[:8])[0] == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"max_age": "20"}, 'max_age: got "20"; allowed an age such as 90m, 20h or 7d'),
        ({"fail_on": "speeed"}, 'fail_on: got "speeed"; allowed quality, parity'),
        ({"inconclusive": "ok"}, 'inconclusive: got "ok"; allowed fail, pass'),
    ],
)
def test_a_word_that_is_not_allowed_is_told_by_its_parameter(below: Path, given: dict[str, str], said: str) -> None:
    with pytest.raises(SpecError) as error:
        package.check("night", **given)
    assert str(error.value).startswith(said)
