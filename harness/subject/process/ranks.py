"""A cell on several devices: one process a device, through torch's own elastic launcher, forked from the cell's child.

Gloo on a CPU, NCCL on CUDA, this machine only. Each rank leaves its part in the attempt's folder; the child makes
the result of them. What a rank is doing stands in `rank-N.beacon`, so that a hanging one can be named.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, Callable

from harness.protocol import CANNOT_WRITE, FAILED, RANK_PID, TRAINER, write_whole
from harness.subject.process import isolation, merge_ranks
from harness.subject.process.failure import outcome_of
from harness.subject.train import run_cell

Emit = Callable[[dict[str, Any]], None]
GRACE_S = 1.0
"""How long a rank that met an error waits before it leaves: the rank whose death was the cause must be seen first."""
LEFT_S = 5.0
"""How often is looked for ranks that left in peace, and how long the launcher has to tell any other end first."""


def run(job: dict[str, Any], folder: Path, emit: Emit) -> dict[str, Any]:
    """Run a cell's ranks to their end; the cell's result, or what the first rank to fail left of it."""
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    count = job["cell"]["devices"]
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    logs = folder / TRAINER / "elastic"
    logs.mkdir(parents=True, exist_ok=True)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=job["id"],
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",  # a port that is free
        local_addr="127.0.0.1",
        max_restarts=0,
        start_method="fork",
        logs_specs=DefaultLogsSpecs(log_dir=str(logs)),
    )
    sys.stdout.flush()
    sys.stderr.flush()
    left: list[int] = []
    threading.Thread(target=_follow, args=(folder, count, left), daemon=True).start()
    try:
        elastic_launch(config, _rank)(job, folder, emit, os.getpid())
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if not left or rank in left:
            return _blame(folder, count, rank, failure.exitcode)
    except SignalException as error:
        # The launcher has ended the ranks; this process dies of its signal, as one without ranks does.
        signal.signal(error.sigval, signal.SIG_DFL)
        os.kill(os.getpid(), error.sigval)
    left += _without_part(folder, count)
    if left:
        return {"status": FAILED, "died": {"rank": left[0], "status": 0}}
    return merge_ranks.merge([merge_ranks.load_part(folder, rank) for rank in range(count)], folder)


def _follow(folder: Path, count: int, left: list[int]) -> None:
    """Note in `left` a rank that has left without an error and without its part, and end those that wait for it."""
    while True:
        time.sleep(LEFT_S)
        if _gone(folder, count):
            time.sleep(LEFT_S)
            left += _gone(folder, count)
            for pid in _pids(folder, count).values():
                if pid in isolation.own_children():
                    os.kill(pid, signal.SIGKILL)
            return


def _gone(folder: Path, count: int) -> list[int]:
    """Ranks that are no more and left no part, while others are still there; none where the system does not tell."""
    pids, here = _pids(folder, count), isolation.own_children()
    return here and [rank for rank in _without_part(folder, count) if rank in pids and pids[rank] not in here]


def _without_part(folder: Path, count: int) -> list[int]:
    return [rank for rank in range(count) if not merge_ranks.has_part(folder, rank)]


def _pids(folder: Path, count: int) -> dict[int, int]:
    found = {}
    for rank in range(count):
        with contextlib.suppress(OSError, ValueError):
            found[rank] = int((folder / RANK_PID.format(rank)).read_text(encoding="ascii"))
    return found


def _rank(job: dict[str, Any], folder: Path, emit: Emit, parent: int) -> None:
    """One rank, from its fork to its part."""
    rank = int(os.environ["RANK"])
    isolation.die_with_parent(parent)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)  # the launcher's own handlers came with the fork
    _sign_output(rank)
    try:
        write_whole(folder / RANK_PID.format(rank), str(os.getpid()))
        isolation.set_threads(job["threads"])
        isolation.fresh_randomness()
        part = run_cell(job, folder, emit if rank == 0 else _silent)
        merge_ranks.save_part(folder, rank, part)
        _leave_group()
    except BaseException as error:  # noqa: BLE001 - whatever it was must reach the record, with the rank's number
        traceback.print_exc()
        outcome = {"time": time.time(), **outcome_of(error)}
        try:
            write_whole(folder / f"rank-{rank}.failure", json.dumps(outcome))
        except OSError:
            os._exit(CANNOT_WRITE)
        sys.stdout.flush()
        sys.stderr.flush()
        time.sleep(GRACE_S)
        os._exit(1)


def _blame(folder: Path, count: int, rank: int, exitcode: int) -> dict[str, Any]:
    """The result of a cell whose rank failed: a death by signal goes before errors, an earlier error before later."""
    failures: list[dict[str, Any]] = []
    for number in range(count):
        found = _read(folder / f"rank-{number}.failure")
        if found is not None:
            failures.append({**found, "rank": number})
    if exitcode == CANNOT_WRITE:
        failure = {"type": "OSError", "message": f"rank {rank}: No space left on device", "details": ""}
        return {"status": FAILED, "failure": failure, "disk_full": True}
    if exitcode < 0 or not failures:
        return {"status": FAILED, "died": {"rank": rank, "status": exitcode}}
    first = min(failures, key=lambda failure: failure["time"])
    failure = {**first["failure"], "message": f"rank {first['rank']}: {first['failure']['message']}"}
    return {"status": first["status"], "failure": failure, "disk_full": first["disk_full"]}


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def _leave_group() -> None:
    import torch.distributed

    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def _silent(event: Any) -> None:
    """What the other ranks have to say is what rank 0 says."""


class _Signed(io.TextIOBase):
    """A text stream whose lines begin with the rank that wrote them; each line is one write."""

    def __init__(self, descriptor: int, sign: str) -> None:
        self._descriptor, self._sign, self._rest = descriptor, sign, ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        if lines:
            whole = "".join(f"{self._sign}{line}\n" for line in lines)
            os.write(self._descriptor, whole.encode("utf-8", errors="backslashreplace"))
        return len(text)

    def flush(self) -> None:
        if self._rest:
            self.write("\n")

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor


def _sign_output(rank: int) -> None:
    sys.stdout, sys.stderr = _Signed(1, f"[rank {rank}] "), _Signed(2, f"[rank {rank}] ")
    for name in (None, "transformers", "datasets", "accelerate", "torch"):
        for handler in logging.getLogger(name).handlers:
            if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
                handler.setStream(sys.stderr)
