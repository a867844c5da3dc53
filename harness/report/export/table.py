"""A report's results as the rows of a table for a paper: n, mean, deviation, interval; and what is left out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.checks.scores.compared import Comparison
from harness.record.attempts import LOST
from harness.report.run.model import ReportModel, Row
from harness.stats.descriptive import Summary

LEVEL: Final = 0.95
"""Of the interval of a mean over seeds."""
LEAST: Final = 3
"""Runs that such an interval takes."""


@dataclass(frozen=True)
class Line:
    """One metric of one row of a report; scores in points.

    `n` runs did not collapse and have the score: `mean`, `sd` (n - 1) and the interval `low` to `high` of the mean are
    theirs. `runs` are all that ended, `lost` those of them that collapsed or lost their loss, `every` is the mean over
    all that have a score. `best`: by test better than each of the others that it was compared with.
    """

    row: Row
    metric: str
    n: int
    mean: float | None
    sd: float | None
    low: float | None
    high: float | None
    runs: int
    lost: int
    every: float | None
    best: bool

    @property
    def seeds(self) -> list[int]:
        """Of the runs that ended, those that collapsed among them."""
        return sorted({one.seed for one in self.row.scores})

    @property
    def lost_seeds(self) -> list[int]:
        """Of the runs that collapsed or lost their loss."""
        return sorted({one.seed for one in self.row.scores if one.status in LOST})


def table_lines(model: ReportModel) -> list[Line]:
    """Every metric of every row, in the report's order."""
    places = Counter(row.configuration_id for row in model.rows)
    best = {
        (one.configuration_a if one.best == "a" else one.configuration_b, one.metric)
        for one in model.comparisons
        if one.best
    }
    return [
        # Of a configuration in several environments nothing says which of its rows was compared.
        _line(row, metric, (row.configuration_id, metric) in best and places[row.configuration_id] == 1)
        for row in model.rows
        for metric in row.ok
    ]


def _line(row: Row, metric: str, best: bool) -> Line:
    one, every = row.ok[metric], row.all[metric]
    low, high = mean_interval(one) or (None, None)
    return Line(
        row, metric, one.n, one.mean, one.sd, low, high, row.collapsed.n, row.collapsed.k, every.mean, best
    )  # fmt: skip


def mean_interval(one: Summary) -> tuple[float, float] | None:
    """Student's interval of a mean over runs, in the sample's unit; None of fewer than three, or of equal ones.

    Of two runs t is 12.7: the interval is wider than the scale.
    """
    if one.mean is None or not one.sd or one.n < LEAST:
        return None
    from harness.stats.axis import Spread  # numpy and scipy are slow to import, and a report may have no table

    return Spread(one.sd**2 / one.n, one.n - 1).interval(one.mean, LEVEL)


def decimals(lines: Sequence[Line]) -> int:
    """As many for a metric as say something: two digits of the least deviation, and no finer than one answer of all.

    One answer of N is 100 / N points. A deviation that is not 0 keeps a digit, and a single run the answer's own.
    """
    sds = [line.sd for line in lines if line.sd]
    examples = max((line.row.examples or 0 for line in lines), default=0)
    answer = max(0, math.ceil(math.log10(examples / 100))) if examples else 2
    if not sds:
        return answer
    first = -math.floor(math.log10(min(sds)))
    return max(0, min(first + 1, answer), first if first > 0 else 0)


def compared_over(comparisons: Sequence[Comparison]) -> Mapping[str, list[Comparison]]:
    """The pairs that were tested, by axis."""
    found: dict[str, list[Comparison]] = {}
    for one in comparisons:
        found.setdefault(one.axis, []).append(one)
    return found


def axes_of(model: ReportModel) -> list[str]:
    """The axes of its rows, in their order."""
    return list(dict.fromkeys(axis for row in model.rows for axis in row.axes))


def plain_row(line: Line) -> dict[str, Any]:
    """A line by names with units, for a file that programs read."""
    return {
        "metric": line.metric,
        "n": line.n,
        "mean_points": line.mean,
        "sd_points": line.sd,
        "mean_ci95_low_points": line.low,
        "mean_ci95_high_points": line.high,
        "runs": line.runs,
        "collapsed": line.lost,
        "mean_with_collapsed_points": line.every,
        "best_by_test": line.best,
        "seeds": " ".join(map(str, line.seeds)),
        "collapsed_seeds": " ".join(map(str, line.lost_seeds)),
    }
