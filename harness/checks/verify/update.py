"""The optimizer's first update of a few weights, against the closed form of the settings that were asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from harness.checks.verdict import Fact
from harness.checks.verify.findings import Findings
from harness.checks.verify.series import Array
from harness.record.parts import Fingerprint, Observed
from harness.record.run import Run

RELATIVE: Final = 1e-5
"""Of the update: its kernel rounds a dozen times, in float32."""

ROUNDINGS: Final = 2
"""Times a weight itself is rounded: after its decay, and after its update."""

EPSILON: Final[Mapping[str, float]] = {
    "float64": 2.0**-52,
    "float32": 2.0**-23,
    "float16": 2.0**-10,
    "bfloat16": 2.0**-7,
}
"""By dtype: how far two neighbouring numbers are apart, relative."""

NO_DECAY: Final = re.compile(r"bias|layernorm|rmsnorm|(?:^|[._])norm(?:\.|$)")
"""Weights that the Trainer does not decay, by lower-case name."""

ITEM: Final = "first update"


def first_update(findings: Findings, run: Run, observed: Observed, fingerprint: Fingerprint) -> None:
    """Compare the first update that has a rate, weight by weight; 1e-5 of it, and the rounding of the weight."""
    if run.first_step:
        return  # resumed: its optimizer has a past
    found = [run.series.get(f"update_{name}") for name in ("before", "gradient", "after")]
    rates, sizes = run.series.get("learning_rate"), fingerprint.updated
    if any(one is None for one in found) or rates is None or not sizes:
        findings.missing(ITEM)
        return
    before, gradient, after = (np.asarray(one, dtype=np.float64) for one in found)
    decayed = np.concatenate([np.full(n, not NO_DECAY.search(name.lower())) for name, n in sizes.items()])
    if run.record.asked.precision == "fp16":
        findings.missing(ITEM, Fact.of("update.scaled"))
        return
    expected = _closed_form(observed.arguments, before, gradient, rates[: len(before)], decayed)
    if expected is None or before.shape != after.shape or before.shape[1:] != decayed.shape:
        unknown = Fact.of("optim.unknown", optim=observed.arguments.get("optim"))
        findings.missing(ITEM, unknown if expected is None else None)
        return
    start, got = before[-1], after[-1]
    due = expected - start
    slack = RELATIVE * np.abs(due) + ROUNDINGS * EPSILON.get(str(observed.model.get("dtype")), 0.0) * np.abs(start)
    wrong = ~(np.abs(got - expected) <= slack)
    names = [name for name, n in sizes.items() for _ in range(n)]
    optim = observed.arguments.get("optim")
    passed = Fact.of("update.right", optim=optim, tensors=list(sizes), step=len(before) - 1)
    if not wrong.any():
        findings.note(ITEM, "PASS", passed)
        return
    moved = np.abs(due) > 0
    ratio = float(np.median((got - start)[moved] / due[moved])) if moved.any() else None
    tensor = names[int(np.argmax(wrong))]
    failed = Fact.of(
        "update.wrong", optim=optim, tensor=tensor, ratio=ratio, differing=int(wrong.sum()), weights=len(wrong),
        step=len(before) - 1,
    )  # fmt: skip
    findings.note(ITEM, "FAIL", failed, step=len(before) - 1, ratio=ratio, cause="update")


def _closed_form(
    arguments: Mapping[str, Any], before: Array, gradient: Array, rates: Array, decayed: Array
) -> Array | None:
    """The weights after the last of these steps; None for an optimizer whose formula is not known here."""
    decay = np.where(decayed, float(arguments.get("weight_decay") or 0.0), 0.0)
    rate, start, optim = float(rates[-1]), before[-1], arguments.get("optim")
    if arguments.get("optim_args") or len(rates) < len(before):
        return None
    if optim == "sgd":
        return np.asarray(start - rate * (gradient[-1] + decay * start))
    if optim not in ("adamw_torch", "adamw_torch_fused"):
        return None
    first, second = float(arguments["adam_beta1"]), float(arguments["adam_beta2"])
    mean, square = np.zeros_like(start), np.zeros_like(start)
    for one in gradient:
        mean, square = first * mean + (1 - first) * one, second * square + (1 - second) * one**2
    steps = len(gradient)
    mean, square = mean / (1 - first**steps), square / (1 - second**steps)
    step = mean / (np.sqrt(square) + float(arguments["adam_epsilon"]))
    return np.asarray(start * (1 - rate * decay) - rate * step)
