"""Fidelity: whether a run is what its cell asked for, item by item (DESIGN section 5, check 1).

Its settings are here: whether they reached the arguments, the devices, the model, the optimizer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from harness.checks.verdict import Fact, Verdict
from harness.checks.verify import answers, data, inputs, training
from harness.checks.verify.findings import Findings, unfinished
from harness.record.model import Asked
from harness.record.parts.fingerprint import Fingerprint
from harness.record.parts.measured import Measured
from harness.record.parts.observed import ForeignCode, Observed
from harness.record.run import Run

OPTIMIZERS: Final[Mapping[str, tuple[str, bool]]] = {
    "adamw_torch_fused": ("AdamW", True),
    "adamw_torch": ("AdamW", False),
    "adamw_hf": ("AdamW", False),
    "sgd": ("SGD", False),
    "adagrad": ("Adagrad", False),
    "rmsprop": ("RMSprop", False),
    "adafactor": ("Adafactor", False),
}
"""`optim` -> class, and whether its fused kernel was asked for."""

SDPA_BY_DEFAULT: Final = ("Bert", "DistilBert")
"""Families that use torch's own attention function unless asked otherwise, in every supported transformers."""


def fidelity(run: Run) -> Verdict:
    """Judge one run by its own record and series; no reference and no other run is needed.

    PASS where every item that can be seen is as asked for, FAIL with the items that are not; what cannot be seen is
    named in `not_available`. A run that failed is an ERROR, one that was skipped a SKIP, each with its reason.
    """
    stopped = unfinished("fidelity", run)
    observed, measured, asked = run.record.observed, run.record.measured, run.record.asked
    if stopped is not None:
        return stopped
    assert observed is not None  # or it were unfinished
    assert measured is not None
    findings = Findings()
    _arguments(findings, asked, observed)
    if observed.subject is not None:
        _foreign(findings, run, observed, measured, observed.subject)
    else:
        _recipe(findings, run, observed, measured)
    wrong = [finding.item for finding in findings.made if finding.outcome == "FAIL"]
    reason = Fact.of("items.wrong", items=wrong) if wrong else Fact.of("items.right", count=len(findings.made))
    return findings.verdict("fidelity", reason, run)


def _recipe(findings: Findings, run: Run, observed: Observed, measured: Measured) -> None:
    """What the harness's own recipe does."""
    asked, fingerprint = run.record.asked, observed.fingerprint
    if fingerprint is None:
        findings.missing("fingerprint", Fact.of("record.older"))
    else:
        _devices(findings, asked, observed, fingerprint)
        _precision(findings, asked, fingerprint)
        _attention(findings, asked, observed, fingerprint)
        _dropout(findings, asked, observed, fingerprint)
        _clipping(findings, observed, fingerprint)
        _loss_scaling(findings, asked, fingerprint)
    _optimizer(findings, observed)
    _trainable(findings, observed)
    data.adapter(findings, asked, observed)
    if observed.collator is None:
        findings.missing("collator")
    else:
        findings.equal("collator", "DataCollatorWithPadding", observed.collator)
    if fingerprint is not None:
        inputs.widths(findings, asked, fingerprint)
    data.data(findings, run, observed.data)
    data.weights(findings, observed.weights, asked.checkpoint.random, own=asked.task_table is not None)
    data.dtypes(findings, observed)
    if fingerprint is not None:
        training.steps(findings, run, observed, fingerprint)
        training.overflow(findings, run, fingerprint)
        training.learning_rate(findings, run, observed, fingerprint)
        training.seen(findings, run, observed, fingerprint)
        inputs.as_tokenized(findings, run, fingerprint)
        inputs.segments(findings, run, observed, fingerprint)
        training.first_update(findings, run, observed, fingerprint)
    training.logged_loss(findings, run)
    answers.logits(findings, run, observed)
    answers.recomputed(findings, run, observed, measured)
    answers.selected(findings, run)
    answers.again(findings, run)
    data.samples(findings, run, measured)


def _foreign(findings: Findings, run: Run, observed: Observed, measured: Measured, code: ForeignCode) -> None:
    """What somebody else's training code was asked for, but for the parts of training that are its own.

    Its data, model, collator and metrics are its own too: nothing says what they should be, but for answers that
    were seen.
    """
    asked, fingerprint, own = run.record.asked, observed.fingerprint, set(code.own)
    findings.missing("data, weights as loaded, collator and inputs", Fact.of("foreign.unknown"))
    if fingerprint is None:
        findings.missing("fingerprint", Fact.of("record.older"))
        return
    _devices(findings, asked, observed, fingerprint)
    _precision(findings, asked, fingerprint)
    _loss_scaling(findings, asked, fingerprint)
    if asked.dropout is False and fingerprint.dropout is not None:
        seen = Fact.of("dropout.seen", item="dropout", on=fingerprint.dropout, highest=0.0)
        failed = Fact.of("dropout.wrong", item="dropout", seen=seen, wrong=[Fact.of("dropout.unwanted")])
        findings.judge("dropout", not fingerprint.dropout, seen, failed)
    asks: list[tuple[str, set[str], Callable[[], None]]] = [
        ("clipping", {"step"}, lambda: _clipping(findings, observed, fingerprint)),
        ("optimizer", {"optimizer"}, lambda: _optimizer(findings, observed)),
        ("trainable weights", {"optimizer"}, lambda: _trainable(findings, observed)),
        ("optimizer steps", {"loader", "step"}, lambda: training.steps(findings, run, observed, fingerprint)),
        ("overflow", {"step"}, lambda: training.overflow(findings, run, fingerprint)),
        (
            "learning rate", {"loader", "optimizer", "schedule", "step"},
            lambda: training.learning_rate(findings, run, observed, fingerprint),
        ),
        ("examples seen", {"loader", "step"}, lambda: training.seen(findings, run, observed, fingerprint)),
        ("first update", {"optimizer", "step"}, lambda: training.first_update(findings, run, observed, fingerprint)),
        ("logged loss", {"loss", "step"}, lambda: training.logged_loss(findings, run)),
        ("samples", {"loader", "step"}, lambda: data.samples(findings, run, measured)),
    ]  # fmt: skip
    for item, parts, ask in asks:
        if parts & own:
            findings.missing(item, Fact.of("foreign.own", parts=sorted(parts & own)))
        else:
            ask()
    answers.of_foreign(findings, run, measured)


def arrived(name: str, asked: Any, got: Any) -> bool:
    """Say whether a resolved argument means what was asked for: 3 is 3.0, "none" an empty list of trackers."""
    if isinstance(asked, bool) or isinstance(got, bool):
        return asked is got or (asked is None and got is False)
    if name == "accelerator_config" and isinstance(asked, dict) and isinstance(got, dict):
        return all(key in got and got[key] == value for key, value in asked.items())  # accelerate adds its defaults
    if isinstance(got, list):
        if asked in ("none", "", None):
            return got == []
        return bool(got == (asked.split() if isinstance(asked, str) else list(asked)))
    if asked in (None, {}) and got in (None, {}):
        return True
    if isinstance(asked, str) and asked.startswith("{") and isinstance(got, dict):
        return bool(json.loads(asked) == got)
    return bool(asked == got)


def _arguments(findings: Findings, asked: Asked, observed: Observed) -> None:
    """Every requested argument is what the resolved arguments say; so are seed and precision."""
    resolved, requested = observed.arguments, observed.requested
    if not requested or not resolved:
        findings.missing("arguments", Fact.of("record.not_requested"))
        return
    wanted = {name: value for name, value in asked.recipe.items() if name in resolved and name not in requested}
    wanted |= requested
    wanted |= {"seed": asked.seed, "fp16": asked.precision == "fp16", "bf16": asked.precision == "bf16"}
    wrong = [
        Fact.of("argument.changed", name=name, got=resolved[name], asked=value)
        for name, value in wanted.items()
        if name in resolved and not arrived(name, value, resolved[name])
    ]
    wrong += [
        Fact.of("argument.dropped", name=name, asked=value) for name, value in wanted.items() if name not in resolved
    ]
    passed = Fact.of("arguments.arrived", count=len(wanted))
    findings.judge("arguments", not wrong, passed, Fact.of("several", facts=wrong), cause="arguments.changed")


def _devices(findings: Findings, asked: Asked, observed: Observed, fingerprint: Fingerprint) -> None:
    """Engine, what it trained on, number of ranks, and how they work together."""
    findings.equal("engine", asked.engine, fingerprint.engine)
    if "device" in observed.model:
        # A child that sees an accelerator, or was lent one, and trains on the CPU does so quietly.
        given = observed.machine.get("accelerators") or observed.machine.get("boards")
        findings.equal("device", "cuda" if given else "cpu", str(observed.model["device"]).partition(":")[0])
    else:
        findings.missing("device")
    findings.equal("world size", asked.devices, fingerprint.world_size)
    mode = "distributed" if asked.devices > 1 else "not_parallel"
    backend = ("nccl" if "cuda" in str(observed.model.get("device")) else "gloo") if asked.devices > 1 else None
    good = fingerprint.parallel_mode == mode and fingerprint.backend in (backend, None)
    seen = Fact.of("parallel_mode.seen", mode=fingerprint.parallel_mode, backend=fingerprint.backend)
    failed = Fact.of("parallel_mode.wrong", seen=seen, mode=mode, backend=backend)
    findings.judge("parallel mode", good, seen, failed)


def _precision(findings: Findings, asked: Asked, fingerprint: Fingerprint) -> None:
    """The precision that carried the weight products."""
    seen = fingerprint.precision
    if seen is None or not seen.flops:
        findings.missing("precision", Fact.of("precision.unseen"))
        return
    name = seen.name or Fact.of("precision.mixture", dtypes=list(seen.flops))
    passed = Fact.of("precision.right", name=name, share=seen.share)
    failed = Fact.of("precision.wrong", name=name, share=seen.share, asked=asked.precision)
    findings.judge("precision", seen.name == asked.precision, passed, failed)


def _optimizer(findings: Findings, observed: Observed) -> None:
    """Class, kernel and settings of the optimizer that really ran."""
    found, arguments = observed.optimizer, observed.arguments
    groups = found.get("groups") or []
    if not groups or not arguments:
        findings.missing("optimizer")
        return
    optim = arguments.get("optim")
    expected = OPTIMIZERS.get(str(optim))
    if expected is None or arguments.get("optim_args"):
        findings.missing("optimizer", Fact.of("optim.unknown", optim=optim))
    else:
        name, fused = expected
        kernels = {group.get("fused") is True for group in groups}
        kernel = None if len(kernels) > 1 else kernels == {True}
        seen = Fact.of("optimizer.seen", name=found.get("class"), fused=kernel)
        failed = Fact.of("optimizer.wrong", seen=seen, optim=optim, name=name, fused=fused)
        findings.judge("optimizer", found.get("class") == name and kernel is fused, seen, failed)
        if name == "AdamW":
            _adam(findings, arguments, groups)
    _decay(findings, float(arguments.get("weight_decay") or 0.0), groups)


def _trainable(findings: Findings, observed: Observed) -> None:
    """The optimizer has every weight that could be trained as the model was loaded: none is frozen or left out."""
    item, there = "trainable weights", observed.model.get("trainable")
    counts = [group.get("tensors") for group in observed.optimizer.get("groups") or []]
    if there is None or not counts or None in counts:
        findings.missing(item)
        return
    seen = Fact.of("trainable.seen", trained=sum(counts), there=there)
    findings.judge(item, sum(counts) == there, seen, seen, cause=item)


def _adam(findings: Findings, arguments: Mapping[str, Any], groups: list[Mapping[str, Any]]) -> None:
    betas, eps = [arguments.get("adam_beta1"), arguments.get("adam_beta2")], arguments.get("adam_epsilon")
    wanted = {"betas": betas, "eps": eps, "amsgrad": False, "maximize": False}
    wrong = [
        Fact.of("group.wrong", name=name, group=number, got=_plain(group[name]), expected=value)
        for number, group in enumerate(groups)
        for name, value in wanted.items()
        if name in group and _plain(group[name]) != value
    ]
    passed = Fact.of("groups.right", betas=betas, eps=eps, groups=len(groups))
    findings.judge("optimizer settings", not wrong, passed, Fact.of("several", facts=wrong))


def _decay(findings: Findings, asked: float, groups: list[Mapping[str, Any]]) -> None:
    """The Trainer decays matrices (group 0) and spares biases and layer norms (group 1)."""
    found = [float(group.get("weight_decay") or 0.0) for group in groups]
    good = sorted(set(found)) == [0.0, asked] if asked else not any(found)
    seen = Fact.of("decay.seen", by_group=found)
    findings.judge("weight decay", good, seen, Fact.of("decay.wrong", seen=seen, asked=asked))


def _attention(findings: Findings, asked: Asked, observed: Observed, fingerprint: Fingerprint) -> None:
    """The attention that was called is the one asked for, or else the library's default for the model."""
    config = asked.checkpoint.config
    wanted = config.get("attn_implementation") or config.get("_attn_implementation")
    configured, model = observed.model.get("attention"), str(observed.model.get("class", ""))
    default = "sdpa" if model.startswith(SDPA_BY_DEFAULT) else None
    expected = wanted or default or configured
    called = fingerprint.attention
    if expected is None or (called is None and configured == expected):
        findings.missing("attention", Fact.of("attention.unseen"))
        return
    origin = "asked" if wanted else "default" if default else "configured"
    seen = Fact.of("attention.seen", item="attention", called=called, configured=configured)
    failed = Fact.of("attention.wrong", item="attention", seen=seen, expected=expected, origin=origin, model=model)
    good = called in (expected, None) and configured == expected
    findings.judge("attention", good, seen, failed, cause="attention")


def _dropout(findings: Findings, asked: Asked, observed: Observed, fingerprint: Fingerprint) -> None:
    """Dropout works where the model has it, and the model has what was asked for."""
    configured = observed.model.get("dropout")
    if configured is None or fingerprint.dropout is None:
        findings.missing("dropout")
        return
    overrides = {name: value for name, value in asked.checkpoint.config.items() if name in configured}
    wanted = getattr(asked, "dropout", True) is not False
    there = [*configured.values(), *([observed.adapter.dropout] if observed.adapter else [])]
    right = (wanted and any(value > 0 for value in there)) == fingerprint.dropout
    highest = max(there, default=0.0)
    seen = Fact.of("dropout.seen", item="dropout", on=fingerprint.dropout, highest=highest)
    wrong = [
        Fact.of("argument.changed", name=name, got=configured[name], asked=value)
        for name, value in overrides.items()
        if configured[name] != value
    ]
    if not right and not wanted:
        wrong.append(Fact.of("dropout.unwanted"))
    failed = Fact.of("dropout.wrong", item="dropout", seen=seen, wrong=wrong)
    findings.judge("dropout", right and not wrong, seen, failed)


def _clipping(findings: Findings, observed: Observed, fingerprint: Fingerprint) -> None:
    """The norm given to the clip call; none, or an infinite one, where nothing is to be clipped."""
    if "max_grad_norm" not in observed.arguments:
        findings.missing("clipping")
        return
    asked = float(observed.arguments["max_grad_norm"] or 0.0)
    norm = None if fingerprint.clipping == float("inf") else fingerprint.clipping
    good = norm is None if asked <= 0 else norm is not None and abs(norm - asked) <= 1e-12 * asked
    seen = Fact.of("clipping.seen", norm=norm)
    findings.judge("clipping", good, seen, Fact.of("clipping.wrong", seen=seen, asked=asked))


def _loss_scaling(findings: Findings, asked: Asked, fingerprint: Fingerprint) -> None:
    """Where the work-around was asked for, the training loop itself scales the loss."""
    if asked.accepts_loss_kwargs is False:
        passed, failed = Fact.of("loss_scaling.by_loop"), Fact.of("loss_scaling.by_model")
        findings.judge("loss scaling", fingerprint.accepts_loss_kwargs is not True, passed, failed)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
