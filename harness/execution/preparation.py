"""Preparations: which checkpoint and task pairs are tokenized, and which cannot be had."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from harness.errors import MaterialError
from harness.execution import cache, jobs
from harness.execution.inputs import files_sha256
from harness.execution.outcome import death
from harness.execution.plan import Plan
from harness.execution.running import Running
from harness.grid.cell import Cell
from harness.protocol import CHECKPOINT_FILES, DATA_FACTS, OK, SPLIT_FILES

DEATHS_ALLOWED: Final = 2
"""Preparations of one pair that may die without a word before its cells are given up."""


class Preparations:
    """The state of each pair, by key: `ready` holds a preparation's result, `problems` why there will be none."""

    def __init__(self, plan: Plan) -> None:
        self.ready: dict[str, Mapping[str, Any]] = {}
        self.problems: dict[str, str] = {}
        self._plan = plan
        self._keys: dict[tuple[str, str, str | None, str], str] = {}
        self._deaths: Counter[str] = Counter()

    def key(self, cell: Cell) -> str:
        """The key of a cell's pair; a hash a pair, however often it is asked for."""
        pair = (cell.environment, cell.checkpoint.source, cell.checkpoint.revision, cell.task)
        if pair not in self._keys:
            label = cell.environment
            key = jobs.preparation_key(cell, self._plan.environments[label], self._plan.materials[label])
            self._keys[pair] = key
            found = earlier(key, self._plan.materials[label].checkpoint(cell).path)
            if found is not None:
                self.ready[key] = found
        return self._keys[pair]

    def job(self, key: str, cell: Cell, folder: Path) -> dict[str, Any]:
        """The job that prepares a cell's pair; it works in `folder`."""
        return jobs.preparation_job(key, cell, self._plan.materials[cell.environment], folder)

    def finish(self, running: Running, status: int, result: Mapping[str, Any] | None) -> None:
        """Take in how a preparation ended. One that was killed from outside is done again, within limits."""
        key = running.preparation
        if result is not None and result["status"] == OK:
            digest = files_sha256(Path(result["checkpoint"]), CHECKPOINT_FILES)
            self.ready[key] = {**result, "checkpoint_sha256": digest}
            cache.remember(f"prepared-{key}", self.ready[key])
        elif result is not None:
            kind, message = result["failure"]["type"], result["failure"]["message"]
            self.problems[key] = message if kind == MaterialError.__name__ else f"{kind}: {message}"
        elif running.verdict is not None:
            self.problems[key] = f"its preparation took too long: {running.verdict[1]}"
        else:
            self._deaths[key] += 1
            if self._deaths[key] >= DEATHS_ALLOWED:
                self.problems[key] = f"its preparation died {self._deaths[key]} times: {death(status, 0)[1]}"


def earlier(key: str, checkpoint: Path | None) -> Mapping[str, Any] | None:
    """What an earlier run prepared under a key, where all of it is still there; `checkpoint` where that is known.

    It saves a process a run, with `--host spawn` and for timing cells one that imports torch first.
    """
    found = cache.remembered(f"prepared-{key}")
    try:
        folder, dataset = Path(found["checkpoint"]), Path(found["dataset"])
        there = (
            checkpoint in (None, folder)
            and (folder / "config.json").is_file()
            and (dataset / DATA_FACTS).is_file()
            and all(any((dataset / split).glob("*.arrow")) for split in SPLIT_FILES)
            and files_sha256(folder, CHECKPOINT_FILES) == found["checkpoint_sha256"]
            and json.loads((dataset / DATA_FACTS).read_text(encoding="utf-8")) == found["data"]
        )
    except (OSError, ValueError, LookupError, TypeError, MaterialError):
        return None
    return found if there else None
