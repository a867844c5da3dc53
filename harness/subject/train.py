"""One cell's training run: the course's recipe with `Trainer`, observed."""

from __future__ import annotations

import inspect
import os
import time
from pathlib import Path
from typing import Any, Callable

import datasets
import numpy as np
import torch
from transformers import AutoTokenizer, DataCollatorWithPadding, Trainer, set_seed

from harness.subject import arguments as subject_arguments
from harness.subject import checkpoints, facts, ranks
from harness.subject.assembly import RankPart
from harness.subject.fingerprint import Witness
from harness.subject.metrics.paraphrase.paraphrase import Paraphrase
from harness.subject.observation import Observer

Emit = Callable[[dict[str, Any]], None]
COUNTS = ("tp", "fp", "fn", "tn")


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
    clock = _Clock()
    mark = ranks.beacon(folder)
    mark("loading")
    cell, checkpoint = job["cell"], job["checkpoint"]
    splits = datasets.load_from_disk(job["dataset"])
    tokenizer = AutoTokenizer.from_pretrained(checkpoint["path"], trust_remote_code=False)
    clock.lap("tokenize")

    if cell["head_seeding"] == "seeded":
        # The course leaves this out: its head is random even at a fixed seed. "course" keeps that.
        set_seed(cell["seed"])
    model, loaded = checkpoints.load_model(checkpoint["path"], checkpoint["config"])
    if cell.get("accepts_loss_kwargs", "model") is False:
        # The work-around for huggingface/transformers#47688: the Trainer scales the loss itself.
        model.accepts_loss_kwargs = False
    clock.lap("load")

    requested = {**job["arguments"], **_precision(cell["precision"]), "seed": cell["seed"]}
    requested["output_dir"] = str(folder / "trainer")
    requested["use_cpu"] = job["accelerator"] == "cpu"
    if cell["devices"] > 1:
        requested.setdefault("ddp_backend", ranks.backend(job["accelerator"]))
    arguments = subject_arguments.build(requested)
    if arguments.world_size != cell["devices"]:
        raise RuntimeError(f"{cell['devices']} ranks were asked for; the Trainer sees {arguments.world_size}")
    collator = DataCollatorWithPadding(tokenizer=tokenizer)
    metric = Paraphrase(experiment_id=f"cell-{os.getpid()}", keep_in_memory=True)

    def compute_metrics(prediction: Any) -> dict[str, float]:
        predictions = np.argmax(prediction.predictions, axis=-1)
        return metric.compute(predictions=predictions, references=prediction.label_ids)

    trainer = Trainer(
        model,
        arguments,
        train_dataset=splits["train"],
        eval_dataset=splits["validation"],
        data_collator=collator,
        compute_metrics=compute_metrics,
        **_tokenizer_argument(tokenizer),
    )
    if cell.get("accepts_loss_kwargs", "model") is False and getattr(trainer, "model_accepts_loss_kwargs", False):
        raise RuntimeError("accepts_loss_kwargs: got false; this version's Trainer does not ask the model for it")
    # The witness is told of each event first: what it hashes before step 0 is not training time.
    witness = Witness(cell["precision"], mark, compiled=bool(getattr(arguments, "torch_compile", False)))
    witness.attach(trainer)
    observer = Observer(emit)
    observer.attach(trainer)
    if trainer.args.n_gpu > 1:
        raise RuntimeError(f"{trainer.args.n_gpu} devices are visible to one process: DataParallel is refused")

    clock.lap("load")
    result = trainer.train()
    clock.lap("train")
    emit({"event": "predicting"})
    mark("predicting")
    prediction = trainer.predict(splits["validation"])
    clock.lap("predict")

    series = observer.series()
    series["logits"] = np.asarray(prediction.predictions, dtype=np.float32)
    series["labels"] = np.asarray(prediction.label_ids, dtype=np.int64)
    mark("predicted")
    final_sha256 = checkpoints.weights_sha256(model)

    around = clock.seconds["train"]  # the whole of `train()`: what the observer did not time was setting up
    seconds = {**clock.seconds, **observer.seconds}
    seconds["setup"] = around - seconds["train"] - seconds["evaluate"]
    seconds["total"] = clock.total()
    scores = {key[len("test_") :]: value for key, value in prediction.metrics.items()}
    result = {
        "observed": {
            **facts.software(),
            "threads": torch.get_num_threads(),
            "determinism": facts.determinism(),
            "machine": facts.machine(),
            "data": job["data"],
            "weights": {
                "checkpoint_sha256": checkpoint["sha256"],
                "revision": checkpoint.get("revision"),
                "parameters": sum(p.numel() for p in model.parameters()),
                **{name: _shortened(names) for name, names in loaded.items()},
                "init_sha256": witness.init_sha256,
                "final_sha256": final_sha256,
            },
            "model": {
                "class": type(model).__name__,
                "attention": getattr(model.config, "_attn_implementation", "not available"),
                "dtype": str(next(model.parameters()).dtype).removeprefix("torch."),
                "device": str(arguments.device),
            },
            "optimizer": facts.optimizer(trainer),
            "collator": type(trainer.data_collator).__name__,
            "arguments": _without_folders(arguments.to_dict()),
            "optimizer_steps": trainer.state.global_step,
            "fingerprint": {
                "engine": cell["engine"],
                **witness.facts(),
                "non_default_arguments": _without_folders(subject_arguments.differing_from_defaults(arguments)),
            },
        },
        "measured": {
            "metrics": {key: float(scores[key]) for key in ("accuracy", "f1", "loss")},
            "confusion": {key: int(scores[key]) for key in COUNTS},
            "epochs": [
                {"epoch": e["epoch"], "step": e["step"], **{k: e.get(k) for k in ("accuracy", "f1", "loss")}}
                for e in observer.evaluations
            ],
            "train_loss": float(result.training_loss),
            "seconds": {key: round(value, 6) for key, value in seconds.items()},
            "train_samples": observer.samples,
            "train_samples_per_second": observer.samples / seconds["train"],
            "peak_memory_mib": facts.peak_memory_mib(),
        },
    }
    return RankPart(result, series, witness.trace())


def _tokenizer_argument(tokenizer: Any) -> dict[str, Any]:
    """The Trainer's `tokenizer` became `processing_class` in transformers 4.46."""
    name = "processing_class" if "processing_class" in inspect.signature(Trainer.__init__).parameters else "tokenizer"
    return {name: tokenizer}


def _without_folders(resolved: dict[str, Any]) -> dict[str, Any]:
    """Resolved arguments but this run's own folders, which say nothing and differ in each record."""
    return {name: value for name, value in resolved.items() if name not in ("output_dir", "logging_dir", "run_name")}


def _precision(precision: str) -> dict[str, Any]:
    """The flags of each precision; every flag is set, so that no version's default decides."""
    flags: dict[str, Any] = {"fp16": precision == "fp16", "bf16": precision == "bf16"}
    if torch.cuda.is_available():
        flags["tf32"] = precision == "tf32"
    return flags


def _shortened(names: list[str], most: int = 40) -> list[str]:
    """A record has 16 KB: where whole layers are cut off or added, their weights are counted instead of listed."""
    return names if len(names) <= most else [*names[:most], f"… and {len(names) - most} more"]


class _Clock:
    """Wall-clock seconds by phase; a phase may have several laps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._start = self._mark = time.perf_counter()

    def lap(self, phase: str) -> None:
        now = time.perf_counter()
        self.seconds[phase] = self.seconds.get(phase, 0.0) + now - self._mark
        self._mark = now

    def total(self) -> float:
        return time.perf_counter() - self._start
