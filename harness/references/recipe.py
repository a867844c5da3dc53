"""Whether two references speak of one thing: a checkpoint under two names, a recipe as far as it is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from harness.references.model import Reference, Selection

DECISIVE: Final = ("learning_rate", "global_batch_size", "num_train_epochs")
"""What must be known of both recipes before they can be called the same."""

NEUTRAL: Final = frozenset({"per_device_eval_batch_size", "per_device_train_batch_size", "gradient_accumulation_steps"})
"""Settings that do not change the result by themselves; the train batch is compared as the global one."""

_HOMES: Final = {
    "google-bert": (
        *("bert-base-uncased", "bert-base-cased", "bert-large-uncased", "bert-large-cased"),
        *("bert-large-uncased-whole-word-masking", "bert-large-cased-whole-word-masking"),
    ),
    "distilbert": ("distilbert-base-uncased", "distilbert-base-cased", "distilroberta-base"),
    "FacebookAI": ("roberta-base", "roberta-large"),
    "albert": ("albert-base-v2", "albert-large-v2", "albert-xlarge-v2", "albert-xxlarge-v2"),
    "almanach": ("camembert-base",),
}
_TODAY: Final = {name: f"{home}/{name}" for home, names in _HOMES.items() for name in names}


def today(checkpoint: str) -> str:
    """Return the hub's name of today for a checkpoint that once had a name without an owner, any other as it is."""
    return _TODAY.get(checkpoint, checkpoint)


def selection_of(reference: Reference) -> Selection:
    """Which model of a run the value is of; a source that is silent means the last one."""
    best = reference.recipe.get("load_best_model_at_end") is True
    return reference.selection or ("best epoch" if best else "last")


def settings(reference: Reference) -> dict[str, Any]:
    """Return what is known of a recipe, with the global batch instead of the batch of a device.

    Where the number of devices is not known, one is assumed: so the cards mean it that do not say more.
    """
    known = {name: value for name, value in reference.recipe.items() if name not in NEUTRAL}
    batch = reference.setup.get("global_batch_size")
    each = reference.recipe.get("per_device_train_batch_size")
    if batch is None and each is not None:
        batch = each * (reference.devices or 1) * reference.recipe.get("gradient_accumulation_steps", 1)
    return {**known, "global_batch_size": batch} if batch is not None else known


def same_settings(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool | None:
    """Compare two `settings`: False where something known to both differs, None where too little is known."""
    if any(a[name] != b[name] for name in a.keys() & b.keys()):
        return False
    return True if all(name in a and name in b for name in DECISIVE) else None


def same_recipe(a: Reference, b: Reference) -> bool | None:
    """Say whether two references were trained alike: learning rate, global batch, epochs, and nothing known differs."""
    return same_settings(settings(a), settings(b))


def same_subject(a: Reference, b: Reference) -> bool:
    """Say whether two references speak of one task, checkpoint and split, that split being known."""
    return (a.task, today(a.checkpoint), a.split) == (b.task, today(b.checkpoint), b.split) and a.split != "unknown"
