"""Fidelity of material: the data set's sizes and hash, and the weights that training started from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.checks.verdict import Fact
from harness.checks.verify.findings import Findings
from harness.checks.verify.upstream import at_least
from harness.record.model import Asked
from harness.record.parts.data import Data, Split
from harness.record.parts.measured import Measured
from harness.record.parts.observed import Observed, Weights
from harness.record.run import Run
from harness.text import listed

HEADS: Final = frozenset({"classifier", "pre_classifier", "pooler", "score"})
"""Parts of a classifier that a checkpoint may lack."""


@dataclass(frozen=True)
class KnownTask:
    """What a known task's splits are: examples, those of each class, and the sha256 that `Split` has."""

    train: Split
    validation: Split


def _split_of(labels: list[int], sha256: str) -> Split:
    return Split(examples=sum(labels), labels=labels, sha256=sha256)


MRPC: Final = KnownTask(
    _split_of([1194, 2474], "5e73b47b0569f62cf4c0bb4f15a0bc2c81ccc16462a585fb3402e6964411e9f4"),
    _split_of([129, 279], "26a0b8005276d445281c804b970fa61106734b79a850190062d7cb0ba9d08748"),
)
KNOWN: Final[Mapping[str, KnownTask]] = {
    "glue/mrpc": MRPC,
    "embedded/paraphrase": KnownTask(
        _split_of([267, 533], "76d63a01d345ddbe0b397fa014d41ff489ea252cffdef0194561f67ab8cc4f70"),
        _split_of([80, 160], "35a9180b63f2dd234893089b556ebb0d8598f034582fe20e55b7120e42c66f6d"),
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


MASTER: Final = "float32"
"""What weights are kept in while they are trained: a step of 5e-5 is lost in the 8 bits of bfloat16."""

MOST_UNKNOWN: Final = 0.05
"""Of a task's tokens. bert-base-uncased's vocabulary has all 195,291 of MRPC's training pairs; one that lacks one in
twenty is another language's, or damaged. Preparation refuses where it lacks more than half."""

KEPT_SINCE: Final = (5,)
"""Since this transformers a checkpoint's weights keep the dtype that they were saved in; before they became float32."""


def data(findings: Findings, run: Run, found: Data | None) -> None:
    """Sizes and classes of both splits, and what they hold; labels, logits and counts agree with them."""
    if found is None:
        findings.missing("data")
        return
    known, wrong = known_task(run.record.asked.task, found), []
    if known is not None:
        wrong = [*_split("training", found.train, known.train)]
        wrong += _split("validation", found.validation, known.validation)
    training, validation = found.train.examples, found.validation.examples
    passed = Fact.of("data.right", training=training, validation=validation, known=known is not None)
    findings.judge("data", not wrong, passed, Fact.of("several", facts=wrong))
    if known is None:
        findings.missing("data hash", Fact.of("task.unknown", task=run.record.asked.task))
    _labels(findings, run, found.validation)
    share, item = found.unknown_tokens, "unknown tokens"
    if share is None:
        findings.missing(item, Fact.of("record.older"))
    else:
        fact = Fact.of("tokens.unknown", share=share, most=MOST_UNKNOWN)
        findings.judge(item, share <= MOST_UNKNOWN, fact, fact, cause="inputs")


def _split(name: str, split: Split, known: Split) -> list[Fact]:
    """What is wrong with a known task's split."""
    if (split.examples, split.labels) != (known.examples, known.labels):
        if split.positives is None or known.positives is None:
            return [
                Fact.of(
                    "split.other",
                    split=name,
                    examples=split.examples,
                    labels=split.labels,
                    due=known.examples,
                    due_labels=known.labels,
                )
            ]
        return [
            Fact.of(
                "split.size",
                split=name,
                examples=split.examples,
                positives=split.positives,
                due=known.examples,
                due_positives=known.positives,
            )
        ]
    return [] if split.sha256 == known.sha256 else [Fact.of("split.content", split=name, sha256=split.sha256)]


def _labels(findings: Findings, run: Run, split: Split) -> None:
    labels = run.series.get("labels")
    if labels is None:
        findings.missing("labels")
        return
    count, due = len(labels), split.labels
    own = None if due is None else [int(np.sum(labels == number)) for number in range(len(due))]
    if own is not None and split.positives is not None:
        seen = Fact.of("labels.seen", count=count, positives=own[1])
        failed = Fact.of("labels.wrong", seen=seen, examples=split.examples, positives=split.positives)
    else:
        seen = Fact.of("labels.classes", count=count, labels=own)
        failed = Fact.of("labels.other", seen=seen, examples=split.examples, labels=due)
    good = (count, own) == (split.examples, due)
    if good and (apart := _paired_otherwise(run, labels)):
        good, failed = False, Fact.of("labels.paired", differing=apart, count=count)
    findings.judge("labels", good, seen, failed)


def _paired_otherwise(run: Run, labels: npt.NDArray[Any]) -> int:
    """How many answers are paired with another label than the model was given with the example; 0 where not known."""
    given = run.series.get("evaluation_inputs.labels")
    if given is None or len(given) != len(labels):
        return 0
    from scipy.optimize import linear_sum_assignment  # slow to import, and only verify asks

    # Of what it was given there are hashes: each must stand for one label, and no two for the same.
    (_, rows), (_, kinds) = np.unique(given, return_inverse=True), np.unique(labels, return_inverse=True)
    table = np.zeros((rows.max(initial=0) + 1, kinds.max(initial=0) + 1), np.int64)
    np.add.at(table, (rows, kinds), 1)
    return int(len(labels) - table[linear_sum_assignment(table, maximize=True)].sum())


def weights(findings: Findings, found: Weights | None, random: bool = False, own: bool = False) -> None:
    """Exactly the head is new; every other tensor is what the checkpoint's file has. A `random` model is all new.

    On a table of the user's `own` no published value stands for a new head: who trains a classifier on may do so.
    """
    if found is None or found.newly_initialised is None:
        findings.missing("weights")
        return
    new, item = found.newly_initialised, "newly initialised weights"
    body = [name for name in new if not HEADS & set(name.split("."))]
    if random:
        findings.judge(item, bool(body), Fact.of("weights.all_new", names=new), Fact.of("weights.not_all", names=new))
        return
    fault = _head_fault(new, body, found.unused or ())
    good = fault is None or (own and not new)
    findings.note(item, "PASS" if good else "FAIL", fault or Fact.of("weights.head_new", names=new))
    other = found.not_as_saved
    if other is None:
        findings.missing("weights as saved", Fact.of("weights.place_unknown"))
        return
    passed, failed = Fact.of("weights.as_saved"), Fact.of("weights.not_as_saved", names=other)
    findings.judge("weights as saved", not other, passed, failed, cause="weights.changed")


def dtypes(findings: Findings, observed: Observed) -> None:
    """Weights and the optimizer's states are kept in float32, whatever precision their products have."""
    weights, states, item = observed.model.get("dtype"), observed.optimizer.get("state_dtypes"), "dtype of weights"
    if weights is None:
        findings.missing(item)
        return
    saved = observed.weights.saved_dtypes if observed.weights else None
    kept = saved == [weights] and bool(at_least(observed.packages.get("transformers"), KEPT_SINCE))
    seen = Fact.of("dtype.seen", dtype=weights)
    failed = Fact.of("dtype.wrong", dtype=weights, saved=listed(saved or ()), kept=kept)
    findings.judge(item, weights == MASTER, seen, failed, cause="dtype")
    if not states:
        findings.missing("dtype of optimizer states")
    elif weights == MASTER:  # states of other weights are of their dtype, which has been said
        good, fact = states == [MASTER], Fact.of("states.seen", dtypes=states)
        findings.judge("dtype of optimizer states", good, fact, fact, cause="dtype")


def _head_fault(new: Sequence[str], body: Sequence[str], unused: Sequence[str]) -> Fact | None:
    """Why the newly initialised tensors are not exactly those of the head; None where they are."""
    parts = {part for name in new for part in name.split(".") if part in HEADS}
    spurned = sorted(part for part in parts if any(part in name.split(".") for name in unused))
    if body:
        return Fact.of("weights.body_new", names=body)
    if not parts & {"classifier", "score"}:
        return Fact.of("weights.trained_head")
    return Fact.of("weights.spurned", parts=spurned) if spurned else None


def adapter(findings: Findings, asked: Asked, observed: Observed) -> None:
    """The adapters are those asked for; they and the head are trained, and nothing else has changed."""
    wanted, found, item = asked.recipe.get("peft"), observed.adapter, "adapter"
    if not wanted:
        return
    if found is None:
        findings.judge(item, False, failed := Fact.of("adapter.none"), failed, cause=item)
        return
    due = {name: wanted[name] for name in ("method", "r", "alpha", "dropout") if name in wanted}
    if isinstance(wanted.get("targets"), list):
        due["targets"] = sorted({name.rpartition(".")[2] for name in wanted["targets"]})
    if asked.dropout is False:
        due["dropout"] = 0.0
    wrong = [
        Fact.of("argument.changed", name=f"peft.{name}", got=getattr(found, name), asked=value)
        for name, value in due.items()
        if getattr(found, name) != value
    ]
    if found.trainable != (count := found.r * found.features + found.head):
        wrong.append(Fact.of("adapter.trainable", trainable=found.trainable, due=count))
    if found.frozen_sha256 != found.frozen_before_sha256:
        wrong.append(Fact.of("adapter.base_moved"))
    if found.new_frozen and not asked.checkpoint.random:
        wrong.append(Fact.of("adapter.new_frozen", names=found.new_frozen))
    passed = Fact.of("adapter.right", trainable=found.trainable, layers=found.layers, head=found.head)
    findings.judge(item, not wrong, passed, Fact.of("several", facts=wrong), cause=item)


def samples(findings: Findings, run: Run, measured: Measured) -> None:
    """Samples = rate x time, and the samples are the rows that were seen."""
    count, rate, seconds = measured.train_samples, measured.train_samples_per_second, measured.seconds.get("train")
    if count is None or rate is None or not seconds:
        findings.missing("samples")
        return
    product = rate * seconds
    slack = rate * 1e-6 + 1e-9 * count  # seconds are recorded to the microsecond
    seen = run.fingerprint.seen if run.fingerprint else None
    rows = sum(epoch.seen for epoch in seen.epochs) if seen else count
    passed = Fact.of("samples.right", count=count, rate=rate, seconds=seconds, rows=rows)
    failed = Fact.of("samples.wrong", found=passed, product=product)
    good = abs(product - count) <= slack and rows == count
    findings.judge("samples", good, passed, failed, ratio=product / count if count else None)
