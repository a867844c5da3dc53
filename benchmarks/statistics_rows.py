"""A simulated figure beside the figure that an earlier simulation states, with its Monte Carlo error."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.report.format.table import table

ERRORS = 3
"""Monte Carlo errors that agreement allows."""

THEIRS = 40_000
"""Draws behind a figure of the earlier simulation, unless it says otherwise."""


@dataclass(frozen=True)
class Row:
    """One figure, found by simulation; `error` is its Monte Carlo standard error, in the same unit (per cent, or runs).

    `stated` is the text of the earlier simulation: a number, or a range "8-11"; empty where it has none. `their_error`
    is that of the stated figure, of which only the number of draws is known. `why` is what a difference would come
    from. `draws` counts those of a rate; 0 for an average.
    """

    method: str
    n: str
    what: str
    found: float
    error: float
    stated: str = ""
    their_error: float = 0.0
    why: str = ""
    draws: int = 0

    @property
    def agrees(self) -> bool | None:
        """Whether found and stated differ by no more than three errors and what rounding hid; None: nothing stated."""
        if not self.stated:
            return None
        texts = re.findall(r"\d*\.?\d+", self.stated)
        low, high = float(texts[0]), float(texts[-1])
        decimals = max(len(text.partition(".")[2]) for text in texts)
        apart = max(low - self.found, self.found - high, 0.0)
        # A rate of 0 of few has hardly an error: what the stated rate would have counts as well.
        expected = min(max(self.found, low), high) / 100
        at_stated = 100 * math.sqrt(expected * (1 - expected) / self.draws) if self.draws else 0.0
        error = math.hypot(max(self.error, at_stated), self.their_error)
        return apart <= 0.5 * 10**-decimals + ERRORS * error + 1e-9


def rate_row(
    method: str, n: object, what: str, hits: Any, stated: str = "", why: str = "", theirs: int = THEIRS
) -> Row:
    """A row of how often something happened, in per cent, out of an array of booleans."""
    total, count = len(hits), int(sum(hits))
    error = binomial_error(count, total)
    # What is stated was a simulation as well, of the rate that was found as far as anybody knows.
    their_error = error * math.sqrt(total / theirs) if stated else 0.0
    return Row(method, str(n), what, 100 * count / total, error, stated, their_error, why, total)


def binomial_error(count: int, total: int) -> float:
    """The standard error, in per cent, of `count` of `total`; not 0 where none or all were hit."""
    p = (count + 0.5) / (total + 1)
    return 100 * math.sqrt(p * (1 - p) / total)


def mean_row(method: str, n: object, what: str, values: Sequence[float], stated: str = "", why: str = "") -> Row:
    """A row of an average over draws."""
    total = len(values)
    mean = math.fsum(values) / total
    variance = math.fsum((value - mean) ** 2 for value in values) / (total - 1)
    their_error = math.sqrt(variance / THEIRS) if stated else 0.0
    return Row(method, str(n), what, mean, math.sqrt(variance / total), stated, their_error, why)


def figure(value: float, error: float) -> str:
    """A figure with as many decimals as its error has a say in."""
    return f"{value:.{1 if error >= 0.05 else 2}f}"


def found_text(row: Row) -> str:
    """`86.9 ± 2.69`."""
    return f"{figure(row.found, row.error)} ± {row.error:.2f}"


def rows_table(rows: Sequence[Row]) -> str:
    """All rows of a chapter."""
    says = {True: "yes", False: "NO", None: "-"}
    body = [
        [
            row.method,
            row.n,
            row.what,
            row.stated or "-",
            found_text(row),
            says[row.agrees],
        ]
        for row in rows
    ]
    return table(["method", "n", "what", "stated", "found ± error", "agrees"], body, "lllrrl")
