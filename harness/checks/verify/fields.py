"""The layers in which two runs are compared, causes before consequences; and a run's single values, flat and named."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, get_args

from harness.checks.changes import flat
from harness.checks.verdict import Fact
from harness.record.parts.data import Split
from harness.record.parts.fingerprint import EpochSeen, Fingerprint, Seen
from harness.record.parts.observed import Adapter, Observed
from harness.record.run import Run

Layer = Literal["asked", "environment", "harmless", "exact", "trajectory", "outcome"]
LAYERS: Final[tuple[Layer, ...]] = get_args(Layer)
DONE: Final[tuple[Layer, ...]] = ("exact", "trajectory", "outcome")
"""What a run did, rather than what it was asked and where it ran."""

Key = tuple[Layer, str]

HASHES: Final[Mapping[str, Key]] = {
    "init_sha256": ("exact", "initial weights"),
    "data_order_sha256": ("exact", "data order"),
    "loss_sha256": ("trajectory", "first losses"),
    "trajectory_sha256": ("trajectory", "trajectory"),
    "final_sha256": ("outcome", "final weights"),
}
"""What a run did, as it is kept where its series are not: the field behind each hash, in the order of the layers."""

ROOTS: Final = ("training data", "checkpoint", "checkpoint weights", "initial weights", "data order", "inputs")
"""Fields of the first order, or groups of them: where one differs, all that is computed from it differs too."""

ABSENT: Final = object()
"""What one run does not have at all, as opposed to None."""

_NOTHING: Final[tuple[Any, ...]] = (None, "", "no", "none", [], (), {})
"""Ways to write that there is nothing: they are equal."""

FROM_START: Final = frozenset({"initial weights", "batch shapes", "examples seen", "optimizer steps"})
"""Fields that only two runs which begin at the same step can share."""

CODE: Final = "training code"
"""The files of training code that is not the harness's own; its `.version` where a distribution brought it."""
METRIC_CODE: Final = "metric code."
"""Before the name of a metric of the user's own: its files."""

OWN_ARGUMENTS: Final = frozenset({"local_rank", "hub_token", "output_dir", "logging_dir", "run_name"})
"""Resolved arguments that say where a run lay or how it was launched, not what it did."""

SET_BY: Final = {
    "seed": "seed",
    "fp16": "precision",
    "bf16": "precision",
    "tf32": "precision",
    "ddp_backend": "devices",
}
"""Arguments that the harness sets, and the part of `asked` that decides them."""

MATMUL: Final = {"highest": "ieee", "high": "tf32", "none": "ieee"}
"""`determinism.matmul_precision` in torch's older words, which older records have, and where nothing was set."""

NOT_ASKED: Final = frozenset({"axes", "repeat"})
"""Parts of `asked` that cannot change a result."""
TABLES: Final = ("recipe", "subject", "task_table")
"""Parts of it that differ key by key."""


def of(run: Run) -> dict[Key, Any]:
    """Every single value of a run that a comparison looks at: (layer, field) -> value, plain JSON values."""
    found: dict[Key, Any] = {("asked", name): value for name, value in _asked(run)}
    observed = run.record.observed
    if observed is None:
        return found
    found.update({("environment", name): value for name, value in _environment(observed)})
    found.update({("exact", name): value for name, value in _exact(observed)})
    own = resolved(run).items()
    found.update({("exact", f"arguments.{path}"): value for path, value in own if path not in OWN_ARGUMENTS})
    return found


def resolved(run: Run) -> dict[str, Any]:
    """The arguments that a run trained with, by dotted path."""
    return dict(flat(run.record.observed.arguments)) if run.record.observed else {}


def same(x: Any, y: Any) -> bool:
    """Whether two values mean the same: nothing is nothing however it is written, and what one does not have is off."""
    if x is ABSENT or y is ABSENT:
        return (y if x is ABSENT else x) is False or all(one is ABSENT or _is_nothing(one) for one in (x, y))
    return bool(x == y) or (_is_nothing(x) and _is_nothing(y))


def _is_nothing(value: Any) -> bool:
    return any(type(value) is type(nothing) and value == nothing for nothing in _NOTHING)


def is_root(name: str) -> bool:
    """Whether a field is of the first order."""
    return name.partition(".")[0] in ROOTS


def asked(run: Run) -> dict[str, Any]:
    """What a run was asked for, by dotted field."""
    return dict(_asked(run))


def initial_weights(run: Run) -> str | None:
    """The hash of the weights before the first step, after ranks have been brought into line."""
    return run.fingerprint.init_sha256 if run.fingerprint else None


def trained_steps(run: Run) -> int | None:
    """Optimizer steps that the optimizer itself counted."""
    return run.fingerprint.optimizer_steps if run.fingerprint else None


def final_weights(run: Run) -> str | None:
    """The hash of the weights after training."""
    weights = run.record.observed.weights if run.record.observed else None
    return weights.final_sha256 if weights else None


def scores(run: Run) -> dict[str, float]:
    """Scores by name, and the counts of the confusion matrix."""
    measured = run.record.measured
    if measured is None:
        return {}
    counts = measured.confusion.named if measured.confusion else {}
    return {**measured.metrics, **{name: float(count) for name, count in counts.items()}}


def _asked(run: Run) -> Iterator[tuple[str, Any]]:
    asked = run.record.asked
    # By field, as a dump leaves defaults out, which are as much asked for.
    mine = {name: getattr(asked, name) for name in type(asked).model_fields}
    yield from asked_fields({**mine, "checkpoint": asked.checkpoint.model_dump()})


def asked_fields(asked: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What was asked for, by the names that a difference has; a checkpoint's own name is none of it."""
    for name, value in asked.items():
        if name in NOT_ASKED:
            continue
        if name == "checkpoint" and isinstance(value, dict):
            yield from ((f"checkpoint {key}", value.get(key)) for key in ("source", "revision", "random"))
            yield from flat({"config": value.get("config", {})})
        else:
            yield from flat({name: value}) if name in TABLES else [(name, value)]


def _environment(observed: Observed) -> Iterator[tuple[str, Any]]:
    yield "python", observed.python
    yield from ((f"packages.{name}", version) for name, version in observed.packages.items())
    yield from ((f"machine.{path}", value) for path, value in flat(observed.machine))
    yield "threads", observed.threads
    for name, value in observed.determinism.items():
        yield f"determinism.{name}", MATMUL.get(str(value), value) if name == "matmul_precision" else value


def _exact(observed: Observed) -> Iterator[tuple[str, Any]]:
    if observed.subject is not None:
        yield CODE, observed.subject.sha256
        yield f"{CODE}.version", observed.subject.version
    for one in observed.metrics or ():
        yield f"{METRIC_CODE}{one.name}", one.sha256
    if observed.data is not None:
        yield "training data", _split(observed.data.train)
        yield "validation data", _split(observed.data.validation)
    fingerprint, weights = observed.fingerprint, observed.weights
    if weights is not None:
        yield "checkpoint", weights.checkpoint_sha256
        yield "checkpoint weights", weights.weights_sha256
        yield "tokenizer", weights.tokenizer_sha256
        yield "model configuration", weights.config_sha256
        yield "newly initialised weights", weights.newly_initialised
    if fingerprint is not None:
        yield "initial weights", fingerprint.init_sha256
        yield "engine", fingerprint.engine
        yield "precision", fingerprint.precision.name if fingerprint.precision else None
        yield "parallelism", _parallelism(fingerprint)
        yield "attention", fingerprint.attention
        kernels = fingerprint.attention_kernels
        yield "attention.kernels", None if kernels is None else sorted(kernels)
        yield "dropout", fingerprint.dropout
        norm = fingerprint.clipping
        yield "clipping", Fact.of("clipping.seen", norm=None if norm is None or math.isinf(norm) else norm)
        yield "loss scaling", _scaler(fingerprint.accepts_loss_kwargs)
        yield "batch shapes", fingerprint.batch_shapes_sha256
        yield "examples seen", _seen(fingerprint.seen) if fingerprint.seen else None
        yield "optimizer steps", fingerprint.optimizer_steps
    elif weights is not None:
        yield "initial weights", weights.init_sha256
    yield "adapter", _adapter(observed.adapter)
    model = dict(observed.model)
    yield "dropout.probabilities", model.pop("dropouts", None)
    yield from ((f"model.{path}", value) for path, value in flat(model))
    yield "collator", observed.collator
    if observed.optimizer:
        yield "optimizer.class", observed.optimizer.get("class")
        yield "optimizer.schedule", observed.optimizer.get("schedule")
        groups = observed.optimizer.get("groups") or []
        yield "optimizer.groups", len(groups) or None
        for number, group in enumerate(groups):
            yield from ((f"optimizer.groups.{number}.{name}", value) for name, value in group.items())


def _adapter(found: Adapter | None) -> Fact:
    """What is trained in place of the model's own weights, in one value."""
    if found is None:
        return Fact.of("adapter.none")
    return Fact.of(
        "adapter.seen",
        method=found.method,
        r=found.r,
        alpha=found.alpha,
        dropout=found.dropout,
        targets=found.targets,
        layers=found.layers,
        trainable=found.trainable,
    )


def _split(split: Split) -> Fact:
    """How many examples a split has, and their hash: which of them differ is not recorded."""
    if split.positives is None:
        return Fact.of("split.classes", examples=split.examples, labels=split.labels, sha256=split.sha256)
    return Fact.of("split.seen", examples=split.examples, positives=split.positives, sha256=split.sha256)


def _parallelism(fingerprint: Fingerprint) -> Fact:
    """Ranks, mode and backend in one value: they differ together."""
    return Fact.of(
        "parallelism", ranks=fingerprint.world_size, mode=fingerprint.parallel_mode, backend=fingerprint.backend
    )


def _scaler(accepts: bool | None) -> Fact | None:
    return None if accepts is None else Fact.of("scaler", by="model" if accepts else "training loop")


def _seen(seen: Seen) -> Fact:
    """Each epoch's rows and examples, with the examples that came twice."""
    return Fact.of("epochs", epochs=[_epoch(epoch) for epoch in seen.epochs])


def _epoch(epoch: EpochSeen) -> Fact:
    return Fact.of(
        "epoch",
        rows=epoch.seen,
        examples=epoch.distinct,
        complete=epoch.complete,
        repeated=epoch.repeated,
        repeated_count=epoch.repeated_count,
    )
