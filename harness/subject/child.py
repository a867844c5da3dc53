"""One job in a process of its own: quiet, single-purpose, and dead as soon as its host is.

A job is a dict; its `kind` is "prepare" (fetch a checkpoint, tokenize a task) or "cell" (train). The outcome is
`result.json` in the job's folder, renamed into place; the exit status says nothing that the file does not.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, Callable

Emit = Callable[[dict[str, Any]], None]
PR_SET_PDEATHSIG = 1
DETAILS_CHARACTERS = 6000


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent dies (Linux); exit at once if it already has."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def run_job(job: dict[str, Any], emit: Emit) -> None:
    """Run one job to its end and write its `result.json`; an error becomes an outcome, never a traceback."""
    folder = Path(job["folder"])
    try:
        _set_threads(job["threads"])
        if job["kind"] == "prepare":
            result = _prepare(job)
        else:
            from harness.subject.train import run_cell

            result = run_cell(job, folder, emit)
    except BaseException as error:  # noqa: BLE001 - the process ends here: whatever it was must reach the record
        result = {"status": _status(error), "failure": _failure(error)}
    write_json(folder / "result.json", result)


def _prepare(job: dict[str, Any]) -> dict[str, Any]:
    from harness.subject import checkpoints, tasks

    cache = Path(job["cache"])
    cache.mkdir(parents=True, exist_ok=True)
    asked = job["checkpoint"]
    checkpoint = checkpoints.locate(asked["source"], asked.get("path"), asked.get("revision"), cache)
    dataset = cache / f"tokenized-{job['key']}"
    data = tasks.tokenize_to(dataset, job["task"], checkpoint)
    return {"status": "ok", "checkpoint": str(checkpoint), "dataset": str(dataset), "data": data}


def _set_threads(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


def _status(error: BaseException) -> str:
    """Tell running out of memory, on the host or a device, from every other failure."""
    text = f"{type(error).__name__} {error}".lower()
    memory = isinstance(error, MemoryError) or "outofmemory" in text or "out of memory" in text
    return "oom" if memory or "can't allocate memory" in text else "failed"


def _failure(error: BaseException) -> dict[str, str]:
    message = str(error).strip().splitlines()
    details = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return {
        "type": type(error).__name__,
        "message": message[0][:500] if message else "",
        "details": details[-DETAILS_CHARACTERS:],
    }


def write_json(path: Path, value: Any) -> None:
    """Write JSON beside its place, flush it to the disk, and rename it into place."""
    scratch = path.with_name(path.name + ".tmp")
    with scratch.open("w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


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
    run_job(json.loads(Path(job_file).read_text(encoding="utf-8")), pipe_emitter(int(descriptor)))


if __name__ == "__main__":
    main()
