"""The engine of `[subject] trainer`: a Trainer that a function of somebody else's makes, trained and evaluated here."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from transformers import Trainer, set_seed

from harness.protocol import PREDICTING
from harness.subject.context import TrainingContext
from harness.subject.data import checkpoints
from harness.subject.engines import attached as watching
from harness.subject.engines.attached import Attached, ForeignCode
from harness.subject.engines.setup import Clock, Emit, Mark, Setup, Trained
from harness.subject.engines.setup import prepare as prepare
from harness.subject.engines.trainer import StopAndSave, saved_at


def train(setup: Setup, emit: Emit, mark: Mark, clock: Clock, job: dict[str, Any]) -> Trained:
    """Have the function make its Trainer, train that and evaluate it, watched.

    Raises
    ------
    ForeignCode
        Where there is no such function, or what it returns is no Trainer.
    """
    make, resume_at, saved = _function(job["subject"]), setup.cell.get("resume_at", 0), None
    if resume_at:
        before = _made(make, setup, job)
        watching.prepare(before, setup.cell, job["accelerator"])
        before.add_callback(StopAndSave(resume_at, emit))
        before.train()
        saved = checkpoints.weights_sha256(before.model)
    trainer = _made(make, setup, job)
    attached = Attached(trainer, setup, job["accelerator"], emit, mark)
    clock.lap("load")
    result = trainer.train(resume_from_checkpoint=saved_at(setup, resume_at) if resume_at else None)
    attached.trained(result)
    clock.lap("train")
    if setup.stopwatch is None and not attached.evaluated and trainer.eval_dataset is not None:
        emit({"event": PREDICTING})
        mark("predicting")
        trainer.evaluate()
        clock.lap("predict")
    left = attached.left()
    return left._replace(facts={**left.facts, "saved_sha256": saved})


def _function(subject: dict[str, Any]) -> Any:
    module, _, name = subject["name"].partition(":")
    sys.path.insert(0, subject["folder"])
    found = getattr(importlib.import_module(module), name, None)
    if not callable(found):
        raise ForeignCode(f"trainer {subject['name']}: {module} has no function {name}")
    return found


def _made(make: Any, setup: Setup, job: dict[str, Any]) -> Any:
    if setup.cell["head_seeding"] == "seeded":
        set_seed(setup.cell["seed"])
    splits = setup.splits or {}
    folder = Path(setup.arguments.output_dir) / "own"
    folder.mkdir(parents=True, exist_ok=True)
    trainer = make(
        TrainingContext(
            arguments=setup.arguments,
            seed=setup.cell["seed"],
            checkpoint=Path(job["checkpoint"]["path"]),
            build_model=setup.build_model,
            tokenizer=setup.tokenizer,
            collator=setup.collator,
            train=splits.get("train"),
            validation=splits.get("validation"),
            compute_metrics=_metrics(setup) if splits else None,
            folder=folder,
        )
    )
    if not isinstance(trainer, Trainer):
        raise ForeignCode(f"trainer {job['subject']['name']}: returned {type(trainer).__name__}; allowed a Trainer")
    return trainer


def _metrics(setup: Setup) -> Any:
    def compute_metrics(prediction: Any) -> dict[str, float]:
        return setup.score(prediction.predictions, prediction.label_ids)

    return compute_metrics
