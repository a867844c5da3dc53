"""LoRA adapters, which peft puts on a loaded classifier: its weights are frozen, adapters and head are trained."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from harness.errors import MaterialError
from harness.subject.data.checkpoints import state_sha256

HEADS = ("classifier", "score")
"""The ends of the names of those parts of a classifier that peft always trains whole."""
PEFTS = {"alpha": "lora_alpha", "dropout": "lora_dropout", "targets": "target_modules"}
"""peft's names of what the recipe's table calls otherwise."""


def put_on(model: Any, asked: dict[str, Any], dropout: bool = True) -> Any:
    """Return the model as peft wraps it; what the recipe's table is silent on is peft's own default.

    Without `dropout` the adapters have none either. Adapters are drawn from torch's global stream, after the head.

    Raises
    ------
    MaterialError
        Where a target is no linear layer of the model, or none is named and peft knows none for its family.
    """
    from peft import LoraConfig, get_peft_model

    targets = asked.get("targets")
    if isinstance(targets, list):  # a word is peft's own: "all-linear"
        _check_targets(model, targets)
    _check_modules(model, asked.get("modules_to_save", ()))
    given = {PEFTS.get(name, name): value for name, value in asked.items() if name != "method"}
    if not dropout:
        given["lora_dropout"] = 0.0
    try:
        return get_peft_model(model, LoraConfig(task_type="SEQ_CLS", **given))
    except ValueError as error:
        family, there = model.config.model_type, ", ".join(_linear(model))
        raise MaterialError(f"recipe.peft.targets: {family}: {error}; allowed: {there}") from error


def _check_targets(model: Any, targets: list[Any]) -> None:
    names = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    for target in targets:
        # peft is content if any of them fits, and says nothing of those that do not.
        if target.endswith(HEADS) or not any(name == target or name.endswith(f".{target}") for name in names):
            there = ", ".join(_linear(model))
            raise MaterialError(f"recipe.peft.targets: got {target!r}; allowed linear layers of the model: {there}")


def _check_modules(model: Any, names: Iterable[str]) -> None:
    there = [name for name, _ in model.named_modules() if name]
    for wanted in names:
        if not any(name == wanted or name.endswith(f".{wanted}") for name in there):
            top = ", ".join(name for name, _ in model.named_children())
            raise MaterialError(f"recipe.peft.modules_to_save: got {wanted!r}; allowed modules of the model, as {top}")


def _linear(model: Any) -> list[str]:
    """The last names of a model's linear layers, the head's aside."""
    names = {name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    return sorted({name.rpartition(".")[2] for name in names if not any(p.endswith(HEADS) for p in name.split("."))})


def bare(model: Any) -> Any:
    """The classifier within what peft wraps it in; any other model as it is."""
    return model.get_base_model() if hasattr(model, "peft_config") and hasattr(model, "get_base_model") else model


def frozen_sha256(model: Any) -> str:
    """Hash the parameters that are not trained, as `weights_sha256` hashes all."""
    return state_sha256({name: weight for name, weight in model.named_parameters() if not weight.requires_grad})


def describe(model: Any, new: list[str]) -> dict[str, Any]:
    """The adapters as they are: what they were made with, where they sit, what is trained and what is not.

    `features` is the sum over adapted layers of their inputs and outputs, `head` the parameters that are trained beside
    the adapters: of LoRA `trainable` = r x features + head. Of the `new` tensors of the classifier `new_frozen` are not
    trained. `sha256` is of what peft would save: adapters and head.
    """
    from peft import get_peft_model_state_dict
    from peft.tuners.lora import LoraLayer

    (config,) = model.peft_config.values()
    layers = {name: module for name, module in model.named_modules() if isinstance(module, LoraLayer)}
    trained = {name: weight.numel() for name, weight in model.named_parameters() if weight.requires_grad}
    plain = {name.removeprefix("base_model.model.").replace(".modules_to_save.default.", ".") for name in trained}
    return {
        "method": config.peft_type.value.lower(),
        "r": config.r,
        "alpha": float(config.lora_alpha),
        "dropout": float(config.lora_dropout),
        "targets": sorted({name.rpartition(".")[2] for name in layers}),
        "layers": len(layers),
        "features": sum(layer.in_features + layer.out_features for layer in layers.values()),
        "head": sum(count for name, count in trained.items() if "modules_to_save" in name.split(".")),
        "trainable": sum(trained.values()),
        "new_frozen": [name for name in new if name not in plain],
        "sha256": state_sha256(get_peft_model_state_dict(model)),
        "frozen_sha256": frozen_sha256(model),
    }
