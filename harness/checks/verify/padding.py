"""The padded tail of an epoch on k ranks, where the global batch does not divide the data: reported, not failed."""

from __future__ import annotations

from harness.checks.verify.findings import Sheet
from harness.checks.verify.series import common_steps, departure, first_other_examples, id_steps
from harness.checks.verify.tolerance import FP32_STEPS, RELATIVE
from harness.record.fingerprint import EpochSeen
from harness.record.run import Run
from harness.text import listed

NAMED = 16


def report(sheet: Sheet, base: Run, twin: Run) -> None:
    """Compare one rank (base) with several (twin) up to the padded step, and name the examples that come twice.

    Every step before the first padded one must see the same examples, and the model's own loss on the first 20 of
    them must agree within 1e-5. What does not is INCONCLUSIVE here: `devices` judges it, on sizes without a tail.
    """
    padded = _first_complete(twin)
    if padded is None or _first_complete(base) is None:
        sheet.note("padding", "INCONCLUSIVE", "no whole epoch was trained: there is no tail to look at")
        return
    ranks, examples = _ranks(twin), _expected(twin)
    extra = padded.seen - padded.distinct
    if not extra:
        text = f"the global batch divides {examples:,} examples: {ranks} ranks repeat none"
        sheet.note("padding", "INCONCLUSIVE", text)
        return
    text = (
        f"{padded.repeated_count} of {examples:,} examples are seen twice in an epoch on {ranks} ranks: "
        f"{listed(padded.repeated, NAMED)}"
    )
    sheet.note("padding", "PASS", text, meaning="accelerate fills the last batch up, so that each rank has its share")
    step = padded_step(base, twin)
    if step is None:
        sheet.missing("steps before the tail", "which examples each step saw is not recorded")
        return
    other = first_other_examples(base, twin, step)
    if other is not None:
        text = f"already at step {other}, before the padded step {step}, other examples were seen"
        sheet.note("examples of each step", "INCONCLUSIVE", text, step=other)
        return
    sheet.note("examples of each step", "PASS", f"the same on each of the {step} steps before the padded one")
    _losses(sheet, base, twin, step)


def padded_step(base: Run, twin: Run) -> int | None:
    """The first step in which the twin sees more rows than the base; None where there is none."""
    for step in id_steps(base, twin):
        x, y = base.ids(step - base.first_step), twin.ids(step - twin.first_step)
        if x is not None and y is not None and len(y) > len(x):
            return step
    return None


def _losses(sheet: Sheet, base: Run, twin: Run, step: int) -> None:
    both = common_steps(base, twin, "micro_loss")
    if both is None:
        sheet.missing("the model's own loss")
        return
    a, b, first = both
    length = min(step - first, FP32_STEPS)
    left = departure(a[:length], b[:length], first, RELATIVE["fp32"]) if length > 0 else None
    if left is None:
        text = f"equal on the first {max(0, length)} steps"
        sheet.note("the model's own loss", "PASS", text)
        return
    text = f"it differs {left.where} ({left.b:.6g} against {left.a:.6g}), before the padded step {step}: see `devices`"
    sheet.note("the model's own loss", "INCONCLUSIVE", text, step=left.step, ratio=left.ratio)


def _first_complete(run: Run) -> EpochSeen | None:
    observed = run.record.observed
    seen = observed.fingerprint.seen if observed and observed.fingerprint else None
    return next((epoch for epoch in seen.epochs if epoch.complete), None) if seen else None


def _ranks(run: Run) -> int:
    observed = run.record.observed
    return observed.fingerprint.world_size if observed and observed.fingerprint else 0


def _expected(run: Run) -> int:
    observed = run.record.observed
    seen = observed.fingerprint.seen if observed and observed.fingerprint else None
    return seen.expected if seen else 0
