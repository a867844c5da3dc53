"""From what every rank's model received to one hash a column, and the hashes of the rows that are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

ROWS_KEPT = 65_536
"""Rows of training whose hashes are kept one by one, whole steps of them: MRPC's three epochs six times over.

A task of a million rows would leave megabytes a run; what differs only later is told by the hash of all of them.
"""

SEGMENTS = "token_type_ids"

Trace = dict[str, np.ndarray]
Columns = dict[str, np.ndarray]


def series(traces: Sequence[Trace], found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`inputs.COLUMN`: by row of `example_ids` the upper 32 bits of its hash; `evaluation_inputs.COLUMN` by answer."""
    rows: dict[str, np.ndarray] = {}
    offsets, columns = found.get("example_offsets"), _columns(traces, "inputs")
    if offsets is not None and len(offsets) > 1:
        kept = int(offsets[np.searchsorted(offsets, ROWS_KEPT, side="right") - 1])
        # A step that never ended has rows and no ids; a model called otherwise than with its batch has other rows.
        if kept and all(len(values) >= offsets[-1] for values in columns.values()):
            rows.update({f"inputs.{name}": _short(values[:kept]) for name, values in columns.items()})
    if "logits" in found:
        answered = _columns(traces, "evaluation", len(found["logits"]))
        rows.update({f"evaluation_inputs.{name}": _short(values) for name, values in answered.items()})
    return rows


def facts(traces: Sequence[Trace], altered: Sequence[dict[str, Any] | None], answers: int | None) -> dict[str, Any]:
    """The fingerprint's part: a hash a column, the segments that the model was told of, what is not as tokenized."""
    trained, evaluated = _columns(traces, "inputs"), _columns(traces, "evaluation", answers)
    return {
        "inputs": {name: _sha256(values) for name, values in trained.items()},
        "evaluation_inputs": {name: _sha256(values) for name, values in evaluated.items()},
        "segments": _segments(trained) if trained else None,
        "altered": _altered(altered),
    }


def _columns(traces: Sequence[Trace], name: str, answers: int | None = None) -> Columns:
    """By column the hash of each row, ranks in order within a call; none where ranks were called unlike each other."""
    if any(f"{name}.rows" not in trace for trace in traces):
        return {}
    prefix = f"{name}.columns."
    names = sorted({key[len(prefix) :] for trace in traces for key in trace if key.startswith(prefix)})
    cuts = [np.cumsum(trace[f"{name}.rows"])[:-1] for trace in traces]
    if len({len(cut) for cut in cuts}) > 1 or not len(traces[0][f"{name}.rows"]):
        return {}
    found: Columns = {}
    for column in names:
        calls = [
            np.split(trace.get(prefix + column, np.zeros(int(trace[f"{name}.rows"].sum()), np.uint64)), cut)
            for trace, cut in zip(traces, cuts)
        ]
        rows = np.concatenate([np.concatenate(ranks) for ranks in zip(*calls)])
        if answers is not None and len(rows) < answers:
            return {}
        found[column] = rows[:answers]
    return found


def _segments(columns: Columns) -> int:
    """0 where the model was not told of segments, 1 where all tokens are of the first, else 2."""
    given = columns.get(SEGMENTS)
    return 0 if given is None else 1 + bool(given.any())


def _altered(ranks: Sequence[dict[str, Any] | None]) -> dict[str, Any] | None:
    """Rows of all ranks; the example is that of the first rank which has one."""
    if any(part is None for part in ranks):
        return None
    found: dict[str, Any] = {}
    for part in ranks:
        for column, seen in (part or {}).items():
            known = found.setdefault(column, {**seen, "rows": 0, "of": 0})
            known["rows"] += seen["rows"]
            known["of"] += seen["of"]
            if known["example"] is None:
                known.update({name: seen[name] for name in ("example", "step")})
    return found


def _short(values: np.ndarray) -> np.ndarray:
    return (values >> np.uint64(32)).astype(np.uint32)


def _sha256(values: np.ndarray) -> str:
    return hashlib.sha256(values.astype("<u8").tobytes()).hexdigest()
