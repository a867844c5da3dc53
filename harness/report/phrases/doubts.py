"""What is said before anything trains, in words: of recipes, written references, data and saved heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from harness.report.phrases.recipe import Phrases, many
from harness.text import listed, show

NAMES: Final[Mapping[str, str]] = {"accuracy": "accuracy", "f1": "F1"}
DIGITS: Final = 4
"""Decimals of an attainable neighbour: those of a printed percentage with two."""


def _share(number: int, every: int) -> str:
    return "" if number == every else f" ({number} of {every} configurations)"


def _steps_count(steps: int, epochs: float, number: int, every: int) -> str:
    return f"max_steps = {steps} counts, num_train_epochs = {epochs:g} does not{_share(number, every)}"


def _worst_kept(metric: str, greater_is_better: bool, number: int, every: int) -> str:
    better = "lower" if greater_is_better else "higher"
    asked = f"greater_is_better = {show(greater_is_better)} with metric_for_best_model = {show(metric)}"
    return f"{asked} keeps the worst model: the {better} {metric} is the better{_share(number, every)}"


def _impossible(
    reference: str,
    scores: Mapping[str, Sequence[float]],
    runs: int,
    examples: int,
    positives: int,
    metric: str,
    elsewhere: str | None = None,
    shards: Sequence[int] = (),
    nearest: Sequence[float] = (),
) -> str:
    said = " with ".join(f"{NAMES[name]} {listed((f'{v:g}' for v in values), 3)}" for name, values in scores.items())
    whose = "no run" if runs == 1 else f"no mean of {runs} runs"
    text = f"{reference}: {whose} on {examples:,} examples, {positives:,} positive, can have {said}"
    if elsewhere is not None:
        return f"{text}; MRPC's {elsewhere} split can give it"
    if shards:
        return f"{text}; {' or '.join(map(str, shards))} of the examples can give it"
    near = " or ".join(f"{value:.{DIGITS}f}" for value in nearest)
    return f"{text}; nearest {NAMES[metric]} {near}" if near else text


def _other_label(number: int) -> str:
    return f", {number} with the other label" if number else ""


def _one_class(split: str, examples: int, label: int) -> str:
    text = f"one class in the {split} split: all {examples:,} examples have label {label}"
    if split == "training":
        return text
    return f"{text}{'' if label else '; F1 is undefined'}; accuracy tells nothing of the other class"


def _selection(metric: str, greater: bool, epoch: float, value: float) -> str:
    return f"epoch {epoch:g}, of the {'highest' if greater else 'lowest'} {NAMES.get(metric, metric)} ({value:.4f})"


def _scored_other(scored: float | None, got: float | None, metric: str, **best: Any) -> str:
    model = "no evaluated model" if scored is None else f"epoch {scored:g}"
    has = "" if got is None else f" ({NAMES.get(metric, metric)} {got:.4f})"
    return f"scored is {model}{has}, asked for is {_selection(metric, **best)}"


DOUBTS: Final[Phrases] = {
    "recipe.steps_count": _steps_count,
    "recipe.worst_kept": _worst_kept,
    "data.leak": lambda number, examples, other_label: (
        f"{number:,} of {examples:,} validation examples are in training{_other_label(other_label)}"
    ),
    "data.duplicates": lambda split, number, examples, other_label: (
        f"{number:,} of {examples:,} {split} examples repeat an earlier one{_other_label(other_label)}"
    ),
    "data.one_class": _one_class,
    "head.order": lambda checkpoint, names, due: (
        f"checkpoint {checkpoint}: its saved head calls the classes {listed(names)}, the task {listed(due)}: "
        "it was trained to answer the opposite"
    ),
    "selection.best": lambda evaluations, **best: f"scored is {_selection(**best)}, the best of {evaluations}",
    "selection.other": _scored_other,
    "selection.cell": "{cell}: {found}",
    "selection.seeds": lambda configuration, seeds, runs: (
        f"{configuration}: {len(seeds)} of {many(runs, 'run')} (seed{'' if len(seeds) == 1 else 's'} {listed(seeds)}) "
        "scored another model than the best one that load_best_model_at_end asks for"
    ),
    "reference.impossible": _impossible,  # scores: by metric, as written; nearest: of `metric`, attainable
}
