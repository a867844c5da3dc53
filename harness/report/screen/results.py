"""What a run ends with on a terminal: a row a configuration, with the runs behind it, its scores or its rate."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import Final

from harness.grid.labels import Namer, place_of
from harness.record.attempts import LOST
from harness.record.configuration import Configuration
from harness.record.results import Results
from harness.report.format.escape import clean
from harness.report.format.metrics import metric_word
from harness.report.format.numbers import NONE, points
from harness.report.format.width import listing

MOST_ROWS: Final = 20
MOST_SCORES: Final = 2


def results_text(results: Results) -> str:
    """The table of scores, in points, mean and standard deviation over runs that did not collapse; then of rates."""
    return "\n\n".join([*_scores([one for one in results.configurations if one.entries]), *_rates(results)])


def _scores(found: Sequence[Configuration]) -> Iterator[str]:
    if not found:
        return
    metrics = list(dict.fromkeys(name for one in found for run in one.scores for name in run.scores if name != "loss"))
    shown = metrics[:MOST_SCORES]
    rows = [
        [
            clean(one.shown or one.label),
            f"{len(one.scores)} of {len(one.planned)}{_lost(one)}",
            *(_mean(one, name) for name in shown),
        ]
        for one in found[:MOST_ROWS]
    ]
    yield listing(["configuration", "runs", *map(metric_word, shown)], rows, "lr" + "r" * len(shown))
    if len(found) > MOST_ROWS:
        yield f"and {len(found) - MOST_ROWS} more configurations, in the report"


def _mean(one: Configuration, metric: str) -> str:
    went_well = [run for run in one.scores if run.status not in LOST]
    values = [100 * value for run in went_well if (value := run.score(metric)) is not None]
    if not values:
        return NONE
    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{points(statistics.fmean(values))}{spread}"


def _lost(one: Configuration) -> str:
    lost = sum(run.status in LOST for run in one.scores)
    return f" ({lost} collapsed)" if lost else ""


def _rates(results: Results) -> Iterator[str]:
    """The rate of each configuration that was timed: the median over its processes."""
    namer = results.namer or Namer()
    names = {cell.cell_id: namer.label(place_of(cell)) for cell in results.cells if cell.timed}
    rates: dict[str, list[float]] = {}
    for entry in results.entries:
        if entry.cell_id in names and entry.samples_per_second:
            rates.setdefault(names[entry.cell_id], []).append(entry.samples_per_second)
    rows = [[clean(label), len(each), f"{statistics.median(each):.1f}"] for label, each in rates.items()]
    if rows:
        yield listing(["configuration", "timings", "samples/s (median)"], rows[:MOST_ROWS], "lrr")
