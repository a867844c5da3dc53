"""Made-up runs that are consistent in every number, and a way to plant one fault into one of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from harness.record.model import Record
from harness.record.run import Run

EXAMPLES, VALIDATION, POSITIVES = 800, 240, 160
TRAIN_HASH = "76d63a01d345ddbe0b397fa014d41ff489ea252cffdef0194561f67ab8cc4f70"
VALIDATION_HASH = "35a9180b63f2dd234893089b556ebb0d8598f034582fe20e55b7120e42c66f6d"


def sha(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


COLUMNS = ("attention_mask", "input_ids", "labels", "token_type_ids")
UPDATED = {"classifier.weight": 4, "classifier.bias": 2}


def received(column: str, examples: int) -> np.ndarray:
    """What the model receives of each example, as a number."""
    seed = COLUMNS.index(column)
    return np.random.default_rng(seed).integers(0, 2**32, size=examples, dtype=np.uint32)


def first_update(rng: np.random.Generator, rate: float, decay: float) -> dict[str, np.ndarray]:
    """AdamW's first step, in float32: the gradient's sign but for epsilon."""
    before = rng.normal(0, 0.02, (1, sum(UPDATED.values()))).astype(np.float32)
    gradient = rng.normal(0, 0.01, before.shape).astype(np.float32)
    kept = np.repeat([1 - rate * decay, 1], list(UPDATED.values())).astype(np.float32)
    after = before * kept - np.float32(rate) * gradient / (np.abs(gradient) + np.float32(1e-8))
    return {"update_before": before, "update_gradient": gradient, "update_after": after.astype(np.float32)}


def build_run(
    *,
    steps: int = 12,
    epochs: float | None = None,
    batch: int = 8,
    accumulation: int = 1,
    devices: int = 1,
    first: int = 0,
    seed: int = 42,
    excess: float = 1.0,
    accepts: bool | str = "model",
    engine: str = "trainer",
    eval_batch: int = 8,
    dropout: float = 0.0,
    recipe: Mapping[str, Any] | None = None,
) -> Run:
    """A run of the embedded task; `excess` is how many times too large its loss and gradient are.

    Two runs of one seed and one global batch see the same examples in each step, and lose the same.
    """
    whole, rng = batch * accumulation * devices, np.random.default_rng(seed)
    an_epoch = -(-EXAMPLES // whole)
    total = steps if epochs is None else round(epochs * an_epoch)
    epochs_seen, ids, offsets, left = [], [], [0], total
    padding = -EXAMPLES % (batch * devices) if devices > 1 else 0
    while left > 0:
        order = rng.permutation(EXAMPLES)
        order = np.concatenate([order, order[:padding]])
        cut = [order[at : at + whole] for at in range(0, len(order), whole)][:left]
        complete, left = len(cut) == an_epoch, left - len(cut)
        begin = 0 if epochs_seen else first  # a resumed run skips steps of its first epoch
        rows = np.concatenate(cut[begin:])
        names, counts = np.unique(rows, return_counts=True)
        again = names[counts > 1].tolist()
        epochs_seen.append(
            {"seen": len(rows), "distinct": len(names), "repeated": again, "repeated_count": len(again),
             "complete": complete and not begin}
        )  # fmt: skip
        for one in cut[begin:]:
            ids.append(one)
            offsets.append(offsets[-1] + len(one))
    curve = np.random.default_rng(seed + 1)
    micro = (0.7 - 0.01 * np.arange(total) / total + 0.002 * curve.standard_normal(total)).astype(np.float32)[first:]
    norms = (0.3 + 0.2 * curve.random(total)).astype(np.float32)[first:]
    labels = np.r_[np.ones(POSITIVES, int), np.zeros(VALIDATION - POSITIVES, int)]
    labels = np.random.default_rng(0).permutation(labels).astype(np.int64)
    logits = curve.standard_normal((VALIDATION, 2)).astype(np.float32)
    z = logits.astype(np.float64)
    loss = float((np.logaddexp(z[:, 0], z[:, 1]) - z[np.arange(VALIDATION), labels]).mean())
    answers = z.argmax(1)
    tp, fp = int(((answers == 1) & (labels == 1)).sum()), int(((answers == 1) & (labels == 0)).sum())
    fn, tn = int(((answers == 0) & (labels == 1)).sum()), int(((answers == 0) & (labels == 0)).sum())
    rate = 5e-5 * (1 - np.arange(total) / total)
    rows = int(sum(epoch["seen"] for epoch in epochs_seen))
    series = {
        "loss": (micro * np.float32(excess)).astype(np.float32),
        "micro_loss": micro,
        "grad_norm": (norms * np.float32(excess)).astype(np.float32),
        "learning_rate": rate[first:],
        "step_seconds": np.full(total - first, 0.01, np.float32),
        "data_seconds": np.full(total - first, 0.001, np.float32),
        "logits": logits,
        "labels": labels,
        "example_ids": np.concatenate(ids).astype(np.int32),
        "example_offsets": np.array(offsets, np.int32),
        "random_state": np.arange(first, total, dtype=np.uint32),
        "logits_again": np.stack([logits[:8], logits[:8]]),
        **{f"inputs.{name}": received(name, EXAMPLES)[np.concatenate(ids)] for name in COLUMNS},
        **{f"evaluation_inputs.{name}": received(name, VALIDATION) for name in COLUMNS},
        "evaluation_inputs.labels": np.where(labels == 1, 7, 13).astype(np.uint64),
    }
    if not first:
        series |= first_update(np.random.default_rng(seed + 2), rate[0], (recipe or {}).get("weight_decay", 0.0))
    own = {"per_device_train_batch_size": batch, "gradient_accumulation_steps": accumulation, **(recipe or {})}
    own |= {"max_steps": steps} if epochs is None else {"num_train_epochs": epochs}
    if eval_batch != 8:
        own["per_device_eval_batch_size"] = eval_batch
    requested = {
        **own, "eval_strategy": "epoch", "report_to": "none", "fp16": False, "bf16": False, "seed": seed,
        "use_cpu": True,
    }  # fmt: skip
    arguments = {
        "num_train_epochs": 3.0, "max_steps": -1, "learning_rate": 5e-5, "lr_scheduler_type": "linear",
        "lr_scheduler_kwargs": None, "warmup_steps": 0, "optim": "adamw_torch_fused", "optim_args": None,
        "weight_decay": 0.0, "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8, "max_grad_norm": 1.0,
        "dataloader_drop_last": False, "per_device_eval_batch_size": 8, "label_smoothing_factor": 0.0,
        "local_rank": -1, **requested, "report_to": [],
    }  # fmt: skip
    start = sha("weights", seed) if not first else sha("weights", seed, first)
    end = sha("trained", seed, excess)
    asked: dict[str, Any] = {
        "task": "embedded/paraphrase", "checkpoint": {"name": "tiny", "source": "embedded/tiny-bert"}, "seed": seed,
        "precision": "fp32", "devices": devices, "environment": "current", "engine": engine,
        "head_seeding": "seeded", "threads": 1, "recipe": own, "axes": {"checkpoint": "tiny"}, "resume_at": first,
        "accepts_loss_kwargs": accepts,
    }  # fmt: skip
    if not dropout:
        asked["checkpoint"]["config"] = {"hidden_dropout_prob": 0.0}
    group = {"betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0, "fused": True, "amsgrad": False, "tensors": 19}
    split = {"examples": EXAMPLES, "labels": [EXAMPLES - 533, 533], "sha256": TRAIN_HASH}
    observed = {
        "python": "3.11.7", "packages": {"torch": "2.13.0", "transformers": "5.23.0"},
        "machine": {"cpu": "one", "architecture": "x86_64"}, "threads": 1,
        "determinism": {"deterministic_algorithms": False}, "host": "fork",
        "data": {
            "source": "embedded/paraphrase", "train": split,
            "validation": {
                "examples": VALIDATION, "labels": [VALIDATION - POSITIVES, POSITIVES], "sha256": VALIDATION_HASH
            },
            "unknown_tokens": 0.0,
        },
        "weights": {
            "checkpoint_sha256": sha("file"), "parameters": 47394, "unused": [], "not_as_saved": [],
            "weights_sha256": sha("weights file"), "config_sha256": sha("config"), "tokenizer_sha256": sha("tokenizer"),
            "saved_dtypes": ["float32"],
            "newly_initialised": ["classifier.bias", "classifier.weight"], "init_sha256": start, "final_sha256": end,
        },
        "model": {
            "class": "BertForSequenceClassification", "attention": "sdpa", "dtype": "float32", "device": "cpu",
            "dropout": {"hidden_dropout_prob": dropout}, "segments": 2,
            "trainable": 38, "dropouts": {f"{dropout:g}": 7},
        },
        "optimizer": {
            "class": "AdamW", "groups": [group, group], "schedule": "LambdaLR", "state_dtypes": ["float32"],
        },
        "collator": "DataCollatorWithPadding", "requested": requested, "arguments": arguments,
        "optimizer_steps": total,
        "fingerprint": {
            "engine": engine, "world_size": devices, "backend": "gloo" if devices > 1 else None,
            "parallel_mode": "distributed" if devices > 1 else "not_parallel", "init_sha256": start,
            "final_sha256": end, "data_order_sha256": sha(np.concatenate(ids).tolist()),
            "batch_shapes_sha256": sha(batch, accumulation, devices), "optimizer_steps": total - first,
            "seen": {"expected": EXAMPLES, "padding": padding, "epochs": epochs_seen}, "optimizer": "AdamW",
            "loss_sha256": sha("loss", seed, excess, first), "trajectory_sha256": sha("path", seed, excess, first),
            "precision": {"name": "fp32", "share": 1.0, "flops": {"float32": 1000}}, "dropout": dropout > 0,
            "clipping": 1.0, "attention": "sdpa", "accepts_loss_kwargs": accepts == "model",
            "attention_kernels": {"_efficient": 2},
            "eval_examples": VALIDATION, "segments": 2, "updated": UPDATED, "evaluation_draws": 0,
            "inputs": {name: sha(name, np.concatenate(ids).tolist()) for name in COLUMNS},
            "evaluation_inputs": {name: sha(name) for name in COLUMNS},
            "altered": {name: {"rows": 0, "of": rows} for name in COLUMNS},
        },
    }  # fmt: skip
    measured = {
        "metrics": {"accuracy": (tp + tn) / VALIDATION, "f1": 2 * tp / (2 * tp + fp + fn), "loss": loss},
        "confusion": {"counts": [[tn, fp], [fn, tp]]}, "seconds": {"train": 2.0}, "train_samples": rows,
        "train_samples_per_second": rows / 2.0,
    }  # fmt: skip
    record = {
        "schema": 4, "grid": "made-up", "cell_id": sha("cell", own, devices, seed, first, engine, accepts)[:20],
        "configuration_id": "c", "environment_id": "e", "attempt": 1, "status": "ok",
        "started": "2026-11-22T10:00:00.000Z", "finished": "2026-11-22T10:01:00.000Z",
        "asked": asked, "observed": observed, "measured": measured, "provenance": {"harness": "0"},
    }  # fmt: skip
    return Run(Record.model_validate(record), series)


def plant(run: Run, changes: Mapping[str, Any] | None = None, **series: Any) -> Run:
    """The run with values changed by dotted field ("observed.optimizer.groups.0.fused"), and series replaced."""
    record = run.record.model_dump(by_alias=True)
    for field, value in (changes or {}).items():
        *path, last = (int(part) if part.isdigit() else part for part in field.split("."))
        place: Any = record
        for part in path:
            place = place[part]
        place[last] = value
    arrays = {**run.series, **{name: np.asarray(array) for name, array in series.items()}}
    return Run(Record.model_validate(record), {name: arrays[name] for name in arrays if arrays[name].ndim})


MakeRun = Callable[..., Run]


@pytest.fixture
def make_run() -> MakeRun:
    return build_run


@pytest.fixture
def planted() -> Callable[..., Run]:
    return plant


@pytest.fixture(scope="session")
def plain_run() -> Run:
    return build_run()
