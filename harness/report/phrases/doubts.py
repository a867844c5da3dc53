"""What is said before anything trains, in words: of recipes, written references, data and saved heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from harness.report.format.metrics import metric_word
from harness.report.phrases.recipe import Phrases, many
from harness.text import listed, show

DIGITS: Final = 4
"""Decimals of an attainable neighbour: those of a printed percentage with two."""


def _worst_kept(metric: str, greater_is_better: bool) -> str:
    better = "lower" if greater_is_better else "higher"
    asked = f"greater_is_better = {show(greater_is_better)} with metric_for_best_model = {show(metric)}"
    return f"{asked} keeps the worst model: the {better} {metric} is the better"


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
    negatives: Sequence[int] = (),
) -> str:
    said = " with ".join(
        f"{metric_word(name)} {listed((f'{v:g}' for v in values), 3)}" for name, values in scores.items()
    )
    whose = "no run" if runs == 1 else f"no mean of {runs} runs"
    text = f"{reference}: {whose} on {examples:,} examples, {positives:,} positive, can have {said}"
    if negatives and negatives[0] > 0:
        text += f", which needs {negatives[0]:,} of {negatives[1]:,} negatives right"
    elif negatives:
        text += ", which needs more positives right than answers in all"
    if elsewhere is not None:
        return f"{text}; MRPC's {elsewhere} split can give it"
    if shards:
        return f"{text}; {' or '.join(map(str, shards))} of the examples can give it"
    near = " or ".join(f"{value:.{DIGITS}f}" for value in nearest)
    return f"{text}; nearest {metric_word(metric)} {near}" if near else text


def _other_label(number: int) -> str:
    return f", {number} with the other label" if number else ""


def _one_class(split: str, examples: int, label: int) -> str:
    text = f"one class in the {split} split: all {examples:,} examples have label {label}"
    if split == "training":
        return text
    return f"{text}{'' if label else '; F1 is undefined'}; accuracy tells nothing of the other class"


def _model(epoch: float, metric: str, value: float, greater: bool) -> str:
    return f"epoch {epoch:g}, of the {'highest' if greater else 'lowest'} {metric_word(metric)} ({value:.4f})"


def _scored_other(scored: float | None, metric: str, got: float | None, asked: str) -> str:
    model = "no model that was evaluated before" if scored is None else f"epoch {scored:g}"
    has = "" if got is None else f" ({metric_word(metric)} {got:.4f})"
    return f"scored is {model}{has}, asked for is {asked}"


DOUBTS: Final[Phrases] = {
    "recipe.some": "{doubt} ({number} of {every} configurations)",
    "recipe.steps_count": "max_steps = {steps} counts, num_train_epochs = {epochs:g} does not",
    "recipe.worst_kept": _worst_kept,
    "data.leak": lambda number, examples, other_label: (
        f"{number:,} of {examples:,} validation examples are in training{_other_label(other_label)}"
    ),
    "data.duplicates": lambda split, number, examples, other_label: (
        f"{number:,} of {examples:,} {split} examples repeat an earlier one{_other_label(other_label)}"
    ),
    "data.truncated": "{number:,} of {examples:,} {split} examples are truncated to {tokens} tokens",
    "data.empty": "{number:,} of {examples:,} {split} examples have an empty text",
    "data.one_class": _one_class,
    "head.order": lambda checkpoint, names, due: (
        f"checkpoint {checkpoint}: its saved head calls the classes {listed(names)}, the task {listed(due)}: "
        f"it was trained to answer {'the opposite' if len(due) == 2 else 'in another order'}"
    ),
    "head.other": lambda checkpoint, names, due: (
        f"checkpoint {checkpoint}: its saved head calls the classes {listed(names, 12)}, the task {listed(due, 12)}: "
        "whether they mean the same is for you to tell"
    ),
    "head.trained": "checkpoint {checkpoint}: its classifier is no new one: what it learned before is in the scores",
    "selection.model": _model,
    "selection.best": "scored is {model}, of {evaluations} evaluations",
    "selection.other": _scored_other,
    "selection.cell": "{cell}: {found}",
    "selection.seeds": lambda configuration, seeds, runs: (
        f"{configuration}: {len(seeds)} of {many(runs, 'run')} (seed{'' if len(seeds) == 1 else 's'} {listed(seeds)}) "
        "scored another model than the best one that load_best_model_at_end asks for"
    ),
    "reference.constant": "{reference}: accuracy {accuracy:g} is no better than one constant answer, which has "
    "{constant} of {examples} right",
    "reference.impossible": _impossible,  # scores: by metric, as written; nearest: of `metric`, attainable
}
