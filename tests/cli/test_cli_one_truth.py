"""The commands over one store: they say the same of which attempt counts, and of which answers are whose."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.cli.app import run_command
from harness.grid.cell import Cell
from harness.grid.grid import Grid, load_grid
from harness.record.model import SERIES, Record, asked_of
from harness.record.store import Store

GRID = """
name = "truth"
task = "embedded/paraphrase"
[recipe]
max_steps = 4
[matrix]
checkpoint = ["embedded/tiny-bert"]
precision = ["fp32", "bf16"]
seed = [1, 2, 3, 4, 5]
[quality]
parity_margin = 2.5
"""
LABELS = np.arange(200) % 2
MORE_WRONG = {1: 20, 2: 24, 3: 18, 4: 30, 5: 22}


@pytest.fixture
def grid(tmp_path: Path) -> Grid:
    (tmp_path / "truth.toml").write_text(GRID)
    return load_grid(tmp_path / "truth.toml")


def answers_of(wrong: int, first: int = 0) -> Any:
    """The labels, but for `wrong` of them in a row."""
    answers = LABELS.copy()
    answers[first : first + wrong] ^= 1
    return answers


def put(grid: Grid, cell: Cell, answers: Any = None, status: str = "ok", **changes: Any) -> None:
    """File an attempt with these answers, a later one than those before it."""
    store = Store(grid.path.parent / "results", grid.name)
    attempt = store.begin(cell.cell_id, "e0")
    split = {"examples": 200, "labels": [100, 100], "sha256": "ab" * 32}
    failure = {"type": "NonFiniteLoss", "message": "nan at step 2"} if status == "nonfinite" else None
    accuracy = None if answers is None else float(np.mean(answers == LABELS))
    observed = {
        "python": "3.11.7", "packages": {"transformers": "5.23.0"}, "machine": {}, "threads": 1, "determinism": {},
        "host": "fork", "data": {"source": "x", "train": split, "validation": split},
    }  # fmt: skip
    record = Record.model_validate(
        {
            "grid": grid.name,
            "cell_id": cell.cell_id,
            "configuration_id": cell.configuration_id,
            "environment_id": "e0",
            "content_id": "aaaaaaaa",
            "attempt": attempt.number,
            "status": status,
            "started": f"2026-11-22T10:{attempt.number:02d}:00.000Z",
            "finished": "2026-11-22T11:00:00.000Z",
            "asked": asked_of(cell),
            "observed": observed,
            "measured": {"metrics": {} if accuracy is None else {"accuracy": accuracy, "f1": accuracy}},
            "failure": failure,
            "provenance": {"harness": "0.1.0"},
            **changes,
        }
    )
    if answers is not None:
        logits = np.stack([1.0 - answers, answers], axis=1)
        np.savez(attempt.folder / SERIES, logits=logits, loss=np.linspace(1, 0.5, 4))
    store.write(record, attempt)


@pytest.fixture
def harness(grid: Grid, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Any:
    monkeypatch.chdir(grid.path.parent)

    def run(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["harness", *map(str, arguments)])
        run_command()
        return str(capsys.readouterr().out)

    return run


def verdicts(harness: Any, *options: str) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = json.loads(harness("check", "truth.toml", "--json", *options))["verdicts"]
    return found


def changed(verdict: Mapping[str, Any]) -> float:
    """The share of answers that the twin changes."""
    (share,) = [
        note["values"]["between"]["values"]["share"] for note in verdict["notes"] if "between" in note["values"]
    ]
    return float(share)


def test_a_lost_loss_that_was_tried_again_is_counted_everywhere(grid: Grid, harness: Any) -> None:
    for cell in grid.cells():
        if cell.precision == "bf16" and cell.seed == 3:
            put(grid, cell, status="nonfinite")
        put(grid, cell, answers_of(MORE_WRONG[cell.seed]))
    stability = [one["subject"] for one in verdicts(harness) if one["check"] == "stability"]
    assert [(side["collapsed"], side["ended"]) for side in stability] == [(0, 5), (1, 6)]

    rows = json.loads(harness("report", "truth.toml", "--json"))["rows"]
    assert [(row["collapsed"]["k"], row["collapsed"]["n"]) for row in rows] == [(0, 5), (1, 6)]
    told = harness("report", "truth.toml", "-o", "out/r.md").splitlines()
    assert told[0] == "bf16 answers exactly as fp32"
    assert re.search(r"bf16 +\| +6 \|.*\| +1 of 6 \|", Path("out/r.md").read_text(encoding="utf-8"))

    harness("accept", "truth.toml", "-o", "out/b.json", "--note", "n")
    kept = json.loads(Path("out/b.json").read_text(encoding="utf-8"))["configurations"]
    assert [one["collapsed"] for one in kept] == [0, 1]
    assert "NonFiniteLoss: nan at step 2" in harness("status", "truth")


def test_answers_are_those_of_the_content_that_was_scored(grid: Grid, harness: Any) -> None:
    for cell in grid.cells():
        apart = 6 if cell.precision == "bf16" else 0
        put(grid, cell, answers_of(MORE_WRONG[cell.seed], apart))
        # The checkpoint's folder changed, and with the new content the twins answer all alike.
        put(grid, cell, answers_of(MORE_WRONG[cell.seed]), content_id="bbbbbbbb")
    (judged,) = (one for one in verdicts(harness) if one["check"] == "parity")
    assert judged["subject"]["content_id"] == "bbbbbbbb"  # the older content is history
    every = verdicts(harness, "--environment", "all")
    old, new = sorted((one for one in every if one["check"] == "parity"), key=lambda one: str(one["subject"]["label"]))
    labels = old["subject"]["label"], new["subject"]["label"]
    assert ("content aaaaaaaa" in labels[0], "content bbbbbbbb" in labels[1]) == (True, True)
    assert (changed(old), changed(new)) == (12 / 200, 0.0)
    # Equal scores with other answers are no proof that the two are the same.
    assert old["reason"]["values"]["because"]["code"] == "runs.equal"
    assert new["reason"]["values"]["because"]["code"] == "runs.identical"
