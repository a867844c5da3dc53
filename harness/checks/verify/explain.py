"""What a difference usually means, in plain words, by the field in which it first shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

MEANINGS: Final[Mapping[str, str]] = {
    "asked": "the two runs were not asked for the same",
    "packages": "another version of the software under test",
    "machine": "other hardware: kernels may round differently",
    "threads": "another number of threads: sums are taken in another order",
    "determinism": "other switches for repeatable kernels",
    "data": "not the same texts or labels",
    "checkpoint": "not the same weights on disk",
    "initial weights": "initialisation: another seed, another head, or random numbers drawn in another order",
    "data order": "data order: the sampler, its seed, or how batches are dealt out to ranks",
    "order within steps": "the same examples in another order: only rounding, unless dropout is on",
    "batch shapes": "batching: padding, truncation or the split into micro-batches",
    "examples seen": "sampling: examples skipped, repeated or padded",
    "optimizer steps": "accumulation, skipped steps or the end of training",
    "optimizer": "optimizer: another class, another kernel or other settings",
    "attention": "attention kernel: another implementation of the same formula, which rounds differently",
    "dropout": "dropout on in one run only: the model's training noise differs",
    "clipping": "clipping of the gradient",
    "precision": "precision of the weight products",
    "parallelism": "number of ranks, or how they work together",
    "arguments": "a training argument that was set, or whose default changed",
    "model": "another model class, dtype or device",
    "collator": "how examples are put into a batch",
    "engine": "another training loop",
    "loss scaling": "who divides the loss by the number of micro-batches: the training loop or the model",
    "newly initialised weights": "a checkpoint read in another way",
    "steps": "one run ended earlier",
    "python": "another Python",
    "micro_loss": "the model's own loss: weights, batch, dropout, attention kernel or precision",
    "loss": "scaling of the loss by the training loop: accumulation, ranks or the count of items in the batch",
    "grad_norm": "the gradient: scaling of the loss before the backward pass, its sum over micro-batches or ranks",
    "learning_rate": "schedule: warm-up, total number of steps, or a schedule that moved too often",
    "final weights": "the optimizer's updates added up to other weights",
    "logits": "the trained models answer differently",
    "scores": "the trained models score differently",
}


NAMES: Final[Mapping[str, str]] = {
    "micro_loss": "the model's own loss",
    "loss": "logged loss",
    "grad_norm": "gradient norm",
    "learning_rate": "learning rate",
}
"""The series, as people call them."""


def name_of(field: str) -> str:
    """What people call a field."""
    return NAMES.get(field, field)


def meaning_of(field: str) -> str:
    """The meaning of a field, or of the group that a dotted field belongs to ("packages.torch")."""
    return MEANINGS.get(field) or MEANINGS.get(field.partition(".")[0], "")
