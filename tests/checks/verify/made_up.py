"""For each kind of invariant two runs that must come to the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.record.run import Run

MakeRun = Callable[..., Run]
PAIRS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "accumulation": ({}, {"batch": 2, "accumulation": 4}),
    "devices": ({}, {"batch": 4, "devices": 2}),
    "work_around": ({}, {"batch": 1, "accumulation": 4, "devices": 2, "accepts": False}),
    "engine": ({}, {"engine": "loop"}),
    "resume": ({}, {"first": 5}),
    "observation": ({"dropout": 0.1}, {"dropout": 0.1}),
    "checkpointing": ({"dropout": 0.1}, {"dropout": 0.1}),
    "threads": ({}, {}),
    "epoch_end": ({}, {"batch": 2, "accumulation": 4}),
    "epochs": ({}, {}),
    "eval_batch": ({}, {"eval_batch": 60}),
    "padding": ({"batch": 48, "epochs": 1.0}, {"batch": 24, "devices": 2, "epochs": 1.0}),
}


def pair(make_run: MakeRun, kind: str, **twin: Any) -> tuple[Run, Run]:
    base, other = PAIRS[kind]
    return make_run(**base), make_run(**{**other, **twin})
