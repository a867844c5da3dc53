"""The history of a grid: one line a night, appended to the file that its `[history]` names."""

from __future__ import annotations

import json
import math
import os
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from harness.disk import explained
from harness.grid.grid import Grid
from harness.pipelines.judged import Judged
from harness.protocol import SUBJECT
from harness.record.configuration import GOOD, Configuration
from harness.record.provenance import now, provenance
from harness.text import short_hash

SCHEMA: Final = 1
"""Number of a line's form: it rises when a field changes its meaning or goes."""


def append_line(grid: Grid, found: Judged, code: int) -> None:
    """Append what this night came to, `found`; `code` is its exit code. The file lies relative to the grid.

    Raises
    ------
    StoreError
        Where it cannot be written.
    """
    assert grid.history is not None
    path = grid.folder / grid.history.file
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
        "session": found.run,
        "written": now(),
        "harness": made.harness,
        "commit": made.git_sha,
        "exit_code": code,
        "environments": {
            label: {
                "environment_id": one.environment_id,
                "python": one.python,
                **{name: one.packages.get(name) for name in SUBJECT},
            }
            for label, one in meant.items()
        },
        "configurations": [_configuration(found, one) for one in found.results.configurations if one.entries],
    }


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
        lines = (grid.folder / grid.history.file).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    for line in reversed(lines):
        try:
            night = json.loads(line)
            mine = [one for one in night["configurations"] if one["configuration_id"] == configuration_id]
            if night["grid"] != grid.name or night["exit_code"] != 0 or not mine:
                continue
            places = [
                one for one in night["environments"].values() if one["environment_id"] == mine[0]["environment_id"]
            ]
            packages = {name: places[0].get(name) for name in SUBJECT} if places else {}
            return GoodNight(night["session"] or night["written"], _first_mean(mine[0]), packages)
        except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
            continue
    return None


def _first_mean(of: Mapping[str, Any]) -> float | None:
    """The mean of the first metric that a line has, in points."""
    means: list[float | None] = [
        value for key, value in of.items() if key.endswith("_points") and not key.endswith("_sd_points")
    ]
    if not means:
        raise LookupError("no score")
    return means[0]


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
