"""What a comparison of two runs comes to: identical, equal or different; where it shows first, and what explains it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from harness.checks.verdict import Fact
from harness.checks.verify import fields
from harness.checks.verify.diff.compare import Comparison, Difference, compare, ranks_of
from harness.checks.verify.diff.reach import (
    EVERYWHERE,
    NOWHERE,
    TEXTS,
    Stages,
    known,
    made_by,
    only_rounds,
    place_rank,
    reach,
)
from harness.checks.verify.series import NAMES, ratio_of, spread
from harness.checks.verify.upstream import known_issue, scaling_of
from harness.record.run import Run

State = Literal["identical", "equal", "different", "unknown"]

_EFFECTS: Final = ("micro_loss", "grad_norm", "loss", "learning_rate", "steps", "logits", "scores", "final weights")
"""Where a difference is looked for first, within a step: the gradient trains, the logged loss is only read."""
_IDENTITY: Final = frozenset({*fields.ROOTS, "validation data", "examples seen", "optimizer steps", "precision"})
"""What was done, rather than a setting: a difference in it counts even where nothing came of it."""
_SCALING: Final = (
    "accepts_loss_kwargs", "engine", "recipe.gradient_accumulation_steps", "devices", "loss scaling",
)  # fmt: skip
"""What decides whether a run has a known defect of scaling."""
TRAINING: Final = EVERYWHERE - {"watching", "evaluation"}
MOST_ROUNDED: Final = 0.05
"""A jump by more than this, relative, is no rounding."""
_KEPT_IN: Final = "model.dtype"
_RESUMED: Final = "initial weights"
"""Of runs that both resumed they are the final weights of what was trained before, which rounding changes."""
_FROM_TOKENIZER: Final = ("inputs", "evaluation inputs")
"""What another tokenizer is the cause of, and not another."""


@dataclass(frozen=True)
class Explanation:
    """What two runs come to.

    Attributes
    ----------
    state
        `identical`: to the last bit. `equal`: within the tolerance, or as rounding grows. `different`: neither.
        `unknown`: the two records share nothing that says.
    effect
        Where it is different first; None where it is not, and where nothing that came of training shows it.
    causes
        Recorded differences: the one that explains it, then what was asked for otherwise beside it.
    code, upstream
        The code of what such a difference usually means, and the known issue that it is.
    held
        Differences that make it different.
    follows
        Differences that are the doing of what was asked for otherwise, or that other examples or weights lead to.
    idle
        Differences in what was asked for that changed nothing in training.
    bits
        Items that differ in some bit.
    places
        Differences in where the runs ran that could have acted.
    """

    state: State
    effect: Difference | None
    causes: tuple[Difference, ...]
    code: str | None
    upstream: str | None
    held: tuple[Difference, ...]
    follows: tuple[Difference, ...]
    idle: tuple[Difference, ...]
    bits: tuple[str, ...]
    places: tuple[Difference, ...]

    @property
    def cause(self) -> Difference | None:
        """The recorded difference that explains it."""
        return next(iter(self.causes), None)


def explain(a: Run, b: Run, comparison: Comparison) -> Explanation:
    """Say which state two runs are in, where they part first and why."""
    ranks = ranks_of(a, b)
    every = (*comparison.differences, *comparison.consequences)
    asked = {one.field: reach("asked", one.field, ranks) for one in comparison.of("asked")}
    if all(run.record.observed is not None and run.record.observed.data is not None for run in (a, b)):
        asked.pop("task", None)  # it acts through its data, which are compared
    bitwise = compare(a, b)
    bits = [one for one in (*bitwise.differences, *bitwise.consequences) if one.layer in ("trajectory", "outcome")]
    trained = _seen_alike(bitwise) and not bits
    results = [one for one in every if one.layer in ("trajectory", "outcome") and not one.warning]
    theirs = [one for one in every if one.layer == "exact" and _of_others(one.field, every, asked, ranks)]
    own = [one for one in every if one.layer == "exact" and one not in theirs]
    if trained:
        own = [one for one in own if one.field in _IDENTITY]
    elif not results:
        own = [one for one in own if not (only_rounds(one.field, one.a, one.b) or one.field.startswith(TEXTS))]
        if a.first_step == b.first_step > 0:
            own = [one for one in own if one.field != _RESUMED]
    if not any(one.field == "learning_rate" for one in bits):
        own = [one for one in own if reach("exact", one.field, ranks) != {"rate"}]
    held = (*results, *own)
    alike = _seen_alike(bitwise) and all(one.layer == "outcome" and one.field != "final weights" for one in bits)
    acts = EVERYWHERE if trained else EVERYWHERE - {"evaluation"}
    idle = tuple(one for one in comparison.of("asked") if alike and asked.get(one.field, NOWHERE) & acts)
    names = tuple(dict.fromkeys(one.item for one in bits))
    places = _places(every, ranks)
    if not held:
        state: State = "identical" if trained else "equal" if bits else "unknown"
        shows = _effect(bits)
        causes = _causes(a, b, shows, every, theirs, None) if shows is not None else ()
        code = _code(a, b, shows, causes[0], ranks) if causes else None
        follows = tuple(one for one in theirs if one not in causes)
        return Explanation(state, None, causes, code, None, (), follows, idle, names, places)
    idle = () if results else idle
    effect = _effect(results) or _largest(a, b)
    upstream = _upstream(a, b, effect)
    causes = _causes(a, b, effect, every, theirs, upstream)
    code = upstream or _code(a, b, effect, next(iter(causes), None), ranks)
    follows = (*theirs, *(one for one in comparison.consequences if one not in theirs))
    follows = tuple(one for one in follows if one not in (effect, *causes))
    held = tuple(one for one in held if one in (effect, *causes) or one not in follows)
    return Explanation("different", effect, causes, code, upstream, held, follows, idle, names, places)


def _of_others(field: str, every: tuple[Difference, ...], asked: Mapping[str, Stages], ranks: int) -> bool:
    """Whether a difference in what was done is the doing of what was asked for otherwise, or of other data."""
    data = {"inputs": "training data", "evaluation inputs": "validation data"}.get(field.partition(".")[0])
    return made_by(field, asked, ranks) or any(one.field == data for one in every)


def _seen_alike(bitwise: Comparison) -> bool:
    """Whether the runs share what says that training was the same: losses, or the weights that it came to."""
    return len(bitwise.steps) > 0 or "final weights" not in bitwise.not_available


def _effect(results: list[Difference]) -> Difference | None:
    """The earliest difference in what came of training; in one step the gradient before the loss that was logged."""

    def place(one: Difference) -> tuple[float, int]:
        name = one.field.partition(".")[0]
        return (float("inf") if one.step is None else one.step, _EFFECTS.index(name) if name in _EFFECTS else 99)

    return min(results, key=place, default=None)


def _largest(a: Run, b: Run) -> Difference | None:
    """Of series that agree within the tolerance the one that is furthest apart; None where all are equal."""
    found = [(name, far) for name in NAMES if (far := spread(a, b, name)) is not None]
    if not found:
        return None
    name, far = max(found, key=lambda pair: pair[1].largest)
    x, y = (float(run.series[name][far.step - run.first_step]) for run in (a, b))
    where = Fact.of("where.largest", step=far.step, since=far.since)
    return Difference("trajectory", name, x, y, far.step, ratio_of(x, y), where)


def _upstream(a: Run, b: Run, effect: Difference | None) -> str | None:
    """The known issue whose ratio this is: of both runs' defects, or of one of them where the other has it not."""
    if effect is None or effect.ratio is None or effect.field not in ("loss", "grad_norm"):
        return None
    if effect.step != max(a.first_step, b.first_step):
        return None  # a wrong scale is there from the first step on
    kind, first, second = "accumulation", scaling_of(a), scaling_of(b)
    return (
        known_issue(kind, effect.ratio, second, first)
        or known_issue(kind, effect.ratio, second)
        or known_issue(kind, 1 / effect.ratio if effect.ratio else None, first)
    )


def _causes(
    a: Run,
    b: Run,
    effect: Difference | None,
    every: tuple[Difference, ...],
    theirs: list[Difference],
    upstream: str | None,
) -> tuple[Difference, ...]:
    """The first difference that can act where the effect shows: what was asked, what was done, then where it ran."""
    ranks = ranks_of(a, b)
    asked = [one for one in every if one.layer == "asked" and not _follows_asked(a, b, one, every)]
    done = [one for one in every if one.layer == "exact" and one not in theirs]
    done += [one for one in every if one.field == "evaluation order"]
    retokenized = any(one.field == "tokenizer" for one in done)
    longer = any(one.field == "optimizer steps" for one in done)  # who takes fewer steps sees fewer examples
    done.sort(
        key=lambda one: (
            one.field != _KEPT_IN,  # weights of another dtype have other hashes too
            one.cause in _FROM_TOKENIZER and retokenized,
            one.field == "examples seen" and longer,
            only_rounds(one.field, one.a, one.b),
            one.field.startswith("arguments."),
            not known(one.field),
        )
    )
    places = _places(every, ranks)
    if upstream is not None:
        named = [one for one in (*asked, *done) if one.field in _SCALING]
        named += [one for one in places if one.field == "packages.transformers"]
        return _with_others(named[0], asked, places, TRAINING, ranks) if named else ()
    if effect is None or (effect.where is not None and effect.where.code == "where.largest"):
        acting = [one for one in asked if reach(one.layer, one.field, ranks) & TRAINING]
        return tuple((acting or done)[:1])
    for stages in _fits(a, b, effect, every):
        for one in (*asked, *done):
            late = one.step is not None and effect.step is not None and one.step > effect.step
            if _too_large(effect) and only_rounds(one.field, one.a, one.b):
                continue
            if not late and reach(one.layer, one.field, ranks) & stages:
                acts = stages if effect.layer == "outcome" else TRAINING
                return _with_others(one, asked, places, acts, ranks)
    return places


def _too_large(effect: Difference) -> bool:
    """Whether an effect is larger than what one formula summed in another order comes to by itself, where it begins."""
    steady = effect.where is not None and effect.where.code == "where.jump"
    return steady and effect.ratio is not None and abs(effect.ratio - 1) > MOST_ROUNDED


def _with_others(
    first: Difference, asked: list[Difference], places: tuple[Difference, ...], acts: Stages, ranks: int
) -> tuple[Difference, ...]:
    """Behind what was asked for stands what else was; behind what was done so by itself another version."""
    if first.layer == "asked":
        return (first, *(one for one in asked if one is not first and reach("asked", one.field, ranks) & acts))
    versions = [one for one in places if one.field.startswith("packages.") and first.layer == "exact"]
    return (first, *versions[:1])


def _follows_asked(a: Run, b: Run, one: Difference, every: tuple[Difference, ...]) -> bool:
    """Whether something else says more: data than the name of their task, devices than the batch divided for them."""
    if one.field == "task":
        return any(other.field in ("training data", "validation data") for other in every)
    ranks = [run.record.asked.devices for run in (a, b)]
    divided = one.field == "recipe.per_device_train_batch_size" and ranks[0] != ranks[1]
    return divided and None not in (one.a, one.b) and bool(one.a * ranks[0] == one.b * ranks[1])


def _places(every: tuple[Difference, ...], ranks: int) -> tuple[Difference, ...]:
    """Differences in where the runs ran that can act, the software under test first."""
    places = [one for one in every if one.layer == "environment" and reach(one.layer, one.field, ranks)]
    return tuple(sorted(places, key=lambda one: place_rank(one.field)))


def _fits(a: Run, b: Run, effect: Difference, every: tuple[Difference, ...]) -> Iterator[Stages]:
    """Where in training that must act which shows so, the likeliest first."""
    first = max(a.first_step, b.first_step)
    if effect.layer == "outcome":
        weights = [fields.final_weights(run) for run in (a, b)]
        yield from _sets("evaluation")
        if any(one.field == "evaluation order" for one in every):
            yield from _sets("batch")
        if None in weights or weights[0] != weights[1]:
            yield from _sets("update rate", "batch forward loss length", "watching")
    elif effect.field == "learning_rate":
        yield from _sets("rate", "length", "batch")
    elif effect.field == "steps":
        yield from _sets("length", "batch")
    elif effect.step == first:
        own = effect.field != "micro_loss" and "micro_loss" in a.series and "micro_loss" in b.series
        yield from _sets("loss", "batch forward") if own else _sets("batch forward", "loss", "watching")
    else:
        if any(one.field in ("data order", "order within steps") and one.step == effect.step for one in every):
            yield from _sets("batch")
        # An optimizer of other settings shows after the first step, not out of equal bits much later.
        jumped = effect.where is not None and effect.where.code == "where.jump" and (effect.step or 0) > first + 1
        yield from _sets("watching", "length", "loss") if jumped else ()
        yield from _sets("update rate", "loss", "batch", "watching", "forward", "length")


def _sets(*names: str) -> Iterator[Stages]:
    yield from (frozenset(stage for stage in EVERYWHERE if stage in group.split()) for group in names)


def _code(a: Run, b: Run, effect: Difference | None, cause: Difference | None, ranks: int) -> str | None:
    """What such a difference usually means: that of its cause, else of where it shows."""
    if cause is not None and cause.field == "resume_at":
        return "jump.resumed"
    if cause is not None:
        return "watching" if reach(cause.layer, cause.field, ranks) == {"watching"} else cause.cause
    if effect is None:
        return None
    if effect.where is not None and effect.where.code == "where.jump" and effect.ratio is not None:
        return jump_code(a, b, effect.step or 0)
    if effect.layer == "outcome":
        weights = [fields.final_weights(run) for run in (a, b)]
        return "evaluation" if None not in weights and weights[0] == weights[1] else effect.cause
    if effect.field == "micro_loss" and (effect.step or 0) > max(a.first_step, b.first_step):
        return "update"
    return effect.cause


def jump_code(a: Run, b: Run, step: int) -> str:
    """What a jump at a step usually means: a short end of an epoch, what was done between epochs, a resumption."""
    if step in (a.first_step, b.first_step) and step:
        return "jump.resumed"
    ends = {end for run in (a, b) for end in _epoch_ends(run)}
    if step + 1 in ends:
        return "jump.epoch_end"
    return "jump.epoch_begin" if step in ends else "jump"


def _epoch_ends(run: Run) -> list[int]:
    """The steps with which epochs begin, but for the first: where the examples of those before are used up."""
    offsets, seen = run.series.get("example_offsets"), run.fingerprint.seen if run.fingerprint else None
    if offsets is None or seen is None:
        return []
    whole = seen.epochs if seen.epochs and seen.epochs[-1].complete else seen.epochs[:-1]
    rows = np.cumsum([epoch.seen for epoch in whole])
    return [run.first_step + int(np.searchsorted(offsets, count)) for count in rows]
