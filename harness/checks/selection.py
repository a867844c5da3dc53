"""Which model of a run was scored: with `load_best_model_at_end` the best of its evaluations, or another one?"""

from __future__ import annotations

import math
from typing import Final

from harness.fact import Fact
from harness.record.model import Record
from harness.record.parts.measured import EpochScore

SAME_LOSS: Final = 1e-5
"""Relative: the same weights, evaluated in other batches on other ranks."""
SAME_SCORE: Final = 1e-9


def asks_for_best(record: Record) -> bool:
    """Whether the run was to score the best model instead of the last."""
    return record.asked.recipe.get("load_best_model_at_end") is True


def selection(record: Record) -> Fact | None:
    """Hold the final scores against those of the evaluations: "selection.best", or "selection.other".

    None where the best was not asked for, and where the record does not tell: no evaluations or not all of them, or a
    best one that need not have left a checkpoint.
    """
    observed, measured = record.observed, record.measured
    if observed is None or measured is None or record.asked.resume_at or not asks_for_best(record):
        return None
    arguments, epochs = observed.arguments, [one for one in measured.epochs if one.step > 0]
    metric = str(arguments.get("metric_for_best_model") or "loss").removeprefix("eval_")
    greater = arguments.get("greater_is_better")
    greater = metric != "loss" if greater is None else bool(greater)
    values = [one.metrics.get(metric) for one in epochs]
    numbers = [value for value in values if value is not None and math.isfinite(value)]
    if not numbers or len(numbers) < len(values) or not _all_there(record, epochs):
        return None
    # Of equal ones the Trainer keeps the first, and its scores are what counts here.
    best = numbers.index(max(numbers) if greater else min(numbers))
    fitting = [one for one in epochs if _is_scored(one, record)]
    epoch, value = epochs[best].epoch, numbers[best]
    model = Fact.of("selection.model", epoch=epoch, metric=metric, value=value, greater=greater)
    if epochs[best] in fitting:
        return Fact.of("selection.best", model=model, evaluations=len(epochs))
    scored, got = fitting[-1].epoch if fitting else None, measured.metrics.get(metric)
    return Fact.of("selection.other", scored=scored, metric=metric, got=got, asked=model)


def _all_there(record: Record, epochs: list[EpochScore]) -> bool:
    """Whether each evaluation is in the record, whose earliest ones are cut where it is too long, and was saved."""
    arguments = record.observed.arguments if record.observed else {}
    if arguments.get("eval_delay") or arguments.get("eval_on_start"):
        return False
    if arguments.get("eval_strategy") == "epoch":
        return epochs[0].epoch <= 1
    every, saved = arguments.get("eval_steps"), arguments.get("save_steps")
    return epochs[0].step == every and (arguments.get("save_strategy") == "best" or saved == every)


def _is_scored(one: EpochScore, record: Record) -> bool:
    metrics = record.measured.metrics if record.measured else {}
    known = {name: value for name, value in one.metrics.items() if name in metrics}
    return bool(known) and all(
        math.isclose(value, metrics[name], rel_tol=SAME_LOSS if name == "loss" else 0.0, abs_tol=SAME_SCORE)
        for name, value in known.items()
    )
