"""A history as JSON: each configuration over its sessions, what changed, and whether the newest speed is in line."""

from __future__ import annotations

from typing import Any, Final

from harness.checks.nights.change import Change, Track
from harness.checks.nights.line import Night, Point
from harness.report.format.as_json import dumped, plain
from harness.report.history.markdown import history_title
from harness.report.history.model import HistoryReport

SCHEMA: Final = 1
"""Number of this form: it rises when a field changes its meaning, its name or goes."""


def history_json(model: HistoryReport, code: int) -> str:
    """The file's text; `code` is the exit code. Scores are points, speeds samples per second."""
    return dumped({
        "schema": SCHEMA,
        "kind": "harness-history",
        "head": {
            "title": history_title(model),
            "grid": model.grid,
            "file": model.file,
            "command": model.command,
            "levels": model.levels,
            "torn_lines": model.torn,
        },
        "exit_code": code,
        "configurations": [_configuration(model, track) for track in model.tracks],
    })  # fmt: skip


def _configuration(model: HistoryReport, track: Track) -> dict[str, Any]:
    newest = model.newest.get(track.configuration_id)
    judged = None if newest is None else {**plain(newest), "suspicious": newest.suspicious}
    return {
        "configuration_id": track.configuration_id,
        "label": track.label,
        "sessions": [_session(night, point) for night, point in track.points],
        "changes": [_change(track, one) for one in model.changes.get(track.configuration_id, ())],
        "newest_speed": judged,
    }


def _session(night: Night, point: Point) -> dict[str, Any]:
    return {
        "session": night.session,
        "exit_code": night.exit_code,
        "mean_points": dict(point.means),
        "samples_per_second": point.speed,
        "fingerprint": point.fingerprint,
        "n": point.n,
        "collapsed": point.collapsed,
        "seeds": list(point.seeds),
        "facts": night.facts_of(point),
    }


def _change(track: Track, change: Change) -> dict[str, Any]:
    since, at = (track.points[place][0].session for place in (change.since, change.at))
    differ = [{"name": name, "before": before, "after": after} for name, before, after in change.differ]
    return {
        "what": change.what,
        "since_session": since,
        "session": at,
        "before": plain(change.before),
        "after": plain(change.after),
        "p": plain(change.p),
        "differ": differ,
    }
