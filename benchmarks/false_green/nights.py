"""Accidents of a night under way: killed, interrupted, crashing, hanging, a full disk, another runner."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

from benchmarks.false_green.base import grid_text
from benchmarks.false_green.command import ANSI, GRID, Place
from benchmarks.false_green.judge import Outcome
from benchmarks.false_green.made import Made, NotMade, maker
from benchmarks.false_green.records import newest

PATIENCE_S: Final = 120.0
PRIVATE: Final = ("unshare", "-rm", "true")
"""Whether a user may mount something that only his own processes see."""


def begin(place: Place) -> tuple[subprocess.Popen[bytes], Path]:
    """Begin a night of which five cells are left, and wait for the first record: it is in the middle then."""
    for seed in (1, 2, 3, 4, 5):
        shutil.rmtree(newest(place, seed, "bf16").parents[1])
    place.type(["store", "reindex", place.results.name])
    before = _records(place)
    log = place.folder / "night.log"
    process = place.start(["run", GRID, "--slots", "1"], log)
    end = time.monotonic() + PATIENCE_S
    while _records(place) <= before:
        if process.poll() is not None or time.monotonic() > end:
            os.killpg(process.pid, signal.SIGKILL)
            raise NotMade(f"the night did not begin: {log.read_text(encoding='utf-8', errors='replace')[-300:]}")
        time.sleep(0.05)
    return process, log


def _records(place: Place) -> int:
    return len(list(place.results.glob("cells/*/*/*/*/record.json")))


def _killed(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@maker("time-is-up")
def time_is_up(place: Place) -> Made:
    shutil.rmtree(place.results)
    words = ["--max-hours", "0"]
    return Made({"run": words, "bench": words})


@maker("killed")
def killed(place: Place) -> Made:
    process, _ = begin(place)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(3)  # its children have until now to see that they are alone
    return Made()


@maker("interrupted")
def interrupted(place: Place) -> Made:
    process, log = begin(place)
    os.kill(process.pid, signal.SIGINT)
    code = process.wait(PATIENCE_S)
    text = ANSI.sub("", log.read_text(encoding="utf-8", errors="replace"))
    lines = [line for line in text.splitlines() if line.strip()]
    return Made(ran=Outcome(code, lines[-1] if lines else "", text, lines=tuple(lines[-6:])))


@maker("crashing-cell")
def crashing_cell(place: Place) -> Made:
    """An optimizer whose package is not installed: the Trainer raises, every time."""
    place.grid.write_text(
        grid_text().replace("precision = [", 'include = [{ seed = 9, precision = "fp32", checkpoint = "./model", '
                            'optim = "adamw_bnb_8bit" }]\nprecision = ['),
        encoding="utf-8",
    )  # fmt: skip
    return Made(runs=True)


@maker("hanging-cell")
def hanging_cell(place: Place) -> Made:
    """One cell is left, and its process stops in the first second and never goes on."""
    shutil.rmtree(newest(place).parents[1])
    place.type(["store", "reindex", place.results.name])
    text = grid_text(more="\n[execution]\ntimeout_minutes = 0.3\nfirst_step_timeout_minutes = 0.3\n")
    place.grid.write_text(text, encoding="utf-8")
    folder = place.folder / "hanging"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(HANGING, encoding="utf-8")
    place.paths.append(folder)
    return Made(runs=True)


HANGING: Final = '''"""Whoever trains here hangs: the host is well, and so is what it prepares; each cell is not."""
import os
import time


def hang(*_, **__):
    time.sleep(600)


def plant():
    import transformers

    transformers.Trainer.train = hang


os.register_at_fork(after_in_child=plant)
'''


@maker("all-collapsed")
def all_collapsed(place: Place) -> Made:
    place.grid.write_text(grid_text(epochs=1, rate=1.0), encoding="utf-8")
    place.accepted.unlink()
    return Made(runs=True)


def _mounted(place: Place, mount: str) -> str:
    if subprocess.run(PRIVATE, capture_output=True, check=False).returncode:
        raise NotMade("this user may not mount a file system of its own (unshare -rm)")
    return f"unshare -rm bash -c '{mount} && exec \"$@\"' night {{}}"


@maker("full-disk")
def full_disk(place: Place) -> Made:
    """A file system of 1 MiB, full but for the grid's own needs."""
    shutil.rmtree(place.folder / "results")
    (place.folder / "results").mkdir()
    mount = "mount -t tmpfs -o size=1m tmpfs results && (head -c 2000000 /dev/zero > results/full 2>/dev/null || true)"
    return Made(around=_mounted(place, mount))


@maker("read-only")
def read_only(place: Place) -> Made:
    shutil.rmtree(newest(place).parents[1])
    place.type(["store", "reindex", place.results.name])
    mount = "mount --bind results results && mount -o remount,bind,ro results"
    return Made(around=_mounted(place, mount))


@maker("two-runners")
def two_runners(place: Place) -> Made:
    process, _ = begin(place)
    return Made(shared=True, end=lambda: _killed(process))
