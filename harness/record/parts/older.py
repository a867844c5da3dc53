"""Records of older schemas as today's."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

_TWO = ("tp", "fp", "fn", "tn")


def any_task(record: Mapping[str, Any]) -> dict[str, Any]:
    """Schema 3 had one task, of two classes: `positives`, tp, fp, fn and tn, an accuracy and an F1 an evaluation.

    What is not of that form is left as it is, for whoever validates it to name.
    """
    found = copy.deepcopy(dict(record))
    found["schema"] = 4
    data = _table(_table(found, "observed"), "data")
    for split in (_table(data, "train"), _table(data, "validation")):
        if isinstance(split.get("examples"), int) and isinstance(split.get("positives"), int):
            positives = split.pop("positives")
            split["labels"] = [split["examples"] - positives, positives]
    measured = _table(found, "measured")
    counts = measured.get("confusion")
    if isinstance(counts, dict) and counts.keys() == set(_TWO):
        measured["confusion"] = {"counts": [[counts["tn"], counts["fp"]], [counts["fn"], counts["tp"]]]}
    epochs = measured.get("epochs")
    for one in epochs if isinstance(epochs, list) else ():
        if isinstance(one, dict):
            scores = {name: one.pop(name) for name in ("accuracy", "f1", "loss") if name in one}
            one["metrics"] = {name: value for name, value in scores.items() if value is not None}
    return found


def _table(of: dict[str, Any], name: str) -> dict[str, Any]:
    found = of.get(name)
    return found if isinstance(found, dict) else {}
