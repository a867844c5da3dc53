"""One cell's training run on one rank: made ready, run by its engine, described."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from harness.protocol import OPTIONAL
from harness.subject import arguments as subject_arguments
from harness.subject import facts
from harness.subject.data import adapters, checkpoints
from harness.subject.engines.setup import Clock, Emit, Setup, Trained, beacon, prepare
from harness.subject.watch import inputs
from harness.subject.watch.fingerprint import ID_COLUMN
from harness.subject.watch.observation import is_score
from harness.task import Task

MOST_CLASSES = 20
"""Of a confusion matrix in a record, which has 16 KB."""
ENGINES = {
    "trainer": "harness.subject.engines.trainer",
    "loop": "harness.subject.engines.loop",
    "accelerate": "harness.subject.engines.accelerated",
}
FOREIGN = {"trainer": "harness.subject.engines.foreign", "script": "harness.subject.engines.script"}
"""By the kind of somebody else's training code."""


class RankPart(NamedTuple):
    """What one rank hands over: its result (a record's parts), its series by step, its trace by micro-batch."""

    result: dict[str, Any]
    series: dict[str, np.ndarray]
    trace: dict[str, np.ndarray]


def run_cell(job: dict[str, Any], folder: Path, emit: Emit) -> RankPart:
    """Train, evaluate and predict one cell, as its only process or as one of its ranks.

    Parameters
    ----------
    job
        `cell` (as asked for), `arguments` (resolved `TrainingArguments` without what is owned), `checkpoint`
        (`path`, `sha256`, `config`), `dataset` (folder of the tokenized splits), `data` (its facts), `accelerator`.

    Returns
    -------
    RankPart
        `observed` and `measured` as this rank saw them, its series and its trace.
    """
    clock = Clock(facts.process_age() if job.get("fresh") else 0.0)
    mark = beacon(folder)
    mark("loading")
    cell = job["cell"]
    if "subject" in job:
        engine = import_module(FOREIGN[job["subject"]["kind"]])
        setup = engine.prepare(job, folder, emit, clock)
        trained = engine.train(setup, emit, mark, clock, job)
    else:
        setup = prepare(job, folder, emit, clock)
        trained = import_module(ENGINES[cell["engine"]]).train(setup, emit, mark, clock)
    mark("predicted")
    return describe(job, setup, trained, clock)


def describe(job: dict[str, Any], setup: Setup, trained: Trained, clock: Clock) -> RankPart:
    """One rank's finished run as it is handed over; `clock` has been running since it began."""
    cell, checkpoint = job["cell"], job["checkpoint"]
    final_sha256 = trained.facts.get("final_sha256") or checkpoints.weights_sha256(trained.model)

    around = clock.seconds["train"]  # the whole of `train()`: what the observer did not time was setting up
    seconds = {**clock.seconds, **trained.seconds}
    seconds["setup"] = around - seconds["train"] - seconds["evaluate"]
    seconds["total"] = clock.total()
    model, arguments, scores = trained.model, setup.arguments, trained.scores
    config = getattr(model, "config", None)
    result = {
        "observed": {
            **facts.software(OPTIONAL if setup.frozen_sha256 is not None else ()),
            "threads": torch.get_num_threads(),
            "determinism": facts.determinism(),
            "machine": facts.machine(),
            "data": job["data"],
            "weights": {
                "checkpoint_sha256": checkpoint["sha256"],
                "revision": checkpoint.get("revision"),
                **checkpoint.get("parts", {}),
                "parameters": sum(p.numel() for p in model.parameters()),
                **{name: _shortened(names) for name, names in setup.loaded.items()},
                "init_sha256": trained.facts["init_sha256"],
                "final_sha256": final_sha256,
            },
            "adapter": _adapter(setup, model),
            "model": {
                "class": type(adapters.bare(model)).__name__,
                "attention": getattr(config, "_attn_implementation", None) or "not available",
                "dropout": checkpoints.dropout_probabilities(config) if hasattr(config, "to_dict") else None,
                "dtype": str(next(model.parameters()).dtype).removeprefix("torch."),
                "segments": getattr(config, "type_vocab_size", None),
                "trainable": setup.trainable,
                "dropouts": facts.dropouts(model),
                "device": str(arguments.device),
            },
            "optimizer": trained.optimizer,
            "collator": trained.collator,
            "requested": _without_folders(subject_arguments.translate(setup.requested)),
            "arguments": _without_folders(arguments.to_dict()),
            "optimizer_steps": trained.steps,
            "metrics": job.get("metrics"),
            "fingerprint": {
                "engine": cell["engine"],
                **trained.facts,
                "altered": _altered(setup, trained),
                "non_default_arguments": _without_folders(subject_arguments.differing_from_defaults(arguments)),
            },
        },
        "measured": {
            "metrics": _metrics(setup.task, scores),
            **_answers(setup.task, trained.series),
            "epochs": [
                {"epoch": e["epoch"], "step": e["step"], "metrics": _metrics(setup.task, e)}
                for e in trained.evaluations
            ],
            "train_loss": trained.train_loss,
            "seconds": {key: round(value, 6) for key, value in seconds.items()},
            "train_samples": trained.samples,
            "train_samples_per_second": trained.samples / seconds["train"],
            "peak_memory_mib": facts.peak_memory_mib(),
        },
    }
    if "subject" in job:
        _mark_foreign(result, job, setup, trained)
    if setup.stopwatch is not None:
        shapes = trained.trace["shapes"]
        result["timing"] = setup.stopwatch.part(shapes, _real_tokens(setup, trained.trace))
    return RankPart(result, trained.series, trained.trace)


def _adapter(setup: Any, model: Any) -> dict[str, Any] | None:
    if setup.frozen_sha256 is None:
        return None
    new = setup.loaded["newly_initialised"] or []
    found = adapters.describe(model, new)
    return {
        **found,
        "new_frozen": _shortened(found["new_frozen"]),
        "frozen_before_sha256": setup.frozen_sha256,
    }


def _metrics(task: Task, found: dict[str, Any]) -> dict[str, float]:
    """The scores of an evaluation and its loss, those that the task names first."""
    names = [name for name in task.scored if name in found]
    names += [name for name in found if name not in (*names, "loss", "step") and is_score(name)]
    return {name: float(found[name]) for name in (*names, "loss") if name in found}


def _answers(task: Task, series: dict[str, np.ndarray]) -> dict[str, Any]:
    """What the answers come to: the confusion counts, and whether all of them are the same."""
    logits, labels = series.get("logits"), series.get("labels")
    if logits is None or labels is None or not len(logits):
        return {"confusion": None, "constant": None}
    from harness.subject import metrics  # a timing cell, which is not evaluated, need not wait for it

    constant, classes = metrics.is_constant(task, logits), logits.shape[-1]
    if task.regression or classes > MOST_CLASSES:
        return {"confusion": None, "constant": constant}
    counts = metrics.confusion(metrics.answers(task, logits), labels, classes)
    return {"confusion": {"counts": counts.tolist()}, "constant": constant}


def _mark_foreign(result: dict[str, Any], job: dict[str, Any], setup: Any, trained: Any) -> None:
    """Say whose code it was, and take its scores by its own names, which must have those that the grid lists."""
    subject, evaluated = job["subject"], setup.stopwatch is None and setup.arguments.eval_strategy != "no"
    missing = [name for name in subject["metrics"] if name not in trained.scores]
    if missing and evaluated:
        there = ", ".join(sorted(trained.scores))
        lacking = f"subject.metrics: no {missing[0]} in its last evaluation"
        raise RuntimeError(f"{subject['name']}: {lacking}; allowed {there}")
    known = ("kind", "name", "sha256", "package", "version")
    result["observed"]["subject"] = {**{name: subject[name] for name in known}, **setup.foreign}
    names = [*subject["metrics"], *(name for name in trained.scores if name not in (*subject["metrics"], "loss"))]
    scores = {name: trained.scores[name] for name in (*names, "loss") if name in trained.scores}
    # What its scores are of is its own to say: no counts of ours beside them.
    result["measured"].update(metrics=scores, confusion=None)


def _altered(setup: Any, trained: Any) -> Any:
    if setup.splits is None or setup.foreign:
        return None
    split = setup.splits["train"]
    if ID_COLUMN not in split.column_names or setup.stopwatch is not None:
        return None
    return inputs.altered(
        trained.trace, split, ID_COLUMN, adapters.bare(trained.model), inputs.hashing(setup.tokenizer)
    )


def _real_tokens(setup: Any, trace: dict[str, np.ndarray]) -> np.ndarray | None:
    """Tokens of each micro-batch that are no padding, from its examples' ids; None where some cannot be told."""
    counts = trace["id_counts"]
    if setup.splits is None or setup.foreign:
        return None
    if (counts < 0).any() or not len(counts):
        return None
    train = setup.splits["train"]
    names = np.asarray(train[ID_COLUMN][:])
    lengths = np.zeros(names.max() + 1, dtype=np.int64)
    lengths[names] = [len(ids) for ids in train["input_ids"][:]]
    return np.add.reduceat(lengths[trace["ids"]], np.concatenate([[0], np.cumsum(counts)[:-1]]))


def _without_folders(resolved: dict[str, Any]) -> dict[str, Any]:
    """Resolved arguments but this run's own folders, which say nothing and differ in each record."""
    return {name: value for name, value in resolved.items() if name not in ("output_dir", "logging_dir", "run_name")}


def _shortened(names: list[str] | None, most: int = 40) -> list[str] | None:
    """A record has 16 KB: where whole layers are cut off or added, their weights are counted instead of listed."""
    if names is None or len(names) <= most:
        return names
    return [*names[:most], f"… and {len(names) - most} more"]
