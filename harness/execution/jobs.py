"""Jobs: what a child is asked to do, as the JSON that travels to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from harness.execution import cache
from harness.execution.environment import Environment
from harness.execution.inputs import Materials
from harness.grid.arguments import with_overlay
from harness.grid.cell import Cell
from harness.ids import short_hash
from harness.protocol import CELL, PREPARE
from harness.record.store import Attempt

PREPARE_THREADS = 1
TIMED: Final[Mapping[str, Any]] = {
    "max_steps": 10**6,  # more than any window: the stopwatch ends the run
    "eval_strategy": "no",
    "save_strategy": "no",
    "load_best_model_at_end": False,
}
"""What a timing cell does not do, whatever its recipe says: nothing but training steps is in its window."""
PREPARATION_VERSION = 1
"""Raise it when `harness.subject.data.tasks` tokenizes otherwise: what lies in the cache is then made again."""


def preparation_key(cell: Cell, environment: Environment, materials: Materials) -> str:
    """Cells with the same key share one tokenized task: same checkpoint, data and packages."""
    return short_hash([PREPARATION_VERSION, environment.environment_id, materials.content_id(cell)])


def preparation_job(key: str, cell: Cell, materials: Materials, folder: Path) -> dict[str, Any]:
    """The job that fetches a cell's checkpoint and tokenizes its task into the cache."""
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
        "task": {
            "name": cell.task,
            "path": str(task.path) if task.path else None,
            "revision": task.revision,
        },
    }


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
        The preparation's result: `checkpoint` and `dataset` folders, `data` facts.
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
        "arguments": arguments,
        "checkpoint": {
            "path": prepared["checkpoint"],
            "sha256": prepared["checkpoint_sha256"],
            "revision": checkpoint.revision,
            "config": dict(cell.checkpoint.config),
            "random": cell.checkpoint.random,
        },
        "dataset": prepared["dataset"],
        "data": {"source": cell.task, "revision": task.revision, **prepared["data"]},
    }
    if cell.timing is not None:
        # All replicates train the same batches: one of them counts the model's work for all.
        job["arguments"] = {**arguments, **TIMED}
        job["timing"] = {**cell.timing, "session": session, "place": place, "counts": cell.repeat == 1}
    return job
