"""How two runs that must come to the same are compared: step by step within rounding, or bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from harness.checks.verdict import Outcome
from harness.checks.verify import fields, upstream
from harness.checks.verify.diff import NAMED, compare
from harness.checks.verify.explain import NAMES, meaning_of, name_of
from harness.checks.verify.findings import Sheet
from harness.checks.verify.series import (
    FLOORED,
    Departure,
    common_steps,
    departure,
    first_other_examples,
    id_steps,
    same_examples,
)
from harness.checks.verify.tolerance import FP32_STEPS, RELATIVE, unequal
from harness.record.run import Run
from harness.text import listed

BASE: Final[Mapping[str, str]] = {
    "accumulation": "the single batch's",
    "devices": "the single rank's",
    "engine": "the other engine's",
    "work_around": "the plain run's",
}
LOGITS: Final = 1e-5
"""Relative to the largest logit: a batch of another shape may take another kernel, which sums in another order."""


def same_start(sheet: Sheet, base: Run, twin: Run, upto: int | None = None) -> bool:
    """Note initial weights and the examples of each step; False where either differs or cannot be told.

    What is computed from other weights or other examples differs of itself, and is not worth a word.
    """
    starts = [fields.initial_weights(run) for run in (base, twin)]
    if None in starts:
        sheet.missing("initial weights")
    elif starts[0] != starts[1]:
        text = f"training began from different weights ({str(starts[0])[:12]} against {str(starts[1])[:12]})"
        sheet.note("initial weights", "FAIL", text, step=0, meaning=meaning_of("initial weights"))
    else:
        sheet.note("initial weights", "PASS", "both runs began from the same weights")
    steps = id_steps(base, twin, upto)
    other = first_other_examples(base, twin, upto)
    if not len(steps):
        sheet.missing("examples of each step")
    elif other is not None:
        sheet.note(
            "examples of each step", "FAIL", _other_examples(base, twin, other, steps), step=other,
            meaning=meaning_of("data order"),
        )  # fmt: skip
    else:
        sheet.note("examples of each step", "PASS", f"the same examples on each of {len(steps)} steps")
    return len(steps) > 0 and all(finding.outcome == "PASS" for finding in sheet.findings)


def stepwise(sheet: Sheet, kind: str, base: Run, twin: Run) -> None:
    """Compare at most 20 steps of two runs that differ in rounding only: 1e-5, relative, on every step."""
    if not same_start(sheet, base, twin):
        if not sheet.findings or all(finding.outcome == "PASS" for finding in sheet.findings):
            sheet.note("examples of each step", "INCONCLUSIVE", "which examples each step saw is not recorded")
        return
    counts = [fields.trained_steps(run) for run in (base, twin)]
    if counts[0] != counts[1]:
        text = f"the optimizer stepped {counts[1]} times against {counts[0]}"
        sheet.note("optimizer steps", "FAIL", text, meaning=meaning_of("optimizer steps"))
    else:
        sheet.note("optimizer steps", "PASS", f"{counts[0]} in both runs")
    found = {name: _departure(sheet, base, twin, name) for name in NAMES}
    cause = min((left.step for name in ("loss", "grad_norm", "learning_rate") if (left := found[name])), default=None)
    for name in NAMES:
        left = found[name]
        if left is not None and name == "micro_loss" and cause is not None and left.step > cause:
            # The weights were no longer the same: it was updated otherwise at step `cause`.
            text = f"equal until step {left.step}, where the weights have been updated otherwise"
            sheet.note(NAMES[name], "PASS", text)
        elif left is not None:
            _note(sheet, kind, name, left, base, twin)


def _departure(sheet: Sheet, base: Run, twin: Run, name: str) -> Departure | None:
    both = common_steps(base, twin, name)
    if both is None or not (np.isfinite(both[0]).any() and np.isfinite(both[1]).any()):
        sheet.missing(NAMES[name])
        return None
    a, b, first = both
    a, b = a[:FP32_STEPS], b[:FP32_STEPS]
    left = departure(a, b, first, RELATIVE["fp32"], name in FLOORED)
    if left is None:
        worst = float(np.max(np.abs(a - b)) / np.max(np.abs(a))) if np.max(np.abs(a)) else 0.0
        text = f"equal on each of {len(a)} steps, " + (
            f"within {worst:.1e} of the largest" if worst else "to the last bit"
        )
        sheet.note(NAMES[name], "PASS", text)
    return left


def _note(sheet: Sheet, kind: str, name: str, left: Departure, base: Run, twin: Run) -> None:
    scales = upstream.scaling_of(twin), upstream.scaling_of(base)
    scaled = name in ("loss", "grad_norm")
    issue = upstream.known(kind, left.ratio, *scales) if scaled else None
    ratio = "not" if left.ratio is None else f"{left.ratio:.3f} x"
    if left.ratio is not None and abs(left.ratio - 1) < 5e-4:
        ratio = f"{left.ratio - 1:+.1e} off"
    text = f"{NAMES[name]} is {ratio} {BASE[kind]} {left.where} ({left.b:.6g} against {left.a:.6g})"
    sheet.note(
        NAMES[name], "FAIL", text, step=left.step, ratio=left.ratio,
        meaning=issue.text if issue else meaning_of(name), upstream=issue.issue if issue else None,
    )  # fmt: skip


def _other_examples(base: Run, twin: Run, step: int, steps: range) -> str:
    pairs = [(base.ids(s - base.first_step), twin.ids(s - twin.first_step)) for s in steps]
    differing = sum(x is not None and y is not None and not same_examples(x, y) for x, y in pairs)
    x, y = pairs[step - steps.start]
    only = [listed(sorted(set(u.tolist()) - set(v.tolist())), NAMED) for u, v in ((x, y), (y, x))]  # type: ignore[union-attr]
    return (
        f"other examples at step {step}, on {differing} of {len(steps)} steps: "
        f"{only[0] or 'none'} only in the base run, {only[1] or 'none'} only in the twin"
    )


def identical(sheet: Sheet, base: Run, twin: Run, claimed: bool, outcome: bool = True) -> None:
    """Compare the steps that two runs share bit for bit, and what came out of them unless `outcome` is False.

    Where the kernels do not claim to repeat, a difference is INCONCLUSIVE.
    """
    comparison = compare(base, twin)
    layers = ("trajectory", "outcome") if outcome else ("trajectory",)
    found = [one for one in comparison.differences if one.layer in layers or one.field == "final weights"]
    roots = ("data", "checkpoint", "initial weights", "data order", "order within steps")
    found = [*(one for one in comparison.of("exact") if one.field in roots), *found]
    bad: Outcome = "FAIL" if claimed else "INCONCLUSIVE"
    for one in found:
        text = one.text if claimed else f"{one.text}; repeatable kernels are not claimed"
        sheet.note(name_of(one.field), bad, text, step=one.step, ratio=one.ratio, meaning=one.meaning)
    for name in comparison.not_available:
        if "begin at different steps" not in name:  # of a resumed pair that is the point
            sheet.missing(name)
    if found:
        return
    steps = comparison.steps
    if not len(steps):
        sheet.note("training", "INCONCLUSIVE", "the runs share no recorded step")
        return
    ending = ", final weights, answers and scores" if outcome else " and final weights"
    text = f"equal to the last bit: steps {steps.start} to {steps.stop - 1}{ending}"
    sheet.note("training", "PASS", text)


def answers(sheet: Sheet, base: Run, twin: Run) -> None:
    """The logits of two evaluations of the same weights: equal within rounding, and the same predictions."""
    a, b = base.series.get("logits"), twin.series.get("logits")
    if a is None or b is None:
        sheet.missing("logits")
        return
    if a.shape != b.shape:
        sheet.note("logits", "FAIL", f"shape {a.shape} against {b.shape}", meaning=meaning_of("logits"))
        return
    u, v = a.astype(np.float64), b.astype(np.float64)
    largest = float(np.max(np.abs(u), initial=0.0))
    apart = float(np.max(np.abs(u - v), initial=0.0))
    wrong = unequal(u, v, LOGITS, largest).any(axis=1)
    example = int(np.argmax(wrong))
    text = f"logits differ by at most {apart:.1e} (the largest is {largest:.3g})"
    failed = f"{text}, in {int(wrong.sum())} of {len(u)} examples, first in example {example}"
    meaning = "evaluation depends on its batch size: padding that is not masked, or a last batch that is dropped"
    sheet.judge("logits", not wrong.any(), text, failed, meaning=meaning)
    # A margin within rounding may fall either way.
    telling = np.abs(u[:, 0] - u[:, -1]) > 2 * LOGITS * largest
    flipped = int(((np.argmax(u, 1) != np.argmax(v, 1)) & telling).sum())
    if not wrong.any():
        sheet.judge("predictions", not flipped, f"the same {len(u)} predictions", f"{flipped} predictions differ")
