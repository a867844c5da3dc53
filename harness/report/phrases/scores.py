"""The facts of the checks of scores, in words; a value in points unless its name says otherwise.

A sentence about a difference of scores is no fact: `words.sentence` makes it of the decision's numbers. A reason says
what is left: on what scores it was judged, and `because` of what it is no PASS or FAIL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from harness.report.format.metrics import metric_word
from harness.report.format.numbers import chance, p_is
from harness.report.phrases.comparison import COMPARISON
from harness.report.phrases.recipe import BASELINE, RECIPE, many
from harness.text import listed, suggestion

SHOWN: Final = 10
USUAL: Final = 0.05
"""The level of a test where no looks are planned."""

Phrases = Mapping[str, str | Callable[..., str]]


def _judged(scores: str, because: str = "", withheld: str = "", after: str = "", differs: Sequence[str] = ()) -> str:
    """`recipes differ (...); SCORES: because; PASS withheld: ...; p = 0.06 after Holm over 8`."""
    text = f"{scores}: {because}" if scores and because else scores or because
    parts = [f"recipes differ ({'; '.join(differs)})" if differs else "", text]
    return "; ".join(filter(None, [*parts, f"PASS withheld: {withheld}" if withheld else "", after]))


def _target(value: float, statistic: str, n: int, sd: float | None = None, known: bool = True) -> str:
    if not known:
        return f"{value:.2f} (of unknown provenance)"
    if statistic == "single":
        return f"{value:.2f} (a single run)"
    spread = "" if sd is None else f" ± {sd:.2f}"
    return f"{value:.2f}{spread} ({'mean' if statistic == 'sample' else statistic} of {n} runs)"


def _identical(seeds: int, planned: int) -> str:
    at = f"{seeds} of {planned} seeds" if seeds < planned else "the only seed" if seeds == 1 else f"all {seeds} seeds"
    return f"equal bit for bit at {at}"


def _after_holm(p: float | None, family: int) -> str:
    return "no p of its own" if p is None else f"{p_is(p)} after Holm over {family}"


DECISION: Final[Phrases] = {
    "judged": _judged,  # scores, because, withheld, after (facts), differs (facts): the reason of what has numbers
    "runs.few": "{n} of at least {least} runs",
    "runs.equal": "sd = 0: all runs are equal",
    "runs.equal_beyond": "sd = 0: all runs are equal, and beyond the margin: no test tells, and no option excuses it",
    "runs.identical": "the same answer to every example at every seed",
    "runs.identical_at": _identical,
    "spread.unknown": "no estimate of the spread",
    "holm.blocked": _after_holm,
    "look.early": "{runs} runs are before the first planned look at {first}",
    "look.decided": "decided at the planned look of {look} runs; {later} later ones do not change it",
    "look.last": "judged at the last planned look of {look} runs; {later} later ones are not counted",
    "look.waiting": "judged at the planned look of {look} runs; {later} wait for the look at {following}",
}

SPREAD: Final[Phrases] = {
    # What the reader of an sd must know of it (`stats.variance.Sd.note`).
    "spread.history_alone": "history alone",
    "spread.unusable": lambda cells: f"history {'of a single cell' if cells < 2 else 'without spread'}, not used",
    "spread.larger": "sd larger than history ({sd:.2f}, history {history:.2f})",
    "spread.differs": lambda p: f"not pooled: configurations of this recipe differ in sd (Levene {p_is(p)})",
    "spread.shared_seeds": "seeds shared by cells count once (correlation {correlation:.2f})",
    "spread.reference": "with the reference's sd",
    "spread.notes": lambda notes: "; ".join(notes),
}


def _sd(value: float, df: float, source: str, cells: int, note: str = "") -> str:
    whose = {
        "own": "of these runs",
        "pooled": f"pooled over {cells} configurations of the recipe",
        "moderated": f"of these runs, moderated by {cells} other configurations of the recipe",
    }[source]
    return f"sd {value:.2f} points, {df:g} degrees of freedom, {whose}{f'; {note}' if note else ''}"


def _every_run(n: int, mean: float | None = None, median: float | None = None) -> str:
    return f"all {n} runs with a score: mean {mean:.2f}, median {median:.2f}" if n else "no run has a score"


def _below(below: float, n: int, p: float, least_p: float | None = None) -> str:
    limit = "" if least_p is None else f"; {n} runs cannot reject, the least p is {least_p:.2f}"
    return f"{below:g} of {n} runs lie below the reference (free of any law: p = {p:.3f}{limit})"


def _single_pass(margin: float, ordinary: bool) -> str:
    draw = ", and the number is an ordinary draw of this pipeline" if ordinary else ""
    return f"against a single run a PASS says: the mean is within {margin:.2f} points of the number{draw}"


def _scores(metric: str, mean: float, runs: int, target: str, label: str | None = None) -> str:
    return f"{metric} {mean:.2f} over {runs} runs against {target}{f' ({label})' if label else ''}"


def _ungated(gate: Sequence[str], reported: Sequence[str] | None = None) -> str:
    if reported is None:  # as older results have it
        reported = [metric for metric in ("accuracy", "f1") if metric not in gate]
    text = f"no {' or '.join(map(metric_word, gate))} is published"
    return (
        f"{text}; {' and '.join(map(metric_word, reported))} {'is' if len(reported) == 1 else 'are'} reported only"
        if reported
        else text
    )


def _provenance(best_of: int) -> str:
    return f"provenance unknown, taken as {'a single run' if best_of == 1 else f'the best of {best_of}'}"


QUALITY: Final[Phrases] = {
    "scores.reference": _scores,  # target: fact "target"; label: fact "provenance.unknown", or None
    "target": _target,
    "provenance.unknown": _provenance,
    "run.single": "a single run",
    "scores.none": "none of {runs} runs has a score to judge",
    "reference.refused": "not to be compared: {why}",
    "reference.ungated": _ungated,
    "reference.ungated_of": _ungated,
    "reference.other_task": lambda reference, task, here: (
        f"{reference}: not compared, other task ({task}, here {listed(here, SHOWN)})"
    ),
    "reference.other_checkpoint": lambda reference, checkpoint, here: (
        f"{reference}: not compared, fits no checkpoint of this grid ({checkpoint}, here {listed(here, SHOWN)})"
        f"{suggestion(checkpoint, here)}"
    ),
    "reference.no_seeds": "no number of seeds gives a verdict against this reference",
    "recipe.more_runs": "more runs bring no verdict while recipes differ: run the reference's, or declare them "
    "harmless",
    "margin.declared": "{points:g} points, as declared",
    "margin.default": "{points:g} points, the default: no spread is published of this recipe",
    "margin.few": "{points:g} points, the default: fewer than {least} runs make it no wider "
    "(2.4 x sd {sd:.2f} points of {runs} runs ({whose}))",
    "margin.spread": "{points:g} points = 2.4 x sd {sd:.2f} points of {runs} runs ({whose})",
    "margin.rounded": "{margin}, and {half_ulp:g} for the rounding of the published value",
    "sd": _sd,
    "sd.none": "no sd: a single run says nothing of it",
    "runs.every": _every_run,
    "reference.wide": "an sd of {sd:.2f} points over {runs} runs ({whose}) suggests failed runs among them: "
    "declare a margin",
    "reference.contradicted": "contradiction: {text}",
    "runs.below": _below,
    "runs.too_low": "below {floor:.2f}: too low for luck, though {runs} runs are no verdict",
    "pass.single": _single_pass,
    "scores.overlap": "{number:,} of {examples:,} validation examples are in training: likely why scores are so far "
    "above",
    "f1.standard_error": "on other examples a run's F1 has a standard error of {points:.2f} points; here all share "
    "{examples}",
}


def _collapses(
    k: int, n: int, low: float, high: float, p0: float, p: float | None = None, alpha: float | None = None
) -> str:
    """`low`, `high` and `p0` are fractions; the usual level is not said."""
    level = "" if alpha in (None, USUAL) else f" at alpha {alpha:.4g}"
    held = "" if p is None else f": p = {chance(p, alpha or USUAL)}{level}".replace("= <", "<")
    return f"{k} of {n} runs collapsed, 95 % CI [{100 * low:.0f} %, {100 * high:.0f} %], declared {100 * p0:g} %{held}"


def _cells(cells: Sequence[Sequence[Any]], planned: int, unreadable: Sequence[str] = ()) -> str:
    every = [f"seed {seed} {status}" for seed, status in cells]
    more = f" and {len(every) - SHOWN} more" if len(every) > SHOWN else ""
    text = f"{len(every)} of {planned} cells have no score: {', '.join(every[:SHOWN])}{more}"
    others = f" and {len(unreadable) - 1} more" if len(unreadable) > 1 else ""
    return f"{text}; {unreadable[0]}{others}" if unreadable else text


def _would_fail(least: int | None, n: int, alpha: float) -> str:
    needed = f"{least} of {n} collapses would fail" if least else f"not even {n} of {n} would fail"
    return f"{needed} at the {alpha:.4g} level"


def _retried(seeds: Sequence[int], side: str = "") -> str:
    of = f" of {side}" if side else ""
    return f"tried again after a collapse, which counts: seed {', '.join(map(str, seeds))}{of}"


STABILITY: Final[Phrases] = {
    "collapses": _collapses,
    "collapses.few": "{collapses}: fewer than {least} runs",
    "collapses.would_fail": _would_fail,
    "collapses.kind": "{kind}: {count} of {runs}",
    "collapses.retried": _retried,
    "cells.absent": _cells,  # cells: (seed, status); unreadable: what is wrong with which record
    "cells.skipped": "not run: {why}",
    "cells.error": "{error}",
}


def _left_out(side: str, seeds: Sequence[int]) -> str:
    shown = ", ".join(map(str, seeds[:SHOWN])) + (" ..." if len(seeds) > SHOWN else "")
    return f"without a partner, left out: seed {shown} of {side}"


def _sign_flip(p: float, pairs: int, least_p: float | None = None) -> str:
    limit = "" if least_p is None else f"; {pairs} pairs cannot reject, the least p is {least_p:.3f}"
    return f"sign-flip p = {p:.3f}{limit}"


def _collapsed_pairs(base: str, twin: str, k1: int, k2: int, n: int, p: float, can_reject: bool) -> str:
    limit = "" if can_reject else ", which so few runs cannot reject"
    return f"collapsed and left out: {k1} of {n} with {base}, {k2} with {twin} (Fisher p = {p:.3f}{limit})"


def _changes(share: float, examples: int) -> str:
    return f"{share * examples:.0f} of {examples} ({100 * share:.1f} %)"


def _churn(twin: str, base: str, between: str, seeds: str | None = None, rerun: str | None = None) -> str:
    """`between`, `seeds` and `rerun` are facts "changes"."""
    text = f"{twin} changes {between} answers of {base} at the same seed"
    text += f", another seed of {base} changes {seeds}" if seeds else ""
    return text + (f", a second run of {base} changes {rerun}" if rerun else "")


def _mcnemar(tables: Sequence[Sequence[Any]]) -> str:
    each = ", ".join(f"seed {seed}: {lost} lost, {won} won, p = {p:.3f}" for seed, lost, won, p in tables[:SHOWN])
    return f"exact McNemar ({each}{' ...' if len(tables) > SHOWN else ''}): two fitted models, no gate"


def _phi(phi: float, base: str) -> str:
    reading = "flips come together, and McNemar's p is too small" if phi > 1.5 else "about as independent flips"
    return f"phi = {phi:.2f} between seeds of {base}: {reading}"


def _pair(twin: str, twin_mean: float, base: str, base_mean: float, seeds: int, metric: str = "accuracy") -> str:
    return f"{metric_word(metric)} of {twin} {twin_mean:.2f}, of {base} {base_mean:.2f} over {seeds} seeds"


PARITY: Final[Phrases] = {
    "scores.pair": _pair,
    "scores.no_pair": "no seed at which both {twin} and {base} have an ok run",
    "scores.other_weights": "{twin} keeps its weights in {twin_dtype} while they are trained, {base} in {base_dtype}: "
    "no twins",
    "withheld.side": "{side}: {collapses}",
    "margin.parity": "{points:g} points between configurations",
    "pairs.collapsed": _collapsed_pairs,
    "pairs.left_out": _left_out,
    "pairs.correlation": "scores of the same seed correlate by {correlation:.2f}",
    "pairs.sign_flip": _sign_flip,
    "pairs.f1": "F1 differs by {difference:+.2f} points on average (reported only)",
    "pairs.metric": lambda metric, difference: (
        f"{metric_word(metric)} differs by {difference:+.2f} points on average (reported only)"
    ),
    "pairs.identical": "identical answers: see the fidelity of the runs, whether what should differ did differ",
    "changes": _changes,  # share: of the examples
    "churn": _churn,
    "mcnemar": _mcnemar,  # tables: (seed, lost, won, p)
    "phi": _phi,
}


def _minutes(seconds: float) -> str:
    minutes = seconds / 60
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def _more_seeds(more: int, both: bool) -> str:
    return f"{many(more, 'more seed')}{' in both' if both else ''}"


def _seeds(more: int, sd: float, both: bool = False, seconds: float | None = None) -> str:
    took = f" (about {_minutes(seconds)} of runs)" if seconds else ""
    chance = f"{'gives' if more == 1 else 'give'} an 80 % chance of a verdict if the true difference is 0"
    return f"{_more_seeds(more, both)}{took} {chance} (planned with sd {sd:.2f})"


def _baseline_seeds(more: int | None, most: int) -> str:
    number = f"not even {most} seeds" if more is None else f"{many(more, 'more seed')} on each side"
    return f"{number} give an 80 % chance of a verdict if the true difference is 0"


SEEDS: Final[Phrases] = {
    # `against` is a name ("fp32"), or the fact "target" or "run.single"; `both`: seeds are added on both sides.
    "seeds.detectable": "these runs find a true difference of {points:.1f} points with a power of 80 %",
    "seeds.least": lambda more, both=False: f"{_more_seeds(more, both)} would be the least that can be judged",
    "seeds.equal": "runs that are all equal are no sample: look for what makes them so",
    "seeds.collapses": "the scores of the ok runs alone would pass: fewer collapses are what it takes",
    "seeds.none": "no number of seeds gives an 80 % chance of a verdict within {margin:.2f} points of {against} "
    "(planned with sd {sd:.2f})",
    "seeds.more": _seeds,
    "seeds.next_look": "the next planned look is at {look} seeds",
    "seeds.no_look": "no planned look is left: open a ticket",
    "seeds.floor": "no number of seeds can show a shift below {points:.1f} points against {against}",
    "seeds.each_side": _baseline_seeds,
}


SCORES: Final[Phrases] = {
    **DECISION, **SPREAD, **QUALITY, **RECIPE, **STABILITY, **PARITY, **COMPARISON, **SEEDS, **BASELINE,
}  # fmt: skip
