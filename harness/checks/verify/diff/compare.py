"""Two runs compared layer by layer: reproducibility, invariants and `diff` share it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.checks.verdict import Fact, Finding, Outcome
from harness.checks.verify import fields
from harness.checks.verify.answers import answers_apart, labels_apart
from harness.checks.verify.diff.reach import NOWHERE, reach
from harness.checks.verify.fields import DONE, LAYERS, Layer
from harness.checks.verify.inputs import column_differences
from harness.checks.verify.series import (
    EXACT,
    FACTOR,
    FLOORED,
    LEAP,
    NAMES,
    Tolerance,
    common_steps,
    first_other_examples,
    id_steps,
    jump,
    other_examples,
    ratio_of,
    series_departure,
    spread,
    unequal,
)
from harness.grid.keys import KEYS
from harness.record.run import Run


@dataclass(frozen=True)
class Difference:
    """One field in which two runs differ, `a` in the first, `b` in the second.

    `step` is the optimizer step (of the whole run, from 0) where it first shows, `ratio` b / a there, `where` how far
    it goes. A `warning` lies beyond what the tolerance promises.
    """

    layer: Layer
    field: str
    a: Any
    b: Any
    step: int | None = None
    ratio: float | None = None
    where: Fact | None = None
    warning: bool = False

    @property
    def item(self) -> str:
        """What people call the field."""
        group, _, setting = self.field.removeprefix("optimizer.groups.").partition(".")
        return (
            f"optimizer group {group}: {setting}" if setting and group.isdigit() else NAMES.get(self.field, self.field)
        )

    @property
    def cause(self) -> str:
        """The code of what such a difference usually means: that of a field's group."""
        if self.layer == "asked":
            return "asked"
        if self.field == "scores.loss":
            return "loss"
        if self.field == "model.dtype":
            return "dtype"
        return "data" if self.field.endswith(" data") else self.field.partition(".")[0]

    @property
    def fact(self) -> Fact:
        """Field and values; it names its item itself."""
        return Fact.of(
            "difference", item=self.item, layer=self.layer, a=self.a, b=self.b, ratio=self.ratio, where=self.where
        )

    def finding(self, outcome: Outcome, fact: Fact | None = None) -> Finding:
        """The difference as a finding, in other words where `fact` has some."""
        return Finding(self.item, outcome, fact or self.fact, self.step, self.ratio, self.cause)


@dataclass(frozen=True)
class Comparison:
    """What `compare` found, in the order of the layers; within the trajectory by step.

    `consequences` are differences that follow from one of `roots` (other data, initial weights or data order), kept
    apart so that they do not hide it. `not_available` names what only one of the runs could tell, or neither;
    `not_shared` what cannot be compared of runs that begin at different steps.
    """

    differences: tuple[Difference, ...]
    consequences: tuple[Difference, ...]
    not_available: tuple[str, ...]
    not_shared: tuple[str, ...]
    steps: range

    @property
    def equal(self) -> bool:
        """Whether nothing differs but what was asked for and where it ran."""
        return not self.of(*DONE)

    @property
    def differ(self) -> bool:
        """Whether the runs differ by more than warnings beyond what the tolerance promises."""
        return any(not one.warning for one in self.of(*DONE))

    @property
    def missing(self) -> tuple[Fact, ...]:
        """What could not be compared, and why."""
        apart = Fact.of("runs.begin_apart")
        return (
            *(Fact.of("missing", item=name, why=apart) for name in self.not_shared),
            *(Fact.of("missing", item=name, why=None) for name in self.not_available),
        )

    def of(self, *layers: Layer) -> tuple[Difference, ...]:
        """The differences of some layers."""
        return tuple(found for found in self.differences if found.layer in layers)


def compare(a: Run, b: Run, tolerance: Tolerance = EXACT) -> Comparison:
    """Compare two runs layer by layer; steps are aligned by number, so that a resumed run meets its own steps.

    Parameters
    ----------
    tolerance
        For losses, norms, rates, logits and scores. With a relative tolerance the final weights, which cannot be
        compared but bit by bit, are left out, and steps beyond `tolerance.steps` only warn.

    Notes
    -----
    What resuming changes by itself (the weights a run starts with, its order and counts of examples as a whole) is
    compared only where both runs begin at the same step.
    """
    missing: list[str] = []
    apart: list[str] = []
    found = [
        *_values(a, b, missing, apart),
        *_data_order(a, b, missing),
        *_inputs(a, b, missing),
        *sorted(_trajectory(a, b, tolerance, missing), key=lambda one: one.step or 0),
        *_outcome(a, b, tolerance, missing),
    ]
    found.sort(
        key=lambda one: (LAYERS.index(one.layer), not fields.is_root(one.field) if one.layer == "exact" else False)
    )
    roots = [one for one in found if fields.is_root(one.field)]
    since = min((one.step or 0 for one in roots), default=None)
    follow = [one for one in found if since is not None and _follows(one, since)]
    first = tuple(one for one in found if one not in follow)
    return Comparison(first, tuple(follow), tuple(dict.fromkeys(missing)), tuple(apart), _steps(a, b))


def _steps(a: Run, b: Run) -> range:
    """The steps on which losses were compared."""
    both = common_steps(a, b, "loss")
    return range(both[2], both[2] + len(both[0])) if both else range(0)


def _follows(one: Difference, since: int) -> bool:
    """Whether a difference is what other weights, examples or inputs from step `since` on must lead to."""
    if one.layer == "outcome" or one.field in ("batch shapes", "examples seen"):
        return True
    return one.layer == "trajectory" and one.field != "learning_rate" and (one.step or 0) >= since


def _values(a: Run, b: Run, missing: list[str], apart: list[str]) -> Iterator[Difference]:
    """Everything that is one value a run."""
    first, second, ranks = fields.of(a), fields.of(b), ranks_of(a, b)
    for key in dict.fromkeys([*first, *second]):
        layer, name = key
        if name in fields.FROM_START and a.first_step != b.first_step:
            apart.append(name)
            continue
        if name == "checkpoint" and all(one.get(("exact", "checkpoint weights")) for one in (first, second)):
            continue  # its parts are compared
        x, y = first.get(key, fields.ABSENT), second.get(key, fields.ABSENT)
        if name.startswith("recipe.") and fields.ABSENT in (x, y):
            # A recipe's silence means the default, where the run tells it.
            x, y = (_resolved(run, name, one) for run, one in ((a, x), (b, y)))
        if fields.same(x, y) or (name.startswith("arguments.") and _found_elsewhere(a, b, name.split(".")[1])):
            continue
        unknown = any(one is None or one is fields.ABSENT for one in (x, y)) and not _in_table(name, first, second)
        if unknown and layer == "exact" and not name.startswith(("arguments.", "optimizer.groups.")):
            missing.append(name)
            continue
        if layer == "exact" and reach(layer, name, ranks) == NOWHERE:
            layer = "harmless"
        yield Difference(layer, name, None if x is fields.ABSENT else x, None if y is fields.ABSENT else y)


def _in_table(name: str, *runs: Mapping[fields.Key, Any]) -> bool:
    """Whether a path leads into a table that both runs tell, so that what one has not is off."""
    table = name.rpartition(".")[0] + "."
    return name.count(".") > 1 and all(any(other.startswith(table) for _, other in run) for run in runs)


def ranks_of(a: Run, b: Run) -> int:
    """The larger number of ranks of two runs."""
    return max(run.fingerprint.world_size if run.fingerprint else run.record.asked.devices for run in (a, b))


def _resolved(run: Run, name: str, asked: Any) -> Any:
    """What a recipe asks for; where it is silent the default, for an argument what the run says of it, else None."""
    if asked is not fields.ABSENT:
        return asked
    plain = name.removeprefix("recipe.")
    return KEYS[plain]["default"] if plain in KEYS else fields.resolved(run).get(plain)


def _found_elsewhere(a: Run, b: Run, name: str) -> bool:
    """Whether an argument's difference is asked for, or is one that a version lacks and the other leaves alone."""
    if any(name in run.record.asked.recipe for run in (a, b)):
        return True
    source = fields.SET_BY.get(name)
    if source is not None and getattr(a.record.asked, source) != getattr(b.record.asked, source):
        return True
    seen = [run.record.observed for run in (a, b)]
    both = [one for one in seen if one is not None and name in one.arguments]
    return len(both) < len(seen) and not any(
        one.fingerprint is not None and name in one.fingerprint.non_default_arguments for one in both
    )


def _data_order(a: Run, b: Run, missing: list[str]) -> Iterator[Difference]:
    steps = id_steps(a, b)
    if not len(steps):
        hashes = [run.fingerprint and run.fingerprint.data_order_sha256 for run in (a, b)]
        if None in hashes or a.first_step != b.first_step:
            missing.append("data order")
        elif hashes[0] != hashes[1]:
            yield Difference("exact", "data order", hashes[0], hashes[1])
        return
    step, name = first_other_examples(a, b), "data order"
    if step is None:
        step, name = first_other_examples(a, b, ordered=True), "order within steps"
    if step is None:
        return
    other = other_examples(a, b, step)
    both = [ids.tolist() for run in (a, b) if (ids := run.ids(step)) is not None]
    if len(both[0]) != len(both[1]):
        first, second = (Fact.of("examples.taken", count=len(ids)) for ids in both)
    else:
        only = [other.only_a, other.only_b]
        first, second = (Fact.of("examples", ids=ids) for ids in (only if any(only) else both))
    where = Fact.of("where", step=step, steady=False, differing=other.differing, steps=other.steps)
    yield Difference("exact", name, first, second, step, where=where)


def _inputs(a: Run, b: Run, missing: list[str]) -> Iterator[Difference]:
    """Columns that the model received otherwise; each one's hash is of all rows, its place that of the first row."""
    found = column_differences(a, b)
    if found is None:
        missing.append("inputs")
        return
    for one in found:
        field, where = ("inputs", one.where) if one.part == "training" else ("evaluation inputs", one.where)
        yield Difference("exact", f"{field}.{one.column}", *one.hashes, one.step, where=where)


def _trajectory(a: Run, b: Run, tolerance: Tolerance, missing: list[str]) -> Iterator[Difference]:
    for name in NAMES:
        if (both := common_steps(a, b, name)) is None:
            missing.append(name)
        if name not in a.series or name not in b.series:
            continue
        lengths = [run.first_step + len(run.series[name]) for run in (a, b)]
        if lengths[0] != lengths[1] and name == "loss":
            first, second = (Fact.of("until", step=length - 1) for length in lengths)
            yield Difference("trajectory", "steps", first, second, min(lengths))
        left = series_departure(a, b, name, tolerance)
        if left is None:
            continue
        late = tolerance.steps is not None and left.step - max(a.first_step, b.first_step) >= tolerance.steps
        if late and both is not None and (leap := jump(*both, tolerance.relative, name in FLOORED)) is not None:
            left, late = leap, False
        yield Difference("trajectory", name, left.a, left.b, left.step, left.ratio, left.where, late)


def _outcome(a: Run, b: Run, tolerance: Tolerance, missing: list[str]) -> Iterator[Difference]:
    hashes = [fields.final_weights(run) for run in (a, b)]
    if None in hashes:
        missing.append("final weights")
    elif hashes[0] != hashes[1] and tolerance.relative == 0:
        yield Difference("outcome", "final weights", hashes[0], hashes[1])
    # What training alone may have led to: nothing where it was equal, and whatever rounding may grow to.
    far = max((found.largest for name in NAMES if (found := spread(a, b, name)) is not None), default=0.0)
    if None not in hashes and hashes[0] == hashes[1]:
        far = 0.0
    held = tolerance.steps is None
    answers = list(_logits(a, b, tolerance, missing, far))
    yield from answers
    held |= any(not one.warning for one in answers) or (not answers and far == 0)
    if (held_to := labels_apart(a, b)) is not None:
        yield Difference("outcome", "labels", *held_to[:2], where=held_to[2])
    first, second = fields.scores(a), fields.scores(b)
    for name in (name for name in first if name in second):
        if unequal(np.array([first[name]]), np.array([second[name]]), tolerance.relative).any():
            ratio = ratio_of(first[name], second[name])
            yield Difference("outcome", f"scores.{name}", first[name], second[name], ratio=ratio, warning=not held)


def _logits(a: Run, b: Run, tolerance: Tolerance, missing: list[str], far: float) -> Iterator[Difference]:
    """Answers, paired by example; `far` is how far apart training was at most."""
    found = answers_apart(a, b)
    if found is None:
        missing.append("logits")
        return
    if found.order is not None:
        yield Difference("harmless", "evaluation order", *found.order)
    if found.shapes is not None:
        first, second = (Fact.of("shape", shape=list(shape)) for shape in found.shapes)
        yield Difference("outcome", "logits", first, second)
        return
    if found.apart is None:
        missing.append("logits by example")
        return
    different = found.apart > tolerance.relative
    if not different.any():
        return
    rows = np.asarray(different.any(axis=1))
    example = int(np.argmax(rows))
    column = int(np.argmax(different[example]))
    p, q = float(found.a[example, column]), float(found.b[example, column])
    most = float(found.apart.max())
    where = Fact.of("where.examples", example=found.example(example), differing=int(rows.sum()), examples=len(rows))
    grown = (
        tolerance.steps is not None and far > 0 and not (most >= FACTOR and most >= LEAP * max(far, tolerance.relative))
    )
    yield Difference("outcome", "logits", p, q, ratio=ratio_of(p, q), where=where, warning=grown)
