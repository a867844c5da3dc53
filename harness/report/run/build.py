"""Results -> one ReportModel. What is read of the store, `harness.record.results` reads; this only reckons."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from harness.record.attempts import FINAL, LOST, RETRIED, SCORED, Entry
from harness.record.configuration import GOOD, Configuration, Key
from harness.record.model import Record
from harness.record.results import Results, SeedScore
from harness.report.format.labels import Namer, place
from harness.report.run import environment
from harness.report.run.curves import loss_curve
from harness.report.run.model import (
    METRICS,
    Attempts,
    Counts,
    Environment,
    FailedGroup,
    GridFacts,
    ReportModel,
    Row,
    Score,
    SkippedGroup,
)
from harness.report.speed.build import build_throughput
from harness.report.speed.model import ThroughputPart
from harness.stats.descriptive import describe, rate

CURVES_READ: Final = 8
"""Configurations whose series are opened: a plot shows no more, and each file costs milliseconds."""

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
    shown = [entry for one in configurations for entry in _standing(one)]
    places = {entry.configuration_id: place(entry) for entry in shown}
    namer = Namer(places.values())
    timings = results.timings
    throughput = build_throughput(grid.timing, timings) if grid.timing is not None else None
    timed = _shown(throughput, timings)
    records = [record for _, record in sorted(results.records.items(), key=lambda item: str(item[0]))]
    records = records or list({record.configuration_id: record for record in timed}.values())
    final = [entry for one in configurations for entry in _ended(one)]
    measured = environment.environments([*final, *(record.entry("") for record in timed)], [*records, *timed])
    task = environment.task_name(grid.task, records)
    labels = _Labels(configurations, places, namer, measured)

    ended = sorted((one for one in configurations if _ended(one)), key=lambda one: labels.order(one.key))
    rows = {one.key: _row(one, places[one.configuration_id], labels.row(one.key)) for one in ended if _counted(one)}
    scored = [one for one in ended if any(entry.status in SCORED for entry in one.entries)]
    curves = [
        loss_curve(labels.row(one.key), one.configuration_id, one.environment_id, results.losses(one))
        for one in scored[:CURVES_READ]
    ]
    return ReportModel(
        title=title or f"{grid.name}: {task}",
        grid=grid.name,
        task=task,
        command=command,
        generated_by=generated_by,
        counts=_counts(results),
        attempts=_attempts(results),
        rows=tuple(rows.values()),
        skipped=_skipped(configurations, labels),
        failed=_failed(ended, labels),
        curves=tuple(curve for curve in curves if curve is not None),
        environments=measured,
        checkpoints=environment.checkpoints(records),
        data=environment.data(records),
        settings=environment.settings(records),
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


class _Labels:
    """Labels and order of rows: the axes that vary, then the environment and content where there are several."""

    def __init__(
        self,
        configurations: Sequence[Configuration],
        places: Mapping[str, Mapping[str, Any]],
        namer: Namer,
        known: Sequence[Environment],
    ) -> None:
        self._places = places
        self._planned = {one.configuration_id: number for number, one in reversed([*enumerate(configurations)])}
        self._base = {key: namer.label(axes) for key, axes in places.items()}
        self._environments = {one.environment_id: (number, one.name) for number, one in enumerate(known)}
        contents: dict[tuple[str, str], set[str | None]] = {}
        for one in configurations:
            if _ended(one):
                contents.setdefault((one.configuration_id, one.environment_id), set()).add(one.content_id)
        self._contents = contents
        taken: dict[str, int] = {}
        for label in self._base.values():
            taken[label] = taken.get(label, 0) + 1
        self._twins = {label for label, count in taken.items() if count > 1}

    def row(self, key: Key) -> str:
        configuration, environment, content = key
        parts = [self._base[configuration]]
        if parts[0] in self._twins:  # recipes that differ in no axis: results of an edited grid
            parts.append(f"configuration {configuration[:8]}")
        if len(self._environments) > 1:
            name = self._environments.get(environment, (0, environment[:8]))[1]
            parts.append(f"environment {name}")
        if len(self._contents.get((configuration, environment), ())) > 1:
            parts.append(f"content {(content or 'unknown')[:8]}")
        return " · ".join(parts)

    def order(self, key: Key) -> tuple[Any, ...]:
        configuration, environment, content = key
        number = self._environments.get(environment, (len(self._environments), ""))[0]
        return (self._planned[configuration], number, content or "")


def _standing(one: Configuration) -> list[Entry]:
    """The attempt of each planned seed that counts, or the last one."""
    return [entry for history in one.histories.values() if (entry := history.standing) is not None]


def _ended(one: Configuration) -> tuple[Entry, ...]:
    """The attempts that stand of the seeds that were tried to an end, well or badly."""
    return (*one.entries, *one.crashed)


def _counted(one: Configuration) -> list[Run]:
    """The runs that a row is made of, by seed: all that ended, and before each the attempt that was lost."""
    every = zip((*one.lost, *one.entries), (*one.every[len(one.scores) :], *one.scores), strict=True)
    kept = [(entry, score) for entry, score in every if entry.status in SCORED | LOST]
    return sorted(kept, key=lambda run: (run[0].seed, run[0].attempt))


def _row(one: Configuration, axes: Mapping[str, Any], label: str) -> Row:
    runs = _counted(one)
    scored = [entry for entry, _ in runs if entry.status in SCORED]
    scores = tuple(_score(entry, score) for entry, score in runs)
    lost = [score.status in LOST for _, score in runs if score.status in GOOD | LOST]
    rates = [e.samples_per_second for e in scored if e.samples_per_second is not None]
    phases: dict[str, list[float]] = {}
    for entry in scored:
        for phase, seconds in entry.seconds.items():
            if math.isfinite(seconds):
                phases.setdefault(phase, []).append(seconds)
    return Row(
        label=label,
        axes=axes,
        configuration_id=one.configuration_id,
        environment_id=one.environment_id,
        content_id=one.content_id,
        scores=scores,
        ok={m: describe(_values(scores, m, GOOD)) for m in METRICS},
        all={m: describe(_values(scores, m, GOOD | {"collapsed"})) for m in METRICS},
        collapsed=rate(sum(lost), len(lost)),
        errored=len(one.crashed),
        steps=tuple(sorted({entry.steps for entry in scored if entry.steps is not None})),
        seconds={phase: statistics.median(values) for phase, values in phases.items()},
        total_seconds=math.fsum(phases.get("total", ())),
        samples_per_second=describe(rates),
    )


def _score(entry: Entry, score: SeedScore) -> Score:
    accuracy, f1 = (100 * entry.metrics[m] if m in entry.metrics else None for m in METRICS)
    return Score(
        cell_id=entry.cell_id,
        seed=entry.seed,
        status=score.status if score.status in GOOD | LOST else entry.status,
        attempt=entry.attempt,
        accuracy=accuracy,
        f1=f1,
        train_seconds=_finite(entry.seconds.get("train")),
        samples_per_second=entry.samples_per_second,
    )


def _values(scores: Iterable[Score], metric: str, statuses: Collection[str]) -> list[float]:
    """Scores of one metric; a score that was not recorded is NaN, so that `describe` counts it."""
    chosen = [getattr(score, metric) for score in scores if score.status in statuses]
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
        replaced=sum(status in FINAL for status in tries) - counted,
        unfinished=sum(
            status in ("killed", "interrupted")
            for one in results.configurations
            if one.current
            for status in one.unfinished.values()
        ),
    )


def _skipped(configurations: Iterable[Configuration], labels: _Labels) -> tuple[SkippedGroup, ...]:
    groups: dict[str, list[str]] = {}
    for one in sorted(configurations, key=lambda one: labels.order(one.key)):
        for seed in sorted(seed for seed, status in one.unfinished.items() if status == "skipped"):
            entry = one.histories[seed].standing
            assert entry is not None
            label = f"{labels.row(one.key)} · seed {seed}"
            groups.setdefault(entry.error or "no reason recorded", []).append(label)
    return tuple(SkippedGroup(reason, len(groups[reason]), tuple(groups[reason])) for reason in sorted(groups))


def _failed(ended: Iterable[Configuration], labels: _Labels) -> tuple[FailedGroup, ...]:
    failed: list[FailedGroup] = []
    for one in ended:
        causes: dict[tuple[str, str], list[int]] = {}
        for entry in _ended(one):
            if entry.status not in SCORED:
                causes.setdefault((entry.status, entry.error or "no error recorded"), []).append(entry.seed)
        failed += [
            FailedGroup(labels.row(one.key), status, error, tuple(sorted(seeds)))
            for (status, error), seeds in sorted(causes.items())
        ]
    return tuple(failed)
