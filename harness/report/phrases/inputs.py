"""The facts of what a model saw, received, drew and was updated by, in words; as those of `phrases.verify`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from harness.report.phrases.verify import FEW, times
from harness.text import listed


def _altered(column: str, rows: int, of: int, example: int | None, step: int, absent: bool) -> str:
    if absent:
        return f"the model was not given {column}, which the tokenizer made"
    first = "" if example is None else f", first at step {step} in example {example}"
    return f"the model received other {column} than were tokenized in {rows:,} of {of:,} rows{first}"


def _inputs_differ(
    item: str, part: str, step: int | None, example: int | None, differing: int, rows: int, only: str | None
) -> str:
    place = "in training" if part == "training" else "in the evaluation"
    if only is not None:
        return f"{item}: given to the model {place} in the {'first' if only == 'a' else 'second'} run only"
    first = "" if step is None else f", first at step {step}"
    where = f"{first} in example {example}, in {differing:,} of {rows:,} rows" if differing else ", in rows not kept"
    return f"{item}: the model received others {place}{where}"


def _epoch_end(step: int, base: int, twin: int, due: int) -> str:
    text = f"compared up to step {step}, an epoch's last: "
    if twin > base:
        return f"{text}{base} of {due} rows are left, and {twin - base} are repeated to fill the ranks' batches"
    return f"{text}a short group of {base} of {due} rows, which micro-batches cut unevenly"


def _random_other(step: int, ordered: bool, weights: bool | None, draws: int | None, evaluated: bool) -> str:
    same = [*(["the same order of examples"] if ordered else []), *(["the same weights"] if weights else [])]
    text = f"{' and '.join(same)}, but another" if same else "another"
    text += f" state of torch's random stream from step {step} on"
    many = draws is not None and draws > 64
    if draws and evaluated:
        text += f": an evaluation drew {'more than 64' if many else draws} number{'' if draws == 1 else 's'} from it"
    return text


def _seen(rows: int, epochs: int, repeated: int, examples: int, there: int) -> str:
    if examples < there:
        return (
            f"{rows:,} rows, {examples:,} of {there:,} examples in {epochs} epoch{'' if epochs == 1 else 's'} cut short"
        )
    padded = f"; the last batch of an epoch repeats {repeated} examples to serve all ranks" if repeated else ""
    return f"{rows:,} rows in {epochs} epoch{'' if epochs == 1 else 's'}, each example once an epoch{padded}"


def _widths(seen: str, constant: bool, multiple: int, length: int | None) -> str:
    """`length` in tokens, None where the tokenizer's own holds."""
    due = [
        *(["all of one width"] if constant else []),
        *([f"of {length} tokens" if constant else f"of at most {length} tokens"] if length is not None else []),
        *([f"multiples of {multiple}"] if multiple > 1 else []),
    ]
    return f"{seen}; asked for are batches {', '.join(due)}"


INPUTS: Final[Mapping[str, str | Callable[..., str]]] = {
    # What the model received, its first update, its dtypes, evaluation repeated.
    "inputs.right": lambda columns, rows: (
        f"the model received {listed(columns, FEW)} of all {rows:,} rows as they were tokenized"
    ),
    "inputs.altered": _altered,
    "inputs.same": lambda columns: f"the model received the same {listed(columns, FEW)} of every example",
    "inputs.where": lambda step, example, differing, rows: (
        f"first{'' if step is None else f' at step {step}'} in example {example}, in {differing:,} of {rows:,} rows"
    ),
    "epoch.end": _epoch_end,
    "random.other": _random_other,
    "inputs.differ": _inputs_differ,
    "widths.seen": lambda least, most: (
        f"training batches are {least if least == most else f'{least} to {most}'} tokens wide"
    ),
    "widths.wrong": _widths,
    "adapter.none": "no adapter: the model's own weights are trained",
    "adapter.seen": lambda method, r, alpha, dropout, targets, layers, trainable: (
        f"{method} of r {r}, alpha {alpha:g}, dropout {dropout:g} on {layers} layers ({listed(targets, FEW)}), "
        f"{trainable:,} parameters trained"
    ),
    "adapter.right": lambda trainable, layers, head: (
        f"{trainable:,} parameters are trained, {head:,} of the head, the others on {layers} layers; the rest is frozen"
    ),
    "adapter.trainable": "{trainable:,} parameters are trained; adapters and head have {due:,}",
    "adapter.base_moved": "weights that were to be frozen have changed",
    "adapter.new_frozen": lambda names: (
        f"{listed(names, FEW)} {'is' if len(names) == 1 else 'are'} new and not trained: name the module in "
        "recipe.peft.modules_to_save"
    ),
    "segments.seen": "the model knows {known} segments and was told which token is of which",
    "segments.wrong": lambda known, told: (
        f"the model knows {known} segments and the task has pairs, yet "
        f"{'it was given no token types' if told == 0 else 'every token was given as of the first'}"
    ),
    "update.scaled": "fp16's loss scale may still be in the gradient",
    "update.right": lambda optim, tensors, step: f"step {step} updated {listed(tensors, FEW)} by {optim}'s closed form",
    "update.wrong": lambda optim, tensor, ratio, differing, weights, step: (
        f"step {step} moved {tensor} by {times(ratio)} what {optim}'s settings come to, in {differing} of {weights} "
        "weights looked at"
    ),
    "dtype.seen": "weights are kept in {dtype}",
    "dtype.wrong": lambda dtype, saved, kept: (
        f"weights are kept in {dtype} instead of float32"
        + ("; the checkpoint was saved so, and is kept so since transformers 5.0" if kept else "")
        + (f"; the checkpoint was saved in {saved}" if saved and not kept else "")
    ),
    "states.seen": lambda dtypes: f"the optimizer's states are kept in {listed(dtypes)}",
    "evaluation.again": lambda apart, largest, differing, examples: (
        f"the same evaluation twice: logits differ by at most {apart:.1e} (the largest is {largest:.3g})"
        + (f", in {differing} of {examples} examples" if differing else "")
    ),
    "seen.right": _seen,
    "seen.expected": "{expected:,} examples were to be seen, the data set has {examples:,}",
    "seen.cut": "epoch {epoch} was cut short: {examples:,} of {there:,} examples",
    "seen.left_out": "{left_out:,} of {rows:,} rows are in no optimizer step: an epoch's rest, too few for a step",
    "seen.none": "no epoch was seen",
}
