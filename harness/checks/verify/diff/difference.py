"""Two runs' difference as a verdict: its state, the effect, the cause, and what both come to in numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from harness.checks.verdict import Fact, Finding, Outcome, Side, Verdict
from harness.checks.verify.answers import answers_apart
from harness.checks.verify.diff.compare import Comparison, Difference, compare
from harness.checks.verify.diff.explain import Explanation, explain
from harness.checks.verify.findings import side_of, stopped_early
from harness.checks.verify.series import EXACT, NAMES, Tolerance, common_steps, ratio_of, spread
from harness.record.run import Run

SHOWN: Final = ("loss", "grad_norm")
"""The series of the table of effect; its scores are all that a run has but for counts."""


def difference(a: Run, b: Run, tolerance: Tolerance = EXACT) -> Verdict:
    """Say whether two runs are identical, equal within the tolerance, or different.

    PASS (`diff.identical`, `diff.equal`), FAIL (`diff.different`), INCONCLUSIVE (`diff.unknown`: they share nothing
    that says), ERROR where a side has no result. A FAIL's first finding is where it shows first, with the code of what
    that usually means and the known issue; the second what explains it. What was asked for otherwise, where they ran,
    what cannot touch training and what merely follows is SKIP: nothing is held against it. `notes` are the table of
    effect, `margin_from` is the tolerance.
    """
    stopped = stopped_early("diff", b, a)
    if stopped is not None:
        return stopped
    comparison = compare(a, b, tolerance)
    found = explain(a, b, comparison)
    outcomes: dict[str, Outcome] = {"different": "FAIL", "unknown": "INCONCLUSIVE"}
    return Verdict(
        "diff",
        outcomes.get(found.state, "PASS"),
        _versioned(b),
        _reason(a, b, comparison, found),
        against=_versioned(a),
        findings=tuple(_findings(comparison, found)),
        not_available=comparison.missing,
        notes=tuple(_rows(a, b, found)),
        margin_from=Fact.of("tolerance", relative=tolerance.relative, steps=tolerance.steps),
    )


def _findings(comparison: Comparison, found: Explanation) -> Iterator[Finding]:
    first = [one for one in (found.effect, found.cause) if one is not None]
    if found.effect is not None:
        yield replace(found.effect.finding("FAIL"), cause=found.code, upstream=found.upstream)
    if found.cause is not None:
        told = found.cause.finding(_held(found.cause, found))
        yield told if found.effect is not None else replace(told, cause=found.code)
    for one in comparison.differences:
        if one not in first and one not in found.follows:
            fact = Fact.of("idle", item=one.item, difference=one.fact) if _is_idle(one, found) else None
            yield one.finding(_held(one, found), fact)
    for one in found.follows:
        yield one.finding("SKIP", Fact.of("consequence", item=one.item, of=one.fact))


def _held(one: Difference, found: Explanation) -> Outcome:
    if one in found.held or one is found.effect:
        return "FAIL"
    return "INCONCLUSIVE" if one.warning else "SKIP"


def _is_idle(one: Difference, found: Explanation) -> bool:
    """Whether it could have changed training and did not."""
    return one in found.idle or (found.state == "identical" and one.layer == "exact")


def _reason(a: Run, b: Run, comparison: Comparison, found: Explanation) -> Fact:
    steps = len(comparison.steps)
    if found.state == "identical":
        return Fact.of("diff.identical", steps=steps, idle=[one.item for one in found.idle])
    if found.state == "unknown":
        return Fact.of("diff.unknown")
    if found.state == "different":
        effect, cause = (one and one.fact for one in (found.effect, found.cause))
        return Fact.of("diff.different", steps=steps, effect=effect, cause=cause, upstream=found.upstream)
    sizes = [(far.largest, name, far) for name in NAMES if (far := spread(a, b, name)) is not None]
    largest, name, far = max(sizes, key=lambda size: size[0], default=(None, None, None))
    answers = answers_apart(a, b)
    apart = float(answers.apart.max(initial=0.0)) if answers is not None and answers.apart is not None else 0.0
    if apart > (largest or 0.0):
        largest, name = apart, "logits"
    beyond = min((one.step for one in comparison.differences if one.warning and one.step is not None), default=None)
    return Fact.of(
        "diff.equal",
        steps=steps,
        idle=[one.item for one in found.idle],
        bits=list(found.bits),
        largest=largest,
        item=None if name is None else NAMES.get(name, name),
        step=None if far is None or name == "logits" else far.step,
        since=min((size[2].since for size in sizes), default=None),
        beyond=beyond,
    )


def _rows(a: Run, b: Run, found: Explanation) -> Iterator[Fact]:
    """Loss and gradient norm where the runs part and at the end, and the scores: A, B and their ratio."""
    sinces = [far.since for name in NAMES if (far := spread(a, b, name)) is not None]
    parts = min(sinces, default=None)
    if found.effect is not None and found.effect.layer == "trajectory":
        parts = found.effect.step
    for name in SHOWN:
        both = common_steps(a, b, name)
        if both is None:
            continue
        x, y, first = both
        steps = dict.fromkeys([*([parts] if parts is not None else []), first + len(x) - 1])
        for step in (step for step in steps if first <= step < first + len(x)):
            yield _row(NAMES[name], step, float(x[step - first]), float(y[step - first]))
    scores = [run.record.measured.metrics if run.record.measured else {} for run in (a, b)]
    for name in (name for name in scores[0] if name in scores[1]):
        yield _row(f"scores.{name}", None, scores[0][name], scores[1][name])


def _row(item: str, step: int | None, a: float, b: float) -> Fact:
    return Fact.of("effect", item=item, step=step, a=a, b=b, ratio=ratio_of(a, b))


def _versioned(run: Run) -> Side:
    """The run's side, its label with the version of transformers that it had."""
    side, observed = side_of(run), run.record.observed
    version = observed.packages.get("transformers") if observed else None
    return side if version is None else replace(side, label=f"{side.label} · transformers {version}")
