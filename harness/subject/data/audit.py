"""What a data set is by itself: validation examples that are trained on, repetitions, empty texts, lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

TEXTS = ("sentence1", "sentence2")
QUANTILES = {"p50": 50, "p95": 95, "p99": 99}
Key = tuple[str, ...]


def audit(splits: Mapping[str, Any], texts: Sequence[str] = TEXTS) -> dict[str, Any]:
    """Count leaks and repetitions; two examples are one where all their texts are, white space aside.

    Returns
    -------
    `in_training`, the validation examples whose texts are in training; `other_label`, those of them that have another
    label there and never their own; for each split `duplicates`, examples that repeat an earlier one,
    `other_label`, those of them with another label than the first, `empty`, examples of which a text is empty, and
    `words`, how many words half, 95 % and 99 % of the examples have at most, and the longest.
    """
    keys = {split: _keys(splits[split], texts) for split in ("train", "validation")}
    labels = {split: list(splits[split]["label"]) for split in keys}
    trained: dict[Key, set[Any]] = {}
    for key, label in zip(keys["train"], labels["train"]):
        trained.setdefault(key, set()).add(label)
    leaked = [(key, label) for key, label in zip(keys["validation"], labels["validation"]) if key in trained]
    return {
        "in_training": len(leaked),
        "other_label": sum(label not in trained[key] for key, label in leaked),
        **{split: {**_twice(keys[split], labels[split]), **_lengths(keys[split])} for split in keys},
    }


def _lengths(keys: Sequence[Key]) -> dict[str, Any]:
    counts = sorted(sum(len(text.split()) for text in key) for key in keys)
    empty = sum(not all(key) for key in keys)
    at = {name: counts[max(0, -(-len(counts) * share // 100) - 1)] for name, share in QUANTILES.items()}
    return {"empty": empty, "words": {**at, "max": counts[-1]}}


def _twice(keys: Sequence[Key], labels: Sequence[Any]) -> dict[str, int]:
    first: dict[Key, Any] = {}
    for key, label in zip(keys, labels):
        first.setdefault(key, label)
    other = sum(label != first[key] for key, label in zip(keys, labels))
    return {"duplicates": len(keys) - len(first), "other_label": other}


def _keys(split: Any, texts: Sequence[str]) -> list[Key]:
    columns = [[" ".join(text.split()) for text in split[name]] for name in texts]
    return list(zip(*columns))
