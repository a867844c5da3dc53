"""Two runs compared layer by layer, causes before consequences. Reproducibility, invariants and `diff` share it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.checks.verdict import Fact, Finding, Outcome, Side, Verdict
from harness.checks.verify import fields
from harness.checks.verify.fields import DONE, LAYERS, Layer
from harness.checks.verify.findings import side_of
from harness.checks.verify.inputs import column_differences
from harness.checks.verify.series import (
    EXACT,
    NAMES,
    Tolerance,
    common_steps,
    first_other_examples,
    id_steps,
    other_examples,
    ratio_of,
    series_departure,
    unequal,
)
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
        return NAMES.get(self.field, self.field)

    @property
    def fact(self) -> Fact:
        """Field and values; it names its item itself."""
        return Fact.of(
            "difference", item=self.item, layer=self.layer, a=self.a, b=self.b, ratio=self.ratio, where=self.where
        )

    def finding(self, outcome: Outcome, fact: Fact | None = None) -> Finding:
        """The difference as a finding, in other words where `fact` has some; the cause is that of a field's group."""
        cause = "asked" if self.layer == "asked" else self.field.partition(".")[0]
        if self.field == "scores.loss":
            cause = "loss"
        return Finding(self.item, outcome, fact or self.fact, self.step, self.ratio, cause)


@dataclass(frozen=True)
class Comparison:
    """What `compare` found, in the order of the layers; within the trajectory by step.

    `consequences` are differences that follow from one of `roots` (other data, initial weights or data order) or from
    batches asked for in another split, kept apart so that they do not hide it. `not_available` names what only one of
    the runs could tell, or neither; `not_shared` what cannot be compared of runs that begin at different steps.
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


def difference(a: Run, b: Run, tolerance: Tolerance = EXACT) -> Verdict:
    """Say whether two runs did the same: PASS or FAIL, with every difference as a finding.

    A difference in what was done is a FAIL, INCONCLUSIVE where it is a warning; what was asked for otherwise, where it
    ran, and what merely follows is listed as SKIP: nothing is held against it. `margin_from` is the tolerance.
    """
    comparison = compare(a, b, tolerance)
    steps, reason = len(comparison.steps), Fact.of("diff.equal", steps=len(comparison.steps))
    if not comparison.equal:
        reason = Fact.of("diff.differs", steps=steps) if comparison.differ else Fact.of("diff.within", steps=steps)
    found = [one.finding(_held(one)) for one in comparison.differences]
    found += [
        one.finding("SKIP", Fact.of("consequence", item=one.item, of=one.fact)) for one in comparison.consequences
    ]
    return Verdict(
        "diff",
        "FAIL" if comparison.differ else "PASS",
        _versioned(b),
        reason,
        against=_versioned(a),
        findings=tuple(found),
        not_available=comparison.missing,
        margin_from=Fact.of("tolerance", relative=tolerance.relative, steps=tolerance.steps),
    )


def _held(one: Difference) -> Outcome:
    if one.layer not in DONE:
        return "SKIP"
    return "INCONCLUSIVE" if one.warning else "FAIL"


def _versioned(run: Run) -> Side:
    """The run's side, its label with the version of transformers that it had."""
    side, observed = side_of(run), run.record.observed
    version = observed.packages.get("transformers") if observed else None
    return side if version is None else replace(side, label=f"{side.label} · transformers {version}")


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
    split = any(one.layer == "asked" and one.field in fields.SPLIT for one in found)
    follow = [
        one for one in found if (since is not None and _follows(one, since)) or (split and one.field == "batch shapes")
    ]
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
    first, second = fields.of(a), fields.of(b)
    for key in dict.fromkeys([*first, *second]):
        layer, name = key
        if name in fields.FROM_START and a.first_step != b.first_step:
            apart.append(name)
            continue
        if name == "checkpoint" and all(one.get(("exact", "checkpoint weights")) for one in (first, second)):
            continue  # its parts are compared
        x, y = first.get(key, fields.ABSENT), second.get(key, fields.ABSENT)
        if x == y or (name.startswith("arguments.") and _found_elsewhere(a, b, name.removeprefix("arguments."))):
            continue
        unknown = any(one is None or one is fields.ABSENT for one in (x, y))
        if unknown and layer == "exact" and not name.startswith("arguments."):
            missing.append(name)
            continue
        yield Difference(layer, name, None if x is fields.ABSENT else x, None if y is fields.ABSENT else y)


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
    only = [other.only_a, other.only_b]
    if not any(only):
        only = [ids.tolist() for run in (a, b) if (ids := run.ids(step)) is not None]
    first, second = (Fact.of("examples", ids=ids) for ids in only)
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
        if name not in a.series or name not in b.series:
            missing.append(name)
            continue
        lengths = [run.first_step + len(run.series[name]) for run in (a, b)]
        if lengths[0] != lengths[1] and name == "loss":
            first, second = (Fact.of("until", step=length - 1) for length in lengths)
            yield Difference("trajectory", "steps", first, second, min(lengths))
        left = series_departure(a, b, name, tolerance)
        if left is None:
            continue
        late = tolerance.steps is not None and left.step - max(a.first_step, b.first_step) >= tolerance.steps
        yield Difference("trajectory", name, left.a, left.b, left.step, left.ratio, left.where, late)


def _outcome(a: Run, b: Run, tolerance: Tolerance, missing: list[str]) -> Iterator[Difference]:
    warning = tolerance.steps is not None
    hashes = [fields.final_weights(run) for run in (a, b)]
    if None in hashes:
        missing.append("final weights")
    elif hashes[0] != hashes[1] and tolerance.relative == 0:
        yield Difference("outcome", "final weights", hashes[0], hashes[1])
    yield from _logits(a, b, tolerance, missing)
    first, second = fields.scores(a), fields.scores(b)
    for name in (name for name in first if name in second):
        if unequal(np.array([first[name]]), np.array([second[name]]), tolerance.relative).any():
            ratio = ratio_of(first[name], second[name])
            yield Difference("outcome", f"scores.{name}", first[name], second[name], ratio=ratio, warning=warning)


def _logits(a: Run, b: Run, tolerance: Tolerance, missing: list[str]) -> Iterator[Difference]:
    x, y = a.series.get("logits"), b.series.get("logits")
    if x is None or y is None:
        missing.append("logits")
        return
    if x.shape != y.shape:
        first, second = (Fact.of("shape", shape=list(logits.shape)) for logits in (x, y))
        yield Difference("outcome", "logits", first, second)
        return
    u, v = x.astype(np.float64), y.astype(np.float64)
    different = unequal(u, v, tolerance.relative, float(np.nanmax(np.abs(u), initial=0.0)))
    if different.any():
        at = tuple(int(i) for i in np.argwhere(different)[0])
        rows = int(different.reshape(len(u), -1).any(axis=1).sum())
        p, q = float(u[at]), float(v[at])
        where = Fact.of("where.examples", example=at[0], differing=rows, examples=len(u))
        warning = tolerance.steps is not None
        yield Difference("outcome", "logits", p, q, ratio=ratio_of(p, q), where=where, warning=warning)
