"""Fidelity of scores: logits, loss, accuracy, F1 and confusion, recomputed from logits and labels."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.checks.verify import upstream
from harness.checks.verify.findings import Sheet
from harness.checks.verify.series import ratio_of
from harness.record.model import Measured, Observed
from harness.record.run import Run

Array = npt.NDArray[np.float64]

LOSS: Final = 1e-5
"""Relative: the logits are kept as float32, whatever precision made them, and the loss is computed from them."""
FULL_EVAL: Final = {"fp16_full_eval": 2e-3, "bf16_full_eval": 1.6e-2}
COUNT: Final = 1e-9


def logits(sheet: Sheet, run: Run, observed: Observed) -> None:
    """One row a validation example, two columns, all finite; as many as were evaluated."""
    found = run.series.get("logits")
    if found is None or observed.data is None:
        sheet.missing("logits")
        return
    due = (observed.data.validation.examples, 2)
    counted = observed.fingerprint.eval_examples if observed.fingerprint else None
    finite = bool(np.isfinite(found).all())
    text = f"shape {found.shape}" + ("" if finite else ", not all finite")
    text += f", {counted} examples evaluated" if counted not in (None, due[0]) else ""
    good = found.shape == due and finite and counted in (None, due[0])
    sheet.judge("logits", good, text, f"{text}; {due} are due")


def recomputed(sheet: Sheet, run: Run, observed: Observed, measured: Measured) -> None:
    """Loss, accuracy, F1 and confusion against those that logits and labels give."""
    found, labels = run.series.get("logits"), run.series.get("labels")
    if found is None or labels is None or found.ndim != 2 or len(found) != len(labels) or not len(labels):
        sheet.missing("scores recomputed from logits")
        return
    z = found.astype(np.float64)
    _loss(sheet, run, observed, measured, cross_entropy(z, labels, _smoothing(observed)))
    counts = confusion(z, labels)
    if measured.confusion is None:
        sheet.missing("confusion")
    else:
        recorded = measured.confusion.model_dump()
        failed = f"{_counts(recorded)}; the logits give {_counts(counts)}"
        sheet.judge("confusion", recorded == counts, _counts(counts), failed)
    correct = {"accuracy": accuracy(counts), "f1": f1(counts)}
    for name, value in correct.items():
        if name not in measured.metrics:
            sheet.missing(name)
            continue
        recorded_value = measured.metrics[name]
        text = f"{name} is {recorded_value:.6f}"
        good = abs(recorded_value - value) <= COUNT
        sheet.judge(name, good, text, f"{text}; the logits give {value:.6f}", ratio=ratio_of(value, recorded_value))


def cross_entropy(z: Array, labels: npt.NDArray[Any], smoothing: float = 0.0) -> Array:
    """Each example's loss, shape (examples,): -log softmax(z)[label]; with label smoothing e, (1 - e) of it and e of
    the mean over the classes, as transformers' `LabelSmoother` has it.
    """
    log_p = z - np.logaddexp.reduce(z, axis=1, keepdims=True)
    own = -log_p[np.arange(len(z)), labels.astype(int)]
    return np.asarray((1 - smoothing) * own + smoothing * -log_p.mean(axis=1))


def confusion(z: Array, labels: npt.NDArray[Any]) -> dict[str, int]:
    """Counts tp, fp, fn, tn of the larger logit against the label; a tie answers 0, as numpy's argmax does."""
    answer, truth = np.argmax(z, axis=1) == 1, labels == 1
    return {
        "tp": int((answer & truth).sum()),
        "fp": int((answer & ~truth).sum()),
        "fn": int((~answer & truth).sum()),
        "tn": int((~answer & ~truth).sum()),
    }


def accuracy(counts: dict[str, int]) -> float:
    """(tp + tn) / examples."""
    return (counts["tp"] + counts["tn"]) / sum(counts.values())


def f1(counts: dict[str, int]) -> float:
    """2 tp / (2 tp + fp + fn); 0 where nothing is positive and nothing was called so."""
    whole = 2 * counts["tp"] + counts["fp"] + counts["fn"]
    return 2 * counts["tp"] / whole if whole else 0.0


def _loss(sheet: Sheet, run: Run, observed: Observed, measured: Measured, losses: Array) -> None:
    if "loss" not in measured.metrics:
        sheet.missing("evaluation loss")
        return
    found, expected = measured.metrics["loss"], float(losses.mean())
    relative = max([LOSS, *(value for name, value in FULL_EVAL.items() if observed.arguments.get(name))])
    good = abs(found - expected) <= relative * abs(expected) + _padding_slack(observed, losses)
    ratio = ratio_of(expected, found)
    issue = upstream.known(upstream.EVALUATION, ratio, upstream.scaling_of(run))
    text = f"the evaluation loss is {found:.6f}"
    times = f"{ratio:.3f} x" if ratio is not None else "not"
    failed = f"{text}, {times} the {expected:.6f} that the logits give"
    meaning = issue.text if issue else "evaluation averages or scales the loss wrongly"
    about = issue.issue if issue else None
    passed = f"{text}, as the logits give it"
    sheet.judge("evaluation loss", good, passed, failed, ratio=ratio, meaning=meaning, upstream=about)


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


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
