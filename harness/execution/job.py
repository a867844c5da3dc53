"""Jobs: what a child is asked to do, as the JSON that travels to it; preparations, and which cannot be had."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from harness.checks.material import data_faults, head_faults, head_problem
from harness.errors import MaterialError
from harness.execution import cache
from harness.execution.attempt import Running
from harness.execution.environment import Environment
from harness.execution.inputs import Materials, files_sha256, is_whole
from harness.execution.outcome import death
from harness.execution.plan import Plan
from harness.fact import Fact
from harness.grid.arguments import default_of, with_overlay
from harness.grid.cell import Cell
from harness.grid.keys import arguments_of, batches_of, tokens_of
from harness.protocol import CELL, CHECKPOINT_FILES, CHECKPOINT_PARTS, DATA_FACTS, OK, OWN_DATA, PREPARE
from harness.record.parts.data import Data
from harness.record.store import Attempt
from harness.text import canonical_json, short_hash

PREPARE_THREADS = 1
TIMED: Final[Mapping[str, Any]] = {
    "max_steps": 10**6,  # more than any window: the stopwatch ends the run
    "eval_strategy": "no",
    "save_strategy": "no",
    "load_best_model_at_end": False,
    "dataloader_drop_last": True,  # an epoch's short batch is another shape: other work, and compiled anew
}
"""What a timing cell does not do, whatever its recipe says: nothing but training steps is in its window."""
PREPARATION_VERSION = 5
"""Raise it when `harness.subject.data.tasks` tokenizes or looks otherwise: what lies in the cache is made again."""


def cell_job(
    cell: Cell,
    attempt: Attempt,
    environment: Environment,
    materials: Materials,
    prepared: Mapping[str, Any],
    devices: list[str],
    session: str,
    place: int,
) -> dict[str, Any]:
    """The job that trains one cell.

    Parameters
    ----------
    prepared
        What :attr:`Preparations.ready` has: `checkpoint` and `dataset` folders, `data` facts.
    devices
        UUIDs of the devices that the child may see; empty on a CPU.
    session, place
        Of a timing cell: the run that it is part of, and the how manieth timing cell of that run it is.
    """
    checkpoint, task = materials.checkpoint(cell), materials.task(cell)
    arguments, _ = with_overlay(cell.recipe)
    job: dict[str, Any] = {
        "kind": CELL,
        "id": f"{cell.cell_id}-{environment.environment_id}-{attempt.number}",
        "folder": str(attempt.folder.resolve()),
        "threads": cell.threads,
        "variables": {"CUDA_VISIBLE_DEVICES": ",".join(devices)},
        "accelerator": environment.accelerator,
        "cell": cell.asked(),
        "arguments": arguments_of(arguments),
        "batches": batches_of(cell.recipe),
        "peft": cell.recipe.get("peft"),
        "checkpoint": {
            "path": prepared["checkpoint"],
            "sha256": prepared["checkpoint_sha256"],
            "parts": prepared["checkpoint_parts"],
            "revision": checkpoint.revision,
            "config": dict(cell.checkpoint.config),
            "random": cell.checkpoint.random,
        },
        "task": cell.about.to_json(),
        "task_folder": str(materials.folder.absolute()),
        "dataset": prepared["dataset"],
        "data": prepared["data"] and {"source": cell.task, "revision": task.revision, **prepared["data"]},
    }
    if cell.subject is not None and (code := materials.codes.of(cell)) is not None:
        job["subject"] = code.job(materials.codes.folder, cell.subject)
    if metrics := materials.codes.metrics(cell):
        job["metrics"] = [code.told() for code in metrics]
    if cell.timing is not None:
        # All replicates train the same batches: one of them counts the model's work for all.
        job["arguments"] = {**job["arguments"], **TIMED}
        if prepared["data"] and not _has_whole_batch(cell, prepared["data"]["train"]["examples"]):
            job["arguments"]["dataloader_drop_last"] = False  # the only one: of one shape, however short
        job["timing"] = {**cell.timing, "session": session, "place": place, "counts": cell.repeat == 1}
    return job


def _has_whole_batch(cell: Cell, examples: int) -> bool:
    batch = cell.recipe.get("per_device_train_batch_size", default_of("per_device_train_batch_size"))
    return bool(min(examples, cell.subset or examples) >= batch * cell.devices)


DEATHS_ALLOWED: Final = 2
"""Preparations of one pair that may die without a word before its cells are given up."""


class Preparations:
    """The state of each pair, by key: `ready` holds a preparation's result, `problems` why there will be none.

    Cells with the same key share one tokenized task: same checkpoint, data, truncation and packages.
    """

    def __init__(self, plan: Plan) -> None:
        self.ready: dict[str, Mapping[str, Any]] = {}
        self.problems: dict[str, str] = {}
        self._plan = plan
        self._keys: dict[tuple[Any, ...], str] = {}
        self._of: dict[str, str] = {}  # by configuration, whose cells share one
        self._deaths: Counter[str] = Counter()
        self._scratch: cache.Scratch | None = None

    def key(self, cell: Cell) -> str:
        """The key of a cell's pair; a hash a pair, however often it is asked for."""
        known = self._of.get(cell.configuration_id)
        if known is None:
            known = self._of[cell.configuration_id] = self._key(cell)
        return known

    def _key(self, cell: Cell) -> str:
        tokens, about = tokens_of(cell.recipe), cell.about.to_json()
        # The same files may be read as another task: its columns are part of the pair.
        place = (cell.environment, cell.checkpoint.source, cell.checkpoint.revision)
        pair = (*place, canonical_json(about), *tokens.values())
        if pair not in self._keys:
            environment = self._plan.environments[cell.environment]
            materials = self._plan.materials[cell.environment]
            task = {**about, "name": "", "metrics": [], "positive": None}
            content = materials.prepared_id(cell)
            key = short_hash([PREPARATION_VERSION, environment.environment_id, content, task, tokens])
            self._keys[pair] = key
            found = earlier(key, materials.checkpoint(cell).path)
            if found is not None:
                self.ready[key] = _in_parts(found)
        return self._keys[pair]

    def problem(self, key: str, cell: Cell) -> str | None:
        """Why a cell cannot begin with what was prepared, or was to be; None where it can."""
        head = self.ready[key].get("head") if key in self.ready else None
        if head is not None and not cell.checkpoint.random:
            due = 1 if cell.about.regression else len(head["task"] or ()) or 2
            if wrong := head_problem(cell.checkpoint.name, head["classes"], due):
                return wrong
        return self.problems.get(key)

    def findings(self, key: str, cell: Cell) -> list[Fact]:
        """What is wrong with a cell's data and checkpoint and keeps nothing from running."""
        found = self.ready[key]
        if found["data"] is None:
            return []  # somebody else's code brings its own
        data, head = Data(source=cell.task, **found["data"]), None if cell.checkpoint.random else found.get("head")
        return [*data_faults(data), *head_faults(cell.checkpoint.name, head)]

    def job(self, key: str, cell: Cell) -> dict[str, Any]:
        """The job that fetches a cell's checkpoint and tokenizes its task into the cache.

        Raises
        ------
        StoreError
            Where no folder for it can be made in the cache.
        """
        self._scratch = self._scratch or cache.Scratch.in_cache()
        folder = self._scratch.folder("prepare-")
        materials = self._plan.materials[cell.environment]
        checkpoint, task = materials.checkpoint(cell), materials.task(cell)
        return {
            "kind": PREPARE,
            "id": f"prepare-{key}",
            "key": key,
            "folder": str(folder),
            "cache": str(cache.cache_folder()),
            "threads": PREPARE_THREADS,
            "variables": {"CUDA_VISIBLE_DEVICES": ""},
            "checkpoint": {
                "source": cell.checkpoint.source,
                "path": str(checkpoint.path) if checkpoint.path else None,
                "revision": checkpoint.revision or cell.checkpoint.revision,
            },
            "task": None
            if cell.task == OWN_DATA
            else {
                "name": cell.task,
                "task": cell.about.to_json(),
                "path": str(task.path) if task.path else None,
                "revision": task.revision,
            },
            "tokens": tokens_of(cell.recipe),
        }

    def close(self) -> None:
        """Remove the temporary folders."""
        if self._scratch is not None:
            self._scratch.close()

    def lost(self, cell: Cell) -> bool:
        """Whether what was prepared for a cell is there no more, or not as it was; it is then prepared again."""
        key = self.key(cell)
        gone = key in self.ready and not _is_there(self.ready[key], None)
        if gone:
            del self.ready[key]
        return gone

    def finish(self, running: Running, status: int | None, result: Mapping[str, Any] | None) -> None:
        """Take in how a preparation ended. One that was killed from outside is done again, within limits."""
        key = running.preparation
        if result is not None and result["status"] == OK:
            digest = files_sha256(Path(result["checkpoint"]), CHECKPOINT_FILES)
            found = {**result, "checkpoint_sha256": digest}
            cache.remember(f"prepared-{key}", found)
            self.ready[key] = _in_parts(found)
        elif result is not None:
            kind, message = result["failure"]["type"], result["failure"]["message"]
            place = f"{cache.cache_folder()}: " if result.get("disk_full") else ""
            self.problems[key] = message if kind == MaterialError.__name__ else f"{place}{kind}: {message}"
        elif running.verdict is not None:
            self.problems[key] = f"its preparation took too long: {running.verdict[1]}"
        else:
            self._deaths[key] += 1
            if self._deaths[key] >= DEATHS_ALLOWED:
                self.problems[key] = f"its preparation died {self._deaths[key]} times: {death(status, 0)[1]}"


def _in_parts(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """A preparation's result with the checkpoint's identities, as of now: for all cells that it is of."""
    folder = Path(found["checkpoint"])
    return {
        **found,
        "checkpoint_parts": {name: files_sha256(folder, files) for name, files in CHECKPOINT_PARTS.items()},
    }


def earlier(key: str, checkpoint: Path | None) -> Mapping[str, Any] | None:
    """What an earlier run prepared under a key, where all of it is still there; `checkpoint` where that is known.

    It saves a process a run, with `--host spawn` and for timing cells one that imports torch first.
    """
    found = cache.remembered(f"prepared-{key}")
    return found if _is_there(found, checkpoint) else None


def _is_there(found: Any, checkpoint: Path | None) -> bool:
    """Whether all that a preparation's result names is there as it was; false too for what is no such result."""
    try:
        folder = Path(found["checkpoint"])
        return (
            checkpoint in (None, folder)
            and (folder / "config.json").is_file()
            and files_sha256(folder, CHECKPOINT_FILES) == found["checkpoint_sha256"]
            and (found["dataset"] is None or _is_kept(Path(found["dataset"]), found["data"]))
        )
    except (OSError, ValueError, LookupError, TypeError, RecursionError, MaterialError):
        return False


def _is_kept(dataset: Path, data: Any) -> bool:
    return is_whole(dataset) and json.loads((dataset / DATA_FACTS).read_text(encoding="utf-8")) == data
