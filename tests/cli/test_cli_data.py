from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Make

GRID = """name = "own"
[task]
train = "train.jsonl"
validation = "dev.jsonl"
text = "t"
label = "y"
[matrix]
checkpoint = ["embedded/tiny-bert"]
"""


def write(name: str, *rows: tuple[str, str]) -> None:
    lines = (json.dumps({"t": text, "y": label}) for text, label in rows)
    Path(f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture
def grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("g.toml").write_text(GRID, encoding="utf-8")
    write("train", ("one two three", "a"), ("one  two three", "b"), ("", "a"), ("four", "b"))
    write("dev", ("four", "a"), ("five", "b"))
    return Path("g.toml")


def test_data_are_told(harness: Make, grid: Path) -> None:
    code, out, _ = harness("data", str(grid))
    assert code == 0
    said = [" ".join(line.split()) for line in out.splitlines()]
    assert said[0] == "train.jsonl: 3 warnings in 4 training, 2 validation examples"
    assert said[1].startswith("warning: ")
    assert "training 4 1 1 1 1 3 3" in said
    assert "training: a 2 (50.0 %), b 2 (50.0 %)" in said
    assert "validation examples in training: 1, with another label 1" in said
    assert "warning: 1 of 4 training examples have an empty text" in said
    code, out, _ = harness("data", str(grid), "--json")
    (found,) = json.loads(out)
    audit: dict[str, Any] = found["data"]["audit"]
    assert (audit["in_training"], audit["train"]["words"]["max"], found["data"]["classes"]) == (1, 3, ["a", "b"])
    assert [fault["code"] for fault in found["faults"]] == ["data.leak", "data.duplicates", "data.empty"]


def test_data_that_are_not_what_the_task_says_are_exit_4(harness: Make, grid: Path) -> None:
    write("dev", ("four", "c"))
    code, out, err = harness("data", str(grid))
    assert (code, out) == (4, "")
    assert "dev.jsonl: line 1, column 'y': got 'c'; allowed a label of the training file: a, b" in err
