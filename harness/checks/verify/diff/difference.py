"""Two runs' difference as a verdict: its state, the effect, the cause, and what both come to in numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from harness.checks.verdict import Fact, Finding, Outcome, Side, Verdict
from harness.checks.verify.answers import answers_apart
from harness.checks.verify.diff.cause import cause_facts, idle_facts
from harness.checks.verify.diff.compare import Comparison, Difference, compare
from harness.checks.verify.diff.explain import Explanation, explain
from harness.checks.verify.findings import side_of, stopped_early
from harness.checks.verify.series import EXACT, NAMES, Tolerance, apart, common_steps, ratio_of, spread
from harness.grid.cell import SEPARATOR
from harness.record.attempts import LOST
from harness.record.run import Run

SHOWN: Final = ("micro_loss", "loss", "grad_norm")
"""The series of the table of effect; its scores are all that a run has but for counts."""
_COMPARED: Final = {
    "losses": "loss", "gradient norms": "grad_norm", "weights": "final weights", "logits": "logits", "scores": "scores"
}  # fmt: skip
"""What an identical run is identical in, by what a comparison calls it."""


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
        _reason(a, b, comparison, found, tolerance),
        against=_versioned(a),
        findings=tuple(_findings(comparison, found)),
        not_available=comparison.missing,
        notes=tuple(_rows(a, b, found)),
        margin_from=Fact.of("tolerance", relative=tolerance.relative, steps=tolerance.steps),
    )


def _findings(comparison: Comparison, found: Explanation) -> Iterator[Finding]:
    first = [one for one in (found.effect, *found.causes) if one is not None]
    if found.effect is not None:
        yield replace(found.effect.finding("FAIL"), cause=found.code, upstream=found.upstream)
    for at, one in enumerate(found.causes):
        told = one.finding(_held(one, found))
        yield told if at or found.effect is not None else replace(told, cause=found.code)
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


def _reason(a: Run, b: Run, comparison: Comparison, found: Explanation, tolerance: Tolerance) -> Fact:
    """The state, by its code: from which step on, by how much at most, and why."""
    steps, causes = len(comparison.steps), cause_facts(a, b, found)
    if found.state == "unknown":
        return Fact.of("diff.unknown")
    if found.state == "identical":
        return Fact.of("diff.identical", steps=steps, items=_compared(comparison), idle=idle_facts(a, b, found))
    sizes = [(far, name) for name in NAMES if (far := spread(a, b, name)) is not None]
    far, name = max(sizes, key=lambda size: size[0].largest, default=(None, ""))
    largest = None if far is None else {"item": NAMES[name], "step": far.step, "relative": far.largest}
    answers = answers_apart(a, b)
    answered = float(answers.apart.max(initial=0.0)) if answers is not None and answers.apart is not None else 0.0
    if answered > (far.largest if far is not None else 0.0):
        largest = {"item": "logits", "step": None, "relative": answered}
    since = min((size[0].since for size in sizes), default=None)
    if found.state == "different":
        effect = found.effect
        within = effect is not None and effect.where is not None and effect.where.code == "where.largest"
        return Fact.of(
            "diff.different",
            steps=steps,
            first_step=since if within else effect and effect.step,
            within=within,
            effect=effect and _parted(effect),
            largest=largest,
            causes=causes,
            upstream=found.upstream,
        )
    beyond = min((one.step for one in comparison.differences if one.warning and one.step is not None), default=None)
    return Fact.of(
        "diff.equal",
        steps=steps,
        relative=tolerance.relative,
        first_step=since,
        largest=largest,
        bits=list(found.bits),
        beyond=beyond,
        causes=causes,
    )


def _compared(comparison: Comparison) -> list[str]:
    """What of training and its outcome both runs have recorded."""
    gone = {*comparison.not_available, *(NAMES if not len(comparison.steps) else ())}
    return [word for word, name in _COMPARED.items() if name not in gone]


def _parted(effect: Difference) -> Fact:
    """Where a difference shows first, apart from its step."""
    where = effect.where.values if effect.where is not None else {}
    return Fact.of(
        "diff.effect",
        item=effect.item,
        a=effect.a,
        b=effect.b,
        ratio=effect.ratio,
        steady=where.get("steady", False),
        differing=where.get("differing"),
        of=where.get("examples"),
    )


def _rows(a: Run, b: Run, found: Explanation) -> Iterator[Fact]:
    """Losses and gradient norm where the runs part and at the end, and the scores: A, B and their ratio.

    The learning rate only where it differs.
    """
    fars = {name: far for name in NAMES if (far := spread(a, b, name)) is not None}
    parts = min((far.since for far in fars.values()), default=None)
    if found.effect is not None and found.effect.layer == "trajectory":
        parts = found.effect.step
    for name in (name for name in NAMES if name in SHOWN or name in fars):
        both = common_steps(a, b, name)
        if both is None:
            continue
        x, y, first = both
        differing, last = int((apart(x, y) > 0).sum()), first + len(x) - 1
        steps = dict.fromkeys([*([parts] if parts is not None else []), last])
        for step in (step for step in steps if first <= step <= last):
            p, q = float(x[step - first]), float(y[step - first])
            yield _row(NAMES[name], step, p, q, differing, len(x))
    scores = [run.record.measured.metrics if run.record.measured else {} for run in (a, b)]
    for name in (name for name in scores[0] if name in scores[1]):
        yield _row(f"scores.{name}", None, scores[0][name], scores[1][name], None, None)


def _row(item: str, step: int | None, a: float, b: float, differing: int | None, steps: int | None) -> Fact:
    return Fact.of("effect", item=item, step=step, a=a, b=b, ratio=ratio_of(a, b), differing=differing, steps=steps)


def _versioned(run: Run) -> Side:
    """The run's side, its label with the version of transformers that it had; whether it collapsed."""
    record, side = run.record, side_of(run)
    side = replace(side, ended=1, collapsed=int(record.status in LOST))
    version = record.observed.packages.get("transformers") if record.observed else None
    if version is None:
        return side
    # An environment that is named by its version has said it: ids keep it, people read it once.
    shown = side.label if f"transformers=={version}" in side.label.split(SEPARATOR) else ""
    return replace(side, label=f"{side.label} · transformers {version}", shown=shown)
