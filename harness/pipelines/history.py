"""The history of a grid: one line a session, appended to the file that its `[history]` names."""

from __future__ import annotations

import json
import math
import os
import shlex
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.checks.nights.change import exact_changes, held, level_changes, newest, tracks
from harness.checks.nights.line import History, night_of, read_history
from harness.checks.nights.shifts import shifts_known
from harness.checks.verdict import Verdict
from harness.disk import explained
from harness.errors import HarnessError, StoreError
from harness.execution.devices import nvidia_driver
from harness.execution.environment import machine_here
from harness.grid import tables
from harness.grid.grid import Grid
from harness.grid.project import seen
from harness.pipelines.judged import Judged
from harness.protocol import SUBJECT
from harness.record.configuration import GOOD, Configuration
from harness.record.provenance import now, provenance
from harness.report.history.model import HistoryReport
from harness.text import short_hash

SCHEMA: Final = 1
"""Number of a line's form: it rises when a field changes its meaning or goes."""


def file_of(grid: Grid) -> Path:
    """Where a grid's history lies: relative to the grid, by its `[history]` or as that is by default."""
    return grid.folder / (grid.history or tables.History()).file


def session_of(found: Judged) -> str | None:
    """When the session began: the last run, or where none has said so its youngest attempt."""
    starts = (entry.started for one in found.results.configurations for entry in one.entries)
    return found.run or max(starts, default=None)


def add_line(grid: Grid, found: Judged, code: int) -> bool:
    """Append the session unless the file has it already; whether it was appended. Raises as `append_line` does."""
    known = read_history(file_of(grid), grid.name).nights
    if any(night.session == session_of(found) for night in known):
        return False
    append_line(grid, found, code)
    return True


def held_by_history(grid: Grid, found: Judged) -> list[Verdict]:
    """The speed of what was found against the sessions of the grid's file before it, where `[history]` gates.

    Raises
    ------
    StoreError
        Where the file cannot be read.
    """
    if grid.history is None or not grid.history.gate:
        return []
    tonight = night_of(history_line(grid, found, 0))
    earlier = [one for one in read_history(file_of(grid), grid.name).nights if one.session < tonight.session]
    return held(History((*earlier, tonight)))


def append_line(grid: Grid, found: Judged, code: int) -> None:
    """Append what this night came to, `found`; `code` is its exit code. The file lies relative to the grid.

    Raises
    ------
    StoreError
        Where it cannot be written.
    """
    path = file_of(grid)
    line = json.dumps(history_line(grid, found, code), separators=(",", ":")) + "\n"
    with explained(path, "append to"):
        path.parent.mkdir(parents=True, exist_ok=True)
        # One write of a whole line: two nights on one file do not tear each other's.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def history_line(grid: Grid, found: Judged, code: int) -> dict[str, Any]:
    """The night as plain data: session, commit, environments, and of each configuration what it came to.

    Scores are points over the runs that did not collapse; `fingerprint` is the hash of all runs' final weights by
    seed, None where one did not leave it.
    """
    made = provenance(grid.folder)
    meant = found.meant.environments if found.meant is not None else {}
    return {
        "schema": SCHEMA,
        "grid": grid.name,
        "session": session_of(found),
        "written": now(),
        "harness": made.harness,
        "commit": made.git_sha,
        "exit_code": code,
        "machine": found.meant.machine.name if found.meant is not None else None,
        "driver": _driver(found),
        "environments": {
            label: {
                "environment_id": one.environment_id,
                "python": one.python,
                **{name: one.packages.get(name) for name in SUBJECT},
                **_hardware(found, one.environment_id),
            }
            for label, one in meant.items()
        },
        "configurations": [_configuration(found, one) for one in found.results.configurations if one.entries],
    }


def history_report(grid: Grid, command: str) -> HistoryReport:
    """What a grid's file of sessions tells; `command` is the one that asks.

    Raises
    ------
    StoreError
        Where it cannot be read.
    """
    path = file_of(grid)
    found, levels = read_history(path, grid.name), shifts_known()
    every = tracks(found)
    changed = {one.configuration_id: [*exact_changes(one), *(level_changes(one) if levels else [])] for one in every}
    judged_now = {one.configuration_id: newest(one, len(every)) for one in every}
    return HistoryReport(
        grid=grid.name,
        file=str(seen(path)),
        command=command,
        confirm=f"harness run {shlex.quote(str(seen(grid.path)))} --fresh",
        tracks=every,
        changes={key: sorted(several, key=lambda change: change.at) for key, several in changed.items()},
        newest={key: one for key, one in judged_now.items() if one is not None},
        levels=levels,
        torn=found.torn,
    )


def _driver(found: Judged) -> str | None:
    """The accelerators' driver, where this is the machine that ran."""
    if found.meant is None or found.meant.machine != machine_here():
        return None
    try:
        return nvidia_driver().version
    except HarnessError:
        return None  # the night is over: what it came to is kept, whatever the driver says now


def _hardware(found: Judged, environment_id: str) -> dict[str, str | None]:
    """Processor and accelerators as a run of that environment saw them."""
    entries = (entry for one in found.results.configurations for entry in one.entries)
    entry = next((entry for entry in entries if entry.environment_id == environment_id), None)
    observed = None if entry is None else found.results.record(entry).observed
    if observed is None:
        return {}
    accelerators = observed.machine.get("accelerators")
    return {"cpu": observed.machine.get("cpu"), "accelerators": ", ".join(accelerators) if accelerators else None}


@dataclass(frozen=True)
class GoodNight:
    """What a line of the history has of a configuration: when it was measured, its mean in points, and versions."""

    when: str
    mean: float | None
    packages: Mapping[str, str]


def last_good(grid: Grid, configuration_id: str) -> GoodNight | None:
    """The last night of the grid's history that ended with 0 and has the configuration; a torn line is passed over."""
    if grid.history is None:
        return None
    try:
        nights = read_history(file_of(grid), grid.name).nights
    except StoreError:
        return None
    for night in reversed(nights):
        mine = next((one for one in night.points if one.configuration_id == configuration_id), None)
        if night.exit_code == 0 and mine is not None and mine.means:
            facts = night.environments.get(mine.environment_id, {})
            packages = {name: facts[name] for name in SUBJECT if name in facts}
            return GoodNight(night.session, next(iter(mine.means.values())), packages)
    return None


def _configuration(found: Judged, one: Configuration) -> dict[str, Any]:
    good = [score for score in one.scores if score.status in GOOD]
    points = {m: [100 * v for score in good if (v := score.score(m)) is not None] for m in one.task.scored}
    rates = [entry.samples_per_second for entry in one.entries if entry.samples_per_second]
    return {
        "configuration_id": one.configuration_id,
        "environment_id": one.environment_id,
        "content_id": one.content_id,
        "label": one.label,
        "n": len(good),
        "collapsed": len(one.ended) - len(good),
        "seeds": sorted(one.entry_of),
        **{
            key: value
            for metric, found in points.items()
            for key, value in ((f"{metric}_points", _mean(found)), (f"{metric}_sd_points", _sd(found)))
        },
        "samples_per_second": statistics.median(rates) if rates else None,
        "fingerprint": _fingerprint(found, one),
    }


def _fingerprint(found: Judged, one: Configuration) -> str | None:
    weights = {}
    for seed, entry in one.entry_of.items():
        observed = found.results.record(entry).observed
        final = observed.weights.final_sha256 if observed and observed.weights else None
        if final is None:
            return None
        weights[str(seed)] = final
    return short_hash(weights)


def _mean(values: list[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _sd(values: list[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None
