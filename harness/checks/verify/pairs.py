"""How two runs that must come to the same are compared: within rounding, bit for bit, or up to an epoch's tail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from harness.checks.verdict import Fact, Finding
from harness.checks.verify import fields
from harness.checks.verify.answers import answers_apart
from harness.checks.verify.diff.compare import compare
from harness.checks.verify.findings import Findings
from harness.checks.verify.inputs import column_differences
from harness.checks.verify.series import (
    FLOORED,
    FP32_STEPS,
    NAMES,
    RELATIVE,
    Departure,
    common_steps,
    departure,
    first_other_examples,
    id_steps,
    other_examples,
    same_examples,
)
from harness.checks.verify.upstream import ends_early, known_issue, scaling_of
from harness.record.parts.fingerprint import EpochSeen, Seen
from harness.record.run import Run

LOGITS: Final = 1e-5
"""Relative to the largest logit: a batch of another shape may take another kernel, which sums in another order."""

EXAMPLES: Final = "examples of each step"


def same_start(findings: Findings, base: Run, twin: Run, upto: int | None = None) -> bool:
    """Note initial weights, and examples and inputs of each step; False where one differs or cannot be told.

    What is computed from other weights or other examples differs of itself, and is not worth a word.
    """
    first, second = (fields.initial_weights(run) for run in (base, twin))
    if first is None or second is None:
        findings.missing("initial weights")
    else:
        same, other = Fact.of("start.same"), Fact.of("start.other", base=first, twin=second)
        findings.judge("initial weights", first == second, same, other, step=0, cause="initial weights")
    steps, step = id_steps(base, twin, upto), first_other_examples(base, twin, upto)
    if not len(steps):
        findings.missing(EXAMPLES)
    elif step is not None:
        found = other_examples(base, twin, step)
        fact = Fact.of(
            "examples.other",
            step=step,
            differing=found.differing,
            steps=found.steps,
            only_base=found.only_a,
            only_twin=found.only_b,
        )
        findings.note(EXAMPLES, "FAIL", fact, step=step, cause="data order")
    else:
        findings.note(EXAMPLES, "PASS", Fact.of("examples.same", steps=len(steps)))
        same_inputs(findings, base, twin)
    return len(steps) > 0 and all(finding.outcome in ("PASS", "SKIP") for finding in findings.made)


def same_inputs(findings: Findings, base: Run, twin: Run) -> None:
    """Note whether the model received the same of each example in training, a column at a time."""
    found = column_differences(base, twin)
    if found is None:
        findings.missing("inputs")
        return
    trained = [one for one in found if one.part == "training"]
    if not trained:
        columns = list((base.fingerprint.inputs if base.fingerprint else None) or {})
        findings.note("inputs", "PASS", Fact.of("inputs.same", columns=columns))
    for one in trained:
        findings.note("inputs", "FAIL", one.fact, step=one.step, cause="inputs")


@dataclass(frozen=True)
class EpochEnd:
    """A step that ends an epoch and means another thing in each run: `base` and `twin` rows, `due` in a whole one."""

    step: int
    base: int
    twin: int
    due: int


def uneven_end(base: Run, twin: Run, due: int | None) -> EpochEnd | None:
    """The first step which takes an epoch's rest that two runs cut or fill up differently; None without one.

    A rest that is a whole number of micro-batches in both, of the same examples, means the same in both.
    """
    for step in id_steps(base, twin) if due else ():
        x, y = base.ids(step), twin.ids(step)
        if x is None or y is None or due is None or (len(x) >= due and len(y) >= due):
            continue
        whole = all(len(ids) <= _micro(run) or len(ids) % _micro(run) == 0 for run, ids in ((base, x), (twin, y)))
        if not (whole and same_examples(x, y)):
            return EpochEnd(step, len(x), len(y), due)
    return None


def _micro(run: Run) -> int:
    """Rows of a micro-batch, all ranks together."""
    observed, fingerprint = run.record.observed, run.fingerprint
    batch = observed.arguments.get("per_device_train_batch_size") if observed else None
    return int(batch or 1) * (fingerprint.world_size if fingerprint else 1)


def stepwise(findings: Findings, kind: str, base: Run, twin: Run, due: int | None = None) -> None:
    """Compare at most 20 steps of two runs that differ in rounding only: 1e-5, relative, on every step.

    `due` are the rows of a whole step. Where an epoch's rest is cut or filled up differently in the two, what follows
    cannot be the same: the comparison ends before it.
    """
    end = uneven_end(base, twin, due)
    if end is not None:
        fact = Fact.of("epoch.end", step=end.step, base=end.base, twin=end.twin, due=end.due)
        findings.note("end of an epoch", "SKIP", fact, step=end.step)
    upto = None if end is None else end.step
    if not same_start(findings, base, twin, upto):
        if all(finding.outcome in ("PASS", "SKIP") for finding in findings.made):
            findings.note(EXAMPLES, "INCONCLUSIVE", Fact.of("examples.unknown"))
        return
    first, second = (fields.trained_steps(run) for run in (base, twin))
    same, other = Fact.of("steps.same", steps=first), Fact.of("steps.other", base=first, twin=second)
    fewer = first is not None and second is not None and second < first
    issue = ends_early(twin) if kind == "epochs" and fewer else None
    findings.judge("optimizer steps", first == second, same, other, cause=issue or "optimizer steps", upstream=issue)
    length = FP32_STEPS if upto is None else min(FP32_STEPS, upto - max(base.first_step, twin.first_step))
    found = {name: _departure(findings, base, twin, name, length) for name in NAMES}
    updated = min((left.step for name, left in found.items() if left and name != "micro_loss"), default=None)
    for name, left in found.items():
        if left is not None and name == "micro_loss" and updated is not None and left.step > updated:
            # The weights were no longer the same: they were updated otherwise at step `updated`.
            findings.note(NAMES[name], "PASS", Fact.of("series.equal_until", step=left.step))
        elif left is not None:
            _note(findings, kind, name, left, base, twin)


def _departure(findings: Findings, base: Run, twin: Run, name: str, length: int) -> Departure | None:
    both = common_steps(base, twin, name)
    if both is None or not (np.isfinite(both[0]).any() and np.isfinite(both[1]).any()):
        findings.missing(NAMES[name])
        return None
    a, b, first = both
    a, b = a[:length], b[:length]
    if not length:
        return None
    left = departure(a, b, first, RELATIVE["fp32"], name in FLOORED)
    if left is None:
        worst = float(np.max(np.abs(a - b)) / np.max(np.abs(a))) if np.max(np.abs(a)) else 0.0
        findings.note(NAMES[name], "PASS", Fact.of("series.equal", steps=len(a), worst=worst))
    return left


def _note(findings: Findings, kind: str, name: str, left: Departure, base: Run, twin: Run) -> None:
    scaled = name in ("loss", "grad_norm")
    issue = known_issue(kind, left.ratio, scaling_of(twin), scaling_of(base)) if scaled else None
    item, ratio = NAMES[name], left.ratio
    fact = Fact.of("series.left", item=item, kind=kind, ratio=ratio, where=left.where, twin=left.b, base=left.a)
    findings.note(item, "FAIL", fact, step=left.step, ratio=ratio, cause=issue or name, upstream=issue)


def identical(findings: Findings, base: Run, twin: Run, claimed: bool, outcome: bool = True) -> None:
    """Compare the steps that two runs share bit for bit, and what came out of them unless `outcome` is False.

    Where the kernels do not claim to repeat, a difference is INCONCLUSIVE.
    """
    comparison = compare(base, twin)
    layers = ("trajectory", "outcome") if outcome else ("trajectory",)
    found = [one for one in comparison.of("exact") if fields.is_root(one.field) or one.field == "order within steps"]
    found += [one for one in comparison.differences if one.layer in layers or one.field == "final weights"]
    for one in found:
        unclaimed = Fact.of("difference.unclaimed", item=one.fact.values["item"], difference=one.fact)
        findings.made.append(one.finding("FAIL") if claimed else one.finding("INCONCLUSIVE", unclaimed))
    for name in comparison.not_available:
        findings.missing(name)
    if found:
        return
    steps = comparison.steps
    if not len(steps):
        findings.note("training", "INCONCLUSIVE", Fact.of("training.no_common_step"))
        return
    fact = Fact.of("training.equal", first=steps.start, last=steps.stop - 1, outcome=outcome)
    findings.note("training", "PASS", fact)


def random_state(findings: Findings, base: Run, twin: Run) -> None:
    """Where two runs that differ drew from another random stream first, say so; the rest follows of it."""
    both = common_steps(base, twin, "random_state")
    if both is None or all(finding.outcome in ("PASS", "SKIP") for finding in findings.made):
        return
    other = np.flatnonzero(both[0] != both[1])
    left = min((one.step for one in findings.made if one.step is not None), default=None)
    if not len(other) or (left is not None and both[2] + int(other[0]) > left + 1):
        return  # the streams part after the runs did
    step = both[2] + int(other[0])
    saved = twin.fingerprint.saved_sha256 if twin.fingerprint else None
    if saved is not None and saved != fields.initial_weights(twin):
        return  # it began from other weights than were saved, of which no random stream is the reason
    draws = [run.fingerprint.evaluation_draws for run in (base, twin) if run.fingerprint]
    fact = Fact.of(
        "random.other",
        step=step,
        ordered=first_other_examples(base, twin, ordered=True) is None,
        weights=None if saved is None else True,
        draws=max((count for count in draws if count), default=None),
        evaluated=_evaluated_before(base, twin, step),
    )
    drawn = fact.values["draws"] and fact.values["evaluated"]
    cause = "evaluation draws" if drawn else "random state"
    later = [replace(one, outcome="SKIP") if one.outcome == "FAIL" else one for one in findings.made]
    findings.made = [Finding("random state", "FAIL", fact, step, cause=cause), *later]


def _evaluated_before(base: Run, twin: Run, step: int) -> bool:
    """Whether one of two runs evaluated after just so many steps, or any that the other did not, before `step`."""
    found = [
        {epoch.step for epoch in run.record.measured.epochs if epoch.step <= step} if run.record.measured else set()
        for run in (base, twin)
    ]
    return bool(found[0] ^ found[1])


def answers(findings: Findings, base: Run, twin: Run) -> None:
    """The logits of two evaluations of the same weights: equal within rounding, and the same predictions."""
    found = answers_apart(base, twin)
    if found is None:
        findings.missing("logits")
        return
    if found.order is not None:
        other = Fact.of("answers.order", base=found.order[0], twin=found.order[1])
        findings.note("evaluation order", "PASS", other, cause="evaluation order")
    if found.shapes is not None:
        first, second = found.shapes
        fact = Fact.of("logits.shapes", base=list(first), twin=list(second))
        findings.note("logits", "FAIL", fact, cause="logits")
        return
    if found.apart is None:
        findings.note("logits", "INCONCLUSIVE", Fact.of("answers.unpaired"))
        return
    u, v = found.a, found.b
    largest = float(np.max(np.abs(u), initial=0.0))
    wrong = (found.apart > LOGITS).any(axis=1)
    furthest = float(np.max(np.abs(u - v), initial=0.0))
    apart = Fact.of("logits.apart", item="logits", apart=furthest, largest=largest)
    example, differing = found.example(int(np.argmax(wrong))), int(wrong.sum())
    far = Fact.of("logits.too_far", item="logits", apart=apart, differing=differing, examples=len(u), example=example)
    findings.judge("logits", not differing, apart, far, cause="eval_batch")
    # A margin within rounding may fall either way.
    telling = np.abs(u[:, 0] - u[:, -1]) > 2 * LOGITS * largest
    flipped = int(((np.argmax(u, 1) != np.argmax(v, 1)) & telling).sum())
    if not differing:
        same, other = Fact.of("predictions.same", count=len(u)), Fact.of("predictions.other", count=flipped)
        findings.judge("predictions", not flipped, same, other)


def padding(findings: Findings, base: Run, twin: Run) -> None:
    """Compare one rank (base) with several (twin) up to the padded step, and name the examples that come twice.

    Every step before the first padded one must see the same examples, and the model's own loss on the first 20 of
    them must agree within 1e-5. What does not is INCONCLUSIVE here: `devices` judges it, on sizes without a tail.
    """
    seen, padded = _seen(twin), _whole_epoch(twin)
    if seen is None or padded is None or _whole_epoch(base) is None:
        findings.note("padding", "INCONCLUSIVE", Fact.of("padding.no_whole_epoch"))
        return
    ranks = twin.fingerprint.world_size if twin.fingerprint else 0
    if padded.seen == padded.distinct:
        findings.note("padding", "INCONCLUSIVE", Fact.of("padding.none", examples=seen.expected, ranks=ranks))
        return
    fact = Fact.of(
        "padding.repeats", count=padded.repeated_count, examples=seen.expected, ranks=ranks, repeated=padded.repeated
    )
    findings.note("padding", "PASS", fact, cause="padding")
    step = padded_step(base, twin)
    if step is None:
        findings.missing("steps before the tail", Fact.of("examples.unknown"))
        return
    other = first_other_examples(base, twin, step)
    if other is not None:
        fact = Fact.of("padding.other_examples", step=other, padded=step)
        findings.note(EXAMPLES, "INCONCLUSIVE", fact, step=other)
        return
    findings.note(EXAMPLES, "PASS", Fact.of("padding.same_examples", steps=step))
    _losses_before(findings, base, twin, step)


def padded_step(base: Run, twin: Run) -> int | None:
    """The first step in which the twin sees more rows than the base; None where there is none."""
    for step in id_steps(base, twin):
        x, y = base.ids(step), twin.ids(step)
        if x is not None and y is not None and len(y) > len(x):
            return step
    return None


def _losses_before(findings: Findings, base: Run, twin: Run, padded: int) -> None:
    item, both = NAMES["micro_loss"], common_steps(base, twin, "micro_loss")
    if both is None:
        findings.missing(item)
        return
    a, b, first = both
    length = max(0, min(padded - first, FP32_STEPS))
    left = departure(a[:length], b[:length], first, RELATIVE["fp32"]) if length else None
    if left is None:
        findings.note(item, "PASS", Fact.of("padding.same_losses", steps=length))
        return
    fact = Fact.of("padding.other_losses", where=left.where, twin=left.b, base=left.a, padded=padded)
    findings.note(item, "INCONCLUSIVE", fact, step=left.step, ratio=left.ratio)


def _seen(run: Run) -> Seen | None:
    return run.fingerprint.seen if run.fingerprint else None


def _whole_epoch(run: Run) -> EpochSeen | None:
    seen = _seen(run)
    return next((epoch for epoch in seen.epochs if epoch.complete), None) if seen else None
