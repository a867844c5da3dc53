"""Fidelity of scores: logits, loss, the task's metrics and confusion, recomputed from logits and labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.checks.selection import asks_for_best, selection
from harness.checks.verdict import Fact
from harness.checks.verify.findings import Findings
from harness.checks.verify.series import Array, apart, ratio_of
from harness.checks.verify.upstream import EVALUATION, known_issue, scaling_of
from harness.record.parts.data import Data
from harness.record.parts.measured import Confusion, Measured
from harness.record.parts.observed import Observed
from harness.record.run import Run
from harness.stats.descriptive import class_scores, correlations
from harness.task import Task

LOSS: Final = 1e-5
"""Relative: the logits are kept as float32, whatever precision made them, and the loss is computed from them."""
FULL_EVAL: Final = {"fp16_full_eval": 2e-3, "bf16_full_eval": 1.6e-2}
COUNT: Final = 1e-9
ROUNDED: Final = 5e-5
"""A score that somebody else's code worked out may be rounded to four digits."""

AGAIN: Final = 1e-5
"""How far logits of the same weights, batches and kernels may be apart, relative to the largest."""


@dataclass(frozen=True)
class Answers:
    """Two runs' logits, a row an example, in the first run's order.

    Attributes
    ----------
    apart
        |a - b| / max(|a|, |b|, the largest of a), shape (examples, classes). None where rows cannot be paired: the
        runs answered in different orders, and which example a row is was not recorded.
    shapes
        Both shapes, where they differ; None where they are one.
    order
        The first examples that each run answered, where they were evaluated in different orders.
    """

    a: Array
    b: Array
    apart: Array | None
    shapes: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    order: tuple[Fact, Fact] | None = None
    ids: npt.NDArray[Any] | None = None

    def example(self, row: int) -> int:
        """The id of a row's example; the row's number where ids are not recorded."""
        return row if self.ids is None else int(self.ids[row])


def answers_apart(a: Run, b: Run) -> Answers | None:
    """Pair two runs' answers by example; None where a run has none."""
    x, y = a.series.get("logits"), b.series.get("logits")
    if x is None or y is None:
        return None
    u, v = x.astype(np.float64), y.astype(np.float64)
    if u.shape != v.shape or not u.ndim:
        return Answers(u, v, None, (u.shape, v.shape))
    u, v = u.reshape(len(u), -1), v.reshape(len(v), -1)
    ids = [_row_ids(run, len(u)) for run in (a, b)]
    order = None
    if ids[0] is not None and ids[1] is not None:
        if not (ids[0] == ids[1]).all():
            differ = int(np.argmax(ids[0] != ids[1]))
            order = (_first_of(ids[0], differ), _first_of(ids[1], differ))
            if not (np.sort(ids[0]) == np.sort(ids[1])).all():
                return Answers(u, v, None, order=order)  # not the same examples
            at = np.argsort(ids[1], kind="stable")[np.argsort(np.argsort(ids[0], kind="stable"), kind="stable")]
            v = v[at]
    elif _other_labels(a, b):
        return Answers(u, v, None)
    far = apart(u, v, float(np.nanmax(np.abs(u), initial=0.0)))
    return Answers(u, v, far, order=order, ids=ids[0])


def labels_apart(a: Run, b: Run) -> tuple[int, int, Fact] | None:
    """The first label that two runs hold differently against an answer, and where; None where all are the same.

    Nothing is said of runs that did not answer the same examples in one order.
    """
    x, y = a.series.get("labels"), b.series.get("labels")
    if x is None or y is None or x.shape != y.shape:
        return None
    ids, theirs = _row_ids(a, len(x)), _row_ids(b, len(x))
    alike = ids is theirs if ids is None or theirs is None else np.array_equal(ids, theirs)
    if not alike or (x == y).all():
        return None
    first = int(np.argmax(x != y))
    example = first if ids is None else int(ids[first])
    where = Fact.of("where.examples", example=example, differing=int((x != y).sum()), examples=len(x))
    return int(x[first]), int(y[first]), where


def _row_ids(run: Run, rows: int) -> npt.NDArray[Any] | None:
    found = run.series.get("evaluated_ids")
    return found if found is not None and found.shape == (rows,) else None


def _first_of(ids: npt.NDArray[Any], differ: int) -> Fact:
    return Fact.of("examples", ids=ids[differ : differ + 3].tolist())


def _other_labels(a: Run, b: Run) -> bool:
    x, y = a.series.get("labels"), b.series.get("labels")
    return x is not None and y is not None and not np.array_equal(x, y)


def logits(findings: Findings, run: Run, observed: Observed) -> None:
    """One row a validation example, a column an output, all finite; as many as were evaluated."""
    found = run.series.get("logits")
    if found is None or observed.data is None:
        findings.missing("logits")
        return
    due = (observed.data.validation.examples, outputs(run.record.task, observed.data))
    evaluated = observed.fingerprint.eval_examples if observed.fingerprint else None
    if evaluated == due[0]:
        evaluated = None
    finite = bool(np.isfinite(found).all())
    seen = Fact.of("logits.seen", shape=list(found.shape), finite=finite, evaluated=evaluated)
    good = found.shape == due and finite and evaluated is None
    findings.judge("logits", good, seen, Fact.of("logits.wrong", seen=seen, due=list(due)))


def again(findings: Findings, run: Run) -> None:
    """The same evaluation twice gives the same logits: dropout is off in it, and nothing else is drawn."""
    item, found = "evaluation repeated", run.series.get("logits_again")
    if found is None and run.record.asked.engine != "trainer":
        return  # a plain loop evaluates by itself
    if found is None or found.ndim != 3 or len(found) != 2:
        findings.missing(item)
        return
    first, second = found.astype(np.float64)
    apart = np.abs(first - second)
    # Kernels that do not claim to repeat may round otherwise.
    wrong = (apart > AGAIN * np.max(np.abs(first), initial=0.0)).any(axis=1) | np.isnan(apart).any(axis=1)
    furthest, largest = float(np.max(apart, initial=0.0)), float(np.max(np.abs(first), initial=0.0))
    fact = Fact.of("evaluation.again", apart=furthest, largest=largest, differing=int(wrong.sum()), examples=len(first))
    findings.judge(item, not wrong.any(), fact, fact, cause="evaluation mode")


def recomputed(findings: Findings, run: Run, observed: Observed, measured: Measured) -> None:
    """Loss, metrics and confusion against those that logits and labels give; a user's own metric cannot be."""
    found, labels, task = run.series.get("logits"), run.series.get("labels"), run.record.task
    if found is None or labels is None or not (_valued if task.regression else _answered)(found, labels):
        findings.missing("scores recomputed from logits")
        return
    z = found.astype(np.float64)
    if task.regression:
        _loss(findings, run, observed, measured, np.square(z.reshape(-1) - labels.astype(np.float64)))
        due = correlations(z.reshape(-1), labels)
    else:
        _loss(findings, run, observed, measured, cross_entropy(z, labels, _smoothing(observed)))
        counts = confusion(z, labels)
        due = class_scores(counts.counts, 1 if task.positive is None else task.positive)
        if measured.confusion is not None:
            recorded = measured.confusion
            failed = Fact.of("confusion.wrong", recorded=_counts(recorded), expected=_counts(counts))
            findings.judge("confusion", recorded == counts, _counts(recorded), failed)
        elif len(counts.counts) <= 2:
            findings.missing("confusion")
    for name in task.scored:
        if name not in measured.metrics or name not in due:
            findings.missing(name)
            continue
        value, expected = measured.metrics[name], due[name]
        passed = Fact.of("score.right", item=name, value=value)
        failed = Fact.of("score.wrong", item=name, value=value, expected=expected)
        same = abs(value - expected) <= COUNT or (math.isnan(value) and math.isnan(expected))
        findings.judge(name, same, passed, failed, ratio=ratio_of(expected, value))


def of_foreign(findings: Findings, run: Run, measured: Measured) -> None:
    """The scores that somebody else's code worked out, as far as its last evaluation's answers give them again.

    Accuracy has one meaning. What else has a name of ours may be meant otherwise (an F1 of other classes, a weighted
    loss): where it is not what the answers give, it is its own, and neither right nor wrong.
    """
    found, labels = run.series.get("logits"), run.series.get("labels")
    if found is None or labels is None or not _answered(found, labels):
        findings.missing("scores recomputed from logits", Fact.of("foreign.unanswered"))
        return
    z = found.astype(np.float64)
    due = class_scores(confusion(z, labels).counts) | {"loss": float(cross_entropy(z, labels).mean())}
    for name, value in measured.metrics.items():
        expected = due.get(name)
        if expected is None:
            findings.missing(name, Fact.of("foreign.unknown"))
            continue
        same = abs(value - expected) <= (LOSS * abs(expected) if name == "loss" else ROUNDED)
        passed = Fact.of("score.right", item=name, value=value)
        failed = Fact.of("score.wrong", item=name, value=value, expected=expected)
        if same or name == "accuracy":
            findings.judge(name, same, passed, failed, ratio=ratio_of(expected, value))
        else:
            findings.missing(name, Fact.of("foreign.formula", value=value, expected=expected))


def outputs(task: Task, data: Data) -> int:
    """Columns of a task's logits: a class each, or one for a number."""
    if task.regression:
        return 1
    known = data.validation.labels or data.train.labels or task.classes
    return len(known) if known else 2


def selected(findings: Findings, run: Run) -> None:
    """The scored model is the one that was asked for, where that is not the last."""
    if not asks_for_best(run.record):
        return
    found = selection(run.record)
    if found is None:
        findings.missing("selection")
    else:
        findings.note("selection", "PASS" if found.code == "selection.best" else "FAIL", found, cause="selection")


def cross_entropy(z: Array, labels: npt.NDArray[Any], smoothing: float = 0.0) -> Array:
    """Each example's loss, shape (examples,): -log softmax(z)[label]; with label smoothing e, (1 - e) of it and e of
    the mean over the classes, as transformers' `LabelSmoother` has it.
    """
    log_p = z - np.logaddexp.reduce(z, axis=1, keepdims=True)
    own = -log_p[np.arange(len(z)), labels.astype(int)]
    return np.asarray((1 - smoothing) * own + smoothing * -log_p.mean(axis=1))


def confusion(z: Array, labels: npt.NDArray[Any]) -> Confusion:
    """Counts of the largest logit against the label; of a tie the first answers, as with numpy's argmax."""
    counts = np.zeros((z.shape[1], z.shape[1]), np.int64)
    np.add.at(counts, (labels.astype(int), np.argmax(z, axis=1)), 1)
    return Confusion(counts=counts.tolist())


def _loss(findings: Findings, run: Run, observed: Observed, measured: Measured, losses: Array) -> None:
    if "loss" not in measured.metrics:
        findings.missing(EVALUATION)
        return
    found, expected = measured.metrics["loss"], float(losses.mean())
    relative = max([LOSS, *(value for name, value in FULL_EVAL.items() if observed.arguments.get(name))])
    good = abs(found - expected) <= relative * abs(expected) + _padding_slack(observed, losses)
    ratio = ratio_of(expected, found)
    issue = known_issue(EVALUATION, ratio, scaling_of(run))
    passed = Fact.of("evaluation_loss.right", value=found)
    failed = Fact.of("evaluation_loss.wrong", value=found, ratio=ratio, expected=expected)
    findings.judge(EVALUATION, good, passed, failed, ratio=ratio, cause=issue or "evaluation_loss", upstream=issue)


def _padding_slack(observed: Observed, losses: Array) -> float:
    """How far examples that are repeated to fill the last batch of k ranks can move the mean at most."""
    ranks = observed.fingerprint.world_size if observed.fingerprint else 1
    batch = int(observed.arguments.get("per_device_eval_batch_size") or 1)
    if ranks == 1 or len(losses) % batch == 0:
        return 0.0
    rows = len(losses) % (batch * ranks)
    return rows / len(losses) * float(np.ptp(losses))


def _smoothing(observed: Observed) -> float:
    return float(observed.arguments.get("label_smoothing_factor") or 0.0)


def _valued(found: npt.NDArray[Any], labels: npt.NDArray[Any]) -> bool:
    """Whether there are examples, each with one number."""
    return found.shape == (len(labels), 1) and len(labels) > 0


def _answered(found: npt.NDArray[Any], labels: npt.NDArray[Any]) -> bool:
    """Whether there are examples, each with a row of logits, and in it one for its label."""
    if found.ndim != 2 or len(found) != len(labels) or not len(labels):
        return False
    return bool(((labels >= 0) & (labels < found.shape[1])).all())


def _counts(counts: Confusion) -> Fact:
    if len(counts.counts) != 2:
        return Fact.of("confusion.classes", counts=counts.counts)
    named = counts.named
    return Fact.of("confusion", tp=named["tp"], fp=named["fp"], fn=named["fn"], tn=named["tn"])
