"""The facts of fidelity, reproducibility, invariants and `diff`, in words.

A fact with a value `item` names its item itself; before the sentence of any other a finding puts its item.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from harness.text import listed, show

FEW: Final = 8
"""Names, ids or fields that a sentence lists; the JSON has all of them."""

TENSORS: Final = 5
REPEATED: Final = 16

_WHOSE: Final[Mapping[str, str]] = {"world size": "the number of ranks", "collator": "the collator"}
"""Items whose value people call otherwise."""

_BASE: Final[Mapping[str, str]] = {
    "accumulation": "the single batch's",
    "devices": "the single rank's",
    "engine": "the other engine's",
    "work_around": "the plain run's",
}


def _classes(labels: Sequence[int] | None) -> str:
    """`, 129, 279 a class`; nothing of numbers."""
    return "" if labels is None else f", {listed(labels, 12)} a class"


def written(value: Any) -> str:
    """A value as a recipe has it."""
    return show(_as_list(value))


def _as_list(value: Any) -> Any:
    return [_as_list(item) for item in value] if isinstance(value, (list, tuple)) else value


NEAR: Final = 5e-4
"""A ratio that is nearer to 1 is told as how far off it is."""


def near(ratio: float | None) -> bool:
    """Whether a ratio is so near to 1 that three decimals would not show it."""
    return ratio is not None and abs(ratio - 1) < NEAR


def times(ratio: float | None) -> str:
    """A ratio, or that there is none."""
    return "not" if ratio is None else f"{ratio:.3f} x"


def _fused(flag: bool | None) -> str:
    return "in part" if flag is None else str(flag).lower()


def _resumed(begun: int) -> str:
    return f" after resuming at step {begun}" if begun else ""


def _overflow(skipped: int) -> str:
    return f", {skipped} left out for overflow" if skipped else ""


def _where(step: int, steady: bool, differing: int, steps: int) -> str:
    if steps == 1:
        return f"at step {step}, the only one"
    if steady:
        return f"at step {step}, and on every step"
    return f"first at step {step}" + (f", on {differing} of {steps} steps" if differing else "")


def _parallel_mode(mode: str | None, backend: str | None) -> str:
    hidden = ": DataParallel, which averages over devices behind the recipe's back"
    return f"the parallel mode is {mode}, backend {backend}" + (hidden if mode == "not_distributed" else "")


def _decay_wrong(seen: str, asked: float) -> str:
    rule = f"{asked:g} was asked for, on all but biases and layer norms" if asked else "none was asked for"
    return f"{seen}; {rule}"


def _attention_wrong(item: str, seen: str, expected: str, origin: str, model: str) -> str:
    origins = {"asked": "asked for", "default": f"the default of a {model}"}
    return f"{seen}; {expected} is {origins.get(origin, origin)}"


def _data(training: int, validation: int, known: bool) -> str:
    text = f"{training:,} training and {validation:,} validation examples"
    return f"{text}, each with the text and label it should have" if known else text


def _samples(count: int, rate: float, seconds: float, rows: int) -> str:
    text = f"{count:,} samples, {rate:.1f} a second for {seconds:.3f} s"
    return text if rows == count else f"{text}; {rows:,} rows were seen"


def _steps_wrong(wrong: Sequence[str], due: int, begun: int, expected: int, skipped: int) -> str:
    of = f" of {expected}" if begun else ""
    return f"{'; '.join(wrong)}; {due} are due{_resumed(begun)}{of}{_overflow(skipped)}"


def _schedule_left(got: float, expected: float, step: int, differing: int, steps: int, shift: str | None) -> str:
    text = f"the learning rate is {got:.6g} instead of {expected:.6g} at step {step}, on {differing} of {steps} steps"
    shifted = f": shifted by one step, each step uses the rate of the step {shift}"
    return text + (shifted if shift else "")


def _epoch_examples(epoch: int, distinct: int, of: int, count: int, repeated: Sequence[int]) -> str:
    return f"epoch {epoch} saw only {distinct:,} of {of:,} examples, and {count} again ({listed(repeated, FEW)})"


def _epoch_repeats(epoch: int, extra: int, repeated: Sequence[int], padding: int) -> str:
    return f"epoch {epoch} repeats {extra} examples ({listed(repeated, FEW)}); padding explains {padding}"


def _logits(shape: Sequence[int], finite: bool, evaluated: int | None) -> str:
    text = f"shape {tuple(shape)}" + ("" if finite else ", not all finite")
    return text if evaluated is None else f"{text}, {evaluated} examples evaluated"


def _first_difference(item: str, step: int | None, later: Sequence[str], claimed: bool) -> str:
    text = f"first difference: {item}" + ("" if step is None else f" at step {step}")
    text += f"; then {listed(later, 6)}" if later else ""
    return text if claimed else f"not claimed (CUDA without deterministic algorithms): {text}"


def _repeat_equal(steps: int) -> str:
    compared = f"{steps} steps" if steps else "every hash"
    return f"equal to the last bit: {compared}, weights before and after, answers and scores"


def _examples_other(step: int, differing: int, steps: int, only_base: Sequence[int], only_twin: Sequence[int]) -> str:
    base, twin = (listed(ids, FEW) or "none" for ids in (only_base, only_twin))
    where = f"other examples at step {step}, on {differing} of {steps} steps"
    return f"{where}: {base} only in the base run, {twin} only in the twin"


def _series_left(item: str, kind: str, ratio: float | None, where: str, twin: float, base: float) -> str:
    off = f"{(ratio or 0.0) - 1:+.1e} off" if near(ratio) else times(ratio)
    return f"{item} is {off} {_BASE.get(kind, 'the other run')} {where} ({twin:.6g} against {base:.6g})"


def _padding_repeats(count: int, examples: int, ranks: int, repeated: Sequence[int]) -> str:
    ids = listed(repeated, REPEATED)
    return f"{count} of {examples:,} examples are seen twice in an epoch on {ranks} ranks: {ids}"


def _unfit_dropout(run: str, dropout: bool | None) -> str:
    return f"dropout {'was on' if dropout else 'cannot be seen'} in the {run} run: its noise hides or fakes differences"


VERIFY: Final[Mapping[str, str | Callable[..., str]]] = {
    "several": lambda facts: "; ".join(facts),
    "foreign.unknown": "foreign code: its own",
    "foreign.unanswered": "foreign code: its answers are no classifier's, or were not seen",
    "foreign.formula": lambda value, expected: f"foreign code: its own is {value:.6g}, its answers give {expected:.6g}",
    "foreign.unfit": lambda item: {
        "engine": "foreign code: the loops know the harness's own recipe alone",
        "padding": "foreign code: the length of its epoch is its own",
        "resume": "foreign code: a script is run once, from its beginning to its end",
    }[item],
    "foreign.own": lambda parts: f"the foreign code has its own {' and '.join(parts)}",
    "missing": lambda item, why: f"{item} ({why})" if why else item,
    "value.right": lambda item, got: f"{_WHOSE.get(item, item)} is {written(got)}",
    "value.wrong": lambda item, got, expected: (
        f"{_WHOSE.get(item, item)} is {written(got)} instead of {written(expected)}"
    ),
    "where": _where,
    "answers.order": "evaluated in another order: {base} against {twin}",
    "answers.unpaired": "the two runs answered in different orders, and which example a row is was not recorded",
    "where.examples": "first in example {example}, in {differing} of {examples}",
    "items.right": "all {count} items are as asked for",
    "items.wrong": lambda items: ", ".join(items),
    "record.older": "the record is older than fingerprints",
    "record.not_requested": "the record does not say what was requested",
    # Settings.
    "arguments.arrived": "all {count} requested arguments arrived",
    "argument.changed": lambda name, got, asked: f"{name} is {written(got)} instead of {written(asked)}",
    "argument.dropped": lambda name, asked: f"{name} = {written(asked)} was dropped",
    "parallel_mode.seen": _parallel_mode,
    "parallel_mode.wrong": "{seen}; expected {mode}, backend {backend}",
    "precision.unseen": "no product was seen: a compiled model hides them",
    "precision.mixture": lambda dtypes: f"a mixture ({listed(dtypes)})",
    "precision.right": "{share:.1%} of the FLOPs of weight products are {name}",
    "precision.wrong": "trained in {name} ({share:.1%} of the FLOPs of weight products), asked for {asked}",
    "optim.unknown": lambda optim: f"optim = {written(optim)} is not known here",
    "optimizer.seen": lambda name, fused: f"the optimizer is {name}, fused {_fused(fused)}",
    "optimizer.wrong": lambda seen, optim, name, fused: f"{seen}; {optim} means {name}, fused {_fused(fused)}",
    "groups.right": lambda betas, eps, groups: f"betas {list(betas)}, eps {eps:g} in {groups} groups",
    "group.wrong": lambda name, group, got, expected: (
        f"{name} of group {group} is {written(got)} instead of {written(expected)}"
    ),
    "decay.seen": lambda by_group: f"weight decay by group is {listed(f'{value:g}' for value in by_group)}",
    "decay.wrong": _decay_wrong,
    "trainable.seen": "the optimizer has {trained:,} of the {there:,} tensors that could be trained",
    "attention.unseen": "no product of attention was seen",
    "attention.seen": lambda item, called, configured: (
        f"{item} called is {called or 'not available'}, configured {configured}"
    ),
    "attention.wrong": _attention_wrong,
    "dropout.seen": lambda item, on, highest: (
        f"{item} was {'on' if on else 'off'} in training, the highest probability is {highest:g}"
    ),
    "dropout.wrong": lambda item, seen, wrong: "; ".join([seen, *wrong]),
    "dropout.unwanted": "it was asked to be off",
    "clipping.seen": lambda norm: f"gradients were {'not clipped' if norm is None else f'clipped at {norm:g}'}",
    "clipping.wrong": "{seen}; max_grad_norm is {asked:g}",
    "loss_scaling.by_loop": "the training loop scales the loss itself",
    "loss_scaling.by_model": "the Trainer still leaves the scaling of the loss to the model, though "
    "accepts_loss_kwargs = false",
    # Data and weights.
    "data.right": _data,
    "split.size": "{split} has {examples:,} examples, {positives:,} positive, instead of {due:,} and {due_positives:,}",
    "split.other": lambda split, examples, labels, due, due_labels: (
        f"{split} has {examples:,} examples{_classes(labels)}, instead of {due:,}{_classes(due_labels)}"
    ),
    "split.content": "{split} has the right size but other texts or labels (hash {sha256:.12})",
    "tokens.unknown": lambda share, most: (
        f"{100 * share:.1f} % of the training examples' tokens are unknown to the checkpoint's vocabulary"
        + ("" if share <= most else f"; at most {100 * most:g} % are expected")
    ),
    "task.unknown": "{task} is not a task known here",
    "labels.paired": "{differing:,} of {count:,} answers have another label than the model was given with the example",
    "labels.seen": "{count:,} labels, {positives:,} of them positive",
    "labels.wrong": "predicted on {seen}; the validation split has {examples:,} and {positives:,}",
    "labels.classes": lambda count, labels: f"{count:,} labels{_classes(labels)}",
    "labels.other": lambda seen, examples, labels: (
        f"predicted on {seen}; the validation split has {examples:,}{_classes(labels)}"
    ),
    "weights.head_new": lambda names: f"only {listed(names, TENSORS)} are new",
    "weights.all_new": lambda names: f"{listed(names, TENSORS)} are new, as asked for",
    "weights.not_all": lambda names: f"only {listed(names, TENSORS)} are new; all were asked for",
    "weights.body_new": lambda names: (
        f"{len(names)} tensors besides the head are newly initialised: {listed(names, TENSORS)}"
    ),
    "weights.trained_head": "the classifier is not newly initialised: the checkpoint brought one that was trained "
    "before",
    "weights.spurned": lambda parts: f"the checkpoint has a {listed(parts)}, yet the model's was newly initialised",
    "weights.place_unknown": "some tensor's place in the checkpoint's file cannot be told",
    "weights.as_saved": "every other tensor is the checkpoint's own",
    "weights.not_as_saved": lambda names: (
        f"{len(names)} tensors are neither new nor what the checkpoint's file has: {listed(names, TENSORS)}"
    ),
    "samples.right": _samples,
    "samples.wrong": "{found}; rate x time is {product:,.1f}",
    # Training.
    "steps.in_loop": "the training loop counts {counted} steps",
    "steps.in_optimizer": "the optimizer stepped {counted} times",
    "steps.in_series": "losses were logged for {counted} steps",
    "steps.right": lambda counted, begun, skipped: (
        f"{counted} optimizer steps{_resumed(begun)}, as data and arguments make them{_overflow(skipped)}"
    ),
    "steps.wrong": _steps_wrong,
    "overflow.seen": "{skipped:,} of {steps:,} steps left out, the loss scale went from {initial:g} to {final:g}",
    "overflow.many": "{seen}; to find a scale takes at most {most:,}",
    "schedule.unknown": "the schedule {kind} is not known here",
    "schedule.overflowed": "which steps before the resumption overflowed is not recorded",
    "schedule.kept": "the {kind} schedule was kept on all {steps} steps, peak {peak:g}",
    "schedule.left": _schedule_left,
    "logged_loss.right": "it is the mean of the micro-batch losses on all {steps} steps",
    "logged_loss.wrong": lambda ratio, logged, mean, where: (
        f"it is {times(ratio)} the mean of the micro-batch losses ({logged:.6f} against {mean:.6f} {where})"
    ),
    "epoch.rows": "epoch {epoch} has {rows:,} rows instead of {due:,}",
    "epoch.examples": _epoch_examples,
    "epoch.repeats": _epoch_repeats,
    # Answers.
    "logits.seen": _logits,
    "logits.wrong": "{seen}; {due} are due",
    "confusion": "tp {tp}, fp {fp}, fn {fn}, tn {tn}",
    "confusion.classes": lambda counts: (
        f"{sum(row[place] for place, row in enumerate(counts)):,} of {sum(map(sum, counts)):,} right, "
        f"in {len(counts)} classes ({'; '.join(' '.join(map(str, row)) for row in counts[:FEW])})"
    ),
    "confusion.wrong": "{recorded}; the logits give {expected}",
    "score.right": "{item} is {value:.6f}",
    "score.wrong": "{item} is {value:.6f}; the logits give {expected:.6f}",
    "evaluation_loss.right": "the evaluation loss is {value:.6f}, as the logits give it",
    "evaluation_loss.wrong": lambda value, ratio, expected: (
        f"the evaluation loss is {value:.6f}, {times(ratio)} the {expected:.6f} that the logits give"
    ),
    # Runs that did not finish.
    "run.missing": lambda runs: "the run left no result" if len(runs) == 1 else "neither run left a result",
    "run.failure": "{type}: {message}",
    "run.nonfinite": "losses or logits are not finite, or no step's gradient was",
    "run.no_reason": "it left no reason",
    "run.errored": "the run is {status}: {why}",
    "run.of_pair": "{run}: {why}",
    "padding.needs_whole_epoch": lambda task, tasks: f"{task}: needs a whole epoch; run it on {' or '.join(tasks)}",
    # Pairs of runs.
    "repeat.other": lambda fields: f"not the same run twice: {listed(fields, FEW) or 'the environment'} differ",
    "repeat.equal": _repeat_equal,
    "repeat.first_difference": _first_difference,
    "pair.equal": lambda items: f"equal in {listed(items, FEW)}",
    "pair.differs": lambda found, issues: "; ".join([*found, *(f"known as {issue}" for issue in issues)]),
    "start.same": "both runs began from the same weights",
    "start.other": "training began from different weights ({base:.12} against {twin:.12})",
    "examples.same": "the same examples on each of {steps} steps",
    "examples.other": _examples_other,
    "examples.unknown": "which examples each step saw is not recorded",
    "steps.same": "{steps} in both runs",
    "steps.other": "the optimizer stepped {twin} times against {base}",
    "series.equal": lambda steps, worst: (
        f"equal on each of {steps} steps, {f'within {worst:.1e} of the largest' if worst else 'to the last bit'}"
    ),
    "series.equal_until": "equal until step {step}, where the weights have been updated otherwise",
    "series.left": _series_left,
    "training.no_common_step": "the runs share no recorded step",
    "training.equal": lambda first, last, outcome: (
        f"equal to the last bit: steps {first} to {last}"
        f"{', final weights, answers and scores' if outcome else ' and final weights'}"
    ),
    "logits.shapes": lambda base, twin: f"shape {tuple(base)} against {tuple(twin)}",
    "logits.apart": "{item} differ by at most {apart:.1e} (the largest is {largest:.3g})",
    "logits.too_far": "{apart}, in {differing} of {examples} examples, first in example {example}",
    "predictions.same": "the same {count} predictions",
    "predictions.other": "{count} predictions differ",
    "padding.no_whole_epoch": "no whole epoch was trained: there is no tail to look at",
    "padding.none": "the global batch divides {examples:,} examples: {ranks} ranks repeat none",
    "padding.repeats": _padding_repeats,
    "padding.other_examples": "already at step {step}, before the padded step {padded}, other examples were seen",
    "padding.same_examples": "the same on each of the {steps} steps before the padded one",
    "padding.same_losses": "equal on the first {steps} steps",
    "padding.other_losses": "it differs {where} ({twin:.6g} against {base:.6g}), before the padded step {padded}: see "
    "`devices`",
    "unfit.fingerprint": "the {run} run has no fingerprint",
    "unfit.dropout": _unfit_dropout,
    "unfit.precision": lambda run, precision: (
        f"the {run} run trained in {precision or 'a precision that cannot be seen'}, not in fp32"
    ),
    "unfit.asked": lambda differences: f"the runs were asked for different things: {listed(differences, FEW)}",
    "unfit.field": "{field} {base} against {twin}",
    "unfit.place": "the runs are from different environments or machines: rounding alone may part them",
    "unfit.global_batch": "the global batch is {base} in one run and {twin} in the other",
    "unfit.resume": "the base run begins at step {base}, the twin at step {twin}: not a resumed pair",
    "unfit.eval_batch": "both runs evaluate in batches of {batch}",
}
