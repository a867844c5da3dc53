"""Judgements as JSON, complete: what every other form leaves out for length is here."""

from __future__ import annotations

import dataclasses
import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from harness.checks.scores.judgement import Judgement
from harness.checks.verdict import ORDER

SCHEMA: Final = 1
"""Number of this form: it rises when a field changes its meaning or goes."""


def judgement_json(judgements: Sequence[Judgement]) -> str:
    """Return the judgements in the order given; NaN and infinities as text; equal judgements, equal text."""
    return json.dumps(judgement_data(judgements), ensure_ascii=True, allow_nan=False, indent=1) + "\n"


def judgement_data(judgements: Sequence[Judgement]) -> dict[str, Any]:
    """The same as plain data; keys stand in the order of the dataclasses' fields."""
    counts = Counter(judgement.outcome for judgement in judgements)
    return {
        "schema": SCHEMA,
        "kind": "harness-judgements",
        "counts": {outcome: counts[outcome] for outcome in ORDER},
        "waived": sum(judgement.outcome == "FAIL" and judgement.waiver is not None for judgement in judgements),
        "judgements": [_plain(dataclasses.asdict(judgement)) for judgement in judgements],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        # Through float: numpy's are floats by class, and print otherwise.
        return float(value) if math.isfinite(value) else str(float(value))
    return value
