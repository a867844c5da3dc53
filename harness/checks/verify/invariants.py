"""Invariants: pairs of runs that must come to the same, whatever the task (DESIGN section 5, check 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, get_args

from harness.checks.verdict import Verdict
from harness.checks.verify import fields, padding, pairs
from harness.checks.verify.findings import Sheet, unfinished
from harness.checks.verify.reproducibility import claimed
from harness.checks.verify.tolerance import same_place
from harness.record.run import Run
from harness.text import listed

Kind = Literal["accumulation", "devices", "resume", "eval_batch", "engine", "padding", "work_around"]
KINDS: Final[tuple[str, ...]] = get_args(Kind)

_SPLIT: Final = frozenset({"recipe.gradient_accumulation_steps", "recipe.per_device_train_batch_size"})
_RANKS: Final = frozenset({"devices", "recipe.per_device_train_batch_size", "recipe.per_device_eval_batch_size"})
MAY_DIFFER: Final[Mapping[str, frozenset[str]]] = {
    "accumulation": _SPLIT,
    "devices": _RANKS,
    "resume": frozenset({"resume_at"}),
    "eval_batch": frozenset({"recipe.per_device_eval_batch_size"}),
    "engine": frozenset({"engine", "accepts_loss_kwargs"}),
    "padding": _RANKS,
    "work_around": _SPLIT | _RANKS | {"accepts_loss_kwargs"},
}
"""What a pair may have been asked for differently; anything else makes it no pair."""


def invariant(kind: str, base: Run, twin: Run) -> Verdict:
    """Judge a pair of runs that must come to the same in the sense of `kind`.

    Parameters
    ----------
    kind
        `accumulation`: one batch against the same examples accumulated. `devices`: one rank against several with the
        same global batch. `engine`: the Trainer against a plain loop. `work_around`: a run with
        `accepts_loss_kwargs = false` against one plain batch, either way round. These compare the first 20 steps
        within 1e-5. `resume`: an uninterrupted run (base) against a resumed one, bit for bit. `eval_batch`: training
        equal bit for bit, answers equal whatever the evaluation's batch size. `padding`: one rank (base) against
        several over a whole epoch that the global batch does not divide; reported, never a FAIL.
    base, twin
        Ratios are twin over base.

    Raises
    ------
    ValueError
        Where there is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind: got {kind!r}; allowed {listed(KINDS)}")
    check = f"invariants: {kind}"
    stopped = unfinished(check, base, twin)
    if stopped is not None:
        return stopped
    sheet = Sheet()
    for reason in unfit(kind, base, twin):
        sheet.note("conditions", "INCONCLUSIVE", reason)
    if not sheet.findings:
        judge = _JUDGES.get(kind)
        if judge is not None:
            judge(sheet, base, twin)
        else:
            pairs.stepwise(sheet, kind, base, twin)
    failed = [finding for finding in sheet.findings if finding.outcome not in ("PASS", "SKIP")]
    issues = dict.fromkeys(finding.upstream for finding in failed if finding.upstream)
    summary = "; ".join([*(finding.text for finding in failed[:2]), *(f"known as {issue}" for issue in issues)])
    if not failed:
        summary = sheet.findings[0].text if kind == "padding" else f"equal in {_items(sheet)}"
    return sheet.verdict(check, (base, twin), summary)


def unfit(kind: str, base: Run, twin: Run) -> list[str]:
    """Why two runs cannot be judged as this kind of pair, each a sentence; none where they can."""
    reasons = []
    for name, run in (("base", base), ("twin", twin)):
        observed = run.record.observed
        fingerprint = observed.fingerprint if observed else None
        if fingerprint is None:
            reasons.append(f"the {name} run has no fingerprint")
            continue
        if fingerprint.dropout is not False:
            state = "was on" if fingerprint.dropout else "cannot be seen"
            reasons.append(f"dropout {state} in the {name} run: its noise hides or fakes differences")
        precision = fingerprint.precision.name if fingerprint.precision else None
        if precision != "fp32":
            reasons.append(f"the {name} run trained in {precision or 'a precision that cannot be seen'}, not in fp32")
    other = _otherwise_asked(kind, base, twin)
    if other:
        reasons.append(f"the runs were asked for different things: {listed(other, 8)}")
    if not same_place(base, twin):
        reasons.append("the runs are from different environments or machines: rounding alone may part them")
    batches = [_global_batch(run) for run in (base, twin)]
    if kind in ("accumulation", "devices", "work_around", "padding") and None not in batches and len({*batches}) > 1:
        reasons.append(f"the global batch is {batches[0]} in one run and {batches[1]} in the other")
    return reasons


def _otherwise_asked(kind: str, base: Run, twin: Run) -> list[str]:
    """Fields asked for differently that the kind does not allow; a recipe's silence means the resolved default."""
    asked = [fields.asked(run) for run in (base, twin)]
    resolved = [_resolved(run) for run in (base, twin)]
    found = []
    for name in dict.fromkeys([*asked[0], *asked[1]]):
        plain = name.removeprefix("recipe.")
        values = [
            one.get(name, arguments.get(plain)) if name.startswith("recipe.") else one.get(name)
            for one, arguments in zip(asked, resolved, strict=True)
        ]
        if values[0] != values[1] and name not in MAY_DIFFER[kind]:
            found.append(f"{name} {values[0]} against {values[1]}")
    return found


def _resolved(run: Run) -> Mapping[str, Any]:
    return run.record.observed.arguments if run.record.observed else {}


def _global_batch(run: Run) -> int | None:
    arguments, observed = _resolved(run), run.record.observed
    batch, accumulation = arguments.get("per_device_train_batch_size"), arguments.get("gradient_accumulation_steps")
    if batch is None or accumulation is None or observed is None or observed.fingerprint is None:
        return None
    return int(batch * accumulation * observed.fingerprint.world_size)


def _resume(sheet: Sheet, base: Run, twin: Run) -> None:
    if base.first_step or not twin.first_step:
        text = f"the base run begins at step {base.first_step}, the twin at step {twin.first_step}: not a resumed pair"
        sheet.note("conditions", "INCONCLUSIVE", text)
        return
    pairs.identical(sheet, base, twin, claimed(base) and claimed(twin))


def _eval_batch(sheet: Sheet, base: Run, twin: Run) -> None:
    sizes = [_resolved(run).get("per_device_eval_batch_size") for run in (base, twin)]
    if sizes[0] == sizes[1]:
        sheet.note("conditions", "INCONCLUSIVE", f"both runs evaluate in batches of {sizes[0]}")
        return
    pairs.identical(sheet, base, twin, claimed(base) and claimed(twin), outcome=False)
    pairs.answers(sheet, base, twin)


def _items(sheet: Sheet) -> str:
    return listed((finding.item for finding in sheet.findings), 8)


_JUDGES: Final[Mapping[str, Callable[[Sheet, Run, Run], None]]] = {
    "resume": _resume,
    "eval_batch": _eval_batch,
    "padding": padding.report,
}
