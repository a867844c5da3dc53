"""Fidelity of settings: whether what was asked for reached the arguments, the devices, the model, the optimizer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from harness.checks.verify.findings import Sheet
from harness.record.fingerprint import Fingerprint
from harness.record.model import Asked, Observed
from harness.text import listed, show

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


def arguments(sheet: Sheet, asked: Asked, observed: Observed) -> None:
    """Every requested argument is what the resolved arguments say; so are seed and precision."""
    resolved, requested = observed.arguments, observed.requested
    if not requested or not resolved:
        sheet.missing("arguments", "the record does not say what was requested")
        return
    wanted = {name: value for name, value in asked.recipe.items() if name in resolved and name not in requested}
    wanted |= requested
    wanted |= {"seed": asked.seed, "fp16": asked.precision == "fp16", "bf16": asked.precision == "bf16"}
    lost = [name for name in wanted if name not in resolved]
    other = [name for name in wanted if name in resolved and not arrived(name, wanted[name], resolved[name])]
    told = [f"{name} is {show(resolved[name])} instead of {show(wanted[name])}" for name in other]
    told += [f"{name} = {show(wanted[name])} was dropped" for name in lost]
    sheet.judge(
        "arguments", not told, f"all {len(wanted)} requested arguments arrived", "; ".join(told),
        meaning="the training library changed or dropped an argument",
    )  # fmt: skip


def devices(sheet: Sheet, asked: Asked, observed: Observed, fingerprint: Fingerprint) -> None:
    """Engine, number of ranks, and how they work together."""
    sheet.equal("engine", asked.engine, fingerprint.engine)
    sheet.equal("world size", asked.devices, fingerprint.world_size, "the number of ranks")
    mode = "distributed" if asked.devices > 1 else "not_parallel"
    backend = ("nccl" if "cuda" in str(observed.model.get("device")) else "gloo") if asked.devices > 1 else None
    found = f"{fingerprint.parallel_mode}, backend {fingerprint.backend}"
    if fingerprint.parallel_mode == "not_distributed":
        found += ": DataParallel, which averages over devices behind the recipe's back"
    good = fingerprint.parallel_mode == mode and fingerprint.backend in (backend, None)
    text = f"the parallel mode is {found}"
    sheet.judge("parallel mode", good, text, f"{text}; expected {mode}, backend {backend}")


def precision(sheet: Sheet, asked: Asked, fingerprint: Fingerprint) -> None:
    """The precision that carried the weight products."""
    seen = fingerprint.precision
    if seen is None:
        sheet.missing("precision", "no product was seen: a compiled model hides them")
        return
    share = f"{seen.share:.1%} of the FLOPs of weight products"
    name = seen.name or f"a mixture ({listed(seen.flops)})"
    sheet.judge(
        "precision", seen.name == asked.precision, f"{share} are {name}",
        f"trained in {name} ({share}), asked for {asked.precision}",
    )  # fmt: skip


def optimizer(sheet: Sheet, observed: Observed) -> None:
    """Class, kernel and settings of the optimizer that really ran."""
    found, arguments = observed.optimizer, observed.arguments
    groups = found.get("groups") or []
    if not groups or not arguments:
        sheet.missing("optimizer")
        return
    expected = OPTIMIZERS.get(str(arguments.get("optim")))
    if expected is None or arguments.get("optim_args"):
        sheet.missing("optimizer", f"optim = {show(arguments.get('optim'))} is not known here")
    else:
        name, fused = expected
        kernels = {group.get("fused") is True for group in groups}
        text = f"{found.get('class')}, fused {'in part' if len(kernels) > 1 else str(kernels == {True}).lower()}"
        good = found.get("class") == name and kernels == {fused}
        sheet.judge(
            "optimizer", good, f"the optimizer is {text}",
            f"the optimizer is {text}; {arguments['optim']} means {name}, fused {str(fused).lower()}",
        )  # fmt: skip
        if name == "AdamW":
            _adam(sheet, arguments, groups)
    _decay(sheet, float(arguments.get("weight_decay") or 0.0), groups)


def _adam(sheet: Sheet, arguments: Mapping[str, Any], groups: list[Mapping[str, Any]]) -> None:
    betas = [arguments.get("adam_beta1"), arguments.get("adam_beta2")]
    wanted = {"betas": betas, "eps": arguments.get("adam_epsilon"), "amsgrad": False, "maximize": False}
    wrong = [
        f"{name} of group {number} is {show(_plain(group[name]))} instead of {show(value)}"
        for number, group in enumerate(groups)
        for name, value in wanted.items()
        if name in group and _plain(group[name]) != value
    ]
    text = f"betas {betas}, eps {wanted['eps']:g} in {len(groups)} groups"
    sheet.judge("optimizer settings", not wrong, text, "; ".join(wrong))


def _decay(sheet: Sheet, asked: float, groups: list[Mapping[str, Any]]) -> None:
    """The Trainer decays matrices (group 0) and spares biases and layer norms (group 1)."""
    found = [float(group.get("weight_decay") or 0.0) for group in groups]
    good = sorted(set(found)) == [0.0, asked] if asked else not any(found)
    text = f"weight decay by group is {listed(f'{value:g}' for value in found)}"
    rule = "none was asked for" if not asked else f"{asked:g} was asked for, on all but biases and layer norms"
    sheet.judge("weight decay", good, text, f"{text}; {rule}")


def attention(sheet: Sheet, asked: Asked, observed: Observed, fingerprint: Fingerprint) -> None:
    """The attention that was called is the one asked for, or else the library's default for the model."""
    config = asked.checkpoint.config
    wanted = config.get("attn_implementation") or config.get("_attn_implementation")
    configured, model = observed.model.get("attention"), str(observed.model.get("class", ""))
    default = "sdpa" if model.startswith(SDPA_BY_DEFAULT) else None
    expected = wanted or default or configured
    called = fingerprint.attention
    if expected is None or (called is None and configured == expected):
        sheet.missing("attention", "no product of attention was seen")
        return
    origin = "asked for" if wanted else f"the default of a {model}" if default else "configured"
    seen = f"attention called is {called or 'not available'}, configured {configured}"
    good = called in (expected, None) and configured == expected
    meaning = "another attention kernel rounds differently and has another speed"
    sheet.judge("attention", good, seen, f"{seen}; {expected} is {origin}", meaning=meaning)


def dropout(sheet: Sheet, asked: Asked, observed: Observed, fingerprint: Fingerprint) -> None:
    """Dropout works where the model has it, and the model has what was asked for."""
    configured = observed.model.get("dropout")
    if configured is None or fingerprint.dropout is None:
        sheet.missing("dropout")
        return
    overrides = {name: value for name, value in asked.checkpoint.config.items() if name in configured}
    wrong = [name for name, value in overrides.items() if configured[name] != value]
    wanted = getattr(asked, "dropout", True) is not False
    expected = wanted and any(value > 0 for value in configured.values())
    highest = max(configured.values(), default=0.0)
    text = f"dropout was {'on' if fingerprint.dropout else 'off'} in training, the highest probability is {highest:g}"
    told = [f"{name} is {configured[name]} instead of {overrides[name]}" for name in wrong]
    good = not wrong and expected == fingerprint.dropout
    rule = [] if expected == fingerprint.dropout or wanted else ["it was asked to be off"]
    sheet.judge("dropout", good, text, "; ".join([text, *told, *rule]))


def clipping(sheet: Sheet, observed: Observed, fingerprint: Fingerprint) -> None:
    """The norm given to the clip call; none, or an infinite one, where nothing is to be clipped."""
    if "max_grad_norm" not in observed.arguments:
        sheet.missing("clipping")
        return
    asked, found = float(observed.arguments["max_grad_norm"] or 0.0), fingerprint.clipping
    if asked > 0:
        good = found is not None and abs(found - asked) <= 1e-12 * asked
    else:
        good = found is None or found == float("inf")
    text = (
        "gradients were not clipped"
        if found is None or found == float("inf")
        else f"gradients were clipped at {found:g}"
    )
    sheet.judge("clipping", good, text, f"{text}; max_grad_norm is {asked:g}")


def loss_scaling(sheet: Sheet, asked: Asked, fingerprint: Fingerprint) -> None:
    """Where the work-around was asked for, the training loop itself scales the loss."""
    if asked.accepts_loss_kwargs is not False:
        return
    failed = "the Trainer still leaves the scaling of the loss to the model, though accepts_loss_kwargs = false"
    sheet.judge(
        "loss scaling", fingerprint.accepts_loss_kwargs is not True, "the training loop scales the loss itself", failed
    )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
