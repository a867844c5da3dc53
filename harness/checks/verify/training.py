"""Fidelity of progress: steps, learning rates, the first update, examples seen, and the loss that was logged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

import numpy as np

from harness.checks.verdict import Fact
from harness.checks.verify.findings import Findings
from harness.checks.verify.schedule import expected_rates, rest_is_a_step, total_steps
from harness.checks.verify.series import Array, departure, relative_tolerance
from harness.checks.verify.upstream import ends_early, known_issue, scaling_of
from harness.record.parts.fingerprint import EpochSeen, Fingerprint, Seen
from harness.record.parts.observed import Observed
from harness.record.run import Run

RATE: Final = 1e-9
"""Relative to the largest rate: both sides are float64, and one formula apart."""

OVERFLOWS: Final = 10
OVERFLOWS_SHARE: Final = 0.01
"""Of fp16's steps so many may be left out for overflow, or this part of them: the loss scale is found by that."""

_SCHEDULE: Final = "lr_scheduler_type"

UPDATE: Final = 1e-5
"""Of the update, in float32."""

KERNEL: Final = 12
"""Times an update is rounded before it reaches its weight."""

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


def examples_there(run: Run, observed: Observed) -> int | None:
    """How many examples there are to train on."""
    if observed.subject is not None:  # its data set is its own, and as long as its Trainer says
        seen = observed.fingerprint.seen if observed.fingerprint else None
        return seen.expected if seen else None
    if observed.data is None:
        return None
    there = observed.data.train.examples
    return min(there, run.record.asked.subset or there)


def expected_steps(run: Run, observed: Observed, fingerprint: Fingerprint) -> int | None:
    """The optimizer steps of the whole run, from its arguments and data; None where they cannot be told."""
    examples = examples_there(run, observed)
    if examples is None:
        return None
    rest = rest_is_a_step(fingerprint.engine, observed.packages.get("transformers"))
    return total_steps(observed.arguments, examples, fingerprint.world_size, rest)


def steps(findings: Findings, run: Run, observed: Observed, fingerprint: Fingerprint) -> None:
    """The Trainer's own count, the optimizer's and the series' length are what data and arguments make them."""
    expected = expected_steps(run, observed, fingerprint)
    if expected is None:
        findings.missing("optimizer steps")
        return
    begun, skipped, counted = run.first_step, _skipped(fingerprint), fingerprint.optimizer_steps
    due = expected - begun
    wrong = []
    if observed.optimizer_steps != expected:
        wrong.append(Fact.of("steps.in_loop", counted=observed.optimizer_steps))
    if not due - skipped <= counted <= due:  # fp16 may leave out a step whose gradient overflowed
        wrong.append(Fact.of("steps.in_optimizer", counted=counted))
    if "loss" in run.series and len(run.series["loss"]) != due:
        wrong.append(Fact.of("steps.in_series", counted=len(run.series["loss"])))
    passed = Fact.of("steps.right", counted=counted, begun=begun, skipped=skipped)
    failed = Fact.of("steps.wrong", wrong=wrong, due=due, begun=begun, expected=expected, skipped=skipped)
    findings.judge("optimizer steps", not wrong, passed, failed)


def overflow(findings: Findings, run: Run, fingerprint: Fingerprint) -> None:
    """In fp16 few steps are left out because their gradient overflowed: those by which the loss scale is found."""
    scale = fingerprint.loss_scale
    if scale is None:
        return
    steps = len(run.series.get("loss", ()))
    most = max(OVERFLOWS, int(OVERFLOWS_SHARE * steps))
    seen = Fact.of("overflow.seen", skipped=scale.skipped_steps, steps=steps, initial=scale.initial, final=scale.final)
    many = Fact.of("overflow.many", seen=seen, most=most)
    findings.judge("overflow", scale.skipped_steps <= most, seen, many, cause="overflow")


def learning_rate(findings: Findings, run: Run, observed: Observed, fingerprint: Fingerprint) -> None:
    """The rate of every step against the schedule in closed form."""
    total, found = expected_steps(run, observed, fingerprint), run.series.get("learning_rate")
    rates, kind = expected_rates(observed.arguments, total) if total else None, observed.arguments.get(_SCHEDULE)
    if rates is None or found is None or not len(found) or np.isnan(found).all():
        unknown = total and rates is None
        findings.missing("learning rate", Fact.of("schedule.unknown", kind=kind) if unknown else None)
        return
    # A fused optimizer is called for every step and leaves one out by itself: the schedule goes on.
    fused = any(group.get("fused") for group in observed.optimizer.get("groups") or [])
    waits = fingerprint.loss_scale is not None and not fused
    if waits and run.first_step:
        findings.missing("learning rate", Fact.of("schedule.overflowed"))
        return
    at = run.first_step + np.arange(len(found))
    if waits and "grad_norm" in run.series:
        # The schedule waits where the optimizer did.
        over = ~np.isfinite(run.series["grad_norm"][: len(found)])
        at = at - np.concatenate([[0], np.cumsum(over)[:-1]])
    expected = rates[np.minimum(at, len(rates) - 1)]
    scale = float(np.abs(rates).max())
    wrong = np.flatnonzero(~(np.abs(found - expected) <= RATE * scale))
    if not len(wrong):
        fact = Fact.of("schedule.kept", kind=kind, steps=len(found), peak=scale)
        findings.note("learning rate", "PASS", fact)
        return
    got, due, step = float(found[wrong[0]]), float(expected[wrong[0]]), int(wrong[0]) + run.first_step
    fact = Fact.of(
        "schedule.left",
        got=got,
        expected=due,
        step=step,
        differing=len(wrong),
        steps=len(found),
        shift=_shift(found, expected),
    )
    ratio = got / due if due else None
    findings.note("learning rate", "FAIL", fact, step=step, ratio=ratio, cause="learning_rate")


def _shift(found: Array, expected: Array) -> Literal["before", "after"] | None:
    """Which step's rate each step uses, where the whole schedule is shifted by one step."""
    if len(found) < 2 or np.ptp(expected) == 0:
        return None
    slack = RATE * float(np.abs(expected).max())
    if (np.abs(found[1:] - expected[:-1]) <= slack).all():
        return "before"
    return "after" if (np.abs(found[:-1] - expected[1:]) <= slack).all() else None


def _skipped(fingerprint: Fingerprint) -> int:
    return fingerprint.loss_scale.skipped_steps if fingerprint.loss_scale else 0


def logged_loss(findings: Findings, run: Run) -> None:
    """The loss that the training loop logs is the mean of its micro-batches' losses."""
    loss, micro, item = run.series.get("loss"), run.series.get("micro_loss"), "logged loss"
    if loss is None or micro is None or len(loss) != len(micro) or not len(loss):
        findings.missing(item)
        return
    tolerance = relative_tolerance(run.record.asked.precision)
    left = departure(micro.astype(np.float64), loss.astype(np.float64), run.first_step, tolerance)
    if left is None:
        findings.note(item, "PASS", Fact.of("logged_loss.right", steps=len(loss)))
        return
    fact = Fact.of("logged_loss.wrong", ratio=left.ratio, logged=left.b, mean=left.a, where=left.where)
    issue = known_issue(item, left.ratio, scaling_of(run))
    findings.note(item, "FAIL", fact, step=left.step, ratio=left.ratio, cause=issue or "logged_loss", upstream=issue)


def seen(findings: Findings, run: Run, observed: Observed, fingerprint: Fingerprint) -> None:
    """Every complete epoch sees each example once, but for what the last global batch must repeat on k ranks."""
    found = fingerprint.seen
    if found is None:
        findings.missing("examples seen")
        return
    wrong = [fact for number, epoch in enumerate(found.epochs, 1) for fact in _epoch_faults(number, epoch, found)]
    there = examples_there(run, observed)
    if there is not None and there != found.expected:
        wrong.append(Fact.of("seen.expected", expected=found.expected, examples=there))
    cut = [number for number, epoch in enumerate(found.epochs, 1) if not epoch.complete]
    rows, trained = sum(epoch.seen for epoch in found.epochs), run.series.get("example_ids")
    left_out = rows - len(trained) if trained is not None else 0
    issue = None
    if whole := _whole_epochs(run, observed, fingerprint):
        issue = ends_early(run) if cut else None
        wrong += [
            Fact.of("seen.cut", epoch=number, examples=found.epochs[number - 1].distinct, there=found.expected)
            for number in cut
        ]
    if left_out > 0 and whole:
        wrong.append(Fact.of("seen.left_out", rows=rows, left_out=left_out))
    if not found.epochs:
        wrong.append(Fact.of("seen.none"))
    repeated = max((epoch.repeated_count for epoch in found.epochs), default=0)
    most = max((epoch.distinct for epoch in found.epochs), default=0)
    passed = Fact.of(
        "seen.right", rows=rows, epochs=len(found.epochs), repeated=repeated, examples=most, there=found.expected
    )
    failed = Fact.of("several", facts=wrong)
    findings.judge("examples seen", not wrong, passed, failed, cause=issue or "examples seen", upstream=issue)


def _epoch_faults(number: int, epoch: EpochSeen, found: Seen) -> list[Fact]:
    """What an epoch shows first of rows too few or many, examples left out, or examples repeated."""
    due, padding, extra = found.expected + found.padding, max(0, found.padding), epoch.seen - epoch.distinct
    repeated, count = epoch.repeated, epoch.repeated_count
    if epoch.complete and epoch.seen != due:
        return [Fact.of("epoch.rows", epoch=number, rows=epoch.seen, due=due)]
    if epoch.complete and epoch.distinct < min(found.expected, due):
        distinct, of = epoch.distinct, found.expected
        return [Fact.of("epoch.examples", epoch=number, distinct=distinct, of=of, count=count, repeated=repeated)]
    if extra > padding:
        return [Fact.of("epoch.repeats", epoch=number, extra=extra, repeated=repeated, padding=padding)]
    return []


def _whole_epochs(run: Run, observed: Observed, fingerprint: Fingerprint) -> bool:
    """Whether the arguments ask for whole epochs from the start: then no example may be left over."""
    arguments = observed.arguments
    epochs, total = arguments.get("num_train_epochs"), expected_steps(run, observed, fingerprint)
    return not (run.first_step or not epochs or float(epochs) % 1 or arguments.get("max_steps", -1) > 0 or not total)


def first_update(findings: Findings, run: Run, observed: Observed, fingerprint: Fingerprint) -> None:
    """Compare the first update that has a rate, weight by weight: within its rounding, and its weight's."""
    if run.first_step:
        return  # resumed: its optimizer has a past
    found = [run.series.get(f"update_{name}") for name in ("before", "gradient", "after")]
    rates, sizes = run.series.get("learning_rate"), fingerprint.updated
    if any(one is None or not len(one) for one in (*found, rates)) or not sizes:
        findings.missing(ITEM)
        return
    assert rates is not None
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
    last = EPSILON.get(str(observed.model.get("dtype")), 0.0)
    slack = max(UPDATE, KERNEL * last) * np.abs(due) + ROUNDINGS * last * np.abs(start)
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
    findings.note(ITEM, "FAIL", failed, step=len(before) - 1, ratio=ratio, cause="first update")


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
