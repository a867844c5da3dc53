"""A run that no grid asked for: a command is run, watched, and leaves a record like any other."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.errors import SpecError, StoreError
from harness.execution.attempt import tidy
from harness.execution.environment import CURRENT, START, probe_environment
from harness.execution.outcome import Heading, death, failed_record, finished_record, read_result
from harness.grid.cell import Cell, Checkpoint
from harness.protocol import JOB, OWN_DATA, write_whole
from harness.record.entry import Entry
from harness.record.provenance import now, provenance
from harness.record.store import Store
from harness.text import short_hash, show

STORE: Final = "watch"
"""The name of the store that these runs are kept in, beside those of grids."""


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
        said = [*self.flags, ""]
        source = _value(said, "model_name_or_path") or OWN_DATA
        seed = _value(said, "seed")
        precision = next((name for name in ("bf16", "fp16") if _switch(said, name)), "fp32")
        return Cell(
            task=OWN_DATA,
            checkpoint=Checkpoint(Path(self.name).name, source),
            seed=int(seed) if seed and seed.isdecimal() else 42,
            recipe={},
            precision=precision,
            subject={"watched": [self.name, *self.flags]},
        )


def read_command(words: Sequence[str]) -> Command:
    """Read `python SCRIPT FLAG...` or `python -m MODULE FLAG...`; raises SpecError for anything else."""
    allowed = "allowed python SCRIPT FLAG ..., or python -m MODULE FLAG ..."
    if len(words) < 2 or not Path(words[0]).name.startswith("python"):
        raise SpecError(f"watch: got {show(' '.join(words))}; {allowed}")
    python = shutil.which(words[0])
    if python is None:
        raise SpecError(f"watch: got {show(words[0])}, which is no program here; {allowed}")
    module = words[1] == "-m"
    name, *flags = words[2:] if module else words[1:]
    if not module and not Path(name).is_file():
        raise SpecError(f"watch: got {show(name)}, which is no file; {allowed}")
    return Command(python, name, module, tuple(flags))


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
        attempt = store.begin(cell.cell_id, environment.environment_id)
        path = Path(command.name).resolve()
        sha256 = None if command.module else hashlib.sha256(path.read_bytes()).hexdigest()
        heading = Heading(
            cell, STORE, environment.environment_id, short_hash([command.name, sha256]), provenance(Path.cwd()),
            attempt, now(), measurement=max(earlier, default=0) + 1,
        )  # fmt: skip
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
            record = finished_record(heading, result, "spawn")
        entry = store.write(record, attempt)
        tidy(attempt.folder)
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


def _value(words: Sequence[str], name: str) -> str | None:
    for word, after in itertools.pairwise(words):
        if word == f"--{name}":
            return after
        if word.startswith(f"--{name}="):
            return word.partition("=")[2]
    return None


def _switch(words: Sequence[str], name: str) -> bool:
    value = _value(words, name)
    return value is not None and value.lower() not in ("false", "0", "no")
