"""What two recipes, environments or results do not share, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from harness.report.format.metrics import metric_word
from harness.report.format.numbers import p_is
from harness.text import listed, show

Phrases = Mapping[str, str | Callable[..., str]]


def many(count: int, noun: str) -> str:
    """`1 seed`, `4 seeds`, `4 processes`."""
    more = "es" if noun.endswith("s") else "s"
    return f"{count} {noun}{'' if count == 1 else more}"


def in_all(items: Sequence[str], most: int, joint: str = ", ") -> str:
    """The first items, and how many more there are."""
    more = f"{joint}and {len(items) - most} more" if len(items) > most else ""
    return joint.join(items[:most]) + more


def _differs(field: str, run: Any, reference: Any) -> str:
    return f"{field}: run {_plain(run)}, reference {_plain(reference)}"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else show(value)


def _config(config: Mapping[str, Any]) -> str:
    changed = ", ".join(f"{name} = {show(value)}" for name, value in config.items())
    return f"config: run with {changed}, reference with the checkpoint's own"


def _task(run: str, reference: str, counts: Sequence[int] = (), known: Sequence[int] = ()) -> str:
    if not counts:
        return f"task: run {run}, reference {reference}"
    here = f"{counts[1]} positive of {counts[0]} validation examples"
    return f"task: run {run} ({here}), reference {reference} ({known[1]} of {known[0]})"


def _max_steps(run: int, steps: int | None = None, epochs: float | None = None) -> str:
    length = f"{steps} steps" if steps else f"{'all its' if epochs is None else epochs} epochs"
    return f"max_steps: run {f'{run} steps' if run > 0 else 'all its epochs'}, reference {length}"


def _selection(best: bool, metric: str | None, reference: str) -> str:
    ours = f"best epoch by {metric}" if best else "last"
    return f"selection: run {ours}, reference {reference}"


def _versions(versions: Sequence[Sequence[str]]) -> str:
    return "versions: " + "; ".join(f"{name} {here} here, {there} there" for name, here, there in versions)


RECIPE: Final[Phrases] = {
    "recipe.differs": _differs,
    "recipe.checkpoint_config": _config,
    "recipe.task": _task,  # counts, known: (examples, positives) of the validation splits
    "recipe.max_steps": _max_steps,
    "recipe.selection": _selection,
    "recipe.dropout": "dropout: run without, reference with the checkpoint's own",
    "recipe.same_data": "data read from {task}: as many examples and positives as {reference}",
    "recipe.other_content": "other files of checkpoint or data than the reference's, by their hashes",
    "recipe.no_checkpoint": "the reference does not say its checkpoint",
    "recipe.head": "the head is seeded here; a model built before the seed is set, as in the course, has a random one",
    "recipe.loss_kwargs": "accepts_loss_kwargs = false: the training loop scales the loss, not the model",
    "recipe.resumed": "stopped and resumed at step {step}",
    "recipe.precision_unstated": "the reference does not state its precision ({precision} is taken)",
    "recipe.unknown": lambda fields: f"not known of the reference: {', '.join(fields)}",
    "recipe.reference_has": lambda field, value: f"the reference has {field} = {show(value)}",
    "recipe.versions": _versions,  # versions: (package, here, there)
}


def _absent(runs: Sequence[str]) -> str:
    """`runs` are facts "run.absent"; the first three, the rest counted."""
    return in_all(runs, 3, "; ")


def _absent_run(seed: int | None, status: str, why: str) -> str:
    place = "" if seed is None else f"seed {seed}: "
    return f"{place}{why}" if status == "missing" else f"{place}{status}, {why}"


def _missing(missing: str, outcome: str, others: str) -> str:
    return f"{missing}; the others: {outcome}{f', {others}' if others else ''}"


def _departure(item: str, seeds: Sequence[int], a: str = "", b: str = "") -> str:
    what = f"{item} {a} -> {b}" if a else f"first difference: {item}"
    return f"{what} at seed{'' if len(seeds) == 1 else 's'} {listed(seeds, 12)}"


def _changed(field: str, a: Any, b: Any) -> str:
    return f"{field} {_value(a)} -> {_value(b)}"


def _value(value: Any) -> str:
    if value is None:
        return "(none)"
    return value if isinstance(value, str) and value else show(list(value) if isinstance(value, tuple) else value)


def _metric(metric: str, difference: float, low: float | None, high: float | None) -> str:
    interval = "" if low is None else f", 90 % CI [{low:+.2f}, {high:+.2f}]"
    return f"{metric_word(metric)}: difference {difference:+.2f} points{interval}; reported, not judged"


def _environment(changes: Sequence[str], configurations: Sequence[str]) -> str:
    return f"since then the environment of {in_all(configurations, 4)} has changed: {'; '.join(changes)}"


def _content(before: str, after: str, what: Sequence[str] = ()) -> str:
    """`what` is known to be another; else it is one of what the hash is of."""
    if not what:
        return f"another checkpoint, other data or other code ({before} -> {after}): scores cannot be compared"
    return f"{listed(what)} {'is' if len(what) == 1 else 'are'} not what was accepted: scores cannot be compared"


BASELINE: Final[Phrases] = {
    "changed": _changed,  # None: it is not there
    "margin.baseline": "{points:g} points, the margin of this comparison",
    "scores.no_seed": "no seed has an ok run on both sides",
    "scores.no_side": "one side has no ok run",
    "content.changed": _content,
    "collapses.risen": lambda k1, n1, k2, n2, p: f"{k2} of {n2} runs collapsed, {k1} of {n1} before ({p_is(p)})",
    "collapses.before": "{k2} of {n2} runs collapsed, {k1} of {n1} before",
    "run.absent": _absent_run,
    "runs.absent": _absent,
    "seeds.absent": "{count} of {planned} seeds without a score ({runs})",  # runs: fact "runs.absent"
    "baseline.missing_seeds": _missing,  # missing: fact "seeds.absent"; others: why the rest is `outcome`
    "baseline.missing_scores": "accepted, and now without a score: {runs}",
    "baseline.missing_other": lambda changes: (
        f"accepted, and now missing: what the grid calls so asks for something else: {listed(changes, 8)}"
    ),
    "baseline.missing": "accepted, and now missing: the grid has no such configuration",
    "baseline.new": "new: nothing of it was accepted",
    "runs.very_same": "made from these very runs: nothing was compared",
    "seeds.very_same": lambda seeds: f"made from these very runs, and so not compared: seeds {listed(seeds)}",
    "status.changed": "seed {seed}: {before} -> {after}",
    "departure": _departure,
    "fingerprints.unknown": lambda seeds: f"fingerprints: not available at seeds {listed(seeds)}",
    "environment.changed": _environment,
    "environment.machine": "another machine: scores are compared, speed would not be",
    "environment.same": "same environment and machine: `harness verify --only repeat` tells whether runs repeat here",
    "metric.difference": _metric,
    "seeds.unpaired": "other seeds on each side: Welch's test, not paired",
    "seeds.not_again": lambda seeds: f"not run again: seeds {listed(seeds)}",
    "seeds.new": lambda seeds: f"not in the accepted file: seeds {listed(seeds)}",
}
