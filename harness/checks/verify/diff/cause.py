"""Why two runs differ, as codes with the fields that prove it: what was asked, what was done, where it ran."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from harness.checks.verdict import Fact
from harness.checks.verify.diff.compare import Difference
from harness.checks.verify.diff.explain import Explanation
from harness.checks.verify.fields import is_root
from harness.checks.verify.inputs import Part, changed_examples, column_differences
from harness.checks.verify.upstream import scaling_fact
from harness.record.run import Run

SPLITS: Final[dict[str, Part]] = {"training data": "training", "validation data": "evaluation"}
MOST_IDS: Final = 64
DTYPE: Final = "model.dtype"
PARTS: Final = (DTYPE, "tokenizer")
_OF_PARTS: Final = ("checkpoint", "checkpoint weights", "inputs")
"""What a checkpoint's other weights and tokenizer have said already."""


def cause_facts(a: Run, b: Run, found: Explanation) -> list[Fact]:
    """What explains the difference first, then what else was asked for; a known defect before what it comes of."""
    made = [_fact(a, b, one, found if at == 0 else None) for at, one in enumerate(found.causes)]
    if found.state != "different":
        return made
    item, ratio = (found.effect.field, found.effect.ratio) if found.effect is not None else (None, None)
    scaling = scaling_fact(a, b, item, ratio, found.upstream)
    if scaling is not None:
        made.insert(0 if found.upstream else len(made), scaling)
    # A loss that is no number has no ratio: training went astray, and nothing was done at that step.
    if not made and ratio is not None and found.code is not None and found.code.startswith("jump"):
        made.append(Fact.of("cause.jump", kind=found.code, step=found.effect and found.effect.step))
    return made


def idle_facts(a: Run, b: Run, found: Explanation) -> list[Fact]:
    """What was asked for otherwise, and where else it ran, that changed nothing in runs that are identical."""
    return [_fact(a, b, one, None) for one in (*found.idle, *found.places)]


def _fact(a: Run, b: Run, one: Difference, found: Explanation | None) -> Fact:
    if one.layer == "asked":
        through = [] if found is None else list(_through(a, b, one, found))
        return Fact.of("cause.asked", field=one.field, a=one.a, b=one.b, through=through)
    if one.field in SPLITS:
        return _data(a, b, one)
    if one.layer == "environment":
        return Fact.of("cause.place", field=one.field, a=one.a, b=one.b)
    if one.field in PARTS:
        return _part(a, b, one)
    return Fact.of("cause.done", item=one.item, field=one.field, a=one.a, b=one.b, step=one.step)


def _through(a: Run, b: Run, asked: Difference, found: Explanation) -> Iterator[Fact]:
    """What of the first order was otherwise for it: weights, examples; of another checkpoint its parts."""
    parts = {one.field: one for one in found.follows} if asked.field.startswith("checkpoint ") else {}
    yield from (_part(a, b, parts[name]) for name in PARTS if name in parts)
    if "model configuration" in parts and DTYPE not in parts:
        yield Fact.of("through", item="model configuration")
    for one in found.follows:
        if one.field == "data order" and isinstance(one.a, Fact) and one.a.code == "examples.taken":
            yield Fact.of("through.taken", a=one.a.values["count"], b=one.b.values["count"])
        elif (
            one.layer == "exact"
            and is_root(one.field)
            and one.field.partition(".")[0] not in _OF_PARTS
            and DTYPE not in parts
        ):
            yield Fact.of("through", item=one.item)


def _part(a: Run, b: Run, one: Difference) -> Fact:
    """A checkpoint's part that says more than that its hash is another."""
    if one.field == DTYPE:
        weights = [run.record.observed.weights if run.record.observed else None for run in (a, b)]
        saved = [None if found is None or found.saved_dtypes is None else list(found.saved_dtypes) for found in weights]
        return Fact.of("cause.dtype", field=one.field, a=one.a, b=one.b, saved=saved)
    columns = {found.column: found.only for found in column_differences(a, b) or ()}
    return Fact.of("cause.tokenizer", field=one.field, item=one.item, columns=columns)


def _data(a: Run, b: Run, one: Difference) -> Fact:
    """Which examples were changed, of those that both runs have received."""
    found = changed_examples(a, b, SPLITS[one.field])
    ids, known = found if found is not None else (None, None)
    tasks = [run.record.asked.task for run in (a, b)]
    return Fact.of(
        "cause.data",
        item=one.field,
        tasks=tasks if tasks[0] != tasks[1] else None,
        examples=[split.values["examples"] for split in (one.a, one.b)],
        changed=None if ids is None else len(ids),
        known=known,
        ids=[] if ids is None else ids[:MOST_IDS],
    )
