"""What is wrong with examples and saved heads, known before anything trains; and what of it a grid's runs show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.checks.selection import selection
from harness.fact import Fact
from harness.record.model import Record
from harness.record.parts.data import Data, Split
from harness.record.results import Results


def data_faults(data: Data) -> Iterator[Fact]:
    """Validation examples that are trained on; examples that are there twice, empty or cut; splits of one class."""
    found = data.audit
    if found is not None and found.in_training:
        of, other = data.validation.examples, found.other_label
        yield Fact.of("data.leak", number=found.in_training, examples=of, other_label=other)
    for name, split, twice in (
        ("training", data.train, found.train if found else None),
        ("validation", data.validation, found.validation if found else None),
    ):
        of = split.examples
        if twice is not None and twice.duplicates:
            number, other = twice.duplicates, twice.other_label
            yield Fact.of("data.duplicates", split=name, number=number, examples=of, other_label=other)
        if twice is not None and twice.empty:
            yield Fact.of("data.empty", split=name, number=twice.empty, examples=of)
        yield from class_faults(name, split)
    for name, split in {"train": data.train, "validation": data.validation, **data.more}.items():
        cut, shown = data.truncated, "training" if name == "train" else name
        if cut is not None and cut.rows.get(name):
            yield Fact.of("data.truncated", split=shown, number=cut.rows[name], examples=split.examples, tokens=cut.to)


def class_faults(name: str, split: Split) -> Iterator[Fact]:
    """A split of one class: without a positive example there is no F1."""
    there = [label for label, count in enumerate(split.labels or ()) if count]
    if len(there) == 1:
        yield Fact.of("data.one_class", split=name, examples=split.examples, label=there[0])


def head_problem(checkpoint: str, has: int, due: int) -> str | None:
    """Why a saved head cannot be of a task with so many outputs; None where it can."""
    if has == due:
        return None
    outputs = "output" if due == 1 else "classes"
    said = f"its saved head has {has} {'output' if has == 1 else 'classes'}, the task has {due} {outputs}"
    if 1 not in (has, due):
        said = f"its saved head has {has} classes, the task has {due}"
    return f"checkpoint {checkpoint}: {said}; allowed one without a head, or with a head of {due}"


def head_faults(checkpoint: str, head: Mapping[str, Any] | None) -> Iterator[Fact]:
    """A saved head: that it is no new one, or that its classes are not the task's, or stand in another order.

    `head` is what a preparation found: `names` of its classes, and those of the `task`.
    """
    if head is not None:
        yield _named_otherwise(checkpoint, head) or Fact.of("head.trained", checkpoint=checkpoint)


def _named_otherwise(checkpoint: str, head: Mapping[str, Any]) -> Fact | None:
    """Classes by other names than the task's: its answers would mean another thing."""
    names = [_plain(name) for name in head["names"]]
    if not head["task"] or len(names) != len(head["task"]):
        return None
    for due in (head["task"], [f"LABEL_{number}" for number in range(len(names))]):
        ours = [_plain(name) for name in due]
        if names != ours and sorted(names) == sorted(ours):
            return Fact.of("head.order", checkpoint=checkpoint, names=head["names"], due=due)
    unnamed = all(name.startswith("label_") for name in names)
    if names != [_plain(name) for name in head["task"]] and not unnamed:
        return Fact.of("head.other", checkpoint=checkpoint, names=head["names"], due=head["task"])
    return None


def run_faults(results: Results) -> tuple[Fact, ...]:
    """What the records say of the data and the heads that the scores are of, and of runs that scored another model
    than asked.
    """
    used = (record.observed.data for record in results.records.values() if record.observed)
    found = [fact for data in used if data is not None for fact in data_faults(data)]
    for record in results.records.values():
        weights, checkpoint = record.observed and record.observed.weights, record.asked.checkpoint
        if weights and weights.newly_initialised == [] and not checkpoint.random:
            found.append(Fact.of("head.trained", checkpoint=checkpoint.name))
    for one in results.configurations:
        if one.asked.recipe.get("load_best_model_at_end"):
            others = [entry.seed for entry in one.entries if _is_other(results.record(entry))]
            if others:
                found.append(Fact.of("selection.seeds", configuration=one.label, seeds=others, runs=len(one.entries)))
    return tuple({str(fact): fact for fact in found}.values())


def _is_other(record: Record) -> bool:
    fact = selection(record)
    return fact is not None and fact.code == "selection.other"


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "_").replace(" ", "_")
