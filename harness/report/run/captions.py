"""What the plots show and leave out, in words: captions, alternative texts, and which rows are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.checks.verdict import Verdict
from harness.report.format.escape import inline
from harness.report.format.labels import listed
from harness.report.format.metrics import metric_word
from harness.report.run.model import Curve, ReportModel, Row
from harness.report.speed.captions import throughput_caption

MOST_ROWS: Final = 40
"""Configurations in the plot of scores."""

MOST_CURVES: Final = 8
"""Panels in the plot of losses."""


def drawn_rows(model: ReportModel) -> tuple[Row, ...]:
    """Rows with a finite score, the first `MOST_ROWS` of them."""
    return tuple(row for row in model.rows if any(summary.n for summary in row.all.values()))[:MOST_ROWS]


def finite_curves(model: ReportModel) -> tuple[Curve, ...]:
    """Curves with a finite loss."""
    return tuple(curve for curve in model.curves if any(loss == loss for loss in curve.mean))


def drawn_curves(model: ReportModel) -> tuple[Curve, ...]:
    """The first `MOST_CURVES` of them."""
    return finite_curves(model)[:MOST_CURVES]


def joined(model: ReportModel, verdicts: Sequence[Verdict]) -> set[tuple[str, str]]:
    """The pairs of configurations that are compared by seed, by their ids."""
    pairs = {(one.configuration_a, one.configuration_b) for one in model.comparisons if one.paired}
    twins = [one for one in verdicts if one.check == "parity" and one.against]
    return pairs | {(one.against.configuration_id, one.subject.configuration_id) for one in twins if one.against}


def published(rows: Sequence[Row], verdicts: Sequence[Verdict]) -> dict[tuple[int, str], float]:
    """(place of the row, metric) -> the published value that it is held against, in points."""
    found = {
        (one.subject.configuration_id, one.item): one.against.mean
        for one in verdicts
        if one.check == "quality" and one.against is not None and one.against.mean is not None
    }
    keys = {(place, metric): (row.configuration_id, metric) for place, row in enumerate(rows) for metric in row.ok}
    return {key: found[known] for key, known in keys.items() if known in found}


def caption(model: ReportModel, kind: str, verdicts: Sequence[Verdict] = (), whole: bool = False) -> tuple[str, str]:
    """(alternative text, caption in Markdown) of the plot `kind`: scores, loss, or one of the speeds'.

    `whole`: the losses are not a picture of some curves, but a chart of whichever its reader chooses.
    """
    if model.throughput is not None and kind not in ("scores", "loss"):
        return throughput_caption(model.throughput, kind)
    return _scores(model, verdicts) if kind == "scores" else _loss(model, whole)


def _scores(model: ReportModel, verdicts: Sequence[Verdict]) -> tuple[str, str]:
    rows = drawn_rows(model)
    names = [metric_word(metric) for metric in model.metrics]
    what = " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
    alt = f"{what[:1].upper()}{what[1:]} of every run, one line for each of {_some(len(rows), 'configuration')}: "
    means = [(row.label, [summary.mean for summary in row.ok.values()]) for row in rows[:6]]
    alt += "; ".join(
        f"{label} {' and '.join(f'{mean:.1f}' for mean in found if mean is not None)}"
        for label, found in means
        if found and None not in found
    )
    text = "Each dot is one run; the bar is the mean"
    if model.counts.collapsed:
        text += " of the runs that did not collapse; a cross is a collapsed run"
    shown = {row.configuration_id for row in rows}
    text += "; a line joins the runs of one seed" if any({*pair} <= shown for pair in joined(model, verdicts)) else ""
    text += "; a dashed line is the published value" if published(rows, verdicts) else ""
    text += "."
    if len(rows) < len(model.rows):
        text += f" Shown: {len(rows)} of {len(model.rows):,} configurations; the table above has all."
    return alt, text


def _loss(model: ReportModel, whole: bool) -> tuple[str, str]:
    curves = finite_curves(model) if whole else drawn_curves(model)
    alt = f"Training loss by optimizer step for {_some(len(curves), 'configuration')}: " + listed(
        [curve.label for curve in curves], MOST_CURVES
    )
    windows = sorted({curve.window for curve in curves})
    window = f"{windows[0]}" if len(windows) == 1 else f"{windows[0]} to {windows[-1]}"
    smoothed = "" if windows == [1] else f", smoothed over {window} steps"
    seeds = sorted({curve.seeds for curve in curves})
    several = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    normed = bool(model.norms) and not whole
    text = f"Training loss{' and gradient norm' if normed else ''} by optimizer step{smoothed}: "
    text += "one run each." if seeds == [1] else f"mean and range over {several} seeds."
    if len(curves) > 2 and not whole:
        text += " The other configurations' means are behind each panel in grey."
    if len(curves) < len(model.curves) and not whole:
        hidden = listed([curve.label for curve in model.curves if curve not in curves], 12)
        text += f" Not drawn for want of room: {inline(hidden, 600)}; the JSON has them."
    if len(model.curves) < len(model.rows):
        text += f" {_some(len(model.rows) - len(model.curves), 'configuration')} came without loss curves."
    broken = sum(curve.nonfinite for curve in curves)
    if broken:
        text += f" {_some(broken, 'loss was', 'losses were')} not finite, which leaves gaps in the lines."
    return alt, text


def _some(number: int, what: str, many: str | None = None) -> str:
    return f"{number:,} {what if number == 1 else many or what + 's'}"
