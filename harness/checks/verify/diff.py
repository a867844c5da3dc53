"""Two runs compared layer by layer, causes before consequences. Reproducibility, invariants and `diff` share it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from harness.checks.verify import fields
from harness.checks.verify.explain import meaning_of, name_of
from harness.checks.verify.fields import Layer
from harness.checks.verify.series import (
    SERIES,
    common_steps,
    first_other_examples,
    id_steps,
    ratio_of,
    same_examples,
    series_departure,
)
from harness.checks.verify.tolerance import EXACT, Tolerance, unequal
from harness.record.run import Run
from harness.text import listed, show

LAYERS: Final[tuple[Layer, ...]] = ("asked", "environment", "exact", "trajectory", "outcome")
ROOTS: Final = ("data", "checkpoint", "initial weights", "data order")
"""Fields of the first order: where one differs, all that is computed from it differs too."""

SPLIT: Final = ("recipe.per_device_train_batch_size", "recipe.gradient_accumulation_steps", "devices")
"""What was asked for so has batches of another shape, and may mean the same."""

NAMED: Final = 8
Severity = Literal["difference", "warning"]


@dataclass(frozen=True)
class Difference:
    """One field in which two runs differ, `a` in the first, `b` in the second.

    `step` is the optimizer step (of the whole run, from 0) where it first shows, `ratio` b / a there, and `steady`
    whether each later step has the same ratio. A `warning` lies beyond what the tolerance promises.
    """

    layer: Layer
    field: str
    a: Any
    b: Any
    step: int | None = None
    ratio: float | None = None
    steady: bool = False
    meaning: str = ""
    severity: Severity = "difference"
    where: str = ""

    @property
    def text(self) -> str:
        """One sentence for people."""
        values = f"{_shown(self.a)} against {_shown(self.b)}"
        ratio = f", ratio {self.ratio:.4g}" if self.ratio is not None and abs(self.ratio - 1) >= 5e-4 else ""
        return f"{name_of(self.field)}: {values}{ratio}" + (f", {self.where}" if self.where else "")


@dataclass(frozen=True)
class Comparison:
    """What `compare` found, in the order of the layers; within the trajectory by step.

    `consequences` are differences that follow from one of `roots` (other data, initial weights or data order) or from
    batches asked for in another split, kept apart so that they do not hide it. `not_available` names what only one of
    the runs could tell, or neither.
    """

    differences: tuple[Difference, ...]
    consequences: tuple[Difference, ...]
    not_available: tuple[str, ...]
    steps: range

    @property
    def equal(self) -> bool:
        """Whether nothing differs but what was asked for and where it ran."""
        return not self.of("exact", "trajectory", "outcome")

    @property
    def differ(self) -> bool:
        """Whether the runs differ by more than warnings beyond what the tolerance promises."""
        return any(one.severity == "difference" for one in self.of("exact", "trajectory", "outcome"))

    @property
    def roots(self) -> tuple[Difference, ...]:
        """Differences of the first order."""
        return tuple(found for found in self.differences if found.field in ROOTS)

    @property
    def first(self) -> Difference | None:
        """The first difference in what was done: a root, else a fact, else the earliest step, else the outcome."""
        return next(iter(self.of("exact", "trajectory", "outcome")), None)

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
    found = [
        *_facts(a, b, missing),
        *_data_order(a, b, missing),
        *sorted(_trajectory(a, b, tolerance, missing), key=lambda one: one.step or 0),
        *_outcome(a, b, tolerance, missing),
    ]
    found.sort(key=lambda one: (LAYERS.index(one.layer), one.field not in ROOTS if one.layer == "exact" else False))
    roots = [one for one in found if one.field in ROOTS]
    since = min((one.step or 0 for one in roots), default=None)
    split = any(one.layer == "asked" and one.field in SPLIT for one in found)
    follow = [
        one for one in found if (since is not None and _follows(one, since)) or (split and one.field == "batch shapes")
    ]
    first = tuple(one for one in found if one not in follow)
    return Comparison(first, tuple(follow), tuple(dict.fromkeys(missing)), _steps(a, b))


def _steps(a: Run, b: Run) -> range:
    """The steps on which losses were compared."""
    both = common_steps(a, b, "loss")
    return range(both[2], both[2] + len(both[0])) if both else range(0)


def _follows(one: Difference, since: int) -> bool:
    """Whether a difference is what other weights or other examples from step `since` on must lead to."""
    if one.layer == "outcome" or one.field in ("batch shapes", "examples seen"):
        return True
    return one.layer == "trajectory" and one.field != "learning_rate" and (one.step or 0) >= since


def _facts(a: Run, b: Run, missing: list[str]) -> Iterator[Difference]:
    """Everything that is one value a run."""
    first, second = fields.of(a), fields.of(b)
    for key in dict.fromkeys([*first, *second]):
        layer, name = key
        if name in fields.FROM_START and a.first_step != b.first_step:
            missing.append(f"{name}: the runs begin at different steps")
            continue
        x, y = first.get(key, fields.ABSENT), second.get(key, fields.ABSENT)
        if x == y or (name.startswith("arguments.") and _said_elsewhere(a, b, name.removeprefix("arguments."))):
            continue
        unknown = any(one is None or one is fields.ABSENT for one in (x, y))
        if unknown and layer == "exact" and not name.startswith("arguments."):
            missing.append(name)
            continue
        yield Difference(layer, name, _plain(x), _plain(y), meaning=meaning_of("asked" if layer == "asked" else name))


def _said_elsewhere(a: Run, b: Run, name: str) -> bool:
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
        hashes = [_order_hash(run) for run in (a, b)]
        if None in hashes or a.first_step != b.first_step:
            missing.append("data order")
        elif hashes[0] != hashes[1]:
            yield Difference("exact", "data order", hashes[0], hashes[1], meaning=meaning_of("data order"))
        return
    step, name = first_other_examples(a, b), "data order"
    if step is None:
        step, name = first_other_examples(a, b, ordered=True), "order within steps"
    if step is None:
        return
    x, y = _ids(a, b, step)
    differing = sum(not same_examples(*_ids(a, b, at)) for at in steps) if name == "data order" else 0
    where = f"first at step {step}" + (f", on {differing} of {len(steps)} steps" if differing else "")
    only = [sorted(set(u.tolist()) - set(v.tolist())) for u, v in ((x, y), (y, x))]
    shown = only if any(only) else [x.tolist(), y.tolist()]
    texts = [f"examples {listed(ids, NAMED)}" if ids else "no others" for ids in shown]
    yield Difference("exact", name, texts[0], texts[1], step, meaning=meaning_of(name), where=where)


def _ids(a: Run, b: Run, step: int) -> tuple[Any, Any]:
    return a.ids(step - a.first_step), b.ids(step - b.first_step)


def _order_hash(run: Run) -> str | None:
    observed = run.record.observed
    return observed.fingerprint.data_order_sha256 if observed and observed.fingerprint else None


def _trajectory(a: Run, b: Run, tolerance: Tolerance, missing: list[str]) -> Iterator[Difference]:
    for name in SERIES:
        if name not in a.series or name not in b.series:
            missing.append(name)
            continue
        lengths = [run.first_step + len(run.series[name]) for run in (a, b)]
        if lengths[0] != lengths[1] and name == "loss":
            first, second = (f"until step {length - 1}" for length in lengths)
            yield Difference("trajectory", "steps", first, second, min(lengths), meaning=meaning_of("steps"))
        left = series_departure(a, b, name, tolerance)
        if left is None:
            continue
        late = tolerance.steps is not None and left.step - max(a.first_step, b.first_step) >= tolerance.steps
        yield Difference(
            "trajectory", name, left.a, left.b, left.step, left.ratio, left.steady, meaning_of(name),
            "warning" if late else "difference", left.where,
        )  # fmt: skip


def _outcome(a: Run, b: Run, tolerance: Tolerance, missing: list[str]) -> Iterator[Difference]:
    severity: Severity = "difference" if tolerance.steps is None else "warning"
    hashes = [fields.final_weights(run) for run in (a, b)]
    if None in hashes:
        missing.append("final weights")
    elif hashes[0] != hashes[1] and tolerance.relative == 0:
        yield Difference("outcome", "final weights", hashes[0], hashes[1], meaning=meaning_of("final weights"))
    x, y = a.series.get("logits"), b.series.get("logits")
    if x is None or y is None:
        missing.append("logits")
    elif x.shape != y.shape:
        yield Difference("outcome", "logits", f"shape {x.shape}", f"shape {y.shape}", meaning=meaning_of("logits"))
    else:
        u, v = x.astype(np.float64), y.astype(np.float64)
        different = unequal(u, v, tolerance.relative, float(np.nanmax(np.abs(u), initial=0.0)))
        if different.any():
            at = tuple(int(i) for i in np.argwhere(different)[0])
            rows = int(different.reshape(len(u), -1).any(axis=1).sum())
            where = f"first in example {at[0]}, in {rows} of {len(u)}"
            p, q = float(u[at]), float(v[at])
            yield Difference(
                "outcome", "logits", p, q, None, ratio_of(p, q), False, meaning_of("logits"), severity, where
            )
    first, second = fields.scores(a), fields.scores(b)
    for name in (name for name in first if name in second):
        if unequal(np.array([first[name]]), np.array([second[name]]), tolerance.relative).any():
            ratio = ratio_of(first[name], second[name])
            meaning = meaning_of("loss") if name == "loss" else meaning_of("scores")
            yield Difference(
                "outcome", f"scores.{name}", first[name], second[name], None, ratio, False, meaning, severity
            )


def _plain(value: Any) -> Any:
    return None if value is fields.ABSENT else value


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.7g}"
    if isinstance(value, str):
        return f"{value[:12]}…" if len(value) == 64 and " " not in value else value
    return "nothing" if value is None else show(value)
