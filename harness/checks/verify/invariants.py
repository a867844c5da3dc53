"""Invariants: pairs of runs that must come to the same, whatever the task (DESIGN section 5, check 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, get_args

from harness.checks.verdict import Fact, Verdict
from harness.checks.verify import fields, pairs
from harness.checks.verify.findings import Findings, unfinished
from harness.checks.verify.reproducibility import claimed
from harness.checks.verify.series import same_place
from harness.grid.cell import WORK_AROUNDS
from harness.record.run import Run
from harness.text import listed

Kind = Literal[
    "accumulation", "devices", "resume", "eval_batch", "engine", "padding", "work_around", "observation",
    "checkpointing", "threads", "epoch_end", "epochs",
]  # fmt: skip
KINDS: Final[tuple[str, ...]] = get_args(Kind)

_SPLIT: Final = frozenset({"recipe.gradient_accumulation_steps", "recipe.per_device_train_batch_size"})
_RANKS: Final = frozenset({"devices", "recipe.per_device_train_batch_size", "recipe.per_device_eval_batch_size"})
MAY_DIFFER: Final[Mapping[str, frozenset[str]]] = {
    "accumulation": _SPLIT,
    "devices": _RANKS,
    "resume": frozenset({"resume_at"}),
    "eval_batch": frozenset({"recipe.per_device_eval_batch_size"}),
    "engine": frozenset({"engine", *WORK_AROUNDS}),
    "padding": _RANKS,
    "work_around": _SPLIT | _RANKS | {"accepts_loss_kwargs"},
    "observation": frozenset(
        f"recipe.{name}"
        for name in (
            "eval_strategy",
            "eval_steps",
            "logging_strategy",
            "logging_steps",
            "save_strategy",
            "save_steps",
            "dataloader_num_workers",
        )
    ),
    "checkpointing": frozenset({"recipe.activation_checkpointing", "recipe.activation_checkpointing_kwargs"}),
    "threads": frozenset({"threads"}),
    "epoch_end": _SPLIT,
    "epochs": frozenset({"recipe.max_steps", "recipe.num_train_epochs"}),
}
"""What a pair may have been asked for differently; anything else makes it no pair."""

NOISY: Final = ("resume", "observation", "checkpointing")
"""Kinds that are compared bit for bit with dropout on: what disturbs the random stream shows in nothing else."""


def invariant(kind: str, base: Run, twin: Run) -> Verdict:
    """Judge a pair of runs that must come to the same in the sense of `kind`, the verdict's `item`.

    Parameters
    ----------
    kind
        `accumulation`: one batch against the same examples accumulated. `devices`: one rank against several with the
        same global batch. `engine`: the Trainer against a plain loop. `work_around`: a run with
        `accepts_loss_kwargs = false` against one plain batch, either way round. `threads`: another number of threads.
        `epoch_end`: as `accumulation`, over the end of an epoch whose last group is short. `epochs`: a run of so many
        steps against one of the epochs that they are. These compare the first 20
        steps within 1e-5. `observation`: a run that evaluates, logs, saves or loads otherwise (twin), `checkpointing`:
        one that computes activations again, both bit for bit against a plain one. `resume`: an uninterrupted run (base)
        against a resumed one, bit for bit. `eval_batch`: training
        equal bit for bit, answers equal whatever the evaluation's batch size. `padding`: one rank (base) against
        several over a whole epoch that the global batch does not divide; reported, never a FAIL.
    base, twin
        The verdict's `against` and `subject`: ratios are twin over base.

    Raises
    ------
    ValueError
        Where there is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind: got {kind!r}; allowed {listed(KINDS)}")
    stopped = unfinished("invariants", twin, base, kind)
    if stopped is not None:
        return stopped
    findings = Findings()
    for fact in unfit(kind, base, twin):
        findings.note("conditions", "INCONCLUSIVE", fact)
    if not findings.made:
        judge = _JUDGES.get(kind)
        if judge is not None:
            judge(findings, base, twin)
        else:
            pairs.stepwise(findings, kind, base, twin, _global_batch(base))
    return findings.verdict("invariants", _reason(kind, findings), twin, base, kind)


def _reason(kind: str, findings: Findings) -> Fact:
    """The first two findings that are no PASS, with the known issues; else what is equal."""
    failed = [finding for finding in findings.made if finding.outcome not in ("PASS", "SKIP")]
    if failed:
        issues = list(dict.fromkeys(finding.upstream for finding in failed if finding.upstream))
        return Fact.of("pair.differs", found=[finding.fact for finding in failed[:2]], issues=issues)
    if kind == "padding":
        return findings.made[0].fact
    return Fact.of("pair.equal", items=[finding.item for finding in findings.made if finding.outcome == "PASS"])


def unfit(kind: str, base: Run, twin: Run) -> list[Fact]:
    """Why two runs cannot be judged as this kind of pair; empty where they can."""
    reasons = [fact for name, run in (("base", base), ("twin", twin)) for fact in _unfit_run(kind, name, run)]
    other = _otherwise_asked(kind, base, twin)
    if other:
        reasons.append(Fact.of("unfit.asked", differences=other))
    if not same_place(base, twin):
        reasons.append(Fact.of("unfit.place"))
    first, second = (_global_batch(run) for run in (base, twin))
    known = first is not None and second is not None
    if kind in ("accumulation", "devices", "work_around", "padding", "epoch_end") and known and first != second:
        reasons.append(Fact.of("unfit.global_batch", base=first, twin=second))
    return reasons


def _unfit_run(kind: str, name: str, run: Run) -> list[Fact]:
    fingerprint = run.fingerprint
    if fingerprint is None:
        return [Fact.of("unfit.fingerprint", run=name)]
    reasons = []
    if fingerprint.dropout is not False and kind not in NOISY:
        reasons.append(Fact.of("unfit.dropout", run=name, dropout=fingerprint.dropout))
    precision = fingerprint.precision.name if fingerprint.precision else None
    if precision != "fp32":
        reasons.append(Fact.of("unfit.precision", run=name, precision=precision))
    return reasons


def _otherwise_asked(kind: str, base: Run, twin: Run) -> list[Fact]:
    """Fields asked for differently that the kind does not allow; a recipe's silence means the resolved default."""
    asked = [fields.asked(run) for run in (base, twin)]
    resolved = [_resolved(run) for run in (base, twin)]
    found = []
    for name in dict.fromkeys([*asked[0], *asked[1]]):
        plain = name.removeprefix("recipe.")
        first, second = (
            one.get(name, arguments.get(plain)) if name.startswith("recipe.") else one.get(name)
            for one, arguments in zip(asked, resolved, strict=True)
        )
        if first != second and name not in MAY_DIFFER[kind]:
            found.append(Fact.of("unfit.field", field=name, base=first, twin=second))
    return found


def _resolved(run: Run) -> Mapping[str, Any]:
    return run.record.observed.arguments if run.record.observed else {}


def _global_batch(run: Run) -> int | None:
    arguments = _resolved(run)
    batch, accumulation = arguments.get("per_device_train_batch_size"), arguments.get("gradient_accumulation_steps")
    if batch is None or accumulation is None or run.fingerprint is None:
        return None
    return int(batch * accumulation * run.fingerprint.world_size)


def _resume(findings: Findings, base: Run, twin: Run) -> None:
    if base.first_step or not twin.first_step:
        fact = Fact.of("unfit.resume", base=base.first_step, twin=twin.first_step)
        findings.note("conditions", "INCONCLUSIVE", fact)
        return
    _noisy(findings, base, twin)


def _noisy(findings: Findings, base: Run, twin: Run) -> None:
    pairs.identical(findings, base, twin, claimed(base) and claimed(twin))
    pairs.random_state(findings, base, twin)


def _eval_batch(findings: Findings, base: Run, twin: Run) -> None:
    first, second = (_resolved(run).get("per_device_eval_batch_size") for run in (base, twin))
    if first == second:
        findings.note("conditions", "INCONCLUSIVE", Fact.of("unfit.eval_batch", batch=first))
        return
    pairs.identical(findings, base, twin, claimed(base) and claimed(twin), outcome=False)
    pairs.answers(findings, base, twin)


_JUDGES: Final[Mapping[str, Callable[[Findings, Run, Run], None]]] = {
    "resume": _resume,
    "observation": _noisy,
    "checkpointing": _noisy,
    "eval_batch": _eval_batch,
    "padding": pairs.padding,
}
