"""Fidelity of material: the data set's sizes and hash, and the weights that training started from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from harness.checks.verify.findings import Sheet
from harness.record.model import Data, Measured, Split, Weights
from harness.record.run import Run
from harness.text import listed

NAMED: Final = 5
HEADS: Final = frozenset({"classifier", "pre_classifier", "pooler", "score"})
"""Parts of a classifier that a checkpoint may lack."""


@dataclass(frozen=True)
class KnownTask:
    """What a known task's splits are: examples, positives, and the sha256 that `Split` has."""

    train: Split
    validation: Split


MRPC: Final = KnownTask(
    Split(examples=3668, positives=2474, sha256="5e73b47b0569f62cf4c0bb4f15a0bc2c81ccc16462a585fb3402e6964411e9f4"),
    Split(examples=408, positives=279, sha256="26a0b8005276d445281c804b970fa61106734b79a850190062d7cb0ba9d08748"),
)
KNOWN: Final[Mapping[str, KnownTask]] = {
    "glue/mrpc": MRPC,
    "embedded/paraphrase": KnownTask(
        Split(examples=800, positives=533, sha256="76d63a01d345ddbe0b397fa014d41ff489ea252cffdef0194561f67ab8cc4f70"),
        Split(examples=240, positives=160, sha256="35a9180b63f2dd234893089b556ebb0d8598f034582fe20e55b7120e42c66f6d"),
    ),
}
"""By task. MRPC's are those of GLUE's own files (`msr_paraphrase_*.txt` split by GLUE's `dev_ids`)."""


def known_task(task: str, data: Data) -> KnownTask | None:
    """The known task that this one is, or by its sizes claims to be; None for any other."""
    sizes = (data.train.examples, data.validation.examples)
    if task not in KNOWN and sizes == (MRPC.train.examples, MRPC.validation.examples):
        return MRPC
    return KNOWN.get(task)


def copy_of(data: Data) -> str | None:
    """The known task whose very texts and labels these are, whatever their source is called; None for any other."""
    return next((name for name, known in KNOWN.items() if KnownTask(data.train, data.validation) == known), None)


def data(sheet: Sheet, run: Run, found: Data | None) -> None:
    """Sizes and positives of both splits, and what they hold; labels, logits and counts agree with them."""
    if found is None:
        sheet.missing("data")
        return
    known = known_task(run.record.asked.task, found)
    wrong: list[str] = []
    for name, split in (("training", found.train), ("validation", found.validation)):
        if known is None:
            continue
        expected = known.train if name == "training" else known.validation
        if (split.examples, split.positives) != (expected.examples, expected.positives):
            wrong.append(
                f"{name} has {split.examples:,} examples, {split.positives:,} positive, instead of "
                f"{expected.examples:,} and {expected.positives:,}"
            )
        elif split.sha256 != expected.sha256:
            wrong.append(f"{name} has the right size but other texts or labels (hash {split.sha256[:12]})")
    text = f"{found.train.examples:,} training and {found.validation.examples:,} validation examples"
    if known is not None:
        text += ", each with the text and label it should have"
    sheet.judge("data", not wrong, text, "; ".join(wrong))
    if known is None:
        sheet.missing("data hash", f"{run.record.asked.task} is not a task known here")
    _labels(sheet, run, found.validation)


def _labels(sheet: Sheet, run: Run, split: Split) -> None:
    labels = run.series.get("labels")
    if labels is None:
        sheet.missing("labels")
        return
    found = f"{len(labels):,} labels, {int(np.sum(labels == 1)):,} of them positive"
    good = (len(labels), int(np.sum(labels == 1))) == (split.examples, split.positives)
    failed = f"predicted on {found}; the validation split has {split.examples:,} and {split.positives:,}"
    sheet.judge("labels", good, found, failed)


def weights(sheet: Sheet, found: Weights | None, random: bool = False) -> None:
    """Exactly the head is new; every other tensor is what the checkpoint's file has. A `random` model is all new."""
    if found is None:
        sheet.missing("weights")
        return
    new = found.newly_initialised
    if random:
        known = f"{listed(new, NAMED)} are new"
        good = any(not HEADS & set(name.split(".")) for name in new)
        sheet.judge("newly initialised weights", good, f"{known}, as asked for", f"only {known}; all were asked for")
        return
    body = [name for name in new if not HEADS & set(name.split("."))]
    parts = {part for name in new for part in name.split(".") if part in HEADS}
    spurned = sorted(part for part in parts if any(part in name.split(".") for name in found.unused))
    if body:
        text = f"{len(body)} tensors besides the head are newly initialised: {listed(body, NAMED)}"
    elif not parts & {"classifier", "score"}:
        text = "the classifier is not newly initialised: the checkpoint brought one that was trained before"
    else:
        text = f"the checkpoint has a {listed(spurned)}, yet the model's was newly initialised"
    good = not body and bool(parts & {"classifier", "score"}) and not spurned
    sheet.judge("newly initialised weights", good, f"only {listed(new, NAMED)} are new", text)
    other = found.not_as_saved
    if other is None:
        sheet.missing("weights as saved", "some tensor's place in the checkpoint's file cannot be told")
        return
    passed = "every other tensor is the checkpoint's own"
    failed = f"{len(other)} tensors are neither new nor what the checkpoint's file has: {listed(other, NAMED)}"
    sheet.judge("weights as saved", not other, passed, failed, meaning="the model was changed after it was loaded")


def samples(sheet: Sheet, run: Run, measured: Measured) -> None:
    """Samples = rate x time, and the samples are the rows that were seen."""
    count, rate, seconds = measured.train_samples, measured.train_samples_per_second, measured.seconds.get("train")
    if count is None or rate is None or not seconds:
        sheet.missing("samples")
        return
    product = rate * seconds
    slack = rate * 1e-6 + 1e-9 * count  # seconds are recorded to the microsecond
    observed = run.record.observed
    seen = observed.fingerprint.seen if observed and observed.fingerprint else None
    rows = sum(epoch.seen for epoch in seen.epochs) if seen else count
    text = f"{count:,} samples, {rate:.1f} a second for {seconds:.3f} s"
    if rows != count:
        text += f"; {rows:,} rows were seen"
    sheet.judge(
        "samples", abs(product - count) <= slack and rows == count, text,
        f"{text}; rate x time is {product:,.1f}", ratio=product / count if count else None,
    )  # fmt: skip
