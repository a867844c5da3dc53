"""What both sides of the process boundary know: the harness, and the subject in the environment under test.

Names of files, words that travel, ids of what is embedded, and how a file is handed over. Standard library only, in
Python 3.9: the subject imports this module, `harness.task` and `harness.errors`, and nothing else of the harness.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Literal, get_args

# The software under test, and the three packages its numbers pass through.
SUBJECT = ("torch", "transformers", "datasets", "evaluate", "accelerate")
PACKAGES = (*SUBJECT, "tokenizers", "safetensors", "numpy")
OPTIONAL = ("peft",)
"""Packages that only some recipes need; part of an environment where they are installed."""

Engine = Literal["trainer", "loop", "accelerate"]
ENGINES: tuple[str, ...] = get_args(Engine)

# How an attempt ended. A child says one of the first four; the parent knows the others.
OK, NONFINITE, FAILED, OOM = "ok", "nonfinite", "failed", "oom"
Status = Literal[
    "ok", "collapsed", "nonfinite", "failed", "oom", "timeout",  # final: the cell is done
    "killed", "interrupted", "skipped",  # not final: counted, and tried again
]  # fmt: skip

# Lines of JSON on the socket: `op` from the harness, `event` from the host and, with the job's id, from its children.
RUN, KILL = "run", "kill"
READY, STARTED, EXITED = "ready", "started", "exited"
TRAINING, STEP, EVALUATED, PREDICTING, WINDOW = "training", "step", "evaluated", "predicting", "window"
PREPARE, CELL = "prepare", "cell"
"""Kinds of jobs."""

# An attempt's folder. The first two stay beside the record.
SERIES, LOG = "series.npz", "log.txt"
JOB, RESULT, TRAINER = "job.json", "result.json", "trainer"
BEACON, RANK_PID, RANK_FILES = "rank-{}.beacon", "rank-{}.pid", "rank-*"
CANNOT_WRITE = 74
"""The exit status of a child that could not write `RESULT` (EX_IOERR)."""

# Checkpoints and tasks. Raise a version when what is generated changes: content ids depend on it.
TINY_BERT, TINY_BERT_VERSION = "embedded/tiny-bert", 1
EMBEDDED_TASK, CORPUS_VERSION = "embedded/paraphrase", 1
CORPUS_SIZES = {"train": 800, "validation": 240}
OWN_DATA = "own data"
"""The task of cells whose training code brings its data along."""
CHECKPOINT_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
"""Files of a checkpoint that decide what it is; READMEs and other formats' weights do not."""
WEIGHTS_INDEX = "model.safetensors.index.json"
CHECKPOINT_PARTS = {
    "weights_sha256": ("*.safetensors",),
    "config_sha256": ("config.json",),
    "tokenizer_sha256": ("token*.json", "special_tokens_map.json", "added_tokens.json", "vocab*", "*.txt", "*.model"),
}
"""A checkpoint's identities, and the files of each: other tokens or another size are not other weights."""
DATA_FACTS = "harness-facts.json"
"""In a tokenized task's folder, beside a folder a split: the facts of the raw data."""
SUMS = "harness.sha256"
"""In a folder of the cache: the sha256 of each file that it was kept with, as `sha256sum` writes them."""

NO_GPU = ("", "-1", "NoDevFiles")
"""Values of `CUDA_VISIBLE_DEVICES` by which a user says: on the CPU, whatever is here."""

MOST_OTHERS = 0.1
"""Cores that other processes may keep busy while something is timed."""
STAT = Path("/proc/stat")


def write_whole(path: Path, content: str | bytes) -> None:
    """Write beside the place, flush to the disk, rename into place: a reader finds all of it or nothing.

    The name beside it cannot be guessed, and is never one that is there: nobody can lay a link in the way.
    """
    scratch = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")
    try:
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o666)
        with open(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            scratch.unlink()
        raise


def checkpoint_problem(folder: Path) -> str | None:
    """Why a folder is no checkpoint, or its weights are refused; None where neither holds.

    Pickled weights could run code, and what an index names elsewhere would be in no hash of the folder.
    """
    if not (folder / "config.json").is_file():
        return f"{folder} has no config.json"
    if not any(path.is_file() for path in folder.glob("*.safetensors")):
        return f"{folder} has no .safetensors file; pickled weights are refused"
    index = folder / WEIGHTS_INDEX
    if not index.is_file():
        return None
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        for name in names:
            if not name.endswith(".safetensors") or "/" in name or not (folder / name).is_file():
                allowed = "names of .safetensors files that lie beside it"
                return f"{index}: weight_map: got {name!r:.80}; allowed {allowed}"
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        return f"{index}: weight_map: cannot be read: {type(error).__name__}: {error!s:.80}"
    return None


def read_sums(folder: Path) -> dict[str, str]:
    """The sha256 of each file that a folder of the cache was kept with, by its path there; empty where none is told."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return {}
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def processor_seconds() -> tuple[float | None, float | None]:
    """CPU seconds since the machine started: busy with any process, and taken by the hypervisor.

    Idle time and waiting for disks are neither. None where the system does not count them (they are Linux's).
    """
    try:
        words = STAT.read_text(encoding="ascii").split("\n", 1)[0].split()
        user, nice, system, _, _, interrupts, soft, stolen = map(int, words[1:9])
    except (OSError, ValueError):
        return None, None
    tick = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + interrupts + soft) / tick, stolen / tick
