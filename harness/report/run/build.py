"""Results -> one ReportModel. What is read of the store, `harness.record.results` reads; this only reckons."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from harness.grid.labels import TASK, Namer, place_of
from harness.protocol import OWN_DATA
from harness.record.attempts import FINAL, LOST, RETRIED, SCORED, UNREADABLE, Entry
from harness.record.configuration import GOOD, Configuration, environment_names
from harness.record.model import Record
from harness.record.results import Results, SeedScore
from harness.report.run import environment
from harness.report.run.captions import MOST_CURVES
from harness.report.run.curves import curve_of
from harness.report.run.kept import packed
from harness.report.run.model import (
    Attempts,
    Counts,
    FailedGroup,
    GridFacts,
    ReportModel,
    Row,
    Score,
    SkippedGroup,
)
from harness.report.run.settings import settings
from harness.report.speed.build import build_throughput
from harness.report.speed.model import ThroughputPart
from harness.stats.descriptive import describe, rate

CURVES_READ: Final = 100
"""Configurations whose series are opened: a page draws whichever its reader chooses, and a file costs milliseconds."""

Run = tuple[Entry, SeedScore]


def build_report(
    grid: GridFacts,
    results: Results,
    *,
    command: str,
    generated_by: str,
    title: str | None = None,
    notes: Sequence[str] = (),
) -> ReportModel:
    """Build the report of one grid's results: a row a configuration, environment and content, never pooled."""
    configurations = results.configurations
    timings = results.timings
    throughput = build_throughput(grid.timing, timings, results.namer) if grid.timing is not None else None
    timed = _shown(throughput, timings)
    records = [record for _, record in sorted(results.records.items(), key=lambda item: str(item[0]))]
    records = records or list({record.configuration_id: record for record in timed}.values())
    final = [entry for one in configurations for entry in _ended(one)]
    names = environment_names(configurations)
    measured = environment.environments([*final, *(record.entry("") for record in timed)], [*records, *timed], names)
    words = results.namer or Namer(place_of(one.asked) for one in configurations)
    named = words.own(TASK, grid.task)
    task = named or environment.task_name(grid.task, records)
    checkpoints = dict.fromkeys(words.value("checkpoint", one.asked.checkpoint.name) for one in configurations)
    # Of a table of one's own the name of a task is the file of training, and the scores are of another.
    about = named or environment.scored_table(records) or task
    about = f"{next(iter(checkpoints))} on {about}" if len(checkpoints) == 1 else about
    planned = {one.configuration_id: number for number, one in reversed([*enumerate(configurations)])}
    environments = [one.environment_id for one in measured]

    def order(one: Configuration) -> tuple[int, int, str]:
        known = one.environment_id in environments
        place = environments.index(one.environment_id) if known else len(environments)
        return planned[one.configuration_id], place, one.content_id or ""

    ended = sorted((one for one in configurations if _ended(one)), key=order)
    rows = [_row(one, results) for one in ended if _counted(one)]
    scored = [one for one in ended if any(entry.status in SCORED for entry in one.entries)]
    curves = [
        curve_of(one.shown, one.configuration_id, one.environment_id, results.losses(one))
        for one in scored[:CURVES_READ]
    ]
    norms = [
        curve_of(one.shown, one.configuration_id, one.environment_id, results.norms(one))
        for one in scored[:MOST_CURVES]
    ]
    return ReportModel(
        title=title or about,
        grid=grid.name,
        task=task,
        command=command,
        generated_by=generated_by,
        counts=_counts(results),
        attempts=_attempts(results),
        rows=tuple(rows),
        skipped=_skipped(sorted(configurations, key=order)),
        failed=_failed(ended),
        curves=tuple(curve for curve in curves if curve is not None),
        norms=tuple(norm for norm in norms if norm is not None),
        environments=measured,
        checkpoints=environment.checkpoints(records),
        data=environment.data(records),
        settings=settings(records, words),
        notes=tuple(notes),
        grid_file=grid.file,
        grid_text=grid.text,
        total_seconds=math.fsum(
            _finite(entry.seconds.get("total")) or 0.0
            for entry in [
                *final,
                *(entry for one in configurations for entry in one.lost),
                *(record.entry("") for record in timed),
            ]
        ),
        throughput=throughput,
        about=about,
    )


def _shown(part: ThroughputPart | None, timings: Sequence[Record]) -> list[Record]:
    """The timing records that the part's rows are made of."""
    rows = {} if part is None else {row.configuration_id: row.session for row in part.rows}
    return [
        record
        for record in timings
        if record.measured
        and record.measured.timing
        and record.status == "ok"
        and rows.get(record.configuration_id) == record.measured.timing.session
    ]


def _ended(one: Configuration) -> tuple[Entry, ...]:
    """The attempts that stand of the seeds that were tried to an end, well or badly."""
    return (*one.entries, *one.crashed)


def _counted(one: Configuration) -> list[Run]:
    """The runs that a row is made of, by seed: all that ended, and before each the attempt that was lost."""
    every = zip((*one.lost, *one.entries), (*one.every[len(one.scores) :], *one.scores), strict=True)
    kept = [(entry, score) for entry, score in every if entry.status in SCORED | LOST]
    return sorted(kept, key=lambda run: (run[0].seed, run[0].attempt))


def _row(one: Configuration, results: Results) -> Row:
    runs = _counted(one)
    scored = [entry for entry, _ in runs if entry.status in SCORED]
    known = [entry for entry in one.entries if entry.status in SCORED]
    # One row is of one content: what is true is the same for all of its runs.
    true = next((classes for each in known if (classes := results.truth(one, each.seed)) is not None), None)
    truth = packed(true)
    answers = {each.path: packed(results.predicted(one, each.seed)) for each in known} if truth else {}
    scores = tuple(_score(entry, score, answers.get(entry.path)) for entry, score in runs)
    lost = [score.status in LOST for _, score in runs if score.status in GOOD | LOST]
    # Somebody else's code with data of its own is asked for no score but those that its grid lists.
    asked = one.task.scored if one.asked.task != OWN_DATA or (one.asked.subject or {}).get("metrics") else ()
    found = (name for score in scores for name, value in score.scores.items() if value is not None)
    metrics = dict.fromkeys((*asked, *found))
    rates = [e.samples_per_second for e in scored if e.samples_per_second is not None]
    phases: dict[str, list[float]] = {}
    for entry in scored:
        for phase, seconds in entry.seconds.items():
            if math.isfinite(seconds):
                phases.setdefault(phase, []).append(seconds)
    return Row(
        label=one.shown,
        axes=place_of(one.asked),
        configuration_id=one.configuration_id,
        environment_id=one.environment_id,
        content_id=one.content_id,
        scores=scores,
        ok={m: describe(_values(scores, m, GOOD)) for m in metrics},
        all={m: describe(_values(scores, m, GOOD | {"collapsed"})) for m in metrics},
        collapsed=rate(sum(lost), len(lost)),
        errored=len(one.crashed),
        steps=tuple(sorted({entry.steps for entry in scored if entry.steps is not None})),
        seconds={phase: statistics.median(values) for phase, values in phases.items()},
        total_seconds=math.fsum(phases.get("total", ())),
        samples_per_second=describe(rates),
        truth=truth,
        examples=None if true is None else true.size,
    )


def _score(entry: Entry, score: SeedScore, answers: str | None) -> Score:
    return Score(
        cell_id=entry.cell_id,
        seed=entry.seed,
        status=score.status if score.status in GOOD | LOST else entry.status,
        attempt=entry.attempt,
        scores={m: 100 * entry.metrics[m] if m in entry.metrics else None for m in score.scores},
        train_seconds=_finite(entry.seconds.get("train")),
        samples_per_second=entry.samples_per_second,
        answers=answers,
    )


def _values(scores: Iterable[Score], metric: str, statuses: Collection[str]) -> list[float]:
    """Scores of one metric; a score that was not recorded is NaN, so that `describe` counts it."""
    chosen = [score.scores.get(metric) for score in scores if score.status in statuses]
    return [math.nan if value is None else value for value in chosen]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _counts(results: Results) -> Counts:
    final = [entry for one in results.configurations for entry in one.entries]
    crashed = sum(len(one.crashed) for one in results.configurations)
    current = [one for one in results.configurations if one.current]
    # What a later environment or content has taken over from is judged on what there is: nothing of it is missing.
    open_to = [one.unfinished[seed] for one in current for seed in one.due if seed in one.unfinished]
    return Counts(
        planned=len(results.expected),
        scored=sum(entry.status in SCORED for entry in final),
        ok=sum(score.status in GOOD for one in results.configurations for score in one.scores),
        collapsed=sum(score.status in LOST for one in results.configurations for score in one.every),
        errored=crashed,
        skipped=open_to.count("skipped"),
        missing=sum(status != "skipped" and status not in RETRIED for status in open_to),
        foreign=results.foreign,
    )


def _attempts(results: Results) -> Attempts:
    tries = [entry.status for entry in results.entries if entry.cell_id in results.trained]
    counted = sum(len(one.every) + len(one.crashed) for one in results.configurations)
    return Attempts(
        total=sum(status != "skipped" for status in tries),
        killed=tries.count("killed"),
        interrupted=tries.count("interrupted"),
        unreadable=tries.count(UNREADABLE),
        replaced=sum(status in FINAL for status in tries) - counted,
        unfinished=sum(
            status in ("killed", "interrupted")
            for one in results.configurations
            if one.current
            for status in one.unfinished.values()
        ),
    )


def _skipped(configurations: Iterable[Configuration]) -> tuple[SkippedGroup, ...]:
    groups: dict[str, list[str]] = {}
    for one in configurations:
        for seed in sorted(seed for seed, status in one.unfinished.items() if status == "skipped"):
            entry = one.histories[seed].standing
            assert entry is not None
            groups.setdefault(entry.error or "no reason recorded", []).append(f"{one.shown} · seed {seed}")
    return tuple(SkippedGroup(reason, len(groups[reason]), tuple(groups[reason])) for reason in sorted(groups))


def _failed(ended: Iterable[Configuration]) -> tuple[FailedGroup, ...]:
    failed: list[FailedGroup] = []
    for one in ended:
        causes: dict[tuple[str, str], list[int]] = {}
        for entry in _ended(one):
            if entry.status not in SCORED:
                causes.setdefault((entry.status, entry.error or "no error recorded"), []).append(entry.seed)
        failed += [
            FailedGroup(one.shown, status, error, tuple(sorted(seeds)))
            for (status, error), seeds in sorted(causes.items())
        ]
    return tuple(failed)
