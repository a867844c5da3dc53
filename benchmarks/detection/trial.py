"""One trial: a run beside its twin and `verify`, each command in a process of its own; what was tried is kept."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from benchmarks.detection.faults import COMMANDS, Clean, Fault
from benchmarks.detection.judge import Told, told
from benchmarks.false_green.command import Harness, Place
from harness.text import short_hash

PLANT: Final = Path(__file__).with_name("plant")
VARIABLE: Final = "DETECTION_FAULT"
RECIPE: Final[Mapping[str, Any]] = {
    "per_device_train_batch_size": 32,
    "num_train_epochs": 2,
    "learning_rate": 1e-3,
    "weight_decay": 0.01,
    "warmup_steps": 4,
}
"""Two epochs of 25 steps, evaluated each; what a fault may act on is on."""
MATRIX: Final = ("seed", "precision", "resume_at")
MODEL: Final = "model"
DAMAGED: Final[Mapping[str, Any]] = {"cased-tokenizer": ("tokenizer_config.json", {"do_lower_case": False})}
"""Faults of the checkpoint's folder: a file of it, and what is written over its values."""
COPIED: Final = "copied-checkpoint"
ON_DISK: Final = (*DAMAGED, COPIED)
"""Of the list what trains from a folder beside its grid."""
DONE: Final = "done"
TIMED_OUT: Final = 124
"""The exit code of what took longer than `benchmarks.false_green.command` lets a command take."""
CHECKPOINT: Final = "embedded/tiny-bert"
NOTHING: Final = "nothing"
KINDS: Final = ("accumulation", "eval_batch", "resume", "observation", "engine")
"""Pairs that `verify` runs where the list does not say: 13 cells of one rank, each checked for fidelity too."""
CLEAN_KINDS: Final = ("repeat", "eval_batch", "engine")
"""Of a clean variant: the other pairs are variants themselves, and what all of them come to is another report's."""


def grid_text(on: Mapping[str, Any], checkpoint: str) -> str:
    """The grid of one run."""
    axes = {"seed": 42, **{name: on[name] for name in MATRIX if name in on}}
    recipe = {**RECIPE, **{name: value for name, value in on.items() if name not in (*MATRIX, "threads")}}
    lines = ['name = "g"', 'task = "embedded/paraphrase"', "[recipe]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in recipe.items()]
    lines += ["[matrix]", f'checkpoint = "{checkpoint}"']
    lines += [f"{name} = {json.dumps(value)}" for name, value in axes.items()]
    lines += ["[execution]", f"threads = {on.get('threads', 1)}"]
    return "\n".join(lines) + "\n"


@dataclass
class Trials:
    """Where trials are made, and the runs without a fault that are there already."""

    folder: Path
    harness: Harness
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self) -> None:
        """Have the run that most others are compared with, and with it the embedded checkpoint in the cache."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._twin({}, False)

    def tried(self, one: Fault | Clean, command: str) -> tuple[Told, Told]:
        """What a command calls it now, and what it called it at the first try; read where that was kept."""
        kept = self._kept(one.name, command)
        if not kept.is_file():
            planted = one.name if isinstance(one, Fault) and one.name not in DAMAGED else NOTHING
            place = self._place(f"{one.name}+{command}", planted)
            checkpoint = self._checkpoint(place, one.name) if one.name in ON_DISK else CHECKPOINT
            found = (self._diffed if command == "diff" else _verified)(place, one, checkpoint)
            if found.code == TIMED_OUT:  # says nothing of the fault: another time
                return found, found
            kept.write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")
            shutil.rmtree(place.folder)
        first = self._kept(one.name, command, first=True)
        return _read(kept), _read(first if first.is_file() else kept)

    def forget(self, one: Fault | Clean) -> None:
        """Have one of the list tried again, and the run beside it; what its first try came to is kept."""
        on = one.on if isinstance(one, Fault) else {}
        (self._twin_folder(on, one.name in ON_DISK) / DONE).unlink(missing_ok=True)
        for command in COMMANDS:
            kept, first = self._kept(one.name, command), self._kept(one.name, command, first=True)
            if kept.is_file() and not first.is_file():
                kept.rename(first)
            kept.unlink(missing_ok=True)

    def _kept(self, name: str, command: str, first: bool = False) -> Path:
        return self.folder / f"{name}.{command}{'.first' if first else ''}.json"

    def _diffed(self, place: Place, one: Fault | Clean, checkpoint: str) -> Told:
        """What `diff` says of the run beside the one that has not the fault, or was not asked for the variant."""
        beside = self._twin(one.on if isinstance(one, Fault) else {}, checkpoint != CHECKPOINT)
        if _run(place, one.on, checkpoint) == TIMED_OUT:
            return Told(TIMED_OUT, ())
        return _told(place, "diff", str(beside), str(_attempt(place)))

    def _place(self, name: str, planted: str) -> Place:
        folder = self.folder / name
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        return Place(folder, self.harness, {VARIABLE: planted}, [PLANT])

    def _twin(self, on: Mapping[str, Any], on_disk: bool) -> Path:
        """The attempt of the run without a fault; it is made once. So is the embedded checkpoint, in the cache."""
        folder = self._twin_folder(on, on_disk)
        with self._lock:
            if not (folder / DONE).is_file():
                place = self._place(folder.name, NOTHING)
                code = _run(place, on, self._checkpoint(place, folder.name) if on_disk else CHECKPOINT)
                if code:
                    raise RuntimeError(f"{folder}: a run without a fault ended with {code}")
                (folder / DONE).touch()
            return _attempt(Place(folder, self.harness))

    def _twin_folder(self, on: Mapping[str, Any], on_disk: bool) -> Path:
        return self.folder / f"twin-{short_hash([dict(on), on_disk])}"

    def _checkpoint(self, place: Place, name: str) -> str:
        """A copy of the embedded checkpoint in this place, damaged as the fault says."""
        folder = f"{MODEL}-copy" if name == COPIED else MODEL
        source = next(self.harness.cache.glob("tiny-bert-*/config.json")).parent
        shutil.copytree(source, place.folder / folder, ignore=shutil.ignore_patterns("harness.sha256"))
        if name in DAMAGED:
            file, values = DAMAGED[name]
            path = place.folder / folder / file
            before = json.loads(path.read_text(encoding="utf-8"))
            path.write_text(json.dumps({**before, **values}, indent=1) + "\n", encoding="utf-8")
        return f"./{folder}"


def _run(place: Place, on: Mapping[str, Any], checkpoint: str) -> int:
    grid = place.folder / "g.toml"
    grid.write_text(grid_text(on, checkpoint), encoding="utf-8")
    return place.type(["run", grid.name, "--retries", "0"], around="{} > run.txt 2>&1")[0]


def _attempt(place: Place) -> Path:
    """The folder of the one attempt of the one cell of the place's grid."""
    return max(place.folder.glob("results/g/cells/*/*/*/*/record.json")).parent


def _verified(place: Place, one: Fault | Clean, checkpoint: str) -> Told:
    """What `verify` says of short runs of its own, of the same recipe, but for where it resumes them itself."""
    asked = {name: value for name, value in one.on.items() if name != "resume_at"}
    (place.folder / "g.toml").write_text(grid_text(asked, checkpoint), encoding="utf-8")
    kinds = (one.kinds if isinstance(one, Fault) else CLEAN_KINDS) or KINDS
    return _told(place, "verify", "g.toml", "--work-around", *(word for kind in kinds for word in ("--only", kind)))


def _told(place: Place, command: str, *arguments: str) -> Told:
    code, _ = place.type([command, *arguments, "--json"], around=f"{{}} > {command}.json 2> {command}.txt")
    try:
        document = json.loads((place.folder / f"{command}.json").read_text(encoding="utf-8"))
    except ValueError:
        document = None
    return told(command, code, document)


def _read(kept: Path) -> Told:
    found = json.loads(kept.read_text(encoding="utf-8"))
    return Told(found["code"], tuple(found["calls"]), found["state"])


def software() -> str:
    """With what the trials were made."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("transformers", "accelerate", "torch"))
    commit = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "log", "-1", "--format=%h of %cs"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return f"{packages}; written by the harness at {commit.stdout.strip() or 'an unknown commit'}."
