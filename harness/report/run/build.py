"""Entries and a few full records -> one ReportModel. Pure: the caller reads the store, this only reckons."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy.typing as npt

from harness.record.entry import Entry
from harness.record.model import SCORED, Record
from harness.report.format.labels import Namer, place
from harness.report.run import environment
from harness.report.run.curves import loss_curve
from harness.report.run.model import (
    METRICS,
    Counts,
    Curve,
    Environment,
    FailedGroup,
    GridFacts,
    ReportModel,
    Row,
    Score,
    SkippedGroup,
)
from harness.report.run.settle import Settled, settle
from harness.report.speed.build import build_throughput
from harness.report.speed.model import ThroughputPart
from harness.stats.descriptive import describe, rate

RowKey = tuple[str, str, str | None]
"""(configuration_id, environment_id, content_id)."""

CurveKey = str | tuple[str, str] | RowKey
"""configuration_id, or as much of a row's key as is needed to name one row."""


def build_report(
    grid: GridFacts,
    entries: Iterable[Entry],
    *,
    command: str,
    generated_by: str,
    sample_records: Mapping[Any, Record] | None = None,
    curves: Mapping[CurveKey, Sequence[npt.ArrayLike]] | None = None,
    title: str | None = None,
    notes: Sequence[str] = (),
    timings: Sequence[Record] = (),
) -> ReportModel:
    """Build the report of one grid's results.

    `sample_records` holds one full record for each configuration (and environment, where there are several);
    only its values are read. `curves` holds the loss of every optimizer step, one array a seed; one whose key
    fits several rows (a configuration measured in two environments, say) is refused, with a note. `timings` are
    all records of the grid's timing cells.
    """
    settled = settle(entries, grid.planned)
    shown = [*settled.final, *settled.skipped, *settled.unfinished]
    records = [record for _, record in sorted((sample_records or {}).items(), key=lambda item: str(item[0]))]
    places = {entry.configuration_id: place(entry) for entry in shown}
    namer = Namer(places.values())
    throughput = build_throughput(grid.timing, timings) if grid.timing is not None else None
    timed = _shown(throughput, timings)
    records = records or list({record.configuration_id: record for record in timed}.values())
    measured = environment.environments([*settled.final, *(record.entry("") for record in timed)], [*records, *timed])
    task = environment.task_name(grid.task, records)
    labels = _Labels(settled, places, namer, measured, _grid_order(grid, shown))

    groups: dict[RowKey, list[Entry]] = {}
    for entry in settled.final:
        groups.setdefault((entry.configuration_id, entry.environment_id, entry.content_id), []).append(entry)
    groups = dict(sorted(groups.items(), key=lambda item: labels.order(item[0])))
    rows = tuple(
        _row(key, group, places[key[0]], labels.row(key))
        for key, group in groups.items()
        if any(entry.status in SCORED for entry in group)
    )
    drawn, refused = _curves(curves or {}, rows)
    own_notes = list(notes)
    if refused:
        own_notes.append(
            f"Loss curves of {refused} configurations are not drawn: they were given without their "
            "environment or content, and runs that differ in those are never pooled."
        )
    return ReportModel(
        title=title or f"{grid.name}: {task}",
        grid=grid.name,
        task=task,
        command=command,
        generated_by=generated_by,
        counts=_counts(grid, settled),
        attempts=settled.attempts,
        rows=rows,
        skipped=_skipped(settled, labels),
        failed=_failed(groups, labels),
        curves=drawn,
        environments=measured,
        checkpoints=environment.checkpoints(records),
        data=environment.data(records),
        settings=environment.settings(records),
        notes=tuple(own_notes),
        grid_file=grid.file,
        grid_text=grid.text,
        total_seconds=math.fsum(
            [
                *(_finite(entry.seconds.get("total")) or 0.0 for entry in settled.final),
                *(_finite(record.entry("").seconds.get("total")) or 0.0 for record in timed),
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
        settled: Settled,
        places: Mapping[str, Mapping[str, Any]],
        namer: Namer,
        known: Sequence[Environment],
        grid_order: Mapping[str, int],
    ) -> None:
        self._places, self._namer, self._grid_order = places, namer, grid_order
        self._base = {key: namer.label(axes) for key, axes in places.items()}
        self._environments = {one.environment_id: (number, one.name) for number, one in enumerate(known)}
        contents: dict[tuple[str, str], set[str | None]] = {}
        for entry in settled.final:
            contents.setdefault((entry.configuration_id, entry.environment_id), set()).add(entry.content_id)
        self._contents = contents
        taken: dict[str, int] = {}
        for label in self._base.values():
            taken[label] = taken.get(label, 0) + 1
        self._twins = {label for label, count in taken.items() if count > 1}

    def row(self, key: RowKey) -> str:
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

    def cell(self, entry: Entry) -> str:
        base = self.row((entry.configuration_id, entry.environment_id, entry.content_id))
        return f"{base} · seed {entry.seed}"

    def order(self, key: RowKey) -> tuple[Any, ...]:
        configuration, environment, content = key
        number = self._environments.get(environment, (len(self._environments), ""))[0]
        planned = self._grid_order.get(configuration, 0)
        return (planned, self._namer.order(self._places[configuration]), configuration, number, content or "")


def _grid_order(grid: GridFacts, entries: Iterable[Entry]) -> dict[str, int]:
    """Where each configuration comes in the grid: the place of its first cell; empty without a plan."""
    if grid.planned is None:
        return {}
    place_of = {cell_id: number for number, cell_id in enumerate(grid.planned)}
    order: dict[str, int] = {}
    for entry in entries:
        number = place_of[entry.cell_id]
        order[entry.configuration_id] = min(order.get(entry.configuration_id, number), number)
    return order


def _row(key: RowKey, group: Sequence[Entry], axes: Mapping[str, Any], label: str) -> Row:
    scored = sorted((e for e in group if e.status in SCORED), key=lambda entry: entry.seed)
    scores = tuple(_score(entry) for entry in scored)
    rates = [e.samples_per_second for e in scored if e.samples_per_second is not None]
    phases: dict[str, list[float]] = {}
    for entry in scored:
        for phase, seconds in entry.seconds.items():
            if math.isfinite(seconds):
                phases.setdefault(phase, []).append(seconds)
    return Row(
        label=label,
        axes=axes,
        configuration_id=key[0],
        environment_id=key[1],
        content_id=key[2],
        scores=scores,
        ok={m: describe(_values(scores, m, ok_only=True)) for m in METRICS},
        all={m: describe(_values(scores, m, ok_only=False)) for m in METRICS},
        collapsed=rate(sum(score.status == "collapsed" for score in scores), len(scores)),
        errored=len(group) - len(scored),
        steps=tuple(sorted({entry.steps for entry in scored if entry.steps is not None})),
        seconds={phase: statistics.median(values) for phase, values in phases.items()},
        total_seconds=math.fsum(phases.get("total", ())),
        samples_per_second=describe(rates),
    )


def _score(entry: Entry) -> Score:
    accuracy, f1 = (100 * entry.metrics[m] if m in entry.metrics else None for m in METRICS)
    return Score(
        cell_id=entry.cell_id,
        seed=entry.seed,
        status=entry.status,
        attempt=entry.attempt,
        accuracy=accuracy,
        f1=f1,
        train_seconds=_finite(entry.seconds.get("train")),
        samples_per_second=entry.samples_per_second,
    )


def _values(scores: Iterable[Score], metric: str, *, ok_only: bool) -> list[float]:
    """Scores of one metric; a score that was not recorded is NaN, so that `describe` counts it."""
    chosen = [getattr(score, metric) for score in scores if score.status == "ok" or not ok_only]
    return [math.nan if value is None else value for value in chosen]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _counts(grid: GridFacts, settled: Settled) -> Counts:
    statuses = [entry.status for entry in settled.final]
    finished = {entry.cell_id for entry in settled.final}
    skipped = {entry.cell_id for entry in settled.skipped} - finished
    planned = None if grid.planned is None else len(grid.planned)
    return Counts(
        planned=planned,
        scored=sum(status in SCORED for status in statuses),
        ok=statuses.count("ok"),
        collapsed=statuses.count("collapsed"),
        errored=sum(status not in SCORED for status in statuses),
        skipped=len(skipped),
        missing=None if planned is None else planned - len(finished) - len(skipped),
        foreign=settled.foreign,
    )


def _skipped(settled: Settled, labels: _Labels) -> tuple[SkippedGroup, ...]:
    groups: dict[str, list[Entry]] = {}
    for entry in settled.skipped:
        groups.setdefault(entry.error or "no reason recorded", []).append(entry)
    return tuple(
        SkippedGroup(
            reason=reason,
            cells=len(groups[reason]),
            labels=tuple(
                labels.cell(e)
                for e in sorted(
                    groups[reason],
                    key=lambda e: (
                        labels.order((e.configuration_id, e.environment_id, e.content_id)),
                        e.seed,
                    ),
                )
            ),
        )
        for reason in sorted(groups)
    )


def _failed(groups: Mapping[RowKey, Sequence[Entry]], labels: _Labels) -> tuple[FailedGroup, ...]:
    failed: list[FailedGroup] = []
    for key, group in groups.items():
        causes: dict[tuple[str, str], list[int]] = {}
        for entry in group:
            if entry.status not in SCORED:
                causes.setdefault((entry.status, entry.error or "no error recorded"), []).append(entry.seed)
        failed += [
            FailedGroup(labels.row(key), status, error, tuple(sorted(seeds)))
            for (status, error), seeds in sorted(causes.items())
        ]
    return tuple(failed)


def _curves(given: Mapping[CurveKey, Sequence[npt.ArrayLike]], rows: Sequence[Row]) -> tuple[tuple[Curve, ...], int]:
    """Condense the curves of rows; also how many configurations were refused as ambiguous.

    A curve's key must name one row; the more of the row's key it gives, the earlier it is tried.
    """
    rows_of: dict[CurveKey, int] = {}
    for row in rows:
        for key in _curve_keys(row):
            rows_of[key] = rows_of.get(key, 0) + 1
    drawn: list[Curve] = []
    refused: set[str] = set()
    for row in rows:
        found = next((key for key in _curve_keys(row) if key in given), None)
        if found is None:
            continue
        if rows_of[found] > 1:
            refused.add(row.configuration_id)
            continue
        curve = loss_curve(row.label, row.configuration_id, row.environment_id, given[found])
        if curve is not None:
            drawn.append(curve)
    return tuple(drawn), len(refused)


def _curve_keys(row: Row) -> tuple[CurveKey, ...]:
    configuration, environment = row.configuration_id, row.environment_id
    return (configuration, environment, row.content_id), (configuration, environment), configuration
