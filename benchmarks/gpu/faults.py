"""What goes wrong on a GPU: two ranks on one board, a board that others use, no memory, a hidden board, a kill."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Final, TypeVar

from benchmarks.gpu.finding import Found
from benchmarks.gpu.place import Place
from harness.checks.verify.diff.paired import state_of
from harness.report.verdicts.json import verdicts_from_json
from harness.subject.watch.noise import children

T = TypeVar("T")
HIDDEN: Final = ("7", "GPU-zz", "MIG-0")
"""Values of CUDA_VISIBLE_DEVICES that name no board of a machine with one."""
HOLDER: Final = "import torch, time; x = torch.zeros(2**29, device='cuda'); print('held', flush=True); time.sleep(600)"
"""Another's process: 2 GiB of the board."""
ONE: Final = ("-s", "checkpoint=base", "-s", "engine=trainer", "-s", "precision=fp32")
FREED_S: Final = 30.0
"""A driver shows a killed process for some seconds more."""


def faults(place: Place, found: Found) -> None:
    """All of them, one after the other."""
    ranks(place, found)
    hosts(place, found)
    killed(place, found)
    for fault in () if place.rehearsal else (busy, memory, hidden):
        fault(place, found)


def ranks(place: Place, found: Found) -> None:
    """Two ranks through gloo on one device (NCCL refuses that), as the host forks them."""
    done = place.python("-m", "benchmarks.gpu.ranks", "cpu" if place.rehearsal else "cuda")
    last = next(reversed(done.out.strip().splitlines()), "nothing")
    # gloo of some builds takes no CUDA tensors: then only the fork is shown, and it says so.
    refused = re.search(r"gloo.*(not support|no support|unsupported).*cuda", done.text, re.IGNORECASE) is not None
    trained = last.startswith("ok ")
    found.claim("two ranks forked from the warm host", "ok", last, None if refused and not trained else trained)


def hosts(place: Place, found: Found) -> None:
    """Forked children and new interpreters, with deterministic algorithms."""
    for host in ("fork", "spawn"):
        place.harness("run", "deterministic.toml", "--host", host, "--results", host)
    name = "gpu-deterministic"
    done = place.harness("diff", f"fork/{name}", f"spawn/{name}", "--json")
    verdicts = verdicts_from_json(done.out)[1] if done.out.startswith("{") else ()
    states = [(one, state_of(one)) for one in verdicts if state_of(one) != "skipped"]
    wrong = [f"{one.subject.label}: {state}" for one, state in states if state != "identical"]
    found.each("fork and spawn are equal", "to the last bit", wrong, len(states))


def killed(place: Place, found: Found) -> None:
    """A cell that is killed leaves a record, the next one starts by itself, and another run tries it again."""
    command = ("run", "quality.toml", "-s", "checkpoint=base", "-s", "engine=trainer", "--results", "kill")
    log = place.folder / "kill.log"
    process = place.start("-m", "harness", *command, log=log)
    # The one checkpoint is prepared once a cell has started: what the host has then is a cell.
    _until(lambda: b"start " in log.read_bytes() or None, 300.0)
    victim = _until(lambda: next(iter(_training(process.pid)), None), 60.0)
    if victim is not None:
        os.kill(victim, signal.SIGKILL)
    codes = [process.wait(), place.harness(*command).code]
    statuses = [one.status for one in place.records("gpu-quality", "kill")]
    shown = ", ".join(f"{statuses.count(name)} {name}" for name in dict.fromkeys(statuses))
    held = "killed" in statuses and codes == [4, 0] if victim is not None else None
    asked = "a record of it, the others go on (exit 4), another run tries it again (exit 0)"
    found.claim("a killed cell", asked, f"{shown}; exit {codes[0]}, then {codes[1]}", held)


def busy(place: Place, found: Found) -> None:
    """A board that another process uses is named with its process, and nothing runs there."""
    holder = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, env=place.environment())
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        started = time.monotonic()
        done = place.harness("run", "quality.toml", *ONE, "--results", "busy")
        # In a container the driver may hide whose memory it is.
        told = f"process {holder.pid}" in done.text or "MiB in use" in done.text
        shown = f"exit {done.code} after {time.monotonic() - started:.0f} s; {'named' if told else 'not named'}"
        found.claim("a board that others use", "exit 4, and it is named", shown, done.code == 4 and told)
    finally:
        holder.kill()
        holder.wait()
    free = _until(lambda: place.harness("run", "quality.toml", *ONE, "--results", "freed").code == 0 or None, FREED_S)
    found.claim("the board once it is free", "the cell runs", "it runs" if free else "it does not", bool(free))


def memory(place: Place, found: Found) -> None:
    """A cell that is too large for the board."""
    done = place.harness("run", "memory.toml", "--retries", "0")
    statuses = [one.status for one in place.records("gpu-memory")]
    held = statuses == ["oom"] and done.code == 4
    found.claim("a cell too large for the device", "status oom, exit 4", f"{statuses}; exit {done.code}", held)


def hidden(place: Place, found: Found) -> None:
    """CUDA_VISIBLE_DEVICES that names no board: never a quiet run on the CPU."""
    for value in HIDDEN:
        done = place.harness("doctor", "quality.toml", variables={"CUDA_VISIBLE_DEVICES": value})
        told = "CUDA_VISIBLE_DEVICES" in done.text
        shown = f"exit {done.code}; {'the variable is named' if told else 'the variable is not named'}"
        found.claim(f"CUDA_VISIBLE_DEVICES={value}", "exit 4, and it is named", shown, done.code == 4 and told)


def _training(harness: int) -> list[int]:
    """The cells' processes of a harness: its grandchildren."""
    return [cell for host in children(harness) for cell in children(host)]


def _until(look: Callable[[], T | None], seconds: float) -> T | None:
    end = time.monotonic() + seconds
    while (seen := look()) is None and time.monotonic() < end:
        time.sleep(0.2)
    return seen
