"""Problems of a verification in words, each cause once. `A -> B`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from harness.checks.verify.problems import Problem
from harness.checks.verify.upstream import BACKWARD_SCALE, EPOCH_STEPS, LOSS_SCALE
from harness.report.phrases.causes import cause_text
from harness.report.phrases.probes.ab import WHERE
from harness.report.phrases.recipe import many
from harness.report.phrases.say import say
from harness.report.phrases.verify import near, times

HARMS: Final[Mapping[str, str]] = {"training": "training", "log": "log only"}
"""Two kinds of harm: training is another, or only what is logged and evaluated of it."""

SEVERAL: Final = ("examples", "inputs", "logits", "predictions", "labels", "samples", "batch shapes")
"""What is many begins so: `the examples seen were wrong`."""

CONCERNS: Final[Mapping[str, tuple[str, str]]] = {
    LOSS_SCALE: (
        "gradient_accumulation_steps > 1 or several devices, and the model's forward takes **kwargs",
        "model.accepts_loss_kwargs = False, before Trainer(...)",
    ),
    EPOCH_STEPS: (
        "gradient_accumulation_steps > 1 does not divide the batches of an epoch, and num_train_epochs says how long",
        "max_steps in place of num_train_epochs, or another version",
    ),
    BACKWARD_SCALE: ("gradient_accumulation_steps > 1", "gradient_accumulation_steps = 1, or another version"),
}
"""Of a known issue: whom it concerns, and the way around it in a script of one's own."""


def problem_title(one: Problem) -> str:
    """`with 4 accumulation steps the gradient norm is 4.000 x (log only), 9 checks; known: OWNER/REPOSITORY#NUMBER`."""
    several = one.item.startswith(SEVERAL) or one.item.endswith("steps")
    verb = ("were" if several else "was") if one.state == "repaired" else "are" if several else "is"
    size = "" if one.ratio is None or near(one.ratio) else f" {verb} {times(one.ratio)}"
    item = one.item if one.item.startswith("the ") else f"the {one.item}"
    what = f"{item}{size or f' {verb} not the same'}" if one.check != "fidelity" or size else f"{item} {verb} wrong"
    harm = " (log only)" if one.harm == "log" else ""
    known = f"; known: {one.upstream}" if one.upstream else ""
    where = f"in a run {', '.join(WHERE[way] for way in one.ways)}" if one.ways else WHERE.get(one.check, one.check)
    return f"{where} {what}{harm}, {many(one.checks, 'check')}{known}" + (" (waived)" if one.waived else "")


def problem_details(one: Problem, known: Collection[str] = ()) -> list[str]:
    """What was found where it shows most, what such a difference means, whom it concerns; of what is old its meaning.

    Of issues that are `known` already the meaning is not said again.
    """
    meaning = f"{one.upstream or 'usually'}: {cause_text(one.cause)}"
    if one.state == "repaired":
        # What fails of the same check in another way is told as new, and is not right.
        right = one.ratio is None or (one.ratio_a is not None and near(one.ratio_a))
        wrong = [f"{one.item}: {one.a} {times(one.ratio)} -> {one.b} right"] if right and one.ratio else []
        wrong += [f"{one.a}: {say(one.fact)}"] if one.ratio is None else []
        changes = [f"whom it concerns trains otherwise from {one.b} on"] if right and one.harm == "training" else []
        return [*wrong, *([] if one.upstream in known else [meaning]), *changes]
    if one.state == "both":
        return [] if one.upstream in known else [meaning]
    lines = [f"{one.subject}: {say(one.fact)}"]
    if one.ratio_a is not None and one.ratio is not None and one.state != "open":
        lines.append(f"{one.item}: {one.a} {times(one.ratio_a)} -> {one.b} {times(one.ratio)}")
    if one.upstream is None or one.upstream not in known:
        lines.append(meaning)
        # Where only the log is wrong the way around would make the gradient wrong.
        known_way = CONCERNS.get(one.upstream or "") if one.harm == "training" else None
        lines += [] if known_way is None else [f"concerns you if {known_way[0]}", f"in a script: {known_way[1]}"]
    return lines


def told_problems(problems: Sequence[Problem]) -> Iterator[tuple[Problem, list[str]]]:
    """The problems that are shown, each with its details; what a known issue means stands with the first of it."""
    known: set[str] = set()
    for one in shown(problems):
        details = problem_details(one, known)
        known |= {one.upstream} if details and one.upstream else set()
        yield one, details


def shown(problems: Sequence[Problem]) -> list[Problem]:
    """Those that are shown: of a row of environments what is in both is so in the last step only."""
    last = problems[-1].b if problems else ""
    return [one for one in problems if one.state != "both" or one.b == last]


def problem_word(one: Problem) -> str:
    """`NEW`, `REPAIRED`, `BOTH`, `OPEN`; of a single environment its harm."""
    return (one.state or HARMS[one.harm]).upper()
