"""The report as GitHub-flavoured Markdown: the answer, then tables, and beside every figure what it is made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date

from harness.checks.verdict import Verdict
from harness.record.attempts import LOST
from harness.report.format.escape import file_link, full_stop, image, inline
from harness.report.format.labels import listed, seeds_text
from harness.report.format.metrics import metric_head
from harness.report.format.numbers import NONE, count, pm, points
from harness.report.format.table import table
from harness.report.run import sections
from harness.report.run.answer import answer
from harness.report.run.captions import caption
from harness.report.run.model import ReportModel
from harness.report.speed.markdown import throughput_markdown
from harness.report.verdicts.comparisons import comparisons_markdown
from harness.report.verdicts.markdown import forest_image, verdict_details, verdict_tables
from harness.report.verdicts.words import counts_text
from harness.stats.descriptive import Summary

MOST_SCORES = 200
"""Rows of the per-seed table; the JSON has them all."""

MOST_FAILED = 100
MOST_REASONS = 50


def to_markdown(
    model: ReportModel,
    *,
    images: Sequence[str] = (),
    json_file: str | None = None,
    verdicts: Sequence[Verdict] = (),
    forest_file: str | None = None,
    rendered: date | None = None,
    whole: bool = False,
) -> str:
    """Render `model`: the answer, how it was measured, tables and plots, then what they rest on.

    `images` are the file names of the plots beside the report, `forest_file` that of the plot of its `verdicts`,
    `json_file` that of its JSON; `rendered` is today. `whole`: where a table of every run, and every curve, has room.
    """
    title, said = answer(model, verdicts)
    measured = sections.summary(model, rendered, answered=title != inline(model.title))
    parts: list[Callable[[], list[str]]] = [
        lambda: [
            f"# {title}",
            *([said] if said else []),
            *sections.head(model),
            measured,
        ],
        lambda: comparisons_markdown(model.comparisons),
        lambda: ["## Verdicts", full_stop(counts_text(verdicts)), *verdict_tables(verdicts)] if verdicts else [],
        lambda: forest_image(verdicts, forest_file),
        lambda: [] if model.timed_only else _results(model),
        lambda: _images(model, images, "scores", verdicts),
        lambda: _throughput(model, images),
        lambda: verdict_details(verdicts),
        lambda: _per_seed(model, json_file, None if whole else MOST_SCORES),
        lambda: _collapsed(model),
        lambda: _skipped(model),
        lambda: _failed(model, json_file),
        lambda: _images(model, images, "loss", whole=whole),
        lambda: sections.environments(model, json_file),
        lambda: sections.what_was_run(model),
        lambda: sections.how_to_read(model, json_file, judged=bool(verdicts)),
        lambda: sections.made_with(model),
    ]
    return "\n\n".join(block for part in parts for block in part()) + "\n"


def _results(model: ReportModel) -> list[str]:
    if not model.rows:
        return ["## Results", "No cell of this grid has a score yet."]
    collapsed = any(row.collapsed.k for row in model.rows)
    errored = any(row.errored for row in model.rows)
    headers = ["Configuration", "Runs", *(metric_head(metric) for metric in model.metrics)]
    headers += ["Collapsed"] * collapsed + ["Errored"] * errored
    body = []
    for row in model.rows:
        cells = [inline(row.label), count(len(row.scores)), *(_pm(row.ok, metric) for metric in model.metrics)]
        if collapsed:
            cells.append(f"{row.collapsed.k} of {row.collapsed.n}" if row.collapsed.k else "0")
        if errored:
            cells.append(count(row.errored))
        body.append(cells)
    lines = ["## Results", table(headers, body, "l" + "r" * (len(headers) - 1)), _results_sentence(model)]
    unscored = [
        f"- {inline(row.label)}: {metric_head(metric)} is missing or not a number in "
        f"{row.all[metric].nonfinite} of {len(row.scores)} runs; its mean is over the others."
        for row in model.rows
        for metric in row.all
        if row.all[metric].nonfinite
    ]
    if unscored:
        more = [f"- {len(unscored) - MOST_REASONS:,} more like these."] if len(unscored) > MOST_REASONS else []
        lines.append("\n".join(unscored[:MOST_REASONS] + more))
    return lines


def _pm(of: Mapping[str, Summary], metric: str) -> str:
    """A dash where the row's task has no such metric."""
    return pm(of[metric]) if metric in of else NONE


def _results_sentence(model: ReportModel) -> str:
    text = "Points (100 × fraction) on the validation split after training: mean ± standard deviation over seeds."
    examples = {row.examples for row in model.rows if row.examples}
    means = [one.mean for row in model.rows if (one := row.ok.get("accuracy")) is not None and one.mean is not None]
    if len(examples) == 1 and means:
        (size,) = examples
        share = min(means, key=lambda mean: abs(mean - 50)) / 100
        error = 100 * math.sqrt(share * (1 - share) / size)
        text += f" It has {size:,} examples, whose own sampling error of {error:.1f} is not in it."
    if model.counts.collapsed:
        text += (
            f" Both are over the runs that did not collapse; {model.counts.collapsed:,} of "
            f"{sum(row.collapsed.n for row in model.rows):,} collapsed (see below)."
        )
    return text


def _per_seed(model: ReportModel, json_file: str | None, most: int | None) -> list[str]:
    scores = [(row, score) for row in model.rows for score in row.scores]
    if not scores:
        return []
    body = [
        [
            inline(row.label),
            str(score.seed),
            *(points(score.scores.get(m)) for m in model.metrics),
            inline(score.status),
        ]
        for row, score in scores[:most]
    ]
    heads = ["Configuration", "Seed", *(metric_head(metric) for metric in model.metrics), "Status"]
    lines = ["## Each run", table(heads, body, f"lr{'r' * len(model.metrics)}l")]
    if most is not None and len(scores) > most:
        lines.append(_left_out(len(scores), most, "runs", json_file))
    return lines


def _left_out(total: int, shown: int, what: str, json_file: str | None) -> str:
    where = f"all of them are in {file_link(json_file)}" if json_file else "the JSON form of this report has all"
    return f"These are the first {shown:,} of {total:,} {what}; {total - shown:,} are left out here, and {where}."


def _collapsed(model: ReportModel) -> list[str]:
    rows = [row for row in model.rows if row.collapsed.k]
    if not rows:
        return []
    body = []
    for row in rows:
        k, n = row.collapsed.k, row.collapsed.n
        interval = f"{100 * row.collapsed.low:.1f} to {100 * row.collapsed.high:.1f} %"
        seeds = seeds_text(score.seed for score in row.scores if score.status in LOST)
        cells = [inline(row.label), f"{k} of {n} ({interval})", inline(seeds)]
        if not row.all:
            body.append([*cells, NONE, NONE, NONE])
        for metric in row.all:
            every = f"{pm(row.all[metric])}, median {points(row.all[metric].median)}"
            body.append([*cells, metric_head(metric), pm(row.ok[metric]), every])
            cells = ["", "", ""]
    more, better = "", " or its accuracy is no better than always giving the more frequent label"
    if "accuracy" not in model.metrics:
        better = " or its score is no better than that of one constant answer"
    if any(score.status == "nonfinite" for row in rows for score in row.scores):
        more += " A run that lost its loss (nonfinite) counts with them, though it has no score."
    if any(len({score.cell_id for score in row.scores}) < len(row.scores) for row in rows):
        more += " So does one that was tried again and then went well: both attempts count."
    headers = ["Configuration", "Collapsed (95 % interval)", "Seeds", "", "Ok runs", "All runs"]
    return [
        "## Collapsed runs",
        f"A run has collapsed when its predictions are constant{better}. Such runs are kept, and counted apart, "
        f"because one of them moves a mean more than any difference of interest.{more} "
        "The interval of the rate is exact (Clopper-Pearson).",
        table(headers, body, "lrllrr"),
    ]


def _skipped(model: ReportModel) -> list[str]:
    if not model.skipped:
        return []
    body = [
        [inline(group.reason, 300), count(group.cells), inline(listed(group.labels, 4), 400)]
        for group in model.skipped[:MOST_REASONS]
    ]
    lines = [
        "## Skipped",
        "Cells that cannot run here, by reason.",
        table(["Reason", "Cells", "Which"], body, "lrl"),
    ]
    if len(model.skipped) > MOST_REASONS:
        lines.append(_left_out(len(model.skipped), MOST_REASONS, "reasons", None))
    return lines


def _failed(model: ReportModel, json_file: str | None) -> list[str]:
    lines: list[str] = []
    if model.failed:
        body = [
            [
                inline(group.label),
                inline(seeds_text(group.seeds)),
                inline(group.status),
                inline(group.error, 300),
            ]
            for group in model.failed[:MOST_FAILED]
        ]
        lines = [
            "## Failed",
            "Cells that ended without a score.",
            table(["Configuration", "Seeds", "How", "Error"], body, "llll"),
        ]
        if len(model.failed) > MOST_FAILED:
            lines.append(_left_out(len(model.failed), MOST_FAILED, "failures", json_file))
    attempts = sections.attempts(model)
    if attempts:
        lines += [attempts] if lines else ["## Attempts", attempts]
    return lines


def _throughput(model: ReportModel, images: Sequence[str]) -> list[str]:
    if model.throughput is None:
        return []
    return throughput_markdown(model.throughput, lambda kind: _images(model, images, kind))


def _images(
    model: ReportModel, images: Sequence[str], kind: str, verdicts: Sequence[Verdict] = (), whole: bool = False
) -> list[str]:
    files = [file for file in images if file.endswith(f"-{kind}.svg")]
    if not files:
        return []
    alt, text = caption(model, kind, verdicts, whole)
    heading = ["## Loss curves"] if kind == "loss" else []
    return [*heading, *(image(alt, file) for file in files), text]
