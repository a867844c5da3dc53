"""How many optimizer steps a run takes, and the learning rate of each: in closed form, from its resolved arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from harness.checks.verify.upstream import at_least

Rates = npt.NDArray[np.float64]

NEW_PARTIAL_STEP: Final = (4, 52)
"""Before this version of transformers the Trainer rounded an epoch's number of steps down, since then up."""


def batches_per_rank(examples: int, batch: int, ranks: int, drop_last: bool) -> int:
    """Micro-batches that each rank sees in one epoch: accelerate deals whole batches out to the ranks in turn."""
    if drop_last:
        return examples // batch // ranks
    return math.ceil(math.ceil(examples / batch) / ranks)


def rest_is_a_step(engine: str, transformers: str | None) -> bool | None:
    """Whether an epoch's last, incomplete accumulation makes an optimizer step: since transformers 4.52, and in loops.

    None where the version is not known.
    """
    return True if engine != "trainer" else at_least(transformers, NEW_PARTIAL_STEP)


def total_steps(arguments: Mapping[str, Any], examples: int, ranks: int, rest: bool | None) -> int | None:
    """Optimizer steps from the first to the last, as the Trainer counts them; a resumed run's first part included.

    `max_steps` where it is set, else ceil(epochs x steps of one epoch), where a step takes `accumulation`
    micro-batches; `rest` says whether the rest of an epoch is a step (`rest_is_a_step`). None where accelerate
    splits batches in a way not followed here, or where an argument is missing.
    """
    try:
        if arguments["max_steps"] > 0:
            return int(arguments["max_steps"])
        batches = batches_per_rank(
            examples, arguments["per_device_train_batch_size"], ranks, arguments["dataloader_drop_last"]
        )
        accumulation, epochs = int(arguments["gradient_accumulation_steps"]), float(arguments["num_train_epochs"])
    except (KeyError, TypeError, ZeroDivisionError):
        return None
    accelerator = arguments.get("accelerator_config") or {}
    if accelerator.get("split_batches") or accelerator.get("even_batches") is False:
        return None
    whole, left = divmod(batches, accumulation)
    if left and whole and rest is None:
        return None
    return math.ceil(epochs * max(1, whole + bool(left and rest)))


def warmup_steps(arguments: Mapping[str, Any], total: int) -> int:
    """Steps of the linear warm-up: a count from 1 on, below that a ratio (`warmup_ratio` before transformers 5)."""
    asked = arguments.get("warmup_steps") or 0
    if asked >= 1:
        return int(asked)
    return math.ceil(total * (asked or arguments.get("warmup_ratio") or 0.0))


def expected_rates(arguments: Mapping[str, Any], steps: int) -> Rates | None:
    """Return the learning rate that each of a run's `steps` optimizer steps should use, shape (steps,).

    The rate of step s is the peak rate times the schedule's factor at s; the factors are those documented for
    `transformers.get_scheduler` (warm-up from 0, then the named decay). None where the schedule, or one of its own
    arguments (`lr_scheduler_kwargs`), is not known here: "not available".
    """
    peak, name = arguments.get("learning_rate"), arguments.get("lr_scheduler_type")
    options = dict(arguments.get("lr_scheduler_kwargs") or {})
    if peak is None or not isinstance(name, str) or name not in _DECAYS:
        return None
    decay, defaults, has_warmup = _DECAYS[name]
    if set(options) - set(defaults):
        return None
    settings = {**defaults, **options}
    warmup = warmup_steps(arguments, steps) if has_warmup else 0
    if name == "inverse_sqrt" and settings["timescale"] is None:
        settings["timescale"] = warmup or 10_000
    at = np.arange(steps, dtype=np.float64)
    progress = (at - warmup) / max(1, steps - warmup)
    with np.errstate(all="ignore"):
        factors = np.where(at < warmup, at / max(1, warmup), decay(at, progress, warmup, float(peak), settings))
    return np.asarray(float(peak) * factors, dtype=np.float64)


_Decay = Callable[[Rates, Rates, int, float, Mapping[str, Any]], Rates]


def _constant(at: Rates, progress: Rates, warmup: int, peak: float, options: Mapping[str, Any]) -> Rates:
    return np.ones_like(at)


def _linear(at: Rates, progress: Rates, warmup: int, peak: float, options: Mapping[str, Any]) -> Rates:
    return np.maximum(0.0, 1.0 - progress)


def _cosine(at: Rates, progress: Rates, warmup: int, peak: float, options: Mapping[str, Any]) -> Rates:
    return np.maximum(0.0, 0.5 * (1.0 + np.cos(math.pi * float(options["num_cycles"]) * 2.0 * progress)))


def _restarts(at: Rates, progress: Rates, warmup: int, peak: float, options: Mapping[str, Any]) -> Rates:
    waves = 0.5 * (1.0 + np.cos(math.pi * ((float(options["num_cycles"]) * progress) % 1.0)))
    return np.asarray(np.where(progress >= 1.0, 0.0, np.maximum(0.0, waves)))


def _polynomial(at: Rates, progress: Rates, warmup: int, peak: float, options: Mapping[str, Any]) -> Rates:
    end = float(options["lr_end"])
    return ((peak - end) * np.maximum(0.0, 1.0 - progress) ** float(options["power"]) + end) / peak


def _inverse_sqrt(at: Rates, progress: Rates, warmup: int, peak: float, options: Mapping[str, Any]) -> Rates:
    scale = float(options["timescale"])
    return 1.0 / np.sqrt((at + scale - warmup) / scale)


_DECAYS: Final[Mapping[str, tuple[_Decay, Mapping[str, Any], bool]]] = {
    "linear": (_linear, {}, True),
    "constant": (_constant, {}, False),
    "constant_with_warmup": (_constant, {}, True),
    "cosine": (_cosine, {"num_cycles": 0.5}, True),
    "cosine_with_restarts": (_restarts, {"num_cycles": 1}, True),
    "polynomial": (_polynomial, {"lr_end": 1e-7, "power": 1.0}, True),
    "inverse_sqrt": (_inverse_sqrt, {"timescale": None}, True),
}
