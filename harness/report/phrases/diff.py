"""The facts of how two runs differ, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from harness.report.phrases.verify import FEW, written
from harness.text import listed


def _shown(value: Any) -> str:
    """A value that differs; of a hash the beginning."""
    if isinstance(value, float):
        return f"{value:.7g}"
    if isinstance(value, str):
        return f"{value[:12]}…" if len(value) == 64 and " " not in value else value
    return "nothing" if value is None else written(value)


def _over(steps: int) -> str:
    return f" over {steps} steps" if steps else ""


def _where_jump(step: int, before: float, differing: int, steps: int) -> str:
    until = "equal to the last bit until then" if before == 0 else f"at most {before:.1e} apart until then"
    return f"at step {step}, {until}; on {differing} of {steps} steps"


def _equal(
    steps: int,
    idle: Sequence[str],
    bits: Sequence[str],
    largest: float | None,
    item: str | None,
    step: int | None,
    since: int | None,
    beyond: int | None,
) -> str:
    text = f"equal within rounding{_over(steps)}, other bits: {listed(bits, FEW)}"
    if largest is not None:
        text += f"; the largest relative difference is {largest:.1e} ({item}{'' if step is None else f', step {step}'})"
    text += "" if since is None else f", it begins at step {since}"
    text += "" if beyond is None else f" and grows beyond the tolerance at step {beyond}"
    return text + (f"; {listed(idle, FEW)} changed nothing in training" if idle else "")


def _difference(item: str, layer: str, a: Any, b: Any, ratio: float | None, where: str | None) -> str:
    text = f"{item}: {_shown(a)} -> {_shown(b)}{_by(ratio)}"
    return f"{text}, {where}" if where else text


def _by(ratio: float | None) -> str:
    """`, ratio 4`, or how far from 1 it is where that is little."""
    if ratio is None or ratio == 1:
        return ""
    return f", ratio {ratio:.4g}" if abs(ratio - 1) >= 5e-4 else f", {ratio - 1:+.1e} off"


def _epoch(rows: int, examples: int, complete: bool, repeated: Sequence[int], repeated_count: int) -> str:
    text = f"{rows} rows of {examples} examples" + ("" if complete else ", cut short")
    return text + (f", repeated {listed(repeated, 64)} ({repeated_count})" if repeated_count else "")


def _tolerance(relative: float, steps: int | None) -> str:
    if relative == 0:
        return "none, equal to the last bit"
    within = "" if steps is None else f", for {steps} step{'' if steps == 1 else 's'}"
    return f"{relative:g} relative{within}"


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
    "split.seen": "{examples:,} examples, {positives:,} positive ({sha256:.12}…)",
    "until": "until step {step}",
    "shape": lambda shape: f"shape {tuple(shape)}",
    "idle": lambda item, difference: f"{difference}: without effect on training here",
    "diff.identical": lambda steps, idle: (
        f"identical to the last bit{_over(steps)}" + (f": {listed(idle, FEW)} changed nothing" if idle else "")
    ),
    "diff.equal": _equal,
    "diff.different": lambda steps, effect, cause, upstream: (
        f"the runs differ{_over(steps)}" + (f" ({upstream})" if upstream else "")
    ),
    "diff.unknown": "what both runs recorded does not say whether they are the same",
    "effect": lambda item, step, a, b, ratio: (
        f"{item}{'' if step is None else f' at step {step}'}: {_shown(a)} -> {_shown(b)}{_by(ratio)}"
    ),
    "tolerance": _tolerance,
}
