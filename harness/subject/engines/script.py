"""The engine of `[subject] script`: a script that parses `TrainingArguments` and calls `Trainer.train`, unmodified.

It runs as the main program of this process, its flags made of the cell. The class's own `train` is wrapped while it
runs; that wrapper attaches to whichever Trainer is trained, and lets it train.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import runpy
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer

from harness.errors import SpecError
from harness.protocol import OWN_DATA
from harness.subject import arguments as subject_arguments
from harness.subject.engines.attached import Attached, ForeignCode
from harness.subject.engines.setup import Clock, Emit, Mark, Setup, Trained, requested_of
from harness.subject.watch.stopwatch import Stopwatch
from harness.task import named_task

CHECKPOINT = "{checkpoint}"
"""In the value of an argument: the checkpoint's folder."""

CHECKPOINT_FLAG = "model_name_or_path"
"""Where no argument names the checkpoint's folder: the flag by which the scripts of transformers take it."""

TORCH_SEED = 67280421310721
"""What torch's stream begins with in a new interpreter. A forked child has another: what the script draws before it
seeds anything would not be what it draws when it is run alone."""


class _Over(BaseException):
    """A timed script has taken its last step: nothing of what follows is measured. No `except Exception` takes it."""


def prepare(job: dict[str, Any], folder: Path, emit: Emit, clock: Clock) -> Setup:
    """A script's cell made ready: its arguments; all else is the script's own."""
    cell = job["cell"]
    stopwatch = Stopwatch(job["timing"], cell["precision"], emit) if "timing" in job else None
    return unknown(cell, folder, requested_of(job, folder), stopwatch)


def unknown(cell: dict[str, Any], folder: Path, requested: dict[str, Any], stopwatch: Stopwatch | None = None) -> Setup:
    """What is known of a script before it trains, which is nothing of its data and its model."""
    return Setup(
        cell=cell,
        task=named_task(OWN_DATA),
        folder=folder,
        splits=None,
        tokenizer=None,
        collator=None,
        model=None,
        trainable=0,
        loaded={},
        requested=requested,
        arguments=None,
        build_model=lambda: None,
        score=lambda logits, labels: {},
        stopwatch=stopwatch,
    )


def train(setup: Setup, emit: Emit, mark: Mark, clock: Clock, job: dict[str, Any]) -> Trained:
    """Run the script to its end, watching the Trainer that it trains.

    Raises
    ------
    ForeignCode
        Where it refuses its flags, leaves with an error, or trains no Trainer, or more than one.
    """
    subject = job["subject"]
    flags = [*_own(subject["arguments"], job["checkpoint"]["path"]), *_arguments(setup.requested)]
    watch = Watch(setup, job["accelerator"], emit, mark, clock)
    os.chdir(subject["folder"])  # what its arguments name lies beside the grid
    torch.manual_seed(TORCH_SEED)
    with watch.patched():
        run(subject["path"], subject["name"], flags, watch)
    clock.lap("predict")
    return watch.left(subject["name"])


class Watch:
    """Wraps `Trainer.train` and attaches to the one Trainer whose `train` is called."""

    def __init__(self, setup: Setup, accelerator: str | None, emit: Emit, mark: Mark, clock: Clock) -> None:
        self.setup, self._accelerator, self._emit, self._mark, self._clock = setup, accelerator, emit, mark, clock
        self._attached: Attached | None = None
        self.calls = 0

    @contextmanager
    def patched(self) -> Iterator[None]:
        """While this lasts, whoever calls `train` of a Trainer calls ours."""
        original = Trainer.train

        @functools.wraps(original)
        def train(trainer: Any, *args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            if self.calls > 1:
                raise ForeignCode("Trainer.train is called a second time; allowed once a run: each is a run of its own")
            self._attached = attached = Attached(trainer, self.setup, self._accelerator, self._emit, self._mark)
            self._clock.lap("load")
            result = original(trainer, *args, **kwargs)
            attached.trained(result)
            self._clock.lap("train")
            if self.setup.stopwatch is not None:
                raise _Over
            return result

        Trainer.train = train
        try:
            yield
        finally:
            Trainer.train = original

    def left(self, name: str) -> Trained:
        """What the run leaves.

        Raises
        ------
        ForeignCode
            Where not one Trainer was trained, or more.
        """
        if self.calls > 1:
            raise ForeignCode(f"{name}: Trainer.train is called {self.calls} times; allowed once: each is a run")
        if self._attached is None:
            raise ForeignCode(f"{name}: it came to its end and never called Trainer.train: there is nothing to watch")
        return self._attached.left()


def run(path: str, name: str, flags: list[str], watch: Watch, module: str | None = None) -> None:
    """Run a script, or a module, as the main program; an end that says nothing bad is none.

    Raises
    ------
    ForeignCode
        Where it refuses its flags, or leaves with an error status.
    """
    refused: list[str] = []
    parser_error = argparse.ArgumentParser.error

    def error(parser: argparse.ArgumentParser, message: str) -> Any:
        refused.append(message)
        parser_error(parser, message)

    argv, paths = sys.argv, list(sys.path)
    sys.argv = [path, *flags]
    argparse.ArgumentParser.error = error  # type: ignore[method-assign, assignment]
    try:
        if module is not None:
            sys.path.insert(0, str(Path.cwd()))
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        else:
            sys.path.insert(0, str(Path(path).parent))
            runpy.run_path(path, run_name="__main__")
    except _Over:
        pass
    except SystemExit as end:
        if refused and end.code == 2:
            raise ForeignCode(f"{name}: it refuses its flags: {refused[-1]}") from None
        if end.code not in (None, 0):
            where = "after" if watch.calls else "before it had called"
            raise ForeignCode(f"{name}: it left with {end.code!r} {where} Trainer.train") from None
    finally:
        argparse.ArgumentParser.error = parser_error  # type: ignore[method-assign]
        sys.argv, sys.path[:] = argv, paths


def _own(arguments: Mapping[str, Any], checkpoint: str) -> list[str]:
    """The script's own flags, the checkpoint's among them."""
    found: list[str] = []
    named = False
    for name, value in arguments.items():
        words = [str(one) for one in (value if isinstance(value, list) else [value])]
        named = named or any(CHECKPOINT in word for word in words)
        found.append(f"--{name}")
        if value is not True:  # a switch; also those with `nargs="?"` take it so
            found += [word.replace(CHECKPOINT, checkpoint) for word in words]
    return found if named else [f"--{CHECKPOINT_FLAG}", checkpoint, *found]


def _arguments(requested: Mapping[str, Any]) -> list[str]:
    """`TrainingArguments` as the flags that `HfArgumentParser` makes of its fields.

    Raises
    ------
    SpecError
        For a value that no flag can say.
    """
    found: list[str] = []
    defaults = subject_arguments.installed_defaults()
    for name, value in subject_arguments.translate(requested).items():
        if value is None:
            if defaults.get(name) is not None:
                raise SpecError(f"argument {name}: got nothing; a script's flags cannot say that")
            continue
        if isinstance(value, list):
            found += [f"--{name}", *map(str, value)] if value else []
        else:
            found += [f"--{name}", json.dumps(value) if isinstance(value, dict) else str(value)]
    return found
