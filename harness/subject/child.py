"""One job in a process of its own: quiet, single-purpose, and dead as soon as its host is.

A job is a dict; its `kind` is "prepare" (fetch a checkpoint, tokenize a task) or "cell" (train). The outcome is
`result.json` in the job's folder, renamed into place; the exit status says nothing that the file does not.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, Callable

from harness.protocol import CANNOT_WRITE, FAILED, OK, OOM, PREPARE, RESULT, write_whole

Emit = Callable[[dict[str, Any]], None]
PR_SET_PDEATHSIG = 1
DETAILS_CHARACTERS = 6000
NO_MEMORY = ("outofmemory", "out of memory", "can't allocate memory")
NO_SPACE = ("No space left on device", "Disk quota exceeded")


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent dies (Linux); exit at once if it already has."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def run_job(job: dict[str, Any], emit: Emit) -> int:
    """Run one job to its end and write its `result.json`; an error becomes an outcome.

    Returns the exit status: 0, or `CANNOT_WRITE` where there was no room for the result.
    """
    folder = Path(job["folder"])
    _tie_descendants()
    try:
        set_threads(job["threads"])
        fresh_randomness()
        if job["kind"] == PREPARE:
            result = _prepare(job)
        elif job["cell"]["devices"] > 1:
            from harness.subject import ranks

            result = ranks.run(job, folder, emit)
        else:
            from harness.subject import assembly, train

            result = assembly.assemble([train.run_cell(job, folder, emit)], folder)
    except BaseException as error:  # noqa: BLE001 - the process ends here: whatever it was must reach the record
        traceback.print_exc()
        result = outcome_of(error)
    try:
        write_json(folder / RESULT, result)
    except OSError:
        traceback.print_exc()
        return CANNOT_WRITE
    return 0


def _tie_descendants() -> None:
    """Have every process that is forked from here on die with its parent: no data loader's worker may be left
    behind, which would keep its cell locked.
    """
    parent = [0]

    def note_parent() -> None:
        parent[0] = os.getpid()

    os.register_at_fork(before=note_parent, after_in_child=lambda: die_with_parent(parent[0]))


def _prepare(job: dict[str, Any]) -> dict[str, Any]:
    from harness.subject import checkpoints, tasks

    cache = Path(job["cache"])
    cache.mkdir(parents=True, exist_ok=True)
    asked = job["checkpoint"]
    checkpoint = checkpoints.locate(asked["source"], asked.get("path"), asked.get("revision"), cache)
    dataset = cache / f"tokenized-{job['key']}"
    data = tasks.tokenize_to(dataset, job["task"], checkpoint)
    return {"status": OK, "checkpoint": str(checkpoint), "dataset": str(dataset), "data": data}


def set_threads(threads: int) -> None:
    """Have torch use so many threads."""
    import torch

    torch.set_num_threads(threads)


def fresh_randomness() -> None:
    """Reseed every global generator from the system, as a new interpreter would.

    A forked child inherits its host's generators: without this, what a recipe leaves unseeded (the course's
    classifier head) would be the same "random" draw in every cell of a host.
    """
    import random

    import numpy as np
    import torch

    random.seed()
    np.random.seed()
    torch.seed()


def outcome_of(error: BaseException) -> dict[str, Any]:
    """What an error makes of a run: `status`; `failure`, the record's; `disk_full`, no fault of the cell's.

    Libraries wrap what the system told them in classes of their own: only the text is left to tell it by.
    """
    text = f"{type(error).__name__} {error}"
    memory = isinstance(error, MemoryError) or any(sign in text.lower() for sign in NO_MEMORY)
    message = _plain(str(error)).strip().splitlines()
    details = _plain("".join(traceback.format_exception(type(error), error, error.__traceback__)))
    failure = {
        "type": type(error).__name__,
        "message": message[0][:500] if message else "",
        "details": details[-DETAILS_CHARACTERS:],
    }
    full = any(sign in text for sign in NO_SPACE)
    return {"status": OOM if memory else FAILED, "failure": failure, "disk_full": full}


def _plain(text: str) -> str:
    """The text without a terminal's colours, and without lone surrogates (bytes of a file's name, say), which a
    record's UTF-8 cannot carry.
    """
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return text.encode("utf-8", errors="backslashreplace").decode("utf-8")


def write_json(path: Path, value: Any) -> None:
    """Leave JSON for another process."""
    write_whole(path, json.dumps(value, default=str))  # an argument may be of any type; its name says enough


def redirect_output(log: Path) -> None:
    """Send this process's standard output and error, libraries' C code included, to the job's log file."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


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
    """Run one job in a fresh interpreter: `python start.py child JOB_FILE PIPE_FD PARENT_PID`."""
    job_file, descriptor, parent = sys.argv[1:4]
    die_with_parent(int(parent))
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    sys.exit(run_job({**job, "fresh": True}, pipe_emitter(int(descriptor))))


if __name__ == "__main__":
    main()
