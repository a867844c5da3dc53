"""Fidelity of progress: optimizer steps, learning rates, examples seen, and the loss that was logged."""

from __future__ import annotations

from typing import Final

import numpy as np

from harness.checks.verify import upstream
from harness.checks.verify.findings import Sheet
from harness.checks.verify.schedule import expected_rates, rest_is_a_step, total_steps
from harness.checks.verify.series import Departure, departure
from harness.checks.verify.tolerance import Array, relative_tolerance
from harness.record.fingerprint import EpochSeen, Fingerprint, Seen
from harness.record.model import Observed
from harness.record.run import Run
from harness.text import listed

RATE: Final = 1e-9
"""Relative to the largest rate: both sides are float64, and one formula apart."""


def expected_steps(observed: Observed, fingerprint: Fingerprint) -> int | None:
    """The optimizer steps of the whole run, from its arguments and data; None where they cannot be told."""
    if observed.data is None:
        return None
    rest = rest_is_a_step(fingerprint.engine, observed.packages.get("transformers"))
    return total_steps(observed.arguments, observed.data.train.examples, fingerprint.world_size, rest)


def steps(sheet: Sheet, run: Run, observed: Observed, fingerprint: Fingerprint) -> None:
    """The Trainer's own count, the optimizer's and the series' length are what data and arguments make them."""
    expected = expected_steps(observed, fingerprint)
    if expected is None:
        sheet.missing("optimizer steps")
        return
    begun, skipped = run.first_step, fingerprint.loss_scale.skipped_steps if fingerprint.loss_scale else 0
    counted = fingerprint.optimizer_steps
    least = expected - begun - skipped  # fp16 may leave out a step whose gradient overflowed
    wrong = []
    if observed.optimizer_steps != expected:
        wrong.append(f"the training loop counts {observed.optimizer_steps} steps")
    if not least <= counted <= expected - begun:
        wrong.append(f"the optimizer stepped {counted} times")
    if "loss" in run.series and len(run.series["loss"]) != expected - begun:
        wrong.append(f"losses were logged for {len(run.series['loss'])} steps")
    left = f" after resuming at step {begun}" if begun else ""
    overflow = f", {skipped} left out for overflow" if skipped else ""
    due = f"{expected - begun} are due{left}" + (f" of {expected}" if begun else "")
    passed = f"{counted} optimizer steps{left}, as data and arguments make them{overflow}"
    sheet.judge("optimizer steps", not wrong, passed, f"{'; '.join(wrong)}; {due}{overflow}")


def learning_rate(sheet: Sheet, run: Run, observed: Observed, fingerprint: Fingerprint) -> None:
    """The rate of every step against the schedule in closed form."""
    total, found = expected_steps(observed, fingerprint), run.series.get("learning_rate")
    rates = expected_rates(observed.arguments, total) if total else None
    if rates is None or found is None or not len(found) or np.isnan(found).all():
        name = observed.arguments.get("lr_scheduler_type")
        sheet.missing("learning rate", f"the schedule {name} is not known here" if total and rates is None else "")
        return
    skipped = fingerprint.loss_scale.skipped_steps if fingerprint.loss_scale else 0
    if skipped and run.first_step:
        sheet.missing("learning rate", "which steps before the resumption overflowed is not recorded")
        return
    at = run.first_step + np.arange(len(found))
    if skipped and "grad_norm" in run.series:
        # The schedule waits where the optimizer did.
        over = ~np.isfinite(run.series["grad_norm"][: len(found)])
        at = at - np.concatenate([[0], np.cumsum(over)[:-1]])
    expected = rates[np.minimum(at, len(rates) - 1)]
    scale = float(np.abs(rates).max())
    wrong = np.flatnonzero(~(np.abs(found - expected) <= RATE * scale))
    if not len(wrong):
        kind = observed.arguments["lr_scheduler_type"]
        sheet.note("learning rate", "PASS", f"the {kind} schedule was kept on all {len(found)} steps, peak {scale:g}")
        return
    first = int(wrong[0])
    text = (
        f"the learning rate is {found[first]:.6g} instead of {expected[first]:.6g} at step {first + run.first_step}, "
        f"on {len(wrong)} of {len(found)} steps"
    )
    text += _shift(found, expected)
    sheet.note(
        "learning rate", "FAIL", text, step=first + run.first_step,
        ratio=float(found[first] / expected[first]) if expected[first] else None,
        meaning="the schedule: warm-up, total number of steps, or a schedule that moved too often",
    )  # fmt: skip


def _shift(found: Array, expected: Array) -> str:
    if len(found) < 2 or np.ptp(expected) == 0:
        return ""
    slack = RATE * float(np.abs(expected).max())
    if (np.abs(found[1:] - expected[:-1]) <= slack).all():
        return ": shifted by one step, each step uses the rate of the step before"
    if (np.abs(found[:-1] - expected[1:]) <= slack).all():
        return ": shifted by one step, each step uses the rate of the step after"
    return ""


def logged_loss(sheet: Sheet, run: Run) -> None:
    """The loss that the training loop logs is the mean of its micro-batches' losses."""
    loss, micro = run.series.get("loss"), run.series.get("micro_loss")
    if loss is None or micro is None or len(loss) != len(micro) or not len(loss):
        sheet.missing("logged loss")
        return
    tolerance = relative_tolerance(run.record.asked.precision)
    left: Departure | None = departure(micro.astype(np.float64), loss.astype(np.float64), run.first_step, tolerance)
    if left is None:
        sheet.note("logged loss", "PASS", f"it is the mean of the micro-batch losses on all {len(loss)} steps")
        return
    ratio = f"{left.ratio:.3f} x" if left.ratio is not None else "not"
    issue = upstream.known("logged loss", left.ratio, upstream.scaling_of(run))
    sheet.note(
        "logged loss", "FAIL",
        f"it is {ratio} the mean of the micro-batch losses ({left.b:.6f} against {left.a:.6f} {left.where})",
        step=left.step, ratio=left.ratio,
        meaning=issue.text if issue else "the training loop scales the loss wrongly, and with it the gradient",
        upstream=issue.issue if issue else None,
    )  # fmt: skip


def seen(sheet: Sheet, run: Run, observed: Observed, fingerprint: Fingerprint) -> None:
    """Every complete epoch sees each example once, but for what the last global batch must repeat on k ranks."""
    found = fingerprint.seen
    if found is None:
        sheet.missing("examples seen")
        return
    wrong = [text for number, epoch in enumerate(found.epochs, 1) if (text := _epoch_fault(number, epoch, found))]
    if observed.data is not None and observed.data.train.examples != found.expected:
        wrong.append(f"{found.expected:,} examples were to be seen, the data set has {observed.data.train.examples:,}")
    cut = [number for number, epoch in enumerate(found.epochs, 1) if not epoch.complete]
    if cut and _whole_epochs(run, observed, fingerprint):
        wrong.append(f"epoch {listed(cut)} was cut short")
    if not found.epochs:
        wrong.append("no epoch was seen")
    rows = sum(epoch.seen for epoch in found.epochs)
    again = max((epoch.repeated_count for epoch in found.epochs), default=0)
    padded = f"; the last batch of an epoch repeats {again} examples to serve all ranks" if again else ""
    epochs = f"{len(found.epochs)} epoch{'s' if len(found.epochs) != 1 else ''}"
    passed = f"{rows:,} rows in {epochs}, each example once an epoch{padded}"
    sheet.judge("examples seen", not wrong, passed, "; ".join(wrong))


def _epoch_fault(number: int, epoch: EpochSeen, found: Seen) -> str | None:
    extra = epoch.seen - epoch.distinct
    if epoch.complete and epoch.seen != found.expected + found.padding:
        return f"epoch {number} has {epoch.seen:,} rows instead of {found.expected + found.padding:,}"
    if epoch.complete and epoch.distinct < min(found.expected, found.expected + found.padding):
        return (
            f"epoch {number} saw only {epoch.distinct:,} of {found.expected:,} examples, "
            f"and {epoch.repeated_count} again ({listed(epoch.repeated, 8)})"
        )
    if extra > max(0, found.padding):
        explained = f"padding explains {max(0, found.padding)}"
        return f"epoch {number} repeats {extra} examples ({listed(epoch.repeated, 8)}); {explained}"
    return None


def _whole_epochs(run: Run, observed: Observed, fingerprint: Fingerprint) -> bool:
    """Whether the arguments ask for whole epochs from the start, none of whose micro-batches may be left over."""
    arguments = observed.arguments
    epochs, total = arguments.get("num_train_epochs"), expected_steps(observed, fingerprint)
    if run.first_step or not epochs or float(epochs) % 1 or arguments.get("max_steps", -1) > 0 or not total:
        return False
    return bool(rest_is_a_step(fingerprint.engine, observed.packages.get("transformers"))) or (
        arguments.get("gradient_accumulation_steps") == 1
    )
