"""How two runs differ as far as a Trainer logged them: losses, gradient norms, learning rates, scores, by step.

Neither weights nor data, precision or machine are known: equal logs prove no equal runs, and a difference that may be
rounding that has grown proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from harness.checks.verdict import Fact, Finding, Outcome, Side, Verdict
from harness.checks.verify.diff.trainer_state import SETTINGS, TRAINED, TrainerState
from harness.checks.verify.series import (
    EXACT,
    FACTOR,
    FLOORED,
    FP32_STEPS,
    NAMES,
    RELATIVE,
    STEADY,
    Departure,
    Tolerance,
    apart,
    departure,
    jump,
    ratio_of,
)

Array = npt.NDArray[np.float64]

DIGITS: Final = 4
"""Older Trainers round the losses that they log to so many digits."""
OUTCOMES: Final[dict[str, Outcome]] = {
    "identical": "PASS", "equal": "PASS", "different": "FAIL", "unknown": "INCONCLUSIVE"
}  # fmt: skip


@dataclass(frozen=True)
class _Both:
    """One logged quantity at the steps, shape (steps,), that both runs have comparable values of."""

    name: str
    at: npt.NDArray[np.int64]
    a: Array
    b: Array
    tolerance: Tolerance

    @property
    def item(self) -> str:
        return NAMES.get(self.name, self.name)

    @property
    def differing(self) -> int:
        return int((apart(self.a, self.b) > 0).sum())

    @cached_property
    def departure(self) -> Departure | None:
        """Where they part beyond the tolerance; its step is the Trainer's."""
        a, b = self.a, self.b
        if self.name == "loss" and self.tolerance != EXACT and (_rounded(a) or _rounded(b)):
            b = np.where(np.abs(a - b) <= 1.01 * 10.0**-DIGITS, a, b)
        found = departure(a, b, 0, self.tolerance.relative, self.name in FLOORED)
        return None if found is None else self._at(found)

    @property
    def certain(self) -> bool:
        """Whether no rounding that has grown can have parted them so."""
        found = self.departure
        if found is None or self.tolerance == EXACT or self.name == "learning_rate" or found.step <= FP32_STEPS:
            return found is not None
        if found.steady and found.ratio is not None and abs(found.ratio - 1) > STEADY:
            return True
        jumped = jump(self.a, self.b, 0, self.tolerance.relative, self.name in FLOORED)
        if jumped is None:
            return False
        # Before the first logged step nothing is known to have been equal.
        return jumped.step > 0 or bool(apart(self.a, self.b)[0] >= FACTOR)

    def _at(self, found: Departure) -> Departure:
        return Departure(
            int(self.at[found.step]), found.a, found.b, found.ratio, found.steady, found.steps, found.differing
        )


def _rounded(values: Array) -> bool:
    finite = values[np.isfinite(values)]
    return bool((np.round(finite, DIGITS) == finite).all())


def diff_logged(a: TrainerState, b: TrainerState, exact: bool = False) -> Verdict:
    """Say whether two runs are identical, equal within rounding or different as far as both logged them.

    PASS (`diff.logged.identical`, `diff.logged.equal`), FAIL (`diff.logged.different`), INCONCLUSIVE where rounding may
    have parted them (`diff.logged.unknown`) or nothing was logged by both (`diff.logged.nothing`). Steps are the
    Trainer's: the first update is step 1. With `exact` there is no tolerance.
    """
    tolerance = EXACT if exact else Tolerance(RELATIVE["fp32"])
    both = [*_shared(a, b, tolerance)]
    settings = [
        (name, a.settings[name], b.settings[name])
        for name in SETTINGS
        if name in a.settings and name in b.settings and a.settings[name] != b.settings[name]
    ]
    parted = sorted((one for one in both if one.departure), key=lambda one: one.departure.step if one.departure else 0)
    certain = [one for one in parted if one.certain]
    # A learning rate explains what it does; it is the effect where nothing else differs.
    effect = next((one for one in certain if one.name != "learning_rate"), next(iter(certain), None))
    state = "different" if effect else "unknown" if parted or not both else "identical"
    if state == "identical" and any(one.differing for one in both):
        state = "equal"
    shown = effect or next(iter(parted), None)
    return Verdict(
        "diff",
        OUTCOMES[state],
        Side(b.name),
        _reason(state, both, shown, [*_causes(settings, parted, effect)]),
        against=Side(a.name),
        findings=(*_findings(both, certain, shown), *_settings(settings)),
        not_available=tuple(_missing(a, b)),
        notes=tuple(_rows(both, shown)),
        margin_from=Fact.of("tolerance", relative=tolerance.relative, steps=tolerance.steps),
    )


def _shared(a: TrainerState, b: TrainerState, tolerance: Tolerance) -> Iterator[_Both]:
    """Each quantity at the steps at which both logged it; a loss only where both are means over the same updates."""
    for name in dict.fromkeys((*TRAINED, *a.logged)):
        x, y = a.logged.get(name, {}), b.logged.get(name, {})
        steps = sorted(x.keys() & y.keys())
        if name == "loss":
            steps = [step for step in steps if a.windows[step] == b.windows[step]]
        if steps:
            first, second = (np.array([side[step] for step in steps], dtype=np.float64) for side in (x, y))
            yield _Both(name, np.array(steps), first, second, tolerance)


def _reason(state: str, both: list[_Both], shown: _Both | None, causes: list[Fact]) -> Fact:
    steps = {one.name: len(one.at) for one in both}
    if not both:
        return Fact.of("diff.logged.nothing")
    if shown is None or shown.departure is None:
        largest = max(both, key=lambda one: float(apart(one.a, one.b).max()))
        far = float(apart(largest.a, largest.b).max())
        return Fact.of(
            "diff.logged.identical" if state == "identical" else "diff.logged.equal",
            steps=steps,
            relative=far,
            item=largest.item,
        )
    found = shown.departure
    effect = Fact.of(
        "diff.effect", item=shown.item, a=found.a, b=found.b, ratio=found.ratio, steady=found.steady,
        differing=None, of=None,
    )  # fmt: skip
    return Fact.of(
        "diff.logged.different" if state == "different" else "diff.logged.unknown",
        first_step=found.step,
        effect=effect,
        causes=causes,
        steps=steps,
    )


def _causes(settings: list[tuple[str, float, float]], parted: list[_Both], effect: _Both | None) -> Iterator[Fact]:
    """What is logged, or written beside the logs, that explains it; how often was logged explains nothing."""
    for name, one, other in settings:
        if name != "logging_steps":
            yield Fact.of("cause.asked", field=name, a=one, b=other, through=[])
    rate = next((one.departure for one in parted if one.name == "learning_rate"), None)
    since = effect.departure.step if effect is not None and effect.departure is not None else -1
    if rate is not None and effect is not None and effect.name != "learning_rate" and rate.step <= since:
        yield Fact.of("cause.done", item="learning rate", field="learning rate", a=rate.a, b=rate.b, step=rate.step)


def _findings(both: list[_Both], certain: list[_Both], shown: _Both | None) -> Iterator[Finding]:
    parted = [one for one in both if one.departure is not None and one is not shown]
    for one in [*([shown] if shown is not None else []), *parted]:
        found = one.departure
        assert found is not None
        fact = Fact.of(
            "difference",
            item=one.item,
            layer="trajectory" if one.name in TRAINED else "outcome",
            a=found.a,
            b=found.b,
            ratio=found.ratio,
            where=found.where,
        )
        outcome: Outcome = "FAIL" if one in certain else "INCONCLUSIVE"
        yield Finding(one.item, outcome, fact, step=found.step, ratio=found.ratio)


def _settings(settings: list[tuple[str, float, float]]) -> Iterator[Finding]:
    for name, a, b in settings:
        fact = Fact.of("difference", item=name, layer="asked", a=a, b=b, ratio=None, where=None)
        yield Finding(name, "SKIP", fact)


def _missing(a: TrainerState, b: TrainerState) -> Iterator[Fact]:
    """What only one logged, and losses that are means over other updates."""
    only = [name for name in dict.fromkeys((*a.logged, *b.logged)) if (name in a.logged) != (name in b.logged)]
    if only:
        yield Fact.of("diff.logged.only", items=only)
    steps = a.windows.keys() & b.windows.keys()
    other = sum(a.windows[step] != b.windows[step] for step in steps)
    if other:
        yield Fact.of("diff.logged.windows", steps=other)


def _rows(both: list[_Both], shown: _Both | None) -> Iterator[Fact]:
    """Of training where the runs part and at the end, of scores the last: A, B and their ratio."""
    parts = shown.departure.step if shown is not None and shown.departure is not None else None
    for one in both:
        trained = one.name in TRAINED
        last = int(one.at[-1])
        steps = dict.fromkeys([*([parts] if trained and parts is not None and parts in one.at else []), last])
        for step in steps:
            at = int(np.searchsorted(one.at, step))
            a, b = float(one.a[at]), float(one.b[at])
            yield Fact.of("effect", item=one.item, step=step if trained else None, a=a, b=b, ratio=ratio_of(a, b),
                          differing=one.differing, steps=len(one.at))  # fmt: skip
