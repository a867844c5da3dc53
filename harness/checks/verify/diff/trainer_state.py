"""A `trainer_state.json`: what a Trainer logged of a run that the harness never saw."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.errors import SpecError
from harness.record.model import RECORD
from harness.text import show
from harness.validation import decoded, read_bytes

NAME: Final = "trainer_state.json"
WANTED: Final = "a trainer_state.json, which a Trainer writes into each checkpoint"
MOST: Final = 256 * 2**20
"""Bytes of a file: a million logged steps and some."""
SETTINGS: Final = ("max_steps", "num_train_epochs", "train_batch_size", "logging_steps")
"""Settings that such a file has beside its logs."""
TRAINED: Final = ("loss", "grad_norm", "learning_rate")
"""Logged of training itself; what else is logged is a score, or a timing."""
_LEFT: Final = re.compile(r"epoch|step|total_flos|num_input_tokens_seen|.*(_runtime|_per_second|_mem_\w+)")
"""What is logged and no result: counts, times and memory."""
_CHECKPOINT: Final = re.compile(r"checkpoint-(\d+)")


@dataclass(frozen=True)
class TrainerState:
    """By name what was logged, as {step: value}; steps are the Trainer's own, the first update is step 1.

    A logged loss is the mean over the updates since the one before: `windows` has by step where its begins.
    """

    name: str
    settings: Mapping[str, Any]
    logged: Mapping[str, Mapping[int, float]]
    windows: Mapping[int, int]


def find_trainer_state(text: str) -> Path | None:
    """The file that a name means: such a file, or a folder with one, or with checkpoints, of which the last counts.

    None where it means something else; a missing file of that name is meant.
    """
    path = Path(text)
    if path.name == NAME or (path.suffix == ".json" and path.name != RECORD and _has_logs(path)):
        return path
    if not path.is_dir() or (path / RECORD).exists():
        return None
    found = [(int(match[1]), one) for one in path.iterdir() if (match := _CHECKPOINT.fullmatch(one.name))]
    places = [path, *(one for _, one in sorted(found, reverse=True))]
    return next((one / NAME for one in places if (one / NAME).is_file()), None)


def _has_logs(path: Path) -> bool:
    """Whether a JSON file of another name says that it has a Trainer's logs."""
    try:
        return path.is_file() and path.stat().st_size <= MOST and b'"log_history"' in path.read_bytes()
    except OSError:
        return False


def read_trainer_state(path: Path) -> TrainerState:
    """Read what was logged.

    Raises
    ------
    SpecError
        Naming file and field where it is not there, torn, no such file, or has no logged step.
    """
    file = str(path)
    text = decoded(read_bytes(path, WANTED, MOST), file)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SpecError(f"{file}: is no whole JSON file ({error}); allowed {WANTED}") from error
    logs = data.get("log_history") if isinstance(data, dict) else None
    if not isinstance(logs, list):
        raise SpecError(f"{file}: log_history: got {show(logs)[:80]}; allowed the list of {WANTED}")
    logged: dict[str, dict[int, float]] = {}
    windows: dict[int, int] = {}
    before = 0
    for step, name, value in _values(logs, file):
        logged.setdefault(name, {})[step] = value
        if name == "loss":
            windows[step], before = before, step
    if not logged:
        raise SpecError(f"{file}: log_history: got no logged value; allowed at least one: a smaller logging_steps")
    settings = {name: data[name] for name in SETTINGS if isinstance(data.get(name), int | float)}
    return TrainerState(file, settings, logged, windows)


def _values(logs: list[Any], file: str) -> Iterator[tuple[int, str, float]]:
    for at, one in enumerate(logs):
        place = f"{file}: log_history.{at}"
        if not isinstance(one, dict):
            raise SpecError(f"{place}: got {show(one)[:80]}; allowed a table of logged values")
        step = one.get("step")
        if not isinstance(step, int) or isinstance(step, bool) or step < 0:
            raise SpecError(f"{place}.step: got {show(step)[:80]}; allowed a whole number from 0")
        for name, value in one.items():
            if _LEFT.fullmatch(name) or value is None:
                continue
            if isinstance(value, int | float) and not isinstance(value, bool):
                yield step, name, float(value)
            elif name in TRAINED:
                raise SpecError(f"{place}.{name}: got {show(value)[:80]}; allowed a number")
