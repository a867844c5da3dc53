"""What was planted on copies of real runs, and what the gate said of it, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from harness.report.format.metrics import metric_word
from harness.report.format.numbers import signed, trimmed
from harness.report.phrases.recipe import many

_FAULTS: Final[Mapping[str, str]] = {
    "same": "the same runs again",
    "slower": "times doubled, another argument for the hub, another safetensors",
    "half-gone": "half of the cells removed",
    "half-forgotten": "half of the cells removed, the index made anew",
    "emptied": "the accepted file emptied",
    "accepted-cut": "the accepted file cut in half",
    "cut": "a record cut in half",
    "edited": "an accuracy edited in a record",
    "other-series": "one run's series put in place of another's",
    "future": "a record of next year",
    "worse": "one answer in ten wrong that was right, at every seed",
    "collapsed": "every run answers a constant",
    "loss": "one logged loss changed by 1e-4",
    "micro_loss": "one loss of the model changed by 1e-4",
    "gradients": "gradients twice too large, as their norm has it",
    "rate": "the learning rate a tenth higher from a step on",
    "initial": "other initial weights",
    "checkpoint": "another checkpoint",
    "data": "other training data",
    "order": "two examples of two batches swapped",
    "inputs": "one token of one example another",
    "optimizer": "another weight decay",
    "clipping": "gradients clipped at another norm",
    "dropout": "dropout off",
    "precision": "bf16 in place of fp32",
    "attention": "another attention",
    "kept": "other final weights",
    "answers": "other answers of the same weights",
    "asked": "another learning rate asked for than trained with",
}


def _done(planted: int, found: int, clean: int, alarms: int, unmeasured: int, seconds: float) -> str:
    missed = "" if found == planted else f", {planted - found} MISSED"
    return (
        f"found and named in {found} of {many(planted, 'trial')} with a planted fault{missed}; "
        f"{many(alarms, 'false alarm')} in {clean} without one"
        f"{f'; {unmeasured} not measured' if unmeasured else ''}; in {seconds:.0f} s"
    )


def _trial(
    fault: str, command: str, clean: bool, ended: int, due: Sequence[int], named: Sequence[str], names: Sequence[str],
    said: str,
) -> str:  # fmt: skip
    if clean:
        return f"{fault}: {command} ends with {ended}{'' if ended in due else f', not {due[0]}: {said}'}"
    ends = f"{command} ends with {ended}"
    if ended not in due:
        return f"{fault}: missed: {ends}, not {' or '.join(map(str, due))}: {said}"
    if names and not named:
        return f"{fault}: found and not named {' or '.join(names)}: {ends}: {said}"
    return f"{fault}: {ends}: {said}"


SELFTEST: Final[Mapping[str, str | Callable[..., str]]] = {
    "selftest.fault": lambda name: _FAULTS.get(name, name),
    "selftest.release": lambda requirement, issue: (
        f"{requirement} ({f'known: {issue}' if issue else 'no defect known'})"
    ),
    "selftest.done": _done,
    "selftest.trial": _trial,
    "selftest.quiet": lambda verdicts: f"nothing wrong in {many(verdicts, 'verdict')}",
    "selftest.stopped": "{error}",
    "selftest.scores": lambda item, difference, margin: (
        f"{metric_word(item)} {signed(difference)} points, margin {trimmed(margin)}"
    ),
}
