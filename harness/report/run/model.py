"""What a report says, as data: every renderer reads this and nothing else.

Scores are in points (100 x fraction), times in seconds, rates in samples per second. A row is one configuration
in one environment with one content (checkpoint and data); those are never pooled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from harness.checks.scores.compared import Comparison
from harness.fact import Fact
from harness.record.freshness import Freshness
from harness.report.speed.model import ThroughputPart, TimingPlan
from harness.stats.descriptive import Rate, Summary

SCHEMA: Final = 2
"""Of the report's JSON form; the first had no units in its keys, and is read too."""


@dataclass(frozen=True)
class GridFacts:
    """The grid as far as a report needs it.

    `text` is the grid file's content. `timing` is what of it is to be timed.
    """

    name: str
    task: str
    file: str | None = None
    text: str | None = None
    timing: TimingPlan | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """One run: its seed, status (ok, suspect, collapsed, nonfinite) and scores in points; None where not recorded.

    `answers` are its classes, as `harness.report.run.kept` packs them; None where they were not kept, or are no
    classes. A cell has two where its first was
    lost (collapsed, nonfinite) and a later attempt was not: both count.
    """

    cell_id: str
    seed: int
    status: str
    attempt: int
    scores: Mapping[str, float | None]
    train_seconds: float | None
    samples_per_second: float | None
    answers: str | None = None


@dataclass(frozen=True)
class Row:
    """One configuration in one environment with one content.

    `ok` describes the runs that did not collapse, `all` every scored run; both by metric, in points. `collapsed` is
    k of n runs, those that lost their loss among the k. `errored` counts cells that ended in an error. `seconds` holds
    the median of each phase over the scored runs, `total_seconds` the sum of their totals. `truth` are the classes of
    the `examples` of the validation split, packed as its runs' answers are.
    """

    label: str
    axes: Mapping[str, Any]
    configuration_id: str
    environment_id: str
    content_id: str | None
    scores: tuple[Score, ...]
    ok: Mapping[str, Summary]
    all: Mapping[str, Summary]
    collapsed: Rate
    errored: int
    steps: tuple[int, ...]
    seconds: Mapping[str, float]
    total_seconds: float
    samples_per_second: Summary
    truth: str | None = None
    examples: int | None = None


@dataclass(frozen=True)
class SkippedGroup:
    """Cells that could not run here, by reason."""

    reason: str
    cells: int
    labels: tuple[str, ...]


@dataclass(frozen=True)
class FailedGroup:
    """Cells of one configuration that ended the same way: nonfinite, failed, oom or timeout."""

    label: str
    status: str
    error: str
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Attempts:
    """How many tries there were. `replaced` are final records that do not count, for another of the same cell does;
    `unreadable` are records of which nothing is known; `unfinished` are cells that have only killed or interrupted
    attempts where they ran last.
    """

    total: int = 0
    killed: int = 0
    interrupted: int = 0
    replaced: int = 0
    unreadable: int = 0
    unfinished: int = 0


@dataclass(frozen=True)
class Counts:
    """Cells by outcome; `collapsed` counts runs: those that lost their loss, and those tried again, among them.

    `missing` are cells that are due where their configuration ran last. `foreign` are records of cells that the grid
    no longer has: they are in no table.
    """

    planned: int = 0
    scored: int = 0
    ok: int = 0
    collapsed: int = 0
    errored: int = 0
    skipped: int = 0
    missing: int = 0
    foreign: int = 0


@dataclass(frozen=True)
class Curve:
    """Loss or gradient norm of one row's training: mean and range over seeds, smoothed, at `steps` (from 1).

    `window` is the smoothing window in steps; `nonfinite` counts values that are NaN or infinite (gaps).
    """

    label: str
    configuration_id: str
    environment_id: str
    seeds: int
    length: int
    window: int
    nonfinite: int
    steps: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Environment:
    """Where rows were measured; `name` is what the tables call it. Facts are (name, value) pairs."""

    environment_id: str
    name: str
    runs: int
    first: str
    last: str
    facts: tuple[tuple[str, str], ...] = ()
    packages: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class CheckpointFacts:
    """A checkpoint as it was loaded."""

    name: str
    source: str
    revision: str | None
    config: Mapping[str, Any]
    parameters: int | None
    sha256: str | None
    newly_initialised: tuple[str, ...]


@dataclass(frozen=True)
class Setting:
    """One setting of the runs: `asked` by the grid (None where left alone) and what it `resolved` to.

    Each lists the distinct values over the report's configurations; where there are several, `asked_by` and
    `resolved_by` say of each, in the same order, whose it is.
    """

    name: str
    asked: tuple[str, ...]
    resolved: tuple[str, ...]
    asked_by: tuple[str, ...] = ()
    resolved_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReportHead:
    """What of the grid is left out (`part`), how old its runs are, and whose (`facts`, where that must be said)."""

    freshness: Freshness
    part: Fact | None = None
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True)
class ReportModel:
    """A whole report. `command` makes it again; `generated_by` names the program and its version.

    `about` is the checkpoint, where there is one, and the data set in the grid's words; `title` that of the author.

    `throughput` is there where the grid times anything; with nothing else in the grid it is the whole report.
    """

    title: str
    grid: str
    task: str
    command: str
    generated_by: str
    counts: Counts
    attempts: Attempts
    rows: tuple[Row, ...] = ()
    skipped: tuple[SkippedGroup, ...] = ()
    failed: tuple[FailedGroup, ...] = ()
    curves: tuple[Curve, ...] = ()
    norms: tuple[Curve, ...] = ()
    environments: tuple[Environment, ...] = ()
    checkpoints: tuple[CheckpointFacts, ...] = ()
    data: tuple[tuple[str, str], ...] = ()
    settings: tuple[Setting, ...] = ()
    notes: tuple[str, ...] = ()
    grid_file: str | None = None
    grid_text: str | None = None
    total_seconds: float = 0.0
    throughput: ThroughputPart | None = None
    head: ReportHead | None = None
    comparisons: tuple[Comparison, ...] = ()
    about: str = ""

    @property
    def metrics(self) -> tuple[str, ...]:
        """The scores that the report shows, in this order: those that some run has, or where no run has any all."""
        names = tuple(dict.fromkeys(metric for row in self.rows for metric in row.ok))
        return tuple(name for name in names if any(row.all[name].n for row in self.rows if name in row.all)) or names

    @property
    def timed_only(self) -> bool:
        """Whether the grid trains nothing to its end: then there are no scores to wait for."""
        return self.throughput is not None and self.counts.planned == 0 and not self.rows
