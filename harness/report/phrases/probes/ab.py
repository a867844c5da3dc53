"""What comparing two environments comes to, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from harness.report.format.metrics import metric_word
from harness.report.format.numbers import points
from harness.report.phrases.recipe import in_all, many

WHERE: Final[Mapping[str, str]] = {
    "fidelity": "in a run by itself",
    "reproducibility": "run twice",
    "accumulation": "with 4 accumulation steps",
    "devices": "on 2 ranks",
    "eval_batch": "evaluated in larger batches",
    "resume": "resumed from a checkpoint",
    "observation": "evaluated, logged, saved or loaded otherwise",
    "checkpointing": "with activations computed again",
    "threads": "with another number of threads",
    "epoch_end": "accumulated over the end of an epoch",
    "epochs": "by epochs that leave micro-batches over",
    "engine": "beside a plain training loop",
    "padding": "at the end of an epoch on 2 ranks",
}
"""In which run or pair a problem shows, by the check or the kind of pair."""

MOST: Final = 6
"""So many names stand in a sentence; of more their number."""

_WAYS: Final[Mapping[str, str]] = {
    "plain": "in a run by itself",
    "engine": "in a plain training loop",
    "observation": "watched more closely",
    "epoch_end": "accumulated over an epoch's short last step",
    "epochs": "accumulated, by epochs that leave micro-batches over",
}


def _answer(state: str, compared: int, pairs: int, same: bool, different: int = 0, within: int = 0) -> str:
    of = "a run and its repetition, for A and B are one environment"
    of = of if same else f"{many(compared, 'pair')} of runs of A and B"
    alone = f"; {within} more in a setting alone, and within rounding" if within else ""
    what = {
        "identical": f"equal to the last bit: {of}",
        "equal": f"equal within rounding: {of}",
        "different": f"different beyond rounding: {of if same or not different else f'{different} of {of}'}{alone}",
        "done": f"different in a setting, and equal within rounding: {within} of {of}",
        "none": "nothing was compared",
    }[state]
    lacking = pairs - compared
    return (
        f"{what}; {lacking} of {pairs} could not be compared, which is not to say that they are equal"
        if lacking
        else what
    )


def _ways(identical: Sequence[str], equal: Sequence[str], unknown: Sequence[str], different: Sequence[str]) -> str:
    """`the same to the last bit: in a run by itself, on 2 ranks; different: with 4 accumulation steps`."""
    told = {
        "the same to the last bit": identical,
        "the same within rounding": equal,
        "different": different,
        "not known": unknown,
    }
    return "; ".join(f"{word}: {', '.join(map(_way, kinds))}" for word, kinds in told.items() if kinds)


def _way(kind: str) -> str:
    return _WAYS.get(kind) or WHERE.get(kind, kind)


def _speed(
    state: str, ratio: float | None = None, low: float | None = None, high: float | None = None, why: str = ""
) -> str:
    if state == "unasked":
        return "speed: not measured (--speed)"
    if state == "same":
        return "speed: not compared, for A and B are one environment"
    if state == "none":
        return "speed: not measured, for no process of either was timed"
    if ratio is None:
        return f"speed: {state}: {why}"
    interval = "" if low is None else f", 90 % interval {low:.3f} to {high:.3f}"
    told = f"speed: B trains at {ratio:.3f} times A's rate{interval}"
    word = {"PASS": "not slower by more than the margin", "FAIL": "slower"}.get(state)
    return f"{told}: {word}" if word else f"{told}: undecided: {why}"


def _scores(state: str, metric: str = "", sd: float = 0.0, runs: int = 0, detectable: float = 0.0) -> str:
    """What final scores could tell of a difference like this one, which short runs cannot be asked."""
    if state == "identical":
        could = "training is the same to the last bit as far as it was run"
    elif runs:
        spread = f"seeds spread {metric_word(metric)} by {points(sd)} points (sd of {runs} runs here)"
        could = f"{spread}, so that {runs} seeds a side tell a difference of {points(detectable)} points or more"
    else:
        could = "whether they could tell is not known, for no runs here say how much seeds spread them"
    return f"final scores: not compared (--scores): {could}"


AB: Final[Mapping[str, str | Callable[..., str]]] = {
    "ab.answer": _answer,
    "ab.ways": _ways,  # by state the kinds of pairs, "plain" for a run by itself
    "ab.drifted": lambda settings: (
        f"not the same in both, and without effect on training here: {in_all(settings, MOST)}"
    ),
    "ab.let_pass": lambda pairs: (
        f"{many(pairs, 'pair')} that differ{'s' if pairs == 1 else ''} let pass (--only-new): the checks are below"
    ),
    "ab.broken": lambda runs, errors: (
        f"{many(runs, 'run')} of A and of B fail alike ({in_all(errors, MOST)}): nothing is known of them, "
        "and the exit code leaves them out"
    ),
    "ab.speed": _speed,  # why: a fact
    "ab.scores": _scores,
}
