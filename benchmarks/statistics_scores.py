"""The earlier simulation again: scores against one published run, or the mean ± sd of five."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.statistics_draws import Array, Flags, Size, generator, history_of, scores, spread, verdicts
from benchmarks.statistics_rows import Row, rate_row
from harness.stats.decision import Estimate, Rule
from harness.stats.reference import Method, published_mean, single
from harness.stats.t import tail
from harness.stats.variance import Sample

RULE = Rule(2.5)
THREE_OWN = Rule(2.5, n_min=3)
"""The table judges three runs by their own sd, which the defaults do not."""

COLUMNS = (("FAIL", 0.0), ("FAIL", -4.0), ("PASS", 0.0), ("PASS", -4.0))
GUARD = "the guard against an own sd larger than history; the next rows leave it out"
APART = "sds that differ by more than a factor of 2 are not pooled; the next rows pool them always"

SINGLE = """
one seed within 1 pt       | 1      | 51       | 96       | 49       | 4
one seed, binomial 95 %    | 1      | 5        | 66       | 95       | 34
mean within 1 pt           | 5      | 44       | 99       | 56       | 1
ref inside mean +-2 sd     | 3/5/10 | 23/14/9  | 85/86/89 | 77/86/91 | 15/14/11
ref inside mean +-2 se     | 3/5/10 | 41/46/56 | 96/99/100 | 59/54/44 | 4/2/1
best seed >= ref           | 3/5/10 | 23/15/8  | 97/96/93 | 78/85/92 | 3/5/7
RULE own df                | 3/5/10 | 2/2/3    | 35/61/79 | 41/70/85 | 2/3/4
RULE + 16 history df       | 3/5/10 | 4/4/4    | 77/81/85 | 65/77/86 | 3/4/4
RULE + 16 history df, no guard | 3/5/10 | 4/4/4 | 77/81/85 | 65/77/86 | 3/4/4
"""
MEAN = """
RULE own df                | 3/5/10 | .4/.1/0  | 94/97/99 | 62/83/95 | .1/0/0
RULE own df, always pooled | 3/5/10 | .4/.1/0  | 94/97/99 | 62/83/95 | .1/0/0
RULE + 16 history df       | 3/5/10 | .5/.1/0  | 95/98/99 | 74/88/96 | 0/0/0
RULE + 16 history df, no guard | 3/5/10 | .5/.1/0 | 95/98/99 | 74/88/96 | 0/0/0
"""

Published = Callable[[np.random.Generator, int], Array]
Against = Callable[[Sample, Any], Estimate]


def rows(size: Size) -> dict[str, list[Row]]:
    """Chapters of the report, in order."""
    return {
        "Against a single published run": _against_single(size),
        "Against a published mean ± sd of 5 runs": _against_mean(size),
    }


def unlike(method: str, x: Array, runs: Array) -> Flags:
    """Where a naive rule calls our runs `x` unlike the published `runs`, both (draws, runs)."""
    mean, ref = x.mean(axis=1), runs.mean(axis=1)
    apart = np.abs(mean - ref)
    if method == "best seed >= ref":
        return x.max(axis=1) < ref - 1e-9
    if method == '"Welch p > .05 is a pass"':
        return _welch(x, runs) < 0.05
    limits: dict[str, Callable[[], Any]] = {
        "one seed within 1 pt": lambda: 1.0,
        "mean within 1 pt": lambda: 1.0,
        "one seed, binomial 95 %": lambda: 1.96 * 100 * math.sqrt(0.858 * 0.142 / 408),
        "ref inside mean +-2 sd": lambda: 2 * spread(x),
        "ref inside mean +-2 se": lambda: 2 * spread(x) / math.sqrt(x.shape[1]),
        "mean within 2 ref sd": lambda: 2 * spread(runs),
        "sd bars overlap": lambda: spread(x) + spread(runs),
    }
    flags: Flags = apart > limits[method]()
    return flags


def _welch(x: Array, runs: Array) -> Array:
    a, b = x.var(axis=1, ddof=1) / x.shape[1], runs.var(axis=1, ddof=1) / runs.shape[1]
    df = (a + b) ** 2 / (a**2 / (x.shape[1] - 1) + b**2 / (runs.shape[1] - 1))
    t = np.abs(x.mean(axis=1) - runs.mean(axis=1)) / np.sqrt(a + b)
    return np.array([2 * tail(each, of) for each, of in zip(t.tolist(), df.tolist(), strict=True)])


def _table(text: str, size: Size, chapter: int, published: Published, against: Against) -> list[Row]:
    """Rows of a table of the earlier simulation: a method, its n, FAIL and PASS without and with a loss of 4 points."""
    found = []
    for line in text.strip().splitlines():
        method, counts, *columns = (part.strip() for part in line.split("|"))
        why = GUARD if method.endswith("history df") else APART if "own" in method and chapter == 2 else ""
        for place, n in enumerate(map(int, counts.split("/"))):
            said = {shift: _outcomes(method, n, shift, size, chapter, published, against) for shift in (0.0, -4.0)}
            for (what, shift), stated in zip(COLUMNS, columns, strict=True):
                flags = said[shift][0 if what == "FAIL" else 1]
                found.append(rate_row(method, n, f"{what} at {shift:g}", flags, stated.split("/")[place], why))
    return found


def _outcomes(
    method: str, n: int, shift: float, size: Size, chapter: int, published: Published, against: Against
) -> tuple[list[bool], list[bool]]:
    """Which draws fail, and which pass; the same draws for all methods that take as many."""
    rng = generator(chapter, n, round(-shift))
    by_rule = method.startswith("RULE")
    draws = size.decisions if by_rule else size.arrays
    x, runs = scores(rng, (draws, n), 1.2, shift), published(rng, draws)
    if not by_rule:
        flags = unlike(method, x, runs).tolist()
        return flags, [not flag for flag in flags]
    history = history_of(rng, draws, 1.2) if "history" in method else None
    chosen = _pooled_mean if "always" in method else against
    rule, guard = THREE_OWN if history is None else RULE, "no guard" not in method
    said = verdicts(x, lambda mine, draw: chosen(mine, runs[draw]), rule, history, guard)
    return said.fails, said.passes


def to_mean(mine: Sample, runs: Array, method: Method = "auto") -> Estimate:
    """Against the mean and sd of published runs."""
    return published_mean(mine, float(runs.mean()), len(runs), float(runs.std(ddof=1)), method)


def _pooled_mean(mine: Sample, runs: Array) -> Estimate:
    return to_mean(mine, runs, "pooled")


def _to_single(mine: Sample, runs: Array) -> Estimate:
    return single(mine, float(runs[0]))


def _published(count: int, sd: float = 1.2) -> Published:
    return lambda rng, draws: scores(rng, (draws, count), sd)


def _by_sd(
    size: Size, chapter: int, sd: float, stated: tuple[str, str, str], count: int, against: Against
) -> list[Row]:
    found = []
    for shift in (0.0, -4.0):
        rng = generator(chapter, round(10 * sd), round(-shift))
        x, runs = scores(rng, (size.decisions, 5), sd, shift), scores(rng, (size.decisions, count), sd)
        said = verdicts(x, lambda mine, draw, runs=runs: against(mine, runs[draw]), RULE)  # type: ignore[misc]
        method = f"RULE own df, seed sd {sd:g}"
        why = APART.partition(";")[0] if count > 1 else ""
        found.append(rate_row(method, 5, f"FAIL at {shift:g}", said.fails, stated[0 if not shift else 1], why))
        if not shift:
            found.append(rate_row(method, 5, "PASS at 0", said.passes, stated[2], why))
    return found


def _at_the_margin(
    size: Size, chapter: int, n: int, sd: str, count: int, against: Against, stated: str, why: str = ""
) -> Row:
    rng = generator(chapter, n)
    x, runs = scores(rng, (size.decisions, n), 1.2, -2.5), scores(rng, (size.decisions, count), 1.2)
    history = history_of(rng, size.decisions, 1.2) if "history" in sd else None
    said = verdicts(x, lambda mine, draw: against(mine, runs[draw]), THREE_OWN, history, guard=False)
    return rate_row(f"RULE {sd}", n, "PASS at the margin, -2.5", said.passes, stated, why)


def _against_single(size: Size) -> list[Row]:
    found = _table(SINGLE, size, 1, _published(1), _to_single)
    for sd, stated in ((0.8, (".3", "90", "95")), (1.5, ("3", "45", "51"))):
        found += _by_sd(size, 11, sd, stated, 1, _to_single)
    few = "the range holds for 5 runs with history, and for 10; with less knowledge of the sd fewer pass"
    for n in (3, 5, 10):
        for kind in ("own df", "+ 16 history df, no guard"):
            found.append(_at_the_margin(size, 12, n, kind, 1, _to_single, "22-30", few))
    return found


def _against_mean(size: Size) -> list[Row]:
    found = _table(MEAN, size, 2, _published(5), to_mean)
    for sd, by_sd in ((0.8, ("0", "100", "99.5")), (1.5, (".7", "93", "56"))):
        found += _by_sd(size, 21, sd, by_sd, 5, to_mean)
    found += [_at_the_margin(size, 22, n, "own df", 5, to_mean, "5.0") for n in (5, 10)]
    naive = {
        "mean within 2 ref sd": ("73", "75", "76"),
        "sd bars overlap": ("77", "78", "80"),
        '"Welch p > .05 is a pass"': ("70", "92", "97"),
    }
    for method, stated in naive.items():
        for n, figure in zip((3, 5, 10), stated, strict=True):
            rng = generator(23, n)
            x, runs = scores(rng, (size.arrays, n), 1.2, -3.0), scores(rng, (size.arrays, 5), 1.2)
            found.append(rate_row(method, n, "FAIL at -3", unlike(method, x, runs), figure))
    for sd, stated in ((1.2, ("25", "19", "13")), (1.5, ("36", "29", "23"))):
        for n, figure in zip((3, 5, 10), stated, strict=True):
            rng = generator(24, n, round(10 * sd))
            x, runs = scores(rng, (size.arrays, n), sd), scores(rng, (size.arrays, 5), sd)
            flags = unlike("mean within 1 pt", x, runs)
            found.append(rate_row(f"mean within 1 pt, seed sd {sd:g}", n, "FAIL at 0", flags, figure))
    return found
