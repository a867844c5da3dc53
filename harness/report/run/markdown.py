"""The report as GitHub-flavoured Markdown: plain tables, and beside every figure what it is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.record.attempts import LOST
from harness.report.format.escape import file_link, image, inline
from harness.report.format.labels import listed, seeds_text
from harness.report.format.numbers import amount, count, duration, pm, points, span, steps_text
from harness.report.format.table import table
from harness.report.run import sections
from harness.report.run.captions import caption
from harness.report.run.model import METRIC_NAMES, METRICS, ReportModel, Row, Score
from harness.report.speed.markdown import throughput_markdown
from harness.report.verdicts.comparisons import comparisons_markdown

MOST_SCORES = 200
"""Rows of the per-seed table; the JSON has them all."""

MOST_FAILED = 100
MOST_REASONS = 50


def to_markdown(
    model: ReportModel, *, images: Sequence[str] = (), json_file: str | None = None, verdicts: str = ""
) -> str:
    """Render `model`; `images` are the file names of the plots beside the report, `json_file` that of its JSON.

    `verdicts` is a section of its own, Markdown already.
    """
    parts: list[Callable[[], list[str]]] = [
        lambda: [f"# {inline(model.title)}", *sections.head(model), sections.summary(model)],
        lambda: sections.made_with(model),
        lambda: [] if model.timed_only else _results(model),
        lambda: comparisons_markdown(model.comparisons),
        lambda: [verdicts.strip()] if verdicts else [],
        lambda: _images(model, images, "scores"),
        lambda: _per_seed(model, json_file),
        lambda: _collapsed(model),
        lambda: _skipped(model),
        lambda: _failed(model, json_file),
        lambda: _times(model),
        lambda: _throughput(model, images),
        lambda: _images(model, images, "loss"),
        lambda: sections.environments(model, json_file),
        lambda: sections.what_was_run(model),
        lambda: sections.how_to_read(model, json_file, judged=bool(verdicts)),
    ]
    return "\n\n".join(block for part in parts for block in part()) + "\n"


def _results(model: ReportModel) -> list[str]:
    if not model.rows:
        return ["## Results", "No cell of this grid has a score yet."]
    collapsed = any(row.collapsed.k for row in model.rows)
    errored = any(row.errored for row in model.rows)
    headers = ["Configuration", "Runs"]
    for metric in METRICS:
        headers += [METRIC_NAMES[metric], "min to max"]
    headers += ["Collapsed"] * collapsed + ["Errored"] * errored + ["Steps", "Train time", "Samples/s"]
    body = []
    for row in model.rows:
        cells = [inline(row.label), count(len(row.scores))]
        for metric in METRICS:
            cells += [pm(row.ok[metric]), span(row.ok[metric])]
        if collapsed:
            cells.append(f"{row.collapsed.k} of {row.collapsed.n}" if row.collapsed.k else "0")
        if errored:
            cells.append(count(row.errored))
        cells += [
            steps_text(row.steps),
            duration(row.seconds.get("train")),
            amount(row.samples_per_second.median),
        ]
        body.append(cells)
    align = "lr" + "rc" * len(METRICS) + "r" * (len(headers) - 2 - 2 * len(METRICS))
    lines = ["## Results", _results_sentence(model), table(headers, body, align)]
    unscored = [
        f"- {inline(row.label)}: {METRIC_NAMES[metric]} is missing or not a number in "
        f"{row.all[metric].nonfinite} of {len(row.scores)} runs; its mean is over the others."
        for row in model.rows
        for metric in METRICS
        if row.all[metric].nonfinite
    ]
    if unscored:
        more = [f"- {len(unscored) - MOST_REASONS:,} more like these."] if len(unscored) > MOST_REASONS else []
        lines.append("\n".join(unscored[:MOST_REASONS] + more))
    return lines


def _results_sentence(model: ReportModel) -> str:
    text = (
        "Scores on the validation split after training, in points (100 × fraction): mean ± standard "
        "deviation over seeds, then the range. Train time and samples/s are medians over the runs."
    )
    if model.counts.collapsed:
        text += (
            f" Mean, deviation and range are over the runs that did not collapse; {model.counts.collapsed:,} "
            f"of {sum(row.collapsed.n for row in model.rows):,} collapsed (see below)."
        )
    return text


def _per_seed(model: ReportModel, json_file: str | None) -> list[str]:
    scores = [(row, score) for row in model.rows for score in row.scores]
    if not scores:
        return []
    body = [
        [
            inline(row.label),
            str(score.seed),
            points(score.accuracy),
            points(score.f1),
            duration(score.train_seconds),
            amount(score.samples_per_second),
            _status(score),
        ]
        for row, score in scores[:MOST_SCORES]
    ]
    headers = ["Configuration", "Seed", "Accuracy", "F1", "Train time", "Samples/s", "Status"]
    lines = ["## Each run", table(headers, body, "lrrrrrl")]
    if len(scores) > MOST_SCORES:
        lines.append(_left_out(len(scores), MOST_SCORES, "runs", json_file))
    return lines


def _status(score: Score) -> str:
    text = inline(score.status)
    return f"**{text}**" if score.status in LOST else text


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
        cells = [inline(row.label), f"{k} of {n}", interval, inline(seeds)]
        for metric in METRICS:
            cells += [pm(row.ok[metric]), pm(row.all[metric]), points(row.all[metric].median)]
        body.append(cells)
    more = ""
    if any(score.status == "nonfinite" for row in rows for score in row.scores):
        more += " A run that lost its loss (nonfinite) counts with them, though it has no score."
    if any(len({score.cell_id for score in row.scores}) < len(row.scores) for row in rows):
        more += " So does one that was tried again and then went well: both attempts count."
    headers = ["Configuration", "Collapsed", "95 % interval", "Seeds"]
    for metric in METRICS:
        name = METRIC_NAMES[metric]
        headers += [f"{name}, ok runs", f"{name}, all runs", f"{name}, median of all"]
    return [
        "## Collapsed runs",
        "A run has collapsed when its predictions are constant or its accuracy is no better than always "
        "giving the more frequent label. Such runs are kept, and counted apart, because one of them moves a "
        f"mean more than any difference of interest.{more} The interval of the rate is exact (Clopper-Pearson).",
        table(headers, body, "lrcl" + "rrr" * len(METRICS)),
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


_PHASES = (
    ("load", "Load"),
    ("tokenize", "Tokenize"),
    ("setup", "Set up"),
    ("train", "Train"),
    ("data_wait", "of it waiting for data"),
    ("evaluate", "Evaluate"),
    ("predict", "Predict"),
    ("total", "Run"),
)


def _times(model: ReportModel) -> list[str]:
    phases = [(key, name) for key, name in _PHASES if any(key in row.seconds for row in model.rows)]
    if not phases:
        return []

    def cells(row: Row) -> list[str]:
        medians = [duration(row.seconds.get(key)) for key, _ in phases]
        return [inline(row.label), *medians, duration(row.total_seconds if "total" in row.seconds else None)]

    headers = ["Configuration", *(name for _, name in phases), "All runs"]
    return [
        "## Times",
        "Medians over the runs of a configuration; the last column is the sum over its runs.",
        table(headers, [cells(row) for row in model.rows], "l" + "r" * (len(phases) + 1)),
    ]


def _throughput(model: ReportModel, images: Sequence[str]) -> list[str]:
    if model.throughput is None:
        return []
    return throughput_markdown(model.throughput, lambda kind: _images(model, images, kind))


def _images(model: ReportModel, images: Sequence[str], kind: str) -> list[str]:
    files = [file for file in images if file.endswith(f"-{kind}.svg")]
    if not files:
        return []
    alt, text = caption(model, kind)
    heading = ["## Loss curves"] if kind == "loss" else []
    return [*heading, *(image(alt, file) for file in files), text]
