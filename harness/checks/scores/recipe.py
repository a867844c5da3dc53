"""What a run and a reference do not share: each difference a fact, and which of them stand in a verdict's way."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from harness.fact import Fact
from harness.grid.arguments import default_of, known_fields
from harness.grid.cell import LATER
from harness.grid.names import OPTIONS, TRAINING
from harness.record.configuration import Configuration
from harness.references import Reference
from harness.references.recipe import selection_of, settings, today
from harness.stats.collapse import MRPC

UNSTATED: Final = "unstated"
"""The checkpoint of a reference that a grid writes out without one: whichever is judged."""

_STATED: Final = ("learning_rate", "lr_scheduler_type", "weight_decay")
_PLAIN: Final = frozenset({"fp32", "tf32"})


@dataclass(frozen=True)
class Difference:
    """`field` is the name to declare it harmless by."""

    field: str
    fact: Fact


@dataclass(frozen=True)
class RecipeDifferences:
    """`blocking` stand in the way of a verdict, `harmless` were declared so; `notes` are worth saying and no more."""

    blocking: tuple[Fact, ...]
    harmless: tuple[Fact, ...]
    notes: tuple[Fact, ...]


def recipe_differences(
    configuration: Configuration, reference: Reference, harmless: Collection[str] = ()
) -> RecipeDifferences:
    """Compare a configuration with what is known of a reference; what is not known of it is no difference."""
    found = list(_differences(configuration, reference))
    return RecipeDifferences(
        tuple(each.fact for each in found if each.field not in harmless),
        tuple(each.fact for each in found if each.field in harmless),
        tuple(_notes(configuration, reference)),
    )


def other_data(configuration: Configuration, reference: Reference) -> Fact | None:
    """Return why the examples cannot be the reference's; None where they are the same, as far as counts tell."""
    task, counts = configuration.asked.task, configuration.counts
    if reference.task == "glue/mrpc" and counts is not None:
        if counts == MRPC:
            return None
        of, known = ((sum(each), each[-1]) for each in (counts, MRPC))
        return Fact.of("recipe.task", run=task, reference=reference.task, counts=of, known=known)
    return None if task == reference.task else Fact.of("recipe.task", run=task, reference=reference.task)


def same_checkpoint(configuration: Configuration, reference: Reference) -> bool:
    """Say whether the reference is of this configuration's checkpoint, or does not say of which."""
    return reference.checkpoint == UNSTATED or today(reference.checkpoint) == today(
        configuration.asked.checkpoint.source
    )


def resolved(configuration: Configuration, name: str) -> Any:
    """Return what an argument was: as asked for, else as a record resolved it, else today's default."""
    recipe = configuration.asked.recipe
    if name in recipe:
        return recipe[name]
    if name in configuration.arguments:
        return configuration.arguments[name]
    return default_of(name) if name in known_fields() else None


def global_batch(configuration: Configuration) -> int:
    """Examples of an optimizer step: of a device, times devices, times accumulated batches."""
    each = resolved(configuration, "per_device_train_batch_size")
    return int(each * configuration.asked.devices * (resolved(configuration, "gradient_accumulation_steps") or 1))


def _differences(run: Configuration, reference: Reference) -> Iterator[Difference]:
    asked, known = run.asked, settings(reference)
    data = other_data(run, reference)
    if data is not None:
        yield Difference("task", data)
    if not same_checkpoint(run, reference):
        yield differs("checkpoint", asked.checkpoint.source, reference.checkpoint)
    theirs = reference.setup.get("config")
    if theirs is None and asked.checkpoint.config:
        yield Difference("config", Fact.of("recipe.checkpoint_config", config=asked.checkpoint.config))
    elif theirs is not None and dict(theirs) != dict(asked.checkpoint.config):
        yield differs("config", dict(asked.checkpoint.config), theirs)
    yield from _length(run, reference)
    batch = global_batch(run)
    if known.get("global_batch_size", batch) != batch:
        yield differs("global_batch_size", batch, known["global_batch_size"])
    for name in _STATED:
        if name in known and not _equal(resolved(run, name), known[name]):
            yield differs(name, resolved(run, name), known[name])
    if "warmup_steps" in known:
        ours, theirs = resolved(run, "warmup_steps") or 0, known["warmup_steps"]
        if not _same_warmup(ours, theirs, _steps(run)):
            yield differs("warmup_steps", ours, theirs)
    for name in TRAINING:
        theirs = reference.recipe.get(name, default_of(name))
        # Only what a recipe asks for is compared with a silent reference: defaults are each version's own.
        ours = resolved(run, name) if name in reference.recipe else asked.recipe.get(name, theirs)
        if not _equal(ours, theirs) and not _one_optimizer(name, ours, theirs):
            yield differs(name, ours, theirs)
    if reference.precision not in (None, asked.precision) and not (
        not reference.precision_stated and {reference.precision, asked.precision} <= _PLAIN
    ):
        yield differs("precision", asked.precision, reference.precision)
    if reference.devices not in (None, asked.devices):
        yield differs("devices", asked.devices, reference.devices)
    engine = reference.setup.get("engine")
    if engine not in (None, asked.engine):
        yield differs("engine", asked.engine, engine)
    best, theirs = asked.recipe.get("load_best_model_at_end") is True, selection_of(reference)
    if best != (theirs == "best epoch"):
        metric = asked.recipe.get("metric_for_best_model", "loss") if best else None
        yield Difference("selection", Fact.of("recipe.selection", best=best, metric=metric, reference=theirs))
    for name in OPTIONS:
        value, theirs = getattr(asked, name), reference.setup.get(name, LATER[name])
        if name == "dropout" and value is False and theirs == LATER[name]:
            yield Difference(name, Fact.of("recipe.dropout"))
        elif value != theirs:
            yield differs(name, value, theirs)


def _length(run: Configuration, reference: Reference) -> Iterator[Difference]:
    """How long was trained: epochs, unless a number of steps cuts them short."""
    most, stated = resolved(run, "max_steps") or -1, reference.recipe.get("max_steps") or -1
    if most > 0 or stated > 0:
        steps = stated if stated > 0 else reference.setup.get("steps")
        if most != steps:
            theirs = reference.recipe.get("num_train_epochs")
            yield Difference("max_steps", Fact.of("recipe.max_steps", run=most, steps=steps, epochs=theirs))
        return
    epochs = reference.recipe.get("num_train_epochs")
    if epochs is not None and not _equal(resolved(run, "num_train_epochs"), epochs):
        yield differs("num_train_epochs", resolved(run, "num_train_epochs"), epochs)


def _notes(run: Configuration, reference: Reference) -> Iterator[Fact]:
    asked = run.asked
    if asked.task != reference.task and other_data(run, reference) is None:
        yield Fact.of("recipe.same_data", task=asked.task, reference=reference.task)
    if reference.checkpoint == UNSTATED:
        yield Fact.of("recipe.no_checkpoint")
    if None not in (content := {run.content_id, reference.setup.get("content_id")}) and len(content) > 1:
        yield Fact.of("recipe.other_content")
    if asked.head_seeding == "seeded" and reference.recipe:
        yield Fact.of("recipe.head")
    if asked.accepts_loss_kwargs is False:
        yield Fact.of("recipe.loss_kwargs")
    if asked.resume_at:
        yield Fact.of("recipe.resumed", step=asked.resume_at)
    if not reference.precision_stated and reference.precision is not None:
        yield Fact.of("recipe.precision_unstated", precision=reference.precision)
    known = settings(reference)
    silent = tuple(name for name in ("num_train_epochs", "global_batch_size", "learning_rate") if name not in known)
    if silent:
        yield Fact.of("recipe.unknown", fields=silent)
    for name in ("max_length", "padding"):
        if name in reference.setup:
            yield Fact.of("recipe.reference_has", field=name, value=reference.setup[name])
    theirs = {name: version for name, version in reference.versions.items() if name in run.versions}
    other = tuple((name, run.versions[name], v) for name, v in theirs.items() if run.versions[name] != v)
    if other:
        yield Fact.of("recipe.versions", versions=other)


def differs(name: str, ours: Any, theirs: Any) -> Difference:
    """What a run has and a reference has of one field."""
    return Difference(name, Fact.of("recipe.differs", field=name, run=ours, reference=theirs))


def _equal(ours: Any, theirs: Any) -> bool:
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (ours, theirs))
    if numbers:
        return math.isclose(ours, theirs, rel_tol=1e-9)
    return bool(ours == theirs) or (ours in (None, {}, "") and theirs in (None, {}, ""))


def _one_optimizer(name: str, ours: Any, theirs: Any) -> bool:
    """AdamW under its several kernels: the default moved between versions, and the update rule is one."""
    kernels = ("adamw_torch", "adamw_torch_fused", "adamw_hf")
    return name == "optim" and ours in kernels and theirs in kernels


def _steps(run: Configuration) -> int | None:
    return next((entry.steps for entry in run.entries if entry.steps), None)


def _same_warmup(ours: float, theirs: float, steps: int | None) -> bool:
    """Compare warm-ups in steps where one is a ratio (below 1) and the number of steps is known."""
    if _equal(ours, theirs):
        return True
    if steps is None:
        return False
    return len({math.ceil(value * steps) if 0 < value < 1 else int(value) for value in (ours, theirs)}) == 1
