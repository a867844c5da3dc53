"""One job in a process of its own: quiet, single-purpose, and dead as soon as its host is.

A job is a dict; its `kind` is "prepare" (fetch a checkpoint, tokenize a task) or "cell" (train). The outcome is
`result.json` in the job's folder, renamed into place; the exit status says nothing that the file does not.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any, Callable

from harness.protocol import CANNOT_WRITE, OK, PREPARE, RESULT, write_whole
from harness.subject.process import isolation
from harness.subject.process.failure import outcome_of

Emit = Callable[[dict[str, Any]], None]


def run_job(job: dict[str, Any], emit: Emit) -> int:
    """Run one job to its end and write its `result.json`; an error becomes an outcome.

    Returns the exit status: 0, or `CANNOT_WRITE` where there was no room for the result.
    """
    folder = Path(job["folder"])
    isolation.tie_descendants()
    tempfile.tempdir = None  # the job has a place of its own for what is temporary, `TMPDIR`
    try:
        isolation.set_threads(job["threads"])
        isolation.fresh_randomness()
        if job["kind"] == PREPARE:
            result = _prepare(job)
        elif job["cell"]["devices"] > 1:
            from harness.subject.process import ranks

            result = ranks.run(job, folder, emit)
        else:
            from harness.subject import train
            from harness.subject.process import merge_ranks

            result = merge_ranks.merge([train.run_cell(job, folder, emit)], folder)
    except BaseException as error:  # noqa: BLE001 - the process ends here: whatever it was must reach the record
        traceback.print_exc()
        result = outcome_of(error)
    try:
        # An argument may be of any type; its name says enough.
        write_whole(folder / RESULT, json.dumps(result, default=str))
    except OSError:
        traceback.print_exc()
        return CANNOT_WRITE
    return 0


def _prepare(job: dict[str, Any]) -> dict[str, Any]:
    from harness.subject.data import checkpoints, tasks

    cache, aside = Path(job["cache"]), Path(job["folder"])
    cache.mkdir(parents=True, exist_ok=True)
    asked = job["checkpoint"]
    checkpoint = checkpoints.locate(asked["source"], asked.get("path"), asked.get("revision"), cache, aside)
    if job["task"] is None:
        return {"status": OK, "checkpoint": str(checkpoint), "dataset": None, "data": None, "head": None}
    dataset = cache / f"tokenized-{job['key']}"
    data = tasks.tokenize_to(dataset, job["task"], checkpoint, aside, job.get("tokens"))
    saved = checkpoints.saved_head(checkpoint)
    head = None if saved is None else {**saved, "task": data["classes"]}
    return {"status": OK, "checkpoint": str(checkpoint), "dataset": str(dataset), "data": data, "head": head}


def pipe_emitter(descriptor: int) -> Emit:
    """Events as JSON lines on a pipe; each is shorter than PIPE_BUF, so lines of several writers never mix."""

    def emit(event: dict[str, Any]) -> None:
        # A host that is gone takes this process with it: a broken pipe is no error of the run's.
        try:
            os.write(descriptor, (json.dumps(event) + "\n").encode())
        except BrokenPipeError:
            os._exit(1)

    return emit


def main() -> None:
    """Run one job in a fresh interpreter: `python start.py process.child JOB_FILE PIPE_FD PARENT_PID`."""
    job_file, descriptor, parent = sys.argv[1:4]
    isolation.die_with_parent(int(parent))
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    sys.exit(run_job({**job, "fresh": True}, pipe_emitter(int(descriptor))))


if __name__ == "__main__":
    main()
