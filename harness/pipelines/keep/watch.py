"""A run that no grid asked for: a command is run, watched, and leaves a record like any other."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from harness.errors import SpecError, StoreError
from harness.execution.attempt import tidy
from harness.execution.environment import CURRENT, START, probe_environment
from harness.execution.outcome import Heading, death, failed_record, finished_record, read_result, switches
from harness.grid.cell import Cell, Checkpoint
from harness.protocol import JOB, OWN_DATA, write_whole
from harness.record.entry import Entry
from harness.record.provenance import now, provenance
from harness.record.store import Store
from harness.text import short_hash, show

STORE: Final = "watch"
"""The name of the store that these runs are kept in, beside those of grids."""
TOLD: Final = ("seed", "model_name_or_path")
"""Flags that have a place of their own in what was asked for."""
LAUNCHERS: Final = ("torchrun", "accelerate", "deepspeed", "mpirun", "mpiexec", "srun")
"""Programs that start ranks."""
LAUNCHING: Final = ("torch.distributed.", "accelerate.", "deepspeed.")
"""Beginnings of modules that do."""
OFF: Final = ("false", "0", "no")
"""How a flag says that it is off."""


@dataclass(frozen=True)
class Command:
    """A command that runs Python code: the interpreter, a script's path or a module's name, and its own flags."""

    python: str
    name: str
    module: bool
    flags: tuple[str, ...]

    @property
    def cell(self) -> Cell:
        """What was asked for, as far as the flags say it; all else is the code's own."""
        said = _arguments(self.flags)
        seed = said.get("seed", "")
        precision = next((name for name in ("bf16", "fp16") if said.get(name, "false").lower() not in OFF), "fp32")
        return Cell(
            task=OWN_DATA,
            checkpoint=Checkpoint(Path(self.name).name, said.get("model_name_or_path") or OWN_DATA),
            seed=int(seed) if seed.isdecimal() else 42,
            recipe={},
            precision=precision,
            subject={"watched": self.name, "arguments": {name: said[name] for name in said if name not in TOLD}},
        )


def read_command(words: Sequence[str]) -> Command:
    """Read `python SCRIPT FLAG...` or `python -m MODULE FLAG...`; raises SpecError for anything else, and for ranks."""
    allowed = "allowed python SCRIPT FLAG ..., or python -m MODULE FLAG ..."
    module = words[2] if len(words) > 2 and words[1] == "-m" else ""
    launcher = bool(words) and Path(words[0]).name in LAUNCHERS
    if launcher or f"{module}.".startswith(LAUNCHING):
        alone = "allowed one process: several ranks need a grid with [subject] script and devices = [2]"
        raise SpecError(f"watch: got {show(module or words[0])}, which starts ranks; {alone}")
    if (ranks := os.environ.get("WORLD_SIZE", "1")) != "1":
        raise SpecError(f"watch: got WORLD_SIZE={show(ranks)}; allowed unset, one process: several ranks need a grid")
    if len(words) < 2 or not Path(words[0]).name.startswith("python"):
        raise SpecError(f"watch: got {show(' '.join(words))}; {allowed}")
    python = shutil.which(words[0])
    if python is None:
        raise SpecError(f"watch: got {show(words[0])}, which is no program here; {allowed}")
    name, *flags = words[2:] if module else words[1:]
    if not module and not Path(name).is_file():
        raise SpecError(f"watch: got {show(name)}, which is no file; {allowed}")
    return Command(python, name, bool(module), tuple(flags))


def watch(command: Command, results: Path) -> tuple[Entry, Path]:
    """Run a command to its end as if it ran alone; its record's entry and folder.

    Its output goes where this process's goes.

    Raises
    ------
    HarnessError
        RequirementError for an interpreter without the packages under test; StoreError where the same command is
        being watched already, or the record cannot be written.
    """
    environment = probe_environment(CURRENT, command.python)
    cell, store = command.cell, Store(results, STORE)
    lock = store.lock(cell.cell_id)
    if lock is None:
        raise StoreError(f"{store.cell_folder(cell.cell_id)}: the same command is being watched; allowed one at a time")
    try:
        earlier = [one.measurement for one in store.adopt(cell.cell_id)]
        path = Path(command.name).resolve()
        sha256 = None if command.module else hashlib.sha256(path.read_bytes()).hexdigest()
        left = store.unfinished(cell.cell_id)
        attempt = store.begin(cell.cell_id, environment.environment_id)
        heading = Heading(
            cell, STORE, environment.environment_id, short_hash([command.name, sha256]), provenance(Path.cwd()),
            attempt, now(), measurement=max(earlier, default=0) + 1,
        )  # fmt: skip
        for one in left:
            tidy(one.folder)
            here = replace(heading, attempt=one, environment_id=one.folder.parent.name)
            store.write(failed_record(here, "killed", "the harness was killed while this attempt ran"), one)
        job: dict[str, Any] = {
            "folder": str(attempt.folder.resolve()),
            "cell": {**cell.asked(), "precision": None},
            "checkpoint": {"sha256": None},
            "data": None,
            "module": command.name if command.module else None,
            "flags": list(command.flags),
            "subject": {
                "kind": "watched", "name": command.name, "path": str(path), "sha256": sha256, "package": None,
                "version": None, "metrics": [],
            },
        }  # fmt: skip
        status, interrupted = _run(command.python, attempt.folder, job)
        result = read_result(attempt.folder)
        if interrupted and result is None:
            record = failed_record(heading, "interrupted", "interrupted")
        elif result is None:
            record = failed_record(heading, *death(status, 0))
        else:
            record = finished_record(heading, result, "spawn", variables=switches())
        tidy(attempt.folder)  # before the record: an attempt that has one is never looked at again
        entry = store.write(record, attempt)
        return entry, attempt.folder
    finally:
        lock.release()


def _run(python: str, folder: Path, job: dict[str, Any]) -> tuple[int, bool]:
    """The process's status, and whether it was interrupted: Ctrl-C reaches both, and the record is still to write."""
    write_whole(folder / JOB, json.dumps(job))
    process = subprocess.Popen([python, START, "process.watched", str((folder / JOB).resolve())])
    interrupted = False
    while True:
        try:
            return process.wait(), interrupted
        except KeyboardInterrupt:
            if interrupted:
                process.kill()
            interrupted = True
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)


def _arguments(flags: Sequence[str]) -> dict[str, str]:
    """What flags say, by name: several words one text, a switch "true"; what comes before the first flag by ""."""
    found: dict[str, list[str]] = {}
    name = ""
    for word in flags:
        if word.startswith("--"):
            name, _, value = word.removeprefix("--").partition("=")
            found[name] = [value] if value else []
        else:
            found.setdefault(name, []).append(word)
    return {name: " ".join(words) or "true" for name, words in found.items()}
