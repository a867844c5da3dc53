"""The facts of how two runs differ, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from harness.checks.verify.upstream import BACKWARD_SCALE
from harness.report.format.metrics import metric_word
from harness.report.format.numbers import points, signed
from harness.report.phrases.recipe import many
from harness.report.phrases.verify import FEW, near, times, written
from harness.text import listed

LEAST_POINTS: Final = 0.005
"""Points below which a difference would read as none with two decimals."""
MOST: Final = 3
"""Causes, or what they act through, that a sentence names."""
WHY: Final = ". Why: "
"""What stands between an answer and its reason."""


def shown(value: Any) -> str:
    """A value that differs; of a hash the beginning."""
    if isinstance(value, float):
        return f"{value:.7g}"
    if isinstance(value, str):
        return f"{value[:12]}…" if _is_hash(value) else value
    return "nothing" if value is None else written(value)


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and " " not in value


def _where_jump(step: int, before: float, differing: int, steps: int) -> str:
    until = "equal to the last bit until then" if before == 0 else f"at most {before:.1e} apart until then"
    return f"at step {step}, {until}; on {differing} of {steps} steps"


def name(field: str) -> str:
    """A dotted field as people call it: a recipe's without its table."""
    return field.removeprefix("recipe.").removeprefix("packages.").removeprefix("arguments.")


def _identical(steps: int, items: Sequence[str], idle: Sequence[str]) -> str:
    if not steps:
        return f"identical to the last bit: {listed(items, FEW)}, of steps nothing is recorded{idle_text(idle)}"
    return f"identical to the last bit: {many(steps, 'step')} ({listed(items, FEW)}){idle_text(idle)}"


def idle_text(idle: Sequence[str]) -> str:
    """What was otherwise and changed nothing."""
    return f"; {listed(idle, MOST)} changed nothing" if idle else ""


def _equal(
    steps: int,
    relative: float,
    first_step: int | None,
    largest: Mapping[str, Any] | None,
    bits: Sequence[str],
    beyond: int | None,
    causes: Sequence[str],
) -> str:
    item = largest["item"] if largest is not None else None
    others = [one for one in bits if one != item]
    where = f"from step {first_step} on" if first_step is not None else f"{many(steps, 'step')} trained to the last bit"
    text = f"equal within {relative:g}, not bit for bit: {where}"
    if largest is not None:
        place = "" if largest["step"] is None else f", step {largest['step']}"
        text += f", by at most {largest['relative']:.1e} ({item}{place})"
    text += f"; other bits too: {listed(map(bare, others), MOST)}" if others else ""
    text += "" if beyond is None else f"; beyond the tolerance since step {beyond}, as rounding grows"
    return text + why(causes)


def _different(
    steps: int,
    first_step: int | None,
    within: bool,
    effect: str | None,
    largest: Mapping[str, Any] | None,
    causes: Sequence[str],
    upstream: str | None,
) -> str:
    if effect is None:
        return f"different in what was done, though no loss, norm or answer shows it{why(causes)}"
    if within:
        much = f"{largest['relative']:.1e} apart ({bare(largest['item'])})" if largest is not None else "as rounding"
        return f"different in what was done; what came of it is at most {much}, from step {first_step} on{why(causes)}"
    return f"different {'in' if first_step is None else f'from step {first_step} on:'} {effect}{why(causes)}"


def _pairs(
    state: str,
    pairs: int,
    states: Mapping[str, int],
    label: str,
    first: str,
    idle: Sequence[str],
    scores: Mapping[str, Any],
    noun: str = "runs",
) -> str:
    others = [f"{count} of {pairs} {name}" for name, count in states.items() if name != state]
    mine = f"{states[state]} {state}" if others else f"{states[state]} of {pairs} {noun}"
    if state == "identical":
        return f"identical to the last bit: {', '.join([*others, mine])}{idle_text(idle)}"
    which = f"the first is {label}, " if states[state] > 1 else f"{label}, "
    return f"{state}: {', '.join([*others, mine])}: {which}{first.removeprefix(f'{state} ')}"


def why(causes: Sequence[str], none: str = "nothing that was recorded says") -> str:
    """The first causes, or that there is `none`."""
    more = f"; {len(causes) - MOST} more" if len(causes) > MOST else ""
    return f"{WHY}{'; '.join(causes[:MOST]) or none}{more}"


NO_PROOF: Final = "no weights, no fingerprint: what was not logged may differ"


def _logged(steps: Mapping[str, int]) -> str:
    """`12 losses, 12 gradient norms, 2 x eval_loss`."""
    words = {"loss": "loss", "grad_norm": "gradient norm", "learning_rate": "learning rate"}
    named = [
        f"{count} losses" if name == "loss" and count > 1 else many(count, words[name])
        for name, count in steps.items()
        if name in words
    ]
    scores = [name for name in steps if name not in words]
    return listed([*named, *([many(len(scores), "other logged value")] if scores else [])])


def _logged_unknown(first_step: int, effect: str, steps: Mapping[str, int], causes: Sequence[str] = ()) -> str:
    return (
        f"unknown: apart from step {first_step} on ({effect}), which rounding may do by then; neither precision, "
        f"machine nor weights are logged{WHY + '; '.join(causes) if causes else ''}"
    )


def _effect(item: str, a: Any, b: Any, ratio: float | None, steady: bool, differing: int | None, of: int | None) -> str:
    if of is not None:
        return f"the {item} of {differing} of {of} examples"
    if steady and ratio is not None and not near(ratio):
        return f"the {bare(item)} of B is {ratio:.3f} x A's"
    return f"{_called(item)} {_values(item, a, b, ratio)}"


def bare(item: str) -> str:
    """An item without its article, or the group it is of."""
    if item == "scores.loss":
        return "evaluation loss"
    return metric_word(item.removeprefix("scores.")) if is_score(item) else item.removeprefix("the ")


def _called(item: str) -> str:
    return bare(item) if item.startswith("scores.") else item


def is_score(item: str) -> bool:
    """Whether an item is a score, which people read in points."""
    return item.startswith("scores.") and item != "scores.loss"


def apart_text(a: float, b: float) -> str:
    """`+0.25 points`: how far B's score is from A's, both fractions."""
    far = 100 * (b - a)
    return f"{far:+.1e} points" if 0 < abs(far) < LEAST_POINTS else f"{signed(far)} points"


def _values(item: str, a: Any, b: Any, ratio: float | None) -> str:
    """`0.7 -> 0.8, ratio 1.143`; of a score `85.54 -> 85.78, +0.25 points`."""
    if not is_score(item) or not all(isinstance(value, float | int) for value in (a, b)):
        return f"{shown(a)} -> {shown(b)}{_by(ratio)}"
    return f"{points(100 * a)} -> {points(100 * b)}{'' if a == b else f', {apart_text(a, b)}'}"


def _scaling(
    issue: str, side: str, harm: str, accumulation: Sequence[int], ranks: Sequence[int], excess: Sequence[int],
    transformers: Sequence[str], accepts_loss_kwargs: Sequence[bool | None], logged: Sequence[float | None],
) -> str:  # fmt: skip
    at = "AB".index(side)
    parts = [f"{accumulation[at]} micro-batches"] if accumulation[at] > 1 else []
    over = " x ".join([*parts, *([f"{ranks[at]} ranks"] if ranks[at] > 1 else [])])
    if harm == "unknown":
        return f"the logged loss of {side} is {times(logged[at])} its model's own: not divided by its {over} ({issue})"
    if harm == "log":
        return f"{side} does not divide the loss that it logs by its {over}; the gradients agree ({issue})"
    if issue == BACKWARD_SCALE:
        return f"in {side} the gradients of {over} are added up undivided ({issue})"
    return f"in {side} nobody divides the {'gradient' if ranks[at] > 1 else 'loss'} by its {over} ({issue})"


def _data(
    item: str, tasks: Sequence[str] | None, examples: Sequence[int], changed: int | None, known: int | None,
    ids: Sequence[int],
) -> str:  # fmt: skip
    if examples[0] != examples[1]:
        text = f"{item}: {examples[0]:,} -> {examples[1]:,} examples"
    elif not changed:
        text = f"{item}: changed, but in no example that was seen" if known else f"{item}: changed"
    else:
        seen = f"of {examples[0]:,} examples" if known == examples[0] else f"of {known:,} examples seen"
        text = f"{item}: {changed:,} {seen} changed: {listed((f'#{one}' for one in ids), FEW)}"
    return f"{text} (task {tasks[0]} -> {tasks[1]})" if tasks else text


def _asked(field: str, a: Any, b: Any, through: Sequence[str]) -> str:
    text = f"{name(field)} {shown(a)} -> {shown(b)}"
    return f"{text} ({listed(through, MOST)})" if through else text


def _difference(item: str, layer: str, a: Any, b: Any, ratio: float | None, where: str | None) -> str:
    text = f"{_called(item)}: {_values(item, a, b, ratio)}"
    return f"{text}, {where}" if where else text


def value_text(item: str, value: float) -> str:
    """A loss or norm with 6 digits, a score in points."""
    return points(100 * value) if is_score(item) else f"{value:.6g}"


def ratio_text(ratio: float | None) -> str:
    """`4.000 x`, or how far from 1 it is where that is little; nothing where it is no number."""
    if ratio is None:
        return ""
    return f"{ratio:.3f} x" if not near(ratio) else f"{ratio - 1:+.1e}"


def _by(ratio: float | None) -> str:
    """`, ratio 4`, or how far from 1 it is where that is little."""
    if ratio is None or ratio == 1:
        return ""
    return f", ratio {ratio:.4g}" if not near(ratio) else f", {ratio - 1:+.1e} off"


def _epoch(rows: int, examples: int, complete: bool, repeated: Sequence[int], repeated_count: int) -> str:
    text = f"{rows} rows of {examples} examples" + ("" if complete else ", cut short")
    return text + (f", repeated {listed(repeated, 64)} ({repeated_count})" if repeated_count else "")


def _tolerance(relative: float, steps: int | None) -> str:
    if relative == 0:
        return "none, equal to the last bit"
    within = "" if steps is None else f", for {steps} step{'' if steps == 1 else 's'}"
    return f"{relative:g} relative{within}"


def _kept_in(field: str, a: str, b: str, saved: Sequence[Sequence[str] | None]) -> str:
    text = f"weights kept in {a} -> {b}"
    own = [side for side, kept, found in zip("AB", (a, b), saved, strict=True) if found == (kept,) != ("float32",)]
    return f"{text} (saved so in {' and '.join(own)})" if own else text


def _tokenizer(field: str, item: str, columns: Mapping[str, str | None]) -> str:
    """By column which run alone was given it, None where both were and it differs."""
    other = [column for column, only in columns.items() if only is None]
    parts = [f"other {listed(other, 4)}"] if other else []
    parts += [f"no {column} in {'B' if only == 'a' else 'A'}" for column, only in columns.items() if only is not None]
    return f"another tokenizer: {', '.join(parts)}" if parts else "another tokenizer"


JUMPS: Final[Mapping[str, str]] = {
    "jump": "something that was done in one run only",
    "jump.epoch_end": "the end of an epoch",
    "jump.epoch_begin": "what was done between two epochs",
    "jump.resumed": "the resumption",
}

DIFF: Final[Mapping[str, str | Callable[..., str]]] = {
    "where.jump": _where_jump,
    "where.largest": "at step {step}, where they are furthest apart; other bits since step {since}",
    "difference": _difference,
    "difference.unclaimed": "{difference}; repeatable kernels are not claimed",
    "consequence": "{of}",
    "runs.begin_apart": "the runs begin at different steps",
    "parallelism": lambda ranks, mode, backend: f"{ranks} x {mode}" + (f" over {backend}" if backend else ""),
    "scaler": lambda by: f"left to the {by}" if by == "model" else f"by the {by}",
    "epochs": lambda epochs: "; ".join(epochs) or "none",
    "epoch": _epoch,
    "examples": lambda ids: f"examples {listed(ids, FEW)}" if ids else "no others",
    "examples.taken": "{count} examples a step",
    "split.classes": lambda examples, labels, sha256: (
        f"{examples:,} examples{'' if labels is None else f', {listed(labels, 12)} a class'} ({sha256:.12}…)"
    ),
    "split.seen": "{examples:,} examples, {positives:,} positive ({sha256:.12}…)",
    "until": "until step {step}",
    "shape": lambda shape: f"shape {tuple(shape)}",
    "idle": lambda item, difference: f"{difference}: without effect on training here",
    "diff.identical": _identical,
    "diff.equal": _equal,
    "diff.different": _different,
    "diff.effect": _effect,
    "cause.asked": _asked,
    "cause.data": _data,
    "cause.done": lambda item, field, a, b, step: (
        f"other {name(item)}" if _is_hash(a) and _is_hash(b) else f"{name(item)} {shown(a)} -> {shown(b)}"
    ),
    "cause.dtype": _kept_in,
    "cause.tokenizer": _tokenizer,
    "cause.place": lambda field, a, b: f"{name(field)} {shown(a)} -> {shown(b)}",
    "cause.scaling": _scaling,
    "cause.jump": lambda kind, step: f"{JUMPS.get(kind, kind)} at step {step}",
    "through": "other {item}",
    "through.taken": "B takes {b} examples a step, A {a}",
    "diff.pairs": _pairs,
    "diff.same": "identical: the same run on both sides, so nothing was compared",
    "diff.missing": "missing in {side}",
    "diff.unreadable": "unreadable: {error}",
    "diff.skipped": "skipped on both sides: {why}",
    "diff.unknown": "unknown: what both runs recorded does not say whether they are the same",
    "diff.logged.identical": lambda steps, relative, item: f"identical as far as logged: {_logged(steps)}; {NO_PROOF}",
    "diff.logged.equal": lambda steps, relative, item: (
        f"equal as far as logged, by at most {relative:.1e} ({item}): {_logged(steps)}; {NO_PROOF}"
    ),
    "diff.logged.different": lambda first_step, effect, causes, steps: (
        f"different as far as logged, from step {first_step} on: {effect}{why(causes, 'nothing that was logged says')}"
    ),
    "diff.logged.unknown": _logged_unknown,
    "diff.logged.nothing": "unknown: nothing was logged by both at the same step",
    "diff.logged.only": lambda items: f"{listed(items, FEW)} (logged by one alone)",
    "diff.logged.windows": lambda steps: f"losses of {many(steps, 'step')} (means over other updates)",
    "effect": lambda item, step, a, b, ratio, differing, steps: (
        f"{_called(item)}{'' if step is None else f' at step {step}'}: {_values(item, a, b, ratio)}"
    ),
    "tolerance": _tolerance,
}
