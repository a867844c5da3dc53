"""A grid with a reference and its store of made-up records, on a machine that is made up too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.execution.environment import Environment
from harness.execution.require import as_meant
from harness.grid.cell import Cell
from harness.grid.grid import Grid, load_grid
from harness.pipelines import judged as module
from harness.pipelines.check import Checked, Judging, check_grid
from harness.record.meant import Machine, write_meant
from harness.record.model import Record, asked_of
from harness.record.store import Store
from tests.conftest import environment_of

GRID = """
name = "night"
task = "embedded/paraphrase"
[recipe]
num_train_epochs = 1
[matrix]
checkpoint = ["embedded/tiny-bert"]
precision = ["fp32", "bf16"]
seed = [1, 2, 3, 4, 5]
[[reference]]
id = "published"
metric = "accuracy"
statistic = "mean"
value = 0.86
sd = 0.01
n = 25
split = "validation"
source = "made up"
checkpoint = "embedded/tiny-bert"
recipe = { num_train_epochs = 1 }
[quality]
margin = 3.0
parity_margin = 3.0
"""
EXAMPLES = 200
GOOD = {1: 172, 2: 173, 3: 171, 4: 172, 5: 173}
"""Answers that are right, by seed: 86 % and hardly any spread."""
MACHINE, OTHER = Machine(id="here", name="here"), Machine(id="there", name="runner-7")
RAN = "2026-11-22T10:00:00.000Z"


class Night:
    """A grid, its store, and what the machine is like now: change `environments` or `content` and judge again."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.machine = folder, MACHINE
        self.environments: dict[str, Environment] = {"current": environment_of(cpu_bf16=True)}
        self.content: str | None = "c0"
        self.problem: str | None = None
        self.write(GRID)
        monkeypatch.setattr(module, "environment_of", lambda grid, label, **_: self.environments[label])
        monkeypatch.setattr(module, "materials_of", lambda grid, environments: dict.fromkeys(environments, self))
        monkeypatch.setattr(module, "machine_here", lambda: self.machine)
        monkeypatch.delenv("HARNESS_REQUIRE", raising=False)

    # What finds materials.

    def find(self, cells: Iterable[Cell], *, hub: bool) -> None:
        assert not hub, "who judges asks no hub"

    def local_problem(self, cell: Cell) -> str | None:
        return self.problem

    def local_content_id(self, cell: Cell) -> str | None:
        return "" if self.problem else self.content

    # What was run.

    def write(self, text: str) -> None:
        (self.folder / "night.toml").write_text(text, encoding="utf-8")

    @property
    def grid(self) -> Grid:
        return load_grid(self.folder / "night.toml")

    @property
    def store(self) -> Store:
        return Store(self.folder / "results", "night")

    def means(self, run: str = RAN, machine: Machine = MACHINE, **environments: Environment) -> None:
        """As `run` leaves it."""
        named = {label: as_meant(one) for label, one in (environments or self.environments).items()}
        write_meant(self.store.folder, machine, run, named, {})

    def upgraded(self, **packages: str) -> Environment:
        """The environment as it would be with these packages."""
        now = self.environments["current"]
        changed = replace(
            now, environment_id="env1upgraded", facts={**now.facts, "packages": {**now.packages, **packages}}
        )
        self.environments["current"] = changed
        return changed

    def put(self, cell: Cell, correct: int | None, status: str = "ok", **changes: Any) -> None:
        """File an attempt, later than those before it."""
        environment = changes.pop("environment_id", "env0")
        machine = changes.pop("machine", {})
        packages = changes.pop("packages", {"transformers": "5.23.0"})
        attempt = self.store.begin(cell.cell_id, environment)
        split = {"examples": EXAMPLES, "labels": [EXAMPLES - EXAMPLES // 2, EXAMPLES // 2], "sha256": "ab" * 32}
        scores = {} if correct is None else {"accuracy": correct / EXAMPLES, "f1": correct / EXAMPLES}
        observed = {
            "python": "3.11.7", "packages": packages, "machine": machine, "threads": 1,
            "determinism": {}, "host": "fork", "data": {"source": "x", "train": split, "validation": split},
        }  # fmt: skip
        record = Record.model_validate(
            {
                "grid": "night", "cell_id": cell.cell_id, "configuration_id": cell.configuration_id,
                "environment_id": environment, "content_id": "c0", "attempt": attempt.number, "status": status,
                "started": f"2026-11-22T10:{attempt.number:02d}:00.000Z", "finished": "2026-11-22T11:00:00.000Z",
                "asked": asked_of(cell), "observed": observed, "measured": {"metrics": scores},
                "failure": None if correct is not None else {"type": "E", "message": "why"},
                "provenance": {"harness": "0.1.0"}, **changes,
            }
        )  # fmt: skip
        self.store.write(record, attempt)

    def fill(self, correct: Mapping[int, int] = GOOD, **changes: Any) -> None:
        """Every cell with its score."""
        for cell in self.grid.cells():
            self.put(cell, correct[cell.seed] + (cell.precision == "bf16") * (cell.seed % 3 - 1), **changes)


BAD = {seed: correct - 20 for seed, correct in GOOD.items()}
WITHOUT = GRID.partition("[[reference]]")[0].replace(', "bf16"', "")
REFERENCE = "[[reference]]" + GRID.partition("[[reference]]")[2].partition("[quality]")[0]


def check(night: Night, *selection: str, **asked: Any) -> Checked:
    return check_grid(night.grid, night.store, Judging(selection, **asked))


def outcomes(found: Checked) -> dict[str, int]:
    return dict(Counter(f"{one.outcome} {one.check}" for one in found.verdicts))
