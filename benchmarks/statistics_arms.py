"""The earlier simulation again: two precisions that do not differ, speed beside an old version, planned looks."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from benchmarks.statistics_draws import EXAMPLES, TRUTH, Array, Size, generator, history_of, ours, scores
from benchmarks.statistics_rows import Row, mean_row, rate_row
from benchmarks.statistics_scores import to_mean
from harness.grid.grid import take_turns
from harness.stats.decision import Outcome, Rule, decide
from harness.stats.paired import mcnemar, paired, sign_flip
from harness.stats.sequential import nominal_alpha
from harness.stats.t import tail
from harness.stats.throughput import Speed, compare_pairs, compare_sessions

Counts = npt.NDArray[np.int64]

CHURN = 0.12
"""Not given by the earlier simulation; its fixed-margin figures without an effect follow from it."""

STEPS, CARRIED = 40, 0.6
"""Steps of a process, and their AR(1) coefficient: not given by it either."""

RULE = Rule(1.5, n_min=3)
BAR = "a margin below the smallest slow-down that the measured sd can detect is INCONCLUSIVE, FAIL or not"
EXAMPLE_MODEL = (
    "the earlier simulation does not give the model of the examples: churn, law of the flips and of the effect are ours"
)
OWN_MODEL = "the earlier simulation does not give the model in full (steps, their correlation, drift within a session)"


def rows(size: Size) -> dict[str, list[Row]]:
    """Chapters of the report, in order."""
    return {
        "Two precisions that do not differ": _precisions(size),
        "Throughput: an arm after the other, and ABBA": _throughput(size),
        "Throughput: earlier sessions as baseline": _sessions(size),
        "Planned looks at one comparison": _looks(size),
    }


@lru_cache(maxsize=100_000)
def _mcnemar(b: int, c: int, n: int) -> float:
    return mcnemar(b, c, n).p


def _flips(rng: np.random.Generator, shape: tuple[int, int], phi: float, effect: float = 0.0) -> tuple[Counts, Counts]:
    """Examples that only arm A, and only arm B, gets right; Var(b - c) = phi (b + c) without an effect.

    A loss of `effect` points in B comes on top: examples that A gets right and B does not.
    """
    flips = rng.binomial(EXAMPLES, CHURN, shape)
    share: Array = np.full(shape, 0.5)
    if phi > 1:
        together = (np.maximum(flips, 4) - 1) / (phi - 1) - 1
        share = rng.beta(together / 2, together / 2)
    b = rng.binomial(flips, share)
    return b + rng.binomial(EXAMPLES, -effect / 100, shape), flips - b


def _precisions(size: Size) -> list[Row]:
    found = []
    stated = {
        1.0: (("51-54", "31", "19", "7"), ("4", "4"), "5"),
        3.0: (("73-77", "57", "43", "30"), ("23-28", "24-30"), "4-6"),
    }
    for phi, (fixed, exact, t) in stated.items():
        label = f"phi {phi:g}"
        b, c = _flips(generator(6, int(phi)), (size.arrays, 10), phi)
        d = 100 * (c - b) / EXAMPLES
        found.append(
            rate_row(f"{label}: one seed, d beyond ±1 pt", 1, "FAIL at 0", np.abs(d[:, 0]) > 1, fixed[0], EXAMPLE_MODEL)
        )
        for n, figure in zip((3, 5, 10), fixed[1:], strict=True):
            flags = np.abs(d[:, :n].mean(axis=1)) > 1
            found.append(rate_row(f"{label}: mean d beyond ±1 pt", n, "FAIL at 0", flags, figure, EXAMPLE_MODEL))
        first, second = b[: size.decisions].tolist(), c[: size.decisions].tolist()
        flags = [_mcnemar(x[0], y[0], EXAMPLES) < 0.05 for x, y in zip(first, second, strict=True)]
        found.append(rate_row(f"{label}: McNemar", 1, "p < .05 at 0", flags, exact[0], EXAMPLE_MODEL))
        for n in (3, 5, 10):
            few = list(zip(first, second, strict=True))[: size.slow]
            flags = [_mcnemar(sum(x[:n]), sum(y[:n]), n * EXAMPLES) < 0.05 for x, y in few]
            found.append(
                rate_row(f"{label}: McNemar, flips of all seeds", n, "p < .05 at 0", flags, exact[1], EXAMPLE_MODEL)
            )
        for n in (3, 5, 10):
            said = [decide(paired([TRUTH] * n, each), RULE) for each in (TRUTH + d[: size.decisions, :n]).tolist()]
            flags = [each.p_diff is not None and each.p_diff < 0.05 for each in said]
            found.append(rate_row(f"{label}: paired t", n, "p < .05 at 0", flags, t, EXAMPLE_MODEL))
            fails = [each.outcome == "FAIL" for each in said]
            found.append(rate_row(f"{label}: paired RULE, margin 1.5", n, "FAIL at 0", fails))
        for n, figure in zip((3, 5, 10), ("0", "0", "4"), strict=True):
            flags = [sign_flip(each).p < 0.05 for each in d[: size.decisions, :n].tolist()]
            found.append(rate_row(f"{label}: sign flip", n, "p < .05 at 0", flags, figure, EXAMPLE_MODEL))
    b, c = _flips(generator(61), (size.decisions, 10), 1.0, -3.4)
    for n, figure in zip((3, 5, 10), ("46", "86", "100"), strict=True):
        each_d = (TRUTH + 100 * (c - b)[:, :n] / EXAMPLES).tolist()
        said = [decide(paired([TRUTH] * n, each), RULE) for each in each_d]
        flags = [each.p_diff is not None and each.p_diff < 0.05 for each in said]
        found.append(rate_row("phi 1: paired t", n, "p < .05 at -3.4", flags, figure, EXAMPLE_MODEL))
    return found


def _steps(rng: np.random.Generator, draws: int, processes: int) -> Array:
    """Log rates of steps, sd 3 %, each carrying over 0.6 of the one before."""
    noise = rng.standard_normal((draws, processes, STEPS)) * 0.03
    for step in range(1, STEPS):
        noise[:, :, step] = CARRIED * noise[:, :, step - 1] + math.sqrt(1 - CARRIED**2) * noise[:, :, step]
    return noise


def _slower(a: Array, b: Array) -> list[bool]:
    """Welch's t test, one-sided at .05, that the rows of `b` are lower than those of `a`."""
    one, two = a.var(axis=1, ddof=1) / a.shape[1], b.var(axis=1, ddof=1) / b.shape[1]
    t = (a.mean(axis=1) - b.mean(axis=1)) / np.sqrt(one + two)
    df = (one + two) ** 2 / (one**2 / (a.shape[1] - 1) + two**2 / (b.shape[1] - 1))
    return [tail(each, of) < 0.05 for each, of in zip(t.tolist(), df.tolist(), strict=True)]


PAIRS = """
t on all steps             | 40/99/100 | 29/100/100
Welch on process medians   | 11/89/100 | 2/95/100
paired log-ratio t         | 16/92/100 | 5/98/100
one process each, < -5 %   | 4/50/97   | 2/49/99
RULE FAIL, margin 5 %      | .4/51/100 | 0/49/100
"""


def _throughput(size: Size) -> list[Row]:
    stated = {line.split("|")[0].strip(): line.split("|")[1:] for line in PAIRS.strip().splitlines()}
    found = []
    for column, design in enumerate(("A..AB..B", "ABBA")):
        for place, loss in enumerate((0, -5, -10)):
            steps = _session_steps(generator(7, column, -loss), size.slow, design, loss)
            a, b = (np.median(arm, axis=2) for arm in steps)
            flat = [arm.reshape(size.slow, -1) for arm in steps]
            said = [compare_pairs(x, y) for x, y in zip(np.exp(a).tolist(), np.exp(b).tolist(), strict=True)]
            alarms = {
                "t on all steps": _slower(flat[0], flat[1]),
                "Welch on process medians": _slower(a, b),
                "paired log-ratio t": [each.p_slower is not None and each.p_slower < 0.05 for each in said],
                "one process each, < -5 %": (b[:, 0] - a[:, 0] < math.log(0.95)).tolist(),
                "RULE FAIL, margin 5 %": [each.outcome == "FAIL" for each in said],
                "RULE FAIL, margin 5 %, no MDE bar": [_fails_anyway(each) for each in said],
            }
            for method, flags in alarms.items():
                figure = stated[method.removesuffix(", no MDE bar")][column].strip().split("/")[place]
                why = BAR if method == "RULE FAIL, margin 5 %" else OWN_MODEL
                found.append(rate_row(f"{design}: {method}", 5, f"alarm at {loss} %", flags, figure, why))
            passes = [each.outcome == "PASS" for each in said]
            figure = ("99", "5", "0")[place] if design == "ABBA" else ""
            found.append(rate_row(f"{design}: RULE PASS, margin 5 %", 5, f"PASS at {loss} %", passes, figure, BAR))
            if design == "ABBA":
                passes = [each.ci90 is not None and each.ci90[0] > 0.95 for each in said]
                method = f"{design}: RULE PASS, margin 5 %, no MDE bar"
                found.append(rate_row(method, 5, f"PASS at {loss} %", passes, figure, OWN_MODEL))
    return found


def _fails_anyway(speed: Speed) -> bool:
    """The rule's own condition of a FAIL, without the bar that a margin below the MDE puts before it."""
    return speed.ci90 is not None and speed.ci90[1] < 1 and speed.ratio < 1 - speed.margin


def _session_steps(rng: np.random.Generator, draws: int, design: str, loss: int) -> list[Array]:
    """Log rates (draws, 5 processes, steps) of both arms, in the order of their pairs; the session drifts linearly."""
    processes = rng.standard_normal((draws, 10)) * 0.015
    drift = np.linspace(0, 1, 10) * (rng.standard_normal((draws, 1)) * 0.03)
    rates = (processes + drift)[:, :, None] + _steps(rng, draws, 10)
    order = np.array(list("AAAAABBBBB" if design == "A..AB..B" else [way for _, way in take_turns("AB", 5)]))
    swapped = rng.random((draws, 1, 1)) < 0.5 if design == "ABBA" else np.zeros((draws, 1, 1), dtype=bool)
    first, second = rates[:, order == "A"], rates[:, order == "B"]
    a, b = np.where(swapped, second, first), np.where(swapped, first, second)
    return [a, b + math.log1p(loss / 100)]


def _sessions(size: Size) -> list[Row]:
    """A session is five processes; from session to session all of them shift together, sd 2 %."""

    def medians(rng: np.random.Generator, sessions: int) -> Array:
        rates = rng.standard_normal((size.slow, sessions, 5)) * 0.015
        steps = np.median(_steps(rng, size.slow, sessions * 5), axis=2).reshape(size.slow, sessions, 5)
        shifts: Array = rates + steps + rng.standard_normal((size.slow, sessions, 1)) * 0.02
        return shifts

    rates = medians(generator(71), 2)
    flags = _slower(rates[:, 0], rates[:, 1])
    found = [rate_row("one earlier session: Welch on process medians", 1, "alarm at 0 %", flags, "15", OWN_MODEL)]
    for m, false, power in ((3, "5", "85"), (5, "6", "98"), (10, "5", "100")):
        rates = np.median(medians(generator(72, m), m + 1), axis=2)
        for loss, figure in ((0, false), (-10, power)):
            new = np.exp(rates[:, m] + math.log1p(loss / 100)).tolist()
            said = [compare_sessions(x, y) for x, y in zip(np.exp(rates[:, :m]).tolist(), new, strict=True)]
            flags = [each.p_slower is not None and each.p_slower < 0.05 for each in said]
            found.append(
                rate_row("prediction interval over earlier sessions", m, f"alarm at {loss} %", flags, figure, OWN_MODEL)
            )
            fails = [each.outcome == "FAIL" for each in said]
            found.append(rate_row("RULE over earlier sessions, margin 5 %", m, f"FAIL at {loss} %", fails))
            method = "RULE over earlier sessions, margin 5 %, no MDE bar"
            found.append(rate_row(method, m, f"FAIL at {loss} %", [_fails_anyway(each) for each in said]))
    return found


LOOKS = (3, 5, 7, 10)


def _looks(size: Size) -> list[Row]:
    found = []
    naive = {"own df, every look at .05": (0.05, "13.5")}
    for looks in (LOOKS, (5, 7, 10), (5, 10)):
        levels = {f"own df, every look at {nominal_alpha(looks):g}": (nominal_alpha(looks), "5")}
        for label, (level, stated) in {**levels, **(naive if looks == LOOKS else {})}.items():
            x = scores(generator(8, len(looks)), (size.decisions, looks[-1]), 1.2).tolist()
            flags = [any(_significant(each[:n], level) for n in looks) for each in x]
            shown = ", ".join(map(str, looks))
            found.append(rate_row(label, shown, "p below the level at any look, at 0", flags, stated))
    return found + _sequences(size)


def _significant(values: list[float], level: float) -> bool:
    p = decide(paired([TRUTH] * len(values), values), RULE).p_diff
    return p is not None and p < level


def _sequences(size: Size) -> list[Row]:
    """Looks at 3, 5, 7, 10 runs against the mean ± sd of five, margin 2.5, until PASS or FAIL."""
    found = []
    shown = ", ".join(map(str, LOOKS))
    guarded = "an sd without history, or the guard against a larger own sd; the last rows have history and no guard"
    kinds = {"own df": guarded, "+ 16 history df": guarded, "+ 16 history df, no guard": ""}
    for sd, why in kinds.items():
        for level, stated in (
            (0.018, ("91", "5.1", "99", "3.2", "3.8")),
            (nominal_alpha(LOOKS), ("",) * 5),
            (0.05, ("", "", "", "", "9.3")),
        ):
            label = f"{sd}, every look at {level:g}"
            ends = {shift: _until_decided(size, shift, sd, LOOKS, level) for shift in (0.0, -4.0, -2.5)}
            for shift, what, first in ((0.0, "PASS", 0), (-4.0, "FAIL", 2)):
                hits = [outcome == what for outcome, _ in ends[shift]]
                found.append(rate_row(label, shown, f"{what} at {shift:g}", hits, stated[first], why))
                taken = [float(n) for _, n in ends[shift]]
                found.append(mean_row(label, shown, f"runs on average at {shift:g}", taken, stated[first + 1], why))
            hits = [outcome == "PASS" for outcome, _ in ends[-2.5]]
            found.append(rate_row(label, shown, "PASS at the margin, -2.5", hits, stated[4], why))
    hits = [outcome == "PASS" for outcome, _ in _until_decided(size, 0.0, "+ 16 history df", (10,), 0.05)]
    return [*found, rate_row("+ 16 history df, one look at .05", 10, "PASS at 0", hits, "96", guarded)]


def _until_decided(
    size: Size, shift: float, sd: str, looks: tuple[int, ...], level: float
) -> list[tuple[Outcome, int]]:
    """Outcome and number of runs of each draw."""
    rng = generator(81, round(-10 * shift))
    draws = size.slow
    x, runs = scores(rng, (draws, looks[-1]), 1.2, shift), scores(rng, (draws, 5), 1.2)
    cells = history_of(rng, draws, 1.2)
    rule = Rule(2.5, alpha=level, n_min=3)
    ends: list[tuple[Outcome, int]] = []
    for draw, values in enumerate(x.tolist()):
        for n in looks:
            mine = ours(values[:n], None if sd == "own df" else cells[draw], "no guard" not in sd)
            outcome = decide(to_mean(mine, runs[draw]), rule).outcome
            if outcome != "INCONCLUSIVE":
                break
        ends.append((outcome, n))
    return ends
